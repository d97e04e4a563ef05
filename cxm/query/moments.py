"""Days, months, years, instants and ``now-7d``, as spans of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cxm.kernel import clock
from cxm.kernel.errors import Invalid

_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$")
_NOW = re.compile(r"now(?:-(\d{1,5})([mhdwMy]))?$")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 30 * 86_400, "y": 365 * 86_400}
#: Where counting begins.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (moment - EPOCH) // _MICROSECOND


def valid(text: str) -> bool:
    """Whether ``text`` is a moment this language knows."""
    return span(text, EPOCH + timedelta(days=20_000)) is not None


def span(text: str, now: datetime) -> tuple[int, int] | None:
    """What ``text`` covers, in microseconds since 1970: the first that belongs to it and the first that does not.

    A day, month or year is whole and in UTC; an instant is one microsecond; ``now-7d`` counts back from ``now`` (m minutes,
    h hours, d days, w weeks, M 30 days, y 365 days). None where it is none of these.
    """
    if found := _NOW.match(text):
        count, unit = found.groups()
        at = micros(now) - (int(count) * _UNITS[unit] * 1_000_000 if count else 0)
        return at, at + 1
    try:
        if found := _DAY.match(text):
            return _calendar(*(int(part) if part else None for part in found.groups()))
        at = micros(clock.parse_instant(text))
    except (Invalid, ValueError, OverflowError):
        return None
    return at, at + 1


def _calendar(year: int | None, month: int | None, day: int | None) -> tuple[int, int]:
    start = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
    if day:
        end = micros(start) + 86_400_000_000
    elif month:
        end = micros(start.replace(year=start.year + month // 12, month=month % 12 + 1))
    else:
        end = micros(start.replace(year=start.year + 1))
    return micros(start), end
