"""Hours of a week on a wall clock: spans of each weekday, in minutes since midnight. A night ends at 24:00 and goes on the day after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY = 1440  # minutes
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: From one minute to another of a day, 0 to 1,440.
Span = tuple[int, int]
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–—]\s*(\d{1,2}):(\d{2})")


def span(text: str) -> Span | None:
    """A span as people write it, 09:00-17:00; None for what is none."""
    read = _SPAN.fullmatch(text.strip())
    if read is None:
        return None
    begin, end = int(read[1]) * 60 + int(read[2]), int(read[3]) * 60 + int(read[4])
    return (begin, end) if int(read[2]) < 60 and int(read[4]) < 60 and begin < end <= DAY else None


def written(one: Span) -> str:
    """A span as people write it: 09:00-17:00."""
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in one)


def apart(spans: list[Span]) -> bool:
    """Whether spans, in order, do not overlap."""
    return all(later[0] >= earlier[1] for earlier, later in pairwise(spans))


@dataclass(frozen=True, slots=True)
class Shifts:
    """When somebody works: ``days`` are seven, Monday first, each with its spans in order; at least one has any. ``zone``: an IANA place."""

    zone: str
    days: tuple[tuple[Span, ...], ...]

    def off_until(self, moment: datetime) -> datetime | None:
        """When they work next, in UTC; None where they work at ``moment`` (aware)."""
        zone = ZoneInfo(self.zone)
        local = moment.astimezone(zone)
        minute = local.hour * 60 + local.minute
        if any(begin <= minute < end for begin, end in self.days[local.weekday()]):
            return None
        for ahead in range(9):
            day = local.date() + timedelta(days=ahead)
            for begin, _end in self.days[day.weekday()]:
                start = datetime.combine(day, time(begin // 60, begin % 60), zone).astimezone(UTC)
                if start > moment:
                    return start
        return None
