"""Opening hours, and when something is due that may only be counted while we are open. Plain Python: no clock, no database.

A moment is open where the wall clock of the calendar's zone stands in one of the weekday's spans and the day is no holiday. Minutes are
real ones: a night that loses an hour to summer time has an hour less in it, one that repeats an hour has it twice. Zone rules come from
the IANA database (``zoneinfo``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cxm.kernel.weekly import DAY, Span

__all__ = ["ALWAYS", "DAY", "Calendar", "Span", "due", "is_open", "zones"]
_STEP = timedelta(days=1)
#: Nobody promises for longer; a calendar that is shut for as long is a mistake.
_LONGEST = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Calendar:
    """When we are open: ``days`` are seven, Monday first, each with its spans in order and apart; ``holidays`` are shut all day.

    At least one day has a span; :func:`cxm.love.services.hours.save` sees to it.
    """

    zone: str
    days: tuple[tuple[Span, ...], ...]
    holidays: frozenset[date] = frozenset()

    @property
    def always(self) -> bool:
        """Whether it never shuts."""
        return not self.holidays and all(spans == ((0, DAY),) for spans in self.days)

    def open_on(self, day: date) -> tuple[Span, ...]:
        """The spans of one day."""
        return () if day in self.holidays else self.days[day.weekday()]


#: Day and night, every day.
ALWAYS = Calendar("UTC", (((0, DAY),),) * 7)


def due(start: datetime, minutes: float, calendar: Calendar) -> datetime:
    """The moment at which ``minutes`` of open time have passed since ``start`` (aware), in UTC.

    It never lies outside opening hours (their very end counts as inside), never before ``start``, and never moves back when ``start``
    or ``minutes`` grow. Nothing to wait for is due when we next are open.
    """
    begin, left = start.astimezone(UTC), timedelta(minutes=minutes)
    if calendar.always:
        return begin + left
    for opens, shuts in _open(begin, calendar):
        if shuts - opens >= left:
            return opens + left
        left -= shuts - opens
    return begin + left  # shut for ten years: as if there were no hours at all


def is_open(moment: datetime, calendar: Calendar) -> bool:
    """Whether ``moment`` (aware) is in opening hours."""
    local = moment.astimezone(_zone(calendar.zone))
    minute = local.hour * 60 + local.minute
    return any(opens <= minute < shuts for opens, shuts in calendar.open_on(local.date()))


def _open(begin: datetime, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """Spans of open time from ``begin`` on, in order, none of them empty."""
    zone, last = _zone(calendar.zone), begin + _LONGEST
    while begin < last:
        end, offset = _steady(begin, zone)
        # Within one offset the wall clock runs evenly, and days are days.
        here, there = (begin + offset).replace(tzinfo=None), (end + offset).replace(tzinfo=None)
        day = here.date()
        while datetime.combine(day, datetime.min.time()) < there:
            midnight = datetime.combine(day, datetime.min.time())
            for opens, shuts in calendar.open_on(day):
                first, final = max(here, midnight + timedelta(minutes=opens)), min(there, midnight + timedelta(minutes=shuts))
                if first < final:
                    yield first.replace(tzinfo=UTC) - offset, final.replace(tzinfo=UTC) - offset
            day += _STEP
        begin = end


def _steady(begin: datetime, zone: ZoneInfo) -> tuple[datetime, timedelta]:
    """How long (at most a day) the zone keeps the offset it has at ``begin``, to the second, and that offset."""
    offset, end = _offset(begin, zone), begin + _STEP
    if _offset(end, zone) == offset:
        return end, offset
    same = begin
    while end - same > timedelta(seconds=1):
        middle = same + (end - same) / 2
        if _offset(middle, zone) == offset:
            same = middle
        else:
            end = middle
    return end.replace(microsecond=0), offset  # zones change at full seconds


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """Names of zones one can choose: places and UTC, in order."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/", "posix/", "right/")))
    return ("UTC", *places)
