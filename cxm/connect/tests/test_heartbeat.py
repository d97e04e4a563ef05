"""No silent gap: what nobody listened to is noted and, the cursor having stood still, filled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from cxm.channels.contracts import AuthExpired, Polled, RateLimited, Unavailable, Unheard
from cxm.connect import runtime, selectors
from cxm.connect.models import Account
from cxm.kernel.clock import frozen_at, now

pytestmark = pytest.mark.django_db


def an_account() -> Account:
    return Account.objects.add(uuid4(), unit_id=uuid4(), channel="email", name="care@example.com", last_ok_at=now())


def gaps(account: Account) -> list[dict[str, object]]:
    return selectors.gaps(account.organization_id, since=now() - timedelta(days=30))


def test_a_machine_that_slept_leaves_a_gap_that_is_filled():
    account, slept = an_account(), now() + timedelta(hours=9)
    with frozen_at(slept):
        runtime.note_well(account.id, slept)
        (gap,) = gaps(account)
    assert gap["began_at"] == account.last_ok_at and gap["ended_at"] == slept and gap["filled_at"] == slept
    assert "not running" in str(gap["reason"])


def test_a_look_in_time_leaves_none():
    account = an_account()
    with frozen_at(now() + timedelta(minutes=2)):
        runtime.note_well(account.id, now())
    assert gaps(account) == []


def test_a_look_that_was_put_off_is_no_gap_and_one_that_was_missed_is():
    account = an_account()
    due = now() + timedelta(hours=12)
    with frozen_at(due + timedelta(minutes=1)):
        runtime.note_well(account.id, now(), due)
    assert gaps(account) == []
    with frozen_at(due + timedelta(hours=3)):
        runtime.note_well(account.id, now(), due + timedelta(hours=1))
    assert len(gaps(account)) == 1


def test_a_connector_may_wish_for_a_later_look_but_not_for_never():
    pause, moment = timedelta(minutes=1), now()
    with frozen_at(moment):
        assert runtime.next_look(None, pause) == moment + pause
        assert runtime.next_look(moment, pause) == moment + pause
        assert runtime.next_look(moment + timedelta(hours=5), pause) == moment + timedelta(hours=5)
        assert runtime.next_look(moment + timedelta(days=400), pause) == moment + runtime.LONGEST_PAUSE


def test_what_cannot_be_heard_is_one_gap_that_nothing_fills():
    account, moment = an_account(), now()
    for minutes in (0, 5, 2):
        told = Unheard(moment + timedelta(minutes=minutes), moment + timedelta(minutes=minutes), "The room “Help” is encrypted.")
        runtime.keep(account.id, Polled((), {}, unheard=(told,)), "stream")
    runtime.note_well(account.id, now())
    (gap,) = gaps(account)
    assert (gap["began_at"], gap["ended_at"], gap["filled_at"]) == (moment, moment + timedelta(minutes=5), None)


def test_a_fault_opens_one_gap_and_the_next_good_look_closes_it():
    account = an_account()
    for _ in range(3):
        runtime.note_fault(account.id, AuthExpired("The server refused the password.", "Enter it again."))
    (gap,) = gaps(account)
    assert gap["ended_at"] is None and gap["reason"] == "The server refused the password."
    row = Account.objects.for_organization(account.organization_id).get(pk=account.id)
    assert (row.health, row.mend, row.failures) == ("The server refused the password.", "Enter it again.", 3)
    runtime.note_well(account.id, now())
    (gap,) = gaps(account)
    assert gap["filled_at"] is not None


@pytest.mark.parametrize("error", [RateLimited, Unavailable])
@pytest.mark.parametrize(("asked", "least", "most"), [(120, 119, 121), (10**9, 3599, 3601), (0, 4, 7)])
def test_a_platform_that_says_later_is_believed_within_reason(asked, least, most, error):
    account = an_account()
    moment = now()
    with frozen_at(moment):
        runtime.note_fault(account.id, error("Later, please.", retry_after=asked))
    row = Account.objects.for_organization(account.organization_id).get(pk=account.id)
    assert row.next_look_at is not None
    assert least <= (row.next_look_at - moment).total_seconds() <= most


def test_a_line_that_is_only_alive_costs_no_write_of_its_own(monkeypatch: pytest.MonkeyPatch):
    account, made, start = an_account(), runtime.Runtime(), now()
    done: list[str] = []
    moment = [start]

    async def at_once(work: Callable[[], Any]) -> Any:
        return work()

    async def stream() -> AsyncIterator[Polled]:
        for minute, cursor in ((0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (30, 2), (31, 2)):
            moment[0] = start + timedelta(minutes=minute)
            yield Polled((), {"uid": cursor})

    monkeypatch.setattr(runtime, "_db", at_once)
    monkeypatch.setattr(runtime, "now", lambda: moment[0])
    monkeypatch.setattr(runtime, "keep", lambda account, found, kind: done.append(f"keep {found.cursor['uid']}"))
    monkeypatch.setattr(runtime, "note_well", lambda *given: done.append("well"))
    monkeypatch.setattr(runtime, "still_active", lambda account: True)
    with asyncio.Runner() as runner:
        runner.run(made._drink(account, stream()))
    # The first, the one that moved on, the one after half an hour of silence; and the end of the stream.
    assert done == ["keep 1", "well", "keep 2", "well", "keep 2", "well", "well"]
    assert made._well == {account.id}


def test_signs_of_life_are_written_together():
    accounts = [an_account(), an_account()]
    later = now() + timedelta(minutes=1)
    with frozen_at(later):
        assert runtime.renew([one.id for one in accounts], {accounts[0].id}) == {one.id for one in accounts}
    rows = Account.everywhere.in_bulk([one.id for one in accounts])  # everywhere: a test
    assert rows[accounts[0].id].last_ok_at == later and rows[accounts[1].id].last_ok_at == accounts[1].last_ok_at
