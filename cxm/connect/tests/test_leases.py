"""Whose account it is to look at: leased, kept by signs of life, given up by silence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from cxm.channels.contracts import AuthExpired, Polled, RateLimited, RawDelivery, Unavailable
from cxm.connect import api as connect
from cxm.connect import runtime
from cxm.connect.models import Account, Delivery, Gap
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now

SETTINGS = {"address": "care@acme.example", "imap_host": "imap.acme.example"}


@pytest.fixture
def owner(db: None) -> Actor:
    made = govern.set_up(f"Acme {uuid4()}", f"owner-{uuid4().hex[:8]}@acme.example", "a long password 17")
    return govern.actor_for(made.organization, made.member)


@pytest.fixture
def account(owner: Actor) -> UUID:
    credentials = {"username": "care", "password": "pw"}
    return connect.connect(owner, channel="email", name="care@acme.example", settings=SETTINGS, credentials=credentials)[0].id


def row(account: UUID) -> Account:
    return Account.everywhere.get(pk=account)  # everywhere: a test


def change(account: UUID, **values: Any) -> None:
    Account.everywhere.filter(pk=account).update(**values)  # everywhere: a test


def claimed() -> list[UUID]:
    return [one.id for one in runtime.claim_due()]


def gaps(account: UUID) -> list[Gap]:
    return list(Gap.objects.for_organization(row(account).organization_id).filter(account_id=account).order_by("began_at"))


def test_one_process_alone_looks_at_an_account(account: UUID) -> None:
    assert claimed() == [account]
    assert claimed() == []


def test_a_sign_of_life_keeps_it_and_silence_gives_it_up(account: UUID) -> None:
    runtime.claim_due()
    change(account, next_look_at=now() + timedelta(seconds=1), leased_until=now() + timedelta(seconds=1))
    assert runtime.renew([account]) == {account}
    assert row(account).next_look_at > now() + runtime.LEASE - timedelta(seconds=5)
    change(account, next_look_at=now() - timedelta(seconds=1), leased_until=now() - timedelta(seconds=1))
    assert claimed() == [account]


def test_the_only_process_need_not_wait_for_a_dead_one(account: UUID) -> None:
    runtime.claim_due()
    runtime.forget_leases()
    assert claimed() == [account]


def test_a_sign_of_life_does_not_hide_a_change(owner: Actor, account: UUID) -> None:
    runtime.claim_due()
    connect.change(owner, account, credentials={"username": "care", "password": "new"})
    assert runtime.renew([account]) == {account}
    runtime.keep(account, Polled((), {"uid": 1}), "stream")
    runtime.note_well(account, None)
    assert claimed() == [account], "it is looked at anew, with the new password"


def test_a_paused_or_removed_account_is_let_go(owner: Actor, account: UUID) -> None:
    runtime.claim_due()
    connect.change(owner, account, state="paused")
    assert runtime.renew([account]) == set()
    connect.change(owner, account, state="active")
    assert runtime.renew([account]) == {account}
    connect.remove(owner, account)
    assert runtime.renew([account]) == set()


def test_a_fault_opens_one_gap_and_health_ends_it(account: UUID) -> None:
    runtime.claim_due()
    for _ in range(3):
        runtime.note_fault(account, Unavailable("The server is away.", "Wait."))
    assert (row(account).health, row(account).mend) == ("The server is away.", "Wait.")
    assert [gap.ended_at for gap in gaps(account)] == [None]
    assert runtime.renew([account]) == {account}
    assert row(account).leased_until is None, "what failed is not held"
    runtime.keep(account, Polled((), {"uid": 1}), "stream")
    runtime.note_well(account, None)
    assert row(account).health == "" and row(account).cursor == {"uid": 1}
    assert [bool(gap.ended_at and gap.filled_at) for gap in gaps(account)] == [True]


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (Unavailable("away"), 3, 8),
        (AuthExpired("refused"), 3500, 3700),
        (RateLimited("slow", retry_after=120), 110, 125),
        (RateLimited("slow", retry_after=10**9), 3500, 3700),
    ],
)
def test_how_long_it_waits_after_a_fault(account: UUID, error: Any, least: float, most: float) -> None:
    runtime.note_fault(account, error)
    assert least < (row(account).next_look_at - now()).total_seconds() < most


def test_a_process_that_slept_through_its_lease_turns_nothing_back(account: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper, other = uuid4(), uuid4()
    monkeypatch.setattr(runtime, "own", lambda: sleeper)
    assert claimed() == [account]
    runtime.keep(account, Polled((), {"uid": 1}), "stream")
    change(account, next_look_at=now() - timedelta(seconds=1), leased_until=now() - timedelta(seconds=1))
    monkeypatch.setattr(runtime, "own", lambda: other)
    assert claimed() == [account]
    runtime.keep(account, Polled((), {"uid": 9}), "stream")
    held = row(account)
    monkeypatch.setattr(runtime, "own", lambda: sleeper)
    assert runtime.renew([account], {account}) == set()
    late = RawDelivery("late", b"From: a@b.example\r\n\r\nhello", {}, now())
    for _ in range(2):
        with pytest.raises(runtime.LeaseLost):
            runtime.keep(account, Polled((late,), {"uid": 2}), "stream")
    runtime.note_well(account, now())
    runtime.note_fault(account, Unavailable("away"))
    runtime.release(account)
    assert not runtime.still_active(account)
    after = row(account)
    assert (after.cursor, after.leased_by, after.leased_until, after.next_look_at, after.failures, after.health) == (
        {"uid": 9}, other, held.leased_until, held.next_look_at, 0, "",
    )  # fmt: skip
    assert Delivery.objects.for_organization(after.organization_id).filter(account_id=account).count() == 1, "what it heard is kept, once"
    monkeypatch.setattr(runtime, "own", lambda: other)
    assert runtime.renew([account]) == {account}
