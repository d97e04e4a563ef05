"""When members work: set by themselves or who manages them, on their own clock, both nights of summer time too."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import Invalid, NotAllowed, NotFound
from cxm.kernel.weekly import Shifts, span

OFFICE = ((540, 750), (810, 1080))
BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("moment", "back"),
    [
        ("2026-11-23T09:00", None),  # a Monday, to the minute
        ("2026-11-23T08:59", "2026-11-23T09:00"),
        ("2026-11-23T12:30", "2026-11-23T13:30"),
        ("2026-11-23T18:00", "2026-11-24T09:00"),
        ("2026-11-27T18:00", "2026-11-28T22:00"),  # Friday evening; Saturday's night goes on at midnight
        ("2026-11-28T23:59", None),
        ("2026-11-29T00:00", None),
        ("2026-11-29T06:00", "2026-11-30T09:00"),
        ("2026-03-29T02:30", None),  # 02:30 does not exist that night: Sunday's 00:00-06:00 covers what it means
        ("2026-10-25T06:00", "2026-10-26T09:00"),  # that night has an hour twice
    ],
)
def test_off_until_by_the_wall_clock(moment: str, back: str | None) -> None:
    shifts = Shifts(BERLIN, (OFFICE,) * 5 + (((1320, 1440),), ((0, 360),)))
    assert shifts.off_until(at(moment)) == (at(back) if back else None)


def test_spans_are_written_as_people_write_them() -> None:
    assert span(" 9:00 – 17:30 ") == (540, 1050) and span("00:00-24:00") == (0, 1440)
    assert [span(text) for text in ("", "9-17", "17:00-09:00", "09:60-10:00", "09:00-24:01", "09:00-09:00", "nine to five")] == [None] * 7


@pytest.mark.django_db
def test_oneself_and_who_manages_members_set_them() -> None:
    made = govern.set_up("Acme", "owner@acme.example", "a long password 17")
    owner = govern.actor_for(made.organization, made.member)
    spain = govern.create_unit(owner, "Spain", govern.root_unit(made.organization)).id
    jonas, luis, ana = (
        joined(owner, name, role, unit)
        for name, role, unit in (("jonas", "agent", None), ("luis", "agent", spain), ("ana", "manager", spain))
    )
    week = {"monday": ["13:00-17:00", "09:00-12:00"], "sunday": []}
    for actor, whose in ((jonas, jonas), (owner, jonas), (ana, luis)):
        govern.save_shifts(actor, whose.member, week)
        kept = govern.member(made.organization, whose.member).shifts
        assert kept is not None and kept.days[0] == ((540, 720), (780, 1020)) and kept.days[6] == () and kept.zone == "UTC"
    govern.prefer(jonas, zone=BERLIN)
    assert govern.member(made.organization, jonas.member).shifts.zone == BERLIN
    stranger = govern.set_up("Other", "owner@other.example", "a long password 17")
    elsewhere = govern.actor_for(stranger.organization, stranger.member)
    for actor, whose, wrong in ((jonas, luis, NotAllowed), (ana, jonas, NotAllowed), (elsewhere, jonas, NotFound)):
        with pytest.raises(wrong):
            govern.save_shifts(actor, whose.member, {})
    with pytest.raises(Invalid) as told:
        govern.save_shifts(jonas, jonas.member, {"monday": ["9 to 5"], "friday": ["09:00-12:00", "11:00-13:00"]})
    assert [fault.path for fault in told.value.errors] == ["days.monday", "days.friday"]
    govern.save_shifts(jonas, jonas.member, {})
    assert govern.member(made.organization, jonas.member).shifts is None
    assert [one.action for one in govern.entries(made.organization) if one.action == "member.shifts_set"] == ["member.shifts_set"] * 4


def joined(owner: Actor, name: str, role: str, unit: UUID | None) -> Actor:
    invited = govern.invite(owner, f"{name}@acme.example", name.title(), role, unit)
    govern.accept_invitation(invited.link.rpartition("/")[2], name.title(), "a long password 17")
    return govern.actor_for(owner.organization, invited.member.id)
