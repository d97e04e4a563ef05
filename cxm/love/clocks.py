"""The clocks: how soon an organization answers and settles, counted in the opening hours of the unit that is asked.

Clocks run from the moment we heard, not from when it was said: we cannot promise for the time a platform kept it. What a unit does not
set, the nearest unit above it does; where none does, day and night count. Hours that change move no clock that runs already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from cxm.govern import api as govern
from cxm.love import hours
from cxm.love.models import Hours

#: Stands for "no answer is due" where dates are sorted.
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Promise:
    """Times, all of open hours, within which a unit answers and settles; ``first`` answers are those to an opening, ``next`` ones later.

    ``reopen_within`` is wall-clock time: a closed conversation goes on, later a new one begins.
    """

    first_answer_private: timedelta = timedelta(minutes=60)
    first_answer_public: timedelta = timedelta(minutes=120)
    next_answer_private: timedelta = timedelta(minutes=60)
    next_answer_public: timedelta = timedelta(minutes=120)
    resolution: timedelta = timedelta(hours=24)
    reopen_within: timedelta = timedelta(days=7)
    calendar: hours.Calendar = hours.ALWAYS

    def answer_due(self, kind: str, heard: datetime, *, first: bool = True) -> datetime:
        """When an answer to what was heard at ``heard`` is due."""
        private, public = (
            (self.first_answer_private, self.first_answer_public) if first else (self.next_answer_private, self.next_answer_public)
        )
        return self._due(heard, private if kind == "private" else public)

    def resolution_due(self, heard: datetime) -> datetime:
        """When the matter is to be settled."""
        return self._due(heard, self.resolution)

    def _due(self, heard: datetime, within: timedelta) -> datetime:
        return hours.due(heard, within.total_seconds() / 60, self.calendar)


#: What holds where nobody set anything.
USUAL = Promise()


class Terms:
    """The promises of an organization's units, read once for a batch of work and only when asked."""

    def __init__(self, organization: UUID) -> None:
        self._organization = organization
        self._set: Mapping[UUID, Hours] | None = None
        self._above: dict[UUID, UUID | None] = {}
        self._known: dict[UUID, Promise] = {}

    def of(self, unit: UUID) -> Promise:
        """What ``unit`` promises: its own, or that of the nearest unit above it that has one."""
        if unit not in self._known:
            row = self._rows().get(self.set_on(unit) or UUID(int=0))
            self._known[unit] = USUAL if row is None else as_promise(row)
        return self._known[unit]

    def set_on(self, unit: UUID) -> UUID | None:
        """The unit whose hours ``unit`` keeps; None where nobody set any."""
        rows, at, seen = self._rows(), unit, set[UUID]()
        while rows and at not in seen:
            if at in rows:
                return at
            seen.add(at)
            at = self._above.get(at) or at
        return None

    def _rows(self) -> Mapping[UUID, Hours]:
        if self._set is None:
            self._set = {row.unit_id: row for row in Hours.objects.for_organization(self._organization)}
            if self._set:
                self._above = {one.id: one.parent for one in govern.units(self._organization)}
        return self._set


def promise(organization: UUID, unit: UUID) -> Promise:
    """What one unit promises; for many see :class:`Terms`."""
    return Terms(organization).of(unit)


def zone_of(organization: UUID, unit: UUID) -> str:
    """The time zone of ``unit``'s hours; UTC where nobody set any."""
    return promise(organization, unit).calendar.zone


def as_promise(row: Hours) -> Promise:
    """What is kept, as it counts."""
    days = tuple(tuple((int(opens), int(shuts)) for opens, shuts in spans) for spans in row.days)
    holidays = frozenset(date.fromisoformat(entry["date"]) for entry in row.holidays)
    return Promise(
        first_answer_private=timedelta(minutes=row.first_private),
        first_answer_public=timedelta(minutes=row.first_public),
        next_answer_private=timedelta(minutes=row.next_private),
        next_answer_public=timedelta(minutes=row.next_public),
        resolution=timedelta(minutes=row.resolution),
        calendar=hours.Calendar(row.zone, days, holidays),
    )
