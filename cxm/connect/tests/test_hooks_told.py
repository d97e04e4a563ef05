"""Outbound webhooks: what is told, in which order, and what becomes of receivers that fail or lie."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from standardwebhooks.webhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError

from cxm.connect import hooks_post
from cxm.connect.tests.hooks_kit import DAY, Receiver, Rest, happened, receiver, rest, stopped, turn  # noqa: F401
from cxm.kernel.clock import frozen_at, now
from cxm.platform import config
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_events_come_in_order_signed_and_as_the_list_of_events_shows_them(house: House, receiver: Receiver, turn: Callable[[], int]):
    happened(house, "before")
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one", "two")
    stopped(house)
    happened(house, "three")
    assert turn() == 1
    assert [entry.get("change") for entry in receiver.data()] == ["one", "two", None, "three"]
    listed = call("GET", "/events?limit=500").json()["items"]
    assert [json.loads(body) for _, _, body in receiver.got] == listed[-4:]
    for _, headers, body in receiver.got:
        assert Standard(made["secret"]).verify(body, headers) == json.loads(body)
        with pytest.raises(WebhookVerificationError):
            Standard(made["secret"]).verify(body + b" ", headers)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 4
    assert turn() == 0
    assert call.one(made)["last_delivered_at"] is not None


def test_only_what_was_asked_for_comes_and_the_rest_is_passed_over_once(house: House, receiver: Receiver, turn: Callable[[], int]):
    rest(house).hook(receiver.url(), "govern.stop_changed")
    happened(house, *"abc")
    assert (turn(), turn()) == (1, 0)
    assert receiver.got == []
    stopped(house)
    happened(house, *"abc")
    assert (turn(), turn()) == (1, 0)
    assert receiver.names() == ["govern.stop_changed"]


def test_more_than_a_page_comes_whole_and_in_order(
    house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hooks_post, "READ", 4)
    rest(house).hook(receiver.url())
    happened(house, *map(str, range(10)))
    turn()
    assert [entry["change"] for entry in receiver.data()] == [str(number) for number in range(10)]


def test_a_turn_ends_in_time_and_goes_on_in_the_next(
    house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
):
    taken = 0.75 * hooks_post.TURN  # by each delivery, on a clock of the test's own
    monkeypatch.setattr(hooks_post, "time", SimpleNamespace(monotonic=lambda: 1_000.0 + taken * len(receiver.got)))
    rest(house).hook(receiver.url())
    happened(house, *"abcd")
    turn()
    assert len(receiver.got) == 2
    while turn():
        pass
    assert [entry["change"] for entry in receiver.data()] == list("abcd")


def test_what_a_failing_one_missed_comes_later_in_order_under_the_same_id(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one", "two", "three")
    receiver.answer = lambda path, body: (500 if b'"two"' in body else 200, {})
    start = now()
    with frozen_at(start):
        assert turn() == 1
        assert [entry["change"] for entry in receiver.data()] == ["one", "two"]
        shown = call.one(made)
        assert (shown["active"], shown["failures"], shown["reason"]) == (True, 1, "It answered 500.")
        assert start < datetime.fromisoformat(shown["next_try_at"]) <= start + timedelta(seconds=5)
        assert turn() == 0
    with frozen_at(start + timedelta(seconds=5)):
        assert turn() == 1
    with frozen_at(start + timedelta(seconds=9)):
        assert turn() == 0
    receiver.answer = lambda path, body: (200, {})
    with frozen_at(start + timedelta(seconds=15)):
        assert turn() == 1
        assert [entry["change"] for entry in receiver.data()] == ["one", "two", "two", "two", "three"]
        ids = [headers["webhook-id"] for _, headers, _ in receiver.got]
        assert len(set(ids)) == 3
        assert ids[1] == ids[2] == ids[3]
        assert int(receiver.got[3][1]["webhook-timestamp"]) == int((start + timedelta(seconds=15)).timestamp())  # each try is signed anew
        shown = call.one(made)
        assert (shown["failures"], shown["reason"], shown["failing_since"], shown["next_try_at"]) == (0, "", None, None)


def test_waits_double_to_an_hour_and_after_three_days_it_is_paused_until_somebody_resumes_it(
    house: House, receiver: Receiver, turn: Callable[[], int]
):
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "kept")
    receiver.answer = lambda path, body: (503, {})
    start = moment = now()
    waits: list[float] = []
    while True:
        with frozen_at(moment):
            assert turn() == 1
            shown = call.one(made)
            if not shown["active"]:
                break
            due = datetime.fromisoformat(shown["next_try_at"])
            waits.append((due - moment).total_seconds())
            moment = due + timedelta(milliseconds=1)  # JSON has milliseconds
    assert all(0.9 * wanted <= wait <= wanted for wait, wanted in zip(waits, [5 * 2**power for power in range(10)], strict=False))
    assert max(waits) <= 3600
    assert min(waits[11:]) >= 0.9 * 3600
    assert timedelta(days=3) <= moment - start <= timedelta(days=3, hours=1)
    assert shown["reason"] == "It took nothing for three days; the last time: It answered 503."
    assert shown["next_try_at"] is None
    receiver.answer = lambda path, body: (200, {})
    with frozen_at(moment + DAY):
        happened(house, "later")
        assert turn() == 0
        resumed = call("PATCH", f"/webhooks/{made['id']}", {"active": True}).json()
        assert (resumed["active"], resumed["reason"], resumed["failing_since"]) == (True, "", None)
        receiver.got.clear()
        assert turn() == 1
        assert [entry["change"] for entry in receiver.data()] == ["kept", "later"]


def test_gone_pauses_at_once_and_retry_after_is_honoured(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    gone, busy = call.hook(receiver.url("/gone")), call.hook(receiver.url("/busy"))
    receiver.answer = lambda path, body: (410, {}) if path == "/gone" else (429, {"retry-after": "600"})
    happened(house, "one", "two")
    with frozen_at(now()):
        assert turn() == 2
        shown = call.one(gone)
        assert (shown["active"], shown["reason"]) == (False, "It answered 410: it wants to be told nothing any more.")
        shown = call.one(busy)
        assert shown["active"] is True
        assert datetime.fromisoformat(shown["next_try_at"]) >= now() + timedelta(seconds=540)
    assert len(receiver.got) == 2


def test_a_redirect_is_not_followed(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    receiver.answer = lambda path, body: (307, {"location": receiver.url("/elsewhere")})
    happened(house, "one")
    turn()
    assert [path for path, _, _ in receiver.got] == ["/hook"]
    assert call.one(made)["reason"] == "It answered 307. A redirect is not followed; enter the address it leads to."


def test_the_guard_judges_each_call_again(house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch):
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one")
    monkeypatch.setenv("CXM_EGRESS_ALLOW", "")
    config.settings.cache_clear()
    assert turn() == 1
    assert receiver.got == []
    assert "refused" in call.one(made)["reason"]


def test_nobody_there_is_a_failure_like_any_other(
    house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CXM_EGRESS_ALLOW", f"127.0.0.1:{receiver.port},127.0.0.1:9")
    config.settings.cache_clear()
    call = rest(house)
    made, well = call.hook("http://127.0.0.1:9/x"), call.hook(receiver.url())
    happened(house, "one")
    assert turn() == 2
    assert "does not answer" in call.one(made)["reason"]
    assert (call.one(made)["failures"], call.one(well)["failures"], len(receiver.got)) == (1, 0, 1)


def test_an_endless_answer_is_cut(house: House, receiver: Receiver, turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hooks_post, "CALL_SECONDS", 0.3)
    over = threading.Event()
    receiver.answer = lambda path, body: (over.wait(60), (200, {}))[1]
    call = rest(house)
    made = call.hook(receiver.url())
    happened(house, "one")
    try:
        turn()
    finally:
        over.set()
    assert "did not answer within" in call.one(made)["reason"]


def test_a_stop_does_not_hold_them(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    call.hook(receiver.url(), "govern.stop_changed")
    assert call("POST", "/stops", {"scope": "organization", "reason": "drill"}).status_code == 201
    assert turn() == 1
    assert receiver.data()[0]["on"] is True
