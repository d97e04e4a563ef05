"""Taking a reply back: whatever has surely not left can be; a race with the sender ends in one of the two, never both."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from cxm.channels.contracts import Sent
from cxm.connect import api as connect
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict
from cxm.kernel.network import RateLimited, Unavailable
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import api as outbound
from cxm.outbound import gateway, services
from cxm.outbound.models import Attempt, Intent
from cxm.outbound.tests.test_intents import intent
from tests.houses import House, _own_store, house, post  # noqa: F401 - fixtures
from tests.kit.waiting import until


class _Platform:
    """Answers each call with the next of ``says``; ``sent`` once there are none."""

    def __init__(self, *says: Exception) -> None:
        self.says, self.calls = list(says), 0

    def send(self, organization: UUID, account: UUID, outgoing: Any) -> Future[Sent]:
        self.calls += 1
        call: Future[Sent] = Future()
        if self.says:
            call.set_exception(self.says.pop(0))
        else:
            call.set_result(Sent(f"n{self.calls}"))
        return call


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> _Platform:
    made = _Platform()
    monkeypatch.setattr(gateway.connect, "send", made.send)
    return made


def _step(reply: UUID) -> str:
    Intent.everywhere.filter(pk=reply).update(not_before=now())  # everywhere: a test
    gateway.carry_out(reply)
    return Intent.everywhere.get(pk=reply).state  # everywhere: a test


@pytest.mark.django_db
def test_what_waits_for_a_paused_account_or_its_platform_can_be_taken_back(house: House, platform: _Platform):
    new = intent(house)
    connect.change(house.owner, new.account, state="paused")
    paused = outbound.propose(house.owner, new)
    assert paused.can_be_taken_back and _step(paused.id) == "queued"
    assert "paused" in outbound.reply(house.organization, paused.id).detail
    assert outbound.take_back(house.owner, paused.id).state == "cancelled"
    connect.change(house.owner, new.account, state="active")

    platform.says = [RateLimited("Slow down.", retry_after=60), Unavailable("Away.", effect_possible=False)]
    limited = outbound.propose(house.owner, new)
    assert [_step(limited.id), _step(limited.id)] == ["queued", "queued"]
    assert outbound.reply(house.organization, limited.id).can_be_taken_back
    assert outbound.take_back(house.owner, limited.id).state == "cancelled"
    assert [_step(paused.id), _step(limited.id), platform.calls] == ["cancelled", "cancelled", 2], "neither leaves any more"

    # An attempt of which nobody knows what became: it may be there, whatever a later attempt under the same id came to.
    doubted = outbound.propose(house.owner, new)
    row = Intent.everywhere.get(pk=doubted.id)  # everywhere: a test
    Attempt.objects.add(house.organization, intent=row, at=now(), outcome="unknown")
    assert not outbound.reply(house.organization, doubted.id).can_be_taken_back
    with pytest.raises(Conflict) as caught:
        outbound.take_back(house.owner, doubted.id)
    assert caught.value.code == "too_late"


@pytest.mark.django_db
def test_the_button_is_there_as_long_as_it_helps(house: House, platform: _Platform):
    account, _ = connect.connect(house.owner, channel="webhook", name="Care", settings={"reply_url": "https://example.com/in"})
    house.hear(account, "m1", "Where is my order?")
    conversation = love.conversations(house.owner, InboxFilter()).items[0].id
    platform.says = [RateLimited("Slow down.", retry_after=60)]
    made = love.reply(house.owner, conversation, "On its way.", undo_seconds=0)
    assert _step(made.id) == "queued"
    browser = house.browser()
    assert f"/inbox/replies/{made.id}/take-back" in browser.get(f"/inbox/{conversation}").content.decode()
    assert post(browser, f"/inbox/replies/{made.id}/take-back").status_code < 400
    assert outbound.reply(house.organization, made.id).state == "cancelled"
    assert f"/inbox/replies/{made.id}/take-back" not in browser.get(f"/inbox/{conversation}").content.decode()


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        return cursor.fetchone()[0] > 0


def _elsewhere(pool: ThreadPoolExecutor, act: Callable[[], str]) -> Future[str]:
    """``act`` with a connection of its own, closed after it."""

    def whole() -> str:
        try:
            return act()
        finally:
            connections.close_all()

    return pool.submit(whole)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["the sender", "the member"])
def test_a_race_with_the_sender_ends_in_one_of_the_two(house: House, platform: _Platform, monkeypatch: pytest.MonkeyPatch, first: str):
    reply = outbound.propose(house.owner, intent(house)).id
    other: list[Future[str]] = []

    def member() -> str:
        try:
            return outbound.take_back(house.owner, reply).state
        except Conflict as refused:
            return refused.code

    def sender() -> str:
        gateway.carry_out(reply)
        return ""

    with ThreadPoolExecutor(1) as pool:

        def meet(second: Callable[[], str]) -> None:
            """While the first holds the row, the second comes and waits for it."""
            other.append(_elsewhere(pool, second))
            until(_waits_for_a_lock, "the second waits for the first")

        if first == "the sender":
            keep = gateway.copies.keep_back
            monkeypatch.setattr(gateway.copies, "keep_back", lambda row: (meet(member), keep(row)))
            sender()
            assert other[0].result(60) == "too_late"
            assert (outbound.reply(house.organization, reply).state, platform.calls) == ("sent", 1)
        else:
            taken = services.uploads.taken
            monkeypatch.setattr(services.uploads, "taken", lambda *a, **k: (meet(sender), taken(*a, **k)))
            assert member() == "cancelled"
            other[0].result(60)
            assert (outbound.reply(house.organization, reply).state, platform.calls) == ("cancelled", 0)
