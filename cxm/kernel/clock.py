"""Time: aware, UTC inside, and a clock that tests can step."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from cxm.kernel.errors import FieldError, Invalid

_OFFSET: ContextVar[timedelta] = ContextVar("cxm_clock_offset", default=timedelta(0))
#: Between these every moment has a date in every time zone.
FIRST, LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_FROZEN: ContextVar[datetime | None] = ContextVar("cxm_clock_frozen", default=None)


def now() -> datetime:
    """The present moment, aware and in UTC; every other call to the system clock is refused by a lint."""
    frozen = _FROZEN.get()
    return frozen if frozen is not None else datetime.now(UTC) + _OFFSET.get()


@contextmanager
def frozen_at(moment: datetime) -> Generator[None]:
    """Hold the clock at ``moment`` (aware) within the block; for tests and rehearsals."""
    token = _FROZEN.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _FROZEN.reset(token)


@contextmanager
def shifted_by(offset: timedelta) -> Generator[None]:
    """Step the clock by ``offset`` within the block; for tests of skew."""
    token = _OFFSET.set(_OFFSET.get() + offset)
    try:
        yield
    finally:
        _OFFSET.reset(token)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 / RFC 3339 instant with its zone, as aware UTC.

    Raises :class:`~cxm.kernel.errors.Invalid` (code ``instant_invalid``) for anything else, a missing zone included:
    a guess at the zone would silently move what somebody said by hours.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise Invalid("instant_invalid", f"“{str(text)[:60]}” is not a date and time.", "Write it like 2026-11-21T10:00:00Z.") from error
    if moment.tzinfo is None:
        raise Invalid("instant_invalid", f"“{text[:60]}” says no time zone.", "End it with Z or an offset such as +01:00.")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise Invalid("instant_invalid", f"“{text[:60]}” is out of range.", "Use a year between 1 and 9999.") from error


def chosen_instant(moment: datetime, field: str) -> datetime:
    """An aware moment that somebody set, in UTC. Raises :class:`~cxm.kernel.errors.Invalid` naming ``field`` where some time zone has no date for it."""
    if not FIRST <= moment < LAST:
        raise Invalid(
            "instant_invalid",
            "That date is out of range.",
            "Use a year between 2 and 9998.",
            errors=(FieldError(field, "a year between 2 and 9998"),),
        )
    return moment.astimezone(UTC)


def in_utc(moment: datetime) -> datetime:
    """An aware moment in UTC; one for which some time zone has no date is the nearest for which all have."""
    return min(max(moment, FIRST), LAST).astimezone(UTC)


def format_instant(moment: datetime) -> str:
    """``2026-11-21T10:00:00Z``, with microseconds only where there are any."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat()[:-6] + "Z"


def minute_after(moment: datetime) -> datetime:
    """The full minute that ends what has happened by ``moment``: equal for all who ask within a minute, so that counts can be remembered."""
    return moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
