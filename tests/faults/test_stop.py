"""The stop, pressed in every state of a reply and in the very moment sends begin."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from tests.kit.history import ON_THE_WAY, History
from tests.kit.provider import OK, Behaviour, Provider
from tests.kit.serving import Rest, WebhookAccount
from tests.kit.waiting import until


@contextmanager
def stopped(rest: Rest, scope: str) -> Iterator[str]:
    """A stop that is lifted in any case, nothing released."""
    stop = rest.post("/stops", {"scope": scope, "reason": "a test"})["id"]
    try:
        yield stop
    finally:
        if rest.get(f"/stops/{stop}")["on"]:
            rest.post(f"/stops/{stop}/lift", {"release": "none"}, 200)


def test_pressed_in_every_state_of_a_reply(rest: Rest, provider: Provider, account: WebhookAccount) -> None:
    under_way = threading.Event()

    def choose(body: dict, nth: int) -> Behaviour:
        if body["text"] == "under way":
            under_way.set()
            return Behaviour(delay=2)
        return (
            {"later": Behaviour(429, effect=False, headers={"retry-after": "5"}), "unknown": Behaviour(effect=False, cut=True)}.get(
                body["text"], OK
            )
            if nth == 0
            else OK
        )

    provider.choose = choose
    talks = {name: account.talk() for name in ("sent", "waiting", "under way", "later", "unknown", "new")}
    sent = account.reply(talks["sent"], "sent")
    until(lambda: rest.reply_of(sent)["state"] == "sent", "one is sent before")
    waiting = account.reply(talks["waiting"], "waiting", undo_seconds=3)
    later = account.reply(talks["later"], "later")
    until(lambda: [a["outcome"] for a in rest.reply_of(later)["attempts"]] == ["later"], "one was told to come later")
    unknown = account.reply(talks["unknown"], "unknown")
    until(lambda: rest.reply_of(unknown)["state"] == "unknown", "one is unknown")
    beginning = account.reply(talks["under way"], "under way")
    assert under_way.wait(20)
    with stopped(rest, f"account:{account.id}") as stop:
        acknowledged = time.time()
        new = account.reply(talks["new"], "new")
        assert rest.reply_of(new)["state"] == "held"
        held = {item["id"] for item in rest.get(f"/stops/{stop}/held")["items"]}
        assert {waiting, later, new} <= held and not {sent, beginning} & held
        until(lambda: rest.reply_of(beginning)["state"] == "sent", "what had begun comes to its end")
        until(lambda: rest.reply_of(waiting)["state"] == "held", "its undo time passes, it is held", 40)
        until(lambda: rest.reply_of(later)["state"] == "held", "its time comes, it is held", 40)
        # read back as not done: it would be sent again, and is held instead
        until(lambda: rest.reply_of(unknown)["state"] == "held", "the unknown one is held once it is known", 60)
        assert not [
            call
            for call in provider.calls
            if call.method == "POST" and call.at > acknowledged + ON_THE_WAY and call.intent in held | {unknown}
        ]
        refused = rest.call("POST", f"/stops/{stop}/lift", {})
        assert refused.status_code == 422
        receipt = rest.post(f"/stops/{stop}/lift", {"release": [waiting, unknown]}, 200)
        assert set(receipt["released"]) == {waiting, unknown} and set(receipt["cancelled"]) == {later, new}
    until(lambda: {rest.reply_of(reply)["state"] for reply in (waiting, unknown)} == {"sent"}, "what was released is sent", 60)
    assert {rest.reply_of(reply)["state"] for reply in (later, new)} == {"cancelled"}
    assert [len(provider.of(reply)) for reply in (sent, waiting, beginning, unknown, later, new)] == [1, 1, 1, 1, 0, 0]


def test_it_leaves_what_it_does_not_cover_alone_and_two_stops_hold_more_than_one(rest: Rest, provider: Provider) -> None:
    one, other = rest.account(provider), rest.account(provider)
    here, there = one.talk(), other.talk()
    with stopped(rest, f"account:{one.id}") as narrow:
        held, free = one.reply(here, "held"), other.reply(there, "free")
        until(lambda: rest.reply_of(free)["state"] == "sent", "another account goes on")
        with stopped(rest, "kind:reply"):
            seen = datetime.now(UTC).isoformat()
            receipt = rest.post(f"/stops/{narrow}/lift", {"release": "all", "seen_until": seen}, 200)
            assert receipt["released"] == [] and rest.reply_of(held)["state"] == "held", "an item leaves only when no stop covers it"
        assert not provider.of(held)


def test_nothing_begins_once_it_is_acknowledged(rest: Rest, provider: Provider, account: WebhookAccount) -> None:
    """Replies are hammered while the stop is pressed and lifted again; the provider's ledger shows nothing begun under it."""
    history = History(rest, provider)
    talks = [account.talk(f"talk {number}") for number in range(4)]
    ended, tick = threading.Event(), threading.Event()

    def hammer(conversation: str) -> None:
        while not ended.is_set():
            answer = rest.call("POST", f"/conversations/{conversation}/replies", {"text": uuid4().hex})
            assert answer.status_code == 202, answer.text
            history.intends(answer.json()["id"], conversation)
            tick.wait(0.2)

    waits: list[float] = []
    with ThreadPoolExecutor(len(talks)) as pool:
        hammering = [pool.submit(hammer, conversation) for conversation in talks]
        try:
            for _ in range(2):
                until(lambda before=len(provider.effects): len(provider.effects) > before + 3, "replies leave", 30)
                pressed = time.time()
                stop = rest.post("/stops", {"scope": "organization", "reason": "race"})["id"]
                acknowledged = time.time()
                waits.append(acknowledged - pressed)
                tick.wait(1.0)  # the time in which nothing may happen
                history.stops.append((acknowledged, time.time()))
                rest.post(f"/stops/{stop}/lift", {"release": "none"}, 200)
        finally:
            ended.set()
        for one in hammering:
            one.result(30)
    with ThreadPoolExecutor(4) as pool:

        def unsettled() -> Counter:
            return Counter(
                found["state"] for found in pool.map(rest.reply_of, history.replies) if found["state"] not in ("sent", "cancelled")
            )

        until(lambda: not unsettled(), f"all of {len(history.replies)} are settled: {unsettled()}", 60, every=1)
        counted = list(pool.map(rest.reply_of, history.replies))
    # Our own ledger: no attempt that came to a call began under the stop.
    for acknowledged, lifted in history.stops:
        for reply in counted:
            for attempt in reply["attempts"]:
                began = datetime.fromisoformat(attempt["at"]).timestamp()
                assert attempt["outcome"] == "held" or not acknowledged < began < (lifted or 0), (attempt, acknowledged)
    history.check_stop()
    history.check_one_effect()
    assert {reply["state"] for reply in counted} == {"sent", "cancelled"}, "the race was one"
    # The promise is a p99 of one second on a machine of its own (bench); here others use the machine too.
    assert min(waits) < 3.0, f"acknowledged within {waits}"
