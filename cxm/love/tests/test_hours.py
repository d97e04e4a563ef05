"""Clocks that count while we are open: the pure function against a slow oracle, then through the door, the API and the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import frozen_at
from cxm.kernel.errors import Invalid, NotAllowed, NotFound
from cxm.love import api
from cxm.love.hours import ALWAYS, Calendar, due, is_open, zones
from cxm.love.tests.conftest import World
from cxm.love.tests.test_pages import _quick_passwords, browser, page, signed_in  # noqa: F401 - fixtures
from cxm.love.tests.test_rest import Caller, call  # noqa: F401 - fixtures

# --- the pure function ----------------------------------------------------------------------------------------------

OFFICE = (((540, 1020),),) * 5 + ((),) * 2
#: Summer time north and south, at midnight, by half an hour; zones of half and three quarter hours; a day that was left out.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Pacific/Apia",
)


def spans() -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    def apart(points: set[int]) -> tuple[tuple[int, int], ...]:
        line = sorted(points)
        return tuple(zip(line[::2], line[1::2], strict=False))

    return st.sets(st.integers(0, 96).map(lambda quarter: quarter * 15), max_size=6).map(apart)


def calendars() -> st.SearchStrategy[Calendar]:
    days = st.tuples(*[spans()] * 7).filter(any)
    near = st.frozensets(st.dates(date(2026, 3, 20), date(2026, 4, 10)), max_size=4)
    return st.builds(Calendar, st.sampled_from(ZONES), days, near)


def moments() -> st.SearchStrategy[datetime]:
    """Around the nights in which clocks change, and anywhere."""
    around = st.sampled_from(
        [
            datetime(2026, 3, 29),
            datetime(2026, 10, 25),
            datetime(2026, 4, 5),
            datetime(2026, 10, 4),
            datetime(2028, 2, 29),
            datetime(2011, 12, 30),
        ]
    )
    return st.one_of(
        st.builds(lambda base, minutes: base.replace(tzinfo=UTC) + timedelta(minutes=minutes), around, st.integers(-2880, 2880)),
        st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC, microsecond=0)),
    )


def open_or_ending(moment: datetime, calendar: Calendar) -> bool:
    return is_open(moment, calendar) or is_open(moment - timedelta(seconds=1), calendar)


QUIET = settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@QUIET
@given(moments(), st.integers(0, 3000), st.integers(0, 600), st.integers(0, 5000), calendars())
def test_due_lies_in_opening_hours_and_never_turns_back(start: datetime, minutes: int, more: int, later: int, calendar: Calendar) -> None:
    found = due(start, minutes, calendar)
    assert found >= start + timedelta(minutes=minutes), "open time is never faster than time"
    assert open_or_ending(found, calendar)
    assert due(start, minutes + more, calendar) >= found
    assert due(start + timedelta(minutes=later), minutes, calendar) >= found


@QUIET
@given(moments().map(lambda moment: moment.replace(second=0)), st.integers(1, 200), calendars())
def test_due_is_what_counting_minute_by_minute_finds(start: datetime, minutes: int, calendar: Calendar) -> None:
    at, left = start, minutes
    for _ in range(4000):
        if left == 0:
            break
        left -= is_open(at, calendar)
        at += timedelta(minutes=1)
    assert left or due(start, minutes, calendar) == at


def test_days_that_are_not_like_others() -> None:
    def local(zone: str, *parts: int) -> datetime:
        return datetime(*parts, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type]

    berlin = Calendar("Europe/Berlin", OFFICE, frozenset({date(2026, 12, 25)}))
    # Friday evening before summer time begins: Monday morning, an hour earlier by UTC.
    assert due(local("Europe/Berlin", 2026, 3, 27, 16, 30), 60, berlin) == datetime(2026, 3, 30, 7, 30, tzinfo=UTC)
    # Thursday before Christmas Day: Monday.
    assert due(local("Europe/Berlin", 2026, 12, 24, 16, 30), 60, berlin) == local("Europe/Berlin", 2026, 12, 28, 9, 30)
    # 29 February 2028 is a Tuesday; as a holiday it is passed over.
    leap = local("Europe/Berlin", 2028, 2, 28, 17, 0)
    assert due(leap, 30, berlin) == local("Europe/Berlin", 2028, 2, 29, 9, 30)
    assert due(leap, 30, Calendar("Europe/Berlin", OFFICE, frozenset({date(2028, 2, 29)}))) == local("Europe/Berlin", 2028, 3, 1, 9, 30)
    # Nights of 23 and 25 hours, open all day but for a holiday far away: minutes are real ones.
    day = Calendar("Europe/Berlin", ALWAYS.days, frozenset({date(2040, 1, 1)}))
    assert due(local("Europe/Berlin", 2026, 3, 29, 1, 0), 120, day) == local("Europe/Berlin", 2026, 3, 29, 4, 0)
    assert due(local("Europe/Berlin", 2026, 10, 25, 1, 0), 180, day) == local("Europe/Berlin", 2026, 10, 25, 3, 0)
    # Open from half past two in a night that has no such time: from the change on.
    night = Calendar("Europe/Berlin", (((150, 240),),) * 7)
    assert due(local("Europe/Berlin", 2026, 3, 29, 0, 0), 30, night) == local("Europe/Berlin", 2026, 3, 29, 3, 30)
    kolkata = Calendar("Asia/Kolkata", OFFICE)
    assert due(datetime(2026, 6, 1, 3, 0, tzinfo=UTC), 15, kolkata) == datetime(2026, 6, 1, 3, 45, tzinfo=UTC)
    assert due(datetime(2026, 6, 1, 3, 0, tzinfo=UTC), 0, kolkata) == datetime(2026, 6, 1, 3, 30, tzinfo=UTC)
    # The end of the day is inside; one minute more is tomorrow.
    assert due(datetime(2026, 6, 1, 3, 30, tzinfo=UTC), 480, kolkata) == datetime(2026, 6, 1, 11, 30, tzinfo=UTC)
    assert due(datetime(2026, 6, 1, 3, 30, tzinfo=UTC), 481, kolkata) == datetime(2026, 6, 2, 3, 31, tzinfo=UTC)
    moment = datetime(2026, 6, 6, 12, 0, 0, 7, tzinfo=UTC)
    assert due(moment, 60, ALWAYS) == moment + timedelta(hours=1) and {"UTC", "Asia/Kathmandu"} <= set(zones())


# --- through the door -----------------------------------------------------------------------------------------------

WEEK = {name: ["09:00-17:00"] for name in ("monday", "tuesday", "wednesday", "thursday", "friday")}
SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_clocks_run_in_the_hours_of_the_unit_or_of_the_one_above(world: World, agent: Callable[..., Actor]) -> None:
    spain = govern.create_unit(world.actor, "Spain").id
    times = {"first_private": 30, "next_private": 90, "resolution": 600}
    api.save_hours(
        world.actor, world.unit, zone="Europe/Berlin", days=WEEK, holidays=[{"date": "2026-11-23", "name": "Closed"}], times=times
    )
    with frozen_at(SATURDAY):
        world.hear(world.mention("m1"), world.mention("es1", author="sofia", unit=str(spain)))
        first = {view.author["handle"]: view for view in world.all()}
    for view in first.values():  # Monday is a holiday: Tuesday, in Berlin's winter time
        assert view.first_answer_due == view.answer_due == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
        assert view.resolution_due == datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
    assert api.hours(world.actor, spain).set_on == world.unit
    api.save_hours(world.actor, spain, zone="Europe/Madrid", days={"saturday": ["10:00-22:00"]}, times={"first_private": 45})
    assert [view.unit for view in api.all_hours(world.actor)] == [world.unit, spain]
    with frozen_at(SATURDAY):
        world.hear(world.mention("es2", author="luis", unit=str(spain)))
        world.change("m1", state="answered")  # by somebody, elsewhere
    luis = next(view for view in world.all() if view.author["handle"] == "luis")
    assert luis.answer_due == SATURDAY + timedelta(minutes=45)
    assert next(view for view in world.all() if view.author["handle"] == "sofia").answer_due == datetime(2026, 11, 24, 8, 30, tzinfo=UTC), (
        "what runs stays"
    )
    # A later word of hers has the time of later answers once she was answered.
    from cxm.love.models import Conversation

    lena = first["lena"].id
    Conversation.objects.for_organization(world.organization).filter(id=lena).update(first_answered_at=SATURDAY)
    with frozen_at(datetime(2026, 11, 24, 10, 0, tzinfo=UTC)):
        world.hear(world.mention("m2", "And now?"))
    assert api.conversation(world.actor, lena).conversation.answer_due == datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
    api.remove_hours(world.actor, spain)
    assert api.hours(world.actor, spain).set_on == world.unit
    told = [(one.action, one.subject) for one in govern.entries(world.organization, limit=20)]
    assert ("hours.set", f"unit:{spain}") in told and ("hours.removed", f"unit:{spain}") in told


@pytest.mark.django_db
def test_who_may_not_set_hours_and_what_are_none(world: World, other: World, agent: Callable[..., Actor]) -> None:
    spain = govern.create_unit(world.actor, "Spain").id
    clerk = agent(world, "conversations:read", "conversations:manage")
    with pytest.raises(NotAllowed):
        api.save_hours(clerk, world.unit, zone="UTC", days=WEEK)
    madrid = agent(world, "conversations:read", "desk:write", unit=spain)
    assert api.save_hours(madrid, spain, zone="Europe/Madrid", days=WEEK).set_on == spain
    for unit in (world.unit, other.unit):
        with pytest.raises(NotFound):
            api.save_hours(madrid, unit, zone="UTC", days=WEEK)
        with pytest.raises(NotFound):
            api.hours(madrid, unit)
    with pytest.raises(NotFound):
        api.remove_hours(world.actor, world.unit)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("zone", {"zone": "Mars/Base", "days": WEEK}),
        ("days.monday", {"zone": "UTC", "days": {}}),
        ("days.monday", {"zone": "UTC", "days": {"monday": ["9 to 5"]}}),
        ("days.friday", {"zone": "UTC", "days": {"friday": ["22:00-06:00"]}}),
        ("days.friday", {"zone": "UTC", "days": {"friday": ["09:00-12:00", "11:00-13:00"]}}),
        ("days.friday", {"zone": "UTC", "days": {"friday": ["09:00-24:30"]}}),
        ("holidays", {"zone": "UTC", "days": WEEK, "holidays": [{"date": "2026-02-29", "name": "none"}]}),
        ("first_private", {"zone": "UTC", "days": WEEK, "times": {"first_private": 0}}),
        ("resolution", {"zone": "UTC", "days": WEEK, "times": {"resolution": 10**7}}),
    ]
    for path, given_ in wrong:
        with pytest.raises(Invalid) as told:
            api.save_hours(world.actor, world.unit, **given_)
        assert [fault.path for fault in told.value.errors] == [path], given_
    assert api.hours(world.actor, world.unit).set_on is None


@pytest.mark.django_db
def test_hours_by_rest(world: World, call: Caller) -> None:
    usual = call("GET", f"/hours/{world.unit}", status=200)
    assert (usual["set_on"], usual["zone"], usual["days"]["sunday"], usual["resolution"]) == (None, "UTC", ["00:00-24:00"], 1440)
    body = {
        "zone": "Asia/Kathmandu",
        "days": {"sunday": ["10:00-13:00", "14:00-18:00"]},
        "holidays": [{"date": "2028-02-29", "name": "Leap"}],
    }
    made = call("PUT", f"/hours/{world.unit}", body, status=200)
    assert made["days"]["sunday"] == ["10:00-13:00", "14:00-18:00"] and made["days"]["monday"] == [] and made["set_on"] == str(world.unit)
    assert call("GET", "/hours", status=200)["items"] == [made]
    refused = call("PUT", f"/hours/{world.unit}", {**body, "zone": "Nowhere"}, status=422)
    assert refused["errors"][0]["path"] == "zone"
    call("PUT", f"/hours/{UUID(int=5)}", body, status=404)
    call("DELETE", f"/hours/{world.unit}", status=204)
    call("DELETE", f"/hours/{world.unit}", status=404)


@pytest.mark.django_db
def test_the_settings_page_keeps_what_was_typed(world: World, browser: Client) -> None:
    shown = page(browser, "/settings/hours")
    assert "Nobody has set hours yet" in shown and 'value="00:00-24:00"' in shown and ">Hours</a>" in shown
    form = {
        "zone": "Europe/Berlin",
        "monday": "09:00-12:00; 13:00–17:00",
        "holidays": "2026-12-25 Christmas <b>Day</b>\n\n",
        "first_private": "30",
        "first_public": "60",
        "next_private": "30",
        "next_public": "60",
        "resolution": "960",
    }
    refused = browser.post("/settings/hours", {**form, "tuesday": "all day <i>", "first_private": "soon"})
    text = refused.content.decode()
    assert refused.status_code == 422 and "write from and to like" in text and "between 1 and" in text
    assert 'value="all day &lt;i&gt;"' in text and 'value="soon"' in text and "Christmas &lt;b&gt;" in text
    assert browser.post("/settings/hours", form).status_code == 302
    view = api.hours(world.actor, world.unit)
    assert view.days[0] == ((540, 720), (780, 1020)) and view.holidays == ((date(2026, 12, 25), "Christmas <b>Day</b>"),)
    assert "Its own hours." in page(browser, "/settings/hours")
    assert browser.post("/settings/hours", {"action": "remove"}).status_code == 302
    assert api.hours(world.actor, world.unit).set_on is None
