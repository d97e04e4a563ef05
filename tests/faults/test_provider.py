"""What a platform can do to a reply: every reply has at most one effect, and we say of it what the platform says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from typing import Any
from uuid import uuid4

import pytest

from tests.kit.deliveries import message
from tests.kit.history import History
from tests.kit.provider import OK, Behaviour, Provider
from tests.kit.serving import Rest, WebhookAccount
from tests.kit.waiting import until

#: Longer than a connector waits for its answer.
TOO_LONG = 14.0
READ = {"reads_back": True}
AGAIN = {"reads_back": False, "idempotent": True}
NEITHER = {"reads_back": False}


@dataclass(frozen=True)
class Case:
    """``calls``: how each call in turn is met (the last for all further); then the end ``state``, ``effects`` and ``calls_made``."""

    calls: tuple[Behaviour, ...]
    state: str
    effects: int
    calls_made: int
    settings: dict[str, Any] = field(default_factory=lambda: READ)
    detail: str = ""


def later(status: int, retry_after: str | None) -> Behaviour:
    """Refuses for now."""
    return Behaviour(status, effect=False, headers={} if retry_after is None else {"retry-after": retry_after})


CASES = {
    "done": Case((OK,), "sent", 1, 1),
    "answer-lost-after-effect": Case((Behaviour(delay=TOO_LONG), OK), "sent", 1, 1),
    "time-out-before-effect": Case((Behaviour(200, effect=False, delay=TOO_LONG, body=b"{}"), OK), "sent", 1, 2),
    "cut-after-effect": Case((Behaviour(cut=True), OK), "sent", 1, 1),
    "cut-before-effect": Case((Behaviour(effect=False, cut=True), OK), "sent", 1, 2),
    "500-after-effect": Case((Behaviour(500), OK), "sent", 1, 1),
    "500-before-effect": Case((Behaviour(500, effect=False), OK), "sent", 1, 2),
    "200-with-garbage-after-effect": Case((Behaviour(200, body=b"<html>thanks</html>"), OK), "sent", 1, 1),
    "200-with-an-error-in-it": Case((Behaviour(200, effect=False, body=b'{"error": "no"}'), OK), "sent", 1, 2),
    "429-in-seconds": Case((later(429, "2"), later(429, "1"), OK), "sent", 1, 3),
    "429-as-a-date": Case((later(429, "DATE"), OK), "sent", 1, 2),
    "429-absent": Case((later(429, None), OK), "sent", 1, 2),
    "429-in-the-past": Case((later(429, "-17"), OK), "sent", 1, 2),
    "429-unreadable": Case((later(429, "soon"), OK), "sent", 1, 2),
    "429-absurd": Case((later(429, "99999999999999999999"), OK), "queued", 0, 1),
    "503-honoured": Case((later(503, "2"), OK), "sent", 1, 2),
    "503-absent": Case((later(503, None), OK), "sent", 1, 2),
    "409-done-before": Case((Behaviour(cut=True), OK), "sent", 1, 2, AGAIN),
    "refused-with-a-reason": Case(
        (Behaviour(422, effect=False, body=b'{"detail": "They blocked us."}'),), "failed", 0, 1, detail="They blocked us."
    ),
    "gone": Case((Behaviour(410, effect=False, body=b"{}"),), "failed", 0, 1),
    "redirected": Case((Behaviour(302, effect=False, headers={"location": "/reply/elsewhere"}),), "failed", 0, 1),
    "redirected-307": Case((Behaviour(307, effect=False, headers={"location": "/reply/elsewhere"}),), "failed", 0, 1),
    "unknown-for-ever": Case((Behaviour(cut=True),), "unknown", 1, 1, NEITHER),
    "unknown-and-nothing-done": Case((Behaviour(500, effect=False),), "unknown", 0, 1, NEITHER),
}


@dataclass
class Played:
    """All cases, played at once in one installation."""

    rest: Rest
    provider: Provider
    history: History
    replies: dict[str, str]
    accounts: dict[str, WebhookAccount]


@pytest.fixture(scope="module")
def played(shared: tuple[Any, Rest, Provider]) -> Iterator[Played]:
    _, rest, provider = shared
    before = provider.choose, provider.idempotent
    lock = threading.Lock()

    def choose(body: dict[str, Any], nth: int) -> Behaviour:
        name = str(body["text"]).removeprefix("case:")
        if name not in CASES:
            return OK
        with lock:
            found = CASES[name].calls[min(nth, len(CASES[name].calls) - 1)]
        return later(found.status, formatdate(time() + 4, usegmt=True)) if found.headers.get("retry-after") == "DATE" else found

    provider.choose, provider.idempotent = choose, True
    accounts = {str(settings): rest.account(provider, **settings) for settings in (READ, AGAIN, NEITHER)}
    history = History(rest, provider)
    people = {name: f"u-{uuid4().hex[:8]}" for name in CASES}
    for key, account in accounts.items():
        names = [name for name, case in CASES.items() if str(case.settings) == key]
        said = [message(f"n-{uuid4().hex}", name, people[name]) for name in names]
        assert account.deliver(said).status_code == 202
    replies: dict[str, str] = {}
    for name, case in CASES.items():
        account = accounts[str(case.settings)]
        conversation = account.conversation_of(people[name])["id"]
        replies[name] = account.reply(conversation, f"case:{name}")
        history.intends(replies[name], conversation)
    yield Played(rest, provider, history, replies, accounts)
    provider.choose, provider.idempotent = before


@pytest.mark.parametrize("name", CASES)
def test_one_effect_whatever_the_platform_does(played: Played, name: str) -> None:
    case, reply = CASES[name], played.replies[name]

    def ended() -> dict[str, Any] | None:
        found = played.rest.reply_of(reply)
        return (
            found
            if found["state"] == case.state and len(found["attempts"]) >= 1 and played.provider.began(reply) >= case.calls_made
            else None
        )

    found = until(ended, f"{name} ends as {case.state}: {played.rest.reply_of(reply)}", 75)
    assert len(played.provider.of(reply)) == case.effects
    assert played.provider.began(reply) == case.calls_made
    assert all(call.signed for call in played.provider.calls if call.intent == reply)
    if case.state == "sent":
        assert found["native_id"] == played.provider.of(reply)[0].native_id
        assert found["sent_at"]
    if case.detail:
        assert case.detail in found["detail"]
    if case.state != "sent":
        assert found["detail"], "it says why"


def test_both_ledgers_agree(played: Played) -> None:
    for name in CASES:
        until(lambda name=name: played.rest.reply_of(played.replies[name])["state"] == CASES[name].state, f"{name} ends", 75)
    played.history.check_one_effect()


def test_an_unknown_one_is_settled_by_a_person_alone(played: Played) -> None:
    rest = played.rest
    done, undone = played.replies["unknown-for-ever"], played.replies["unknown-and-nothing-done"]
    for reply in (done, undone):
        until(lambda reply=reply: rest.reply_of(reply)["state"] == "unknown", "it is unknown")
        assert rest.call("DELETE", f"/replies/{reply}").status_code == 409
    native = played.provider.of(done)[0].native_id
    assert rest.post(f"/replies/{done}/settle", {"outcome": "sent", "native_id": native}, 200)["state"] == "sent"
    assert rest.post(f"/replies/{undone}/settle", {"outcome": "failed", "reason": "Not there."}, 200)["state"] == "failed"
    for reply in (done, undone, played.replies["done"]):
        assert rest.call("POST", f"/replies/{reply}/settle", {"outcome": "failed"}).status_code == 409
    assert rest.reply_of(done)["native_id"] == native


def test_a_platform_that_goes_away_and_comes_back(rest: Rest, provider: Provider, account: WebhookAccount) -> None:
    conversation = account.talk()
    provider.go_away()
    try:
        replies = [account.reply(conversation, f"away {number}") for number in range(2)]
        until(lambda: any(attempt["outcome"] == "not_sent" for attempt in rest.reply_of(replies[0])["attempts"]), "it was tried")
        assert [rest.reply_of(reply)["state"] for reply in replies] == ["queued", "queued"]
    finally:
        provider.come_back()
    until(lambda: [rest.reply_of(reply)["state"] for reply in replies] == ["sent", "sent"], "both are sent", 60)
    assert [len(provider.of(reply)) for reply in replies] == [1, 1]
    assert provider.of(replies[0])[0].at < provider.of(replies[1])[0].at, "in the order they were written"


def test_a_double_click_is_one_reply(rest: Rest, provider: Provider, account: WebhookAccount) -> None:
    conversation = account.talk()
    path, key = f"/conversations/{conversation}/replies", f"key-{uuid4().hex}"
    answers = [rest.call("POST", path, {"text": "Once."}, Idempotency_Key=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert rest.call("POST", path, {"text": "Another."}, Idempotency_Key=key).status_code == 422
    reply = answers[0].json()["id"]
    until(lambda: rest.reply_of(reply)["state"] == "sent", "it is sent")
    assert len(provider.of(reply)) == 1
