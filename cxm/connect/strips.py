"""Days on which an account could not be heard, as a strip for the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from cxm.connect import selectors
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now


@dataclass(frozen=True, slots=True)
class Day:
    """One day: its bar in a drawing 100 units wide (as text, never localised), whether anything was connected then, and for how many
    minutes something was cut."""

    date: date
    x: str
    width: str
    connected: bool
    minutes: int


@dataclass(frozen=True, slots=True)
class Strip:
    """``days`` oldest first; ``gaps`` newest first, each with ``account`` (a contract or None), times, ``filled``, ``reason``."""

    days: tuple[Day, ...]
    gaps: tuple[Mapping[str, Any], ...]

    @property
    def cut_days(self) -> int:
        """On how many of the days something was cut."""
        return sum(1 for day in self.days if day.minutes)


def gap_strip(actor: Actor, days: int, account: UUID | None = None) -> Strip:
    """The last ``days`` days of one account, or of all whose units ``actor`` may see; a day is the reader's, from midnight on their clock."""
    end = now()
    first = timezone.localdate(end) - timedelta(days=days - 1)
    begin = _midnight(first)
    units = actor.units("accounts:read")
    known = {one.id: one for one in selectors.accounts(actor.organization) if units is None or one.unit in units}
    found = [
        {**gap, "account": known.get(gap["account"])}  # type: ignore[arg-type]
        for gap in selectors.gaps(actor.organization, since=begin, account=account)
        if gap["account"] in known
    ]
    shown = [one for one in known.values() if account is None or one.id == account]
    since = min((one.created_at for one in shown), default=end)
    return Strip(_days(first, days, found, since, end), tuple(found))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_current_timezone())


def _days(first: date, count: int, gaps: Sequence[Mapping[str, Any]], since: datetime, end: datetime) -> tuple[Day, ...]:
    step = 100 / count
    made = []
    for at in range(count):
        day = first + timedelta(days=at)
        low, high = _midnight(day).astimezone(UTC), _midnight(day + timedelta(days=1)).astimezone(UTC)  # one may have 23 or 25 hours
        seconds = sum(max((min(gap["ended_at"] or end, high) - max(gap["began_at"], low)).total_seconds(), 0) for gap in gaps)
        made.append(Day(day, f"{at * step:.3f}", f"{step * 0.78:.3f}", high > since, -int(-seconds // 60)))
    return tuple(made)
