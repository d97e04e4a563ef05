"""Opening hours of units: read, written, taken away again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid, NotAllowed, NotFound
from cxm.kernel.text import normalise
from cxm.kernel.weekly import DAY, WEEKDAYS, Span, apart, span, written
from cxm.love.clocks import USUAL, Promise, Terms, as_promise
from cxm.love.contracts import HoursView
from cxm.love.hours import zones
from cxm.love.models import Hours

__all__ = ["TIMES", "WEEKDAYS", "WRITE", "all_hours", "hours", "remove", "save", "written"]
WRITE = "desk:write"
#: Times of answers as they are named, in minutes of open time.
TIMES = ("first_private", "first_public", "next_private", "next_public", "resolution")
#: The longest of them: thirty days of day and night.
LONGEST = 30 * DAY
_SPANS, _HOLIDAYS, _NAME = 6, 400, 120


def hours(actor: Actor, unit: UUID) -> HoursView:
    """The hours ``unit`` keeps, its own or those of a unit above. Raises NotFound where the actor may not read its conversations."""
    _known(actor, unit)
    set_on = Terms(actor.organization).set_on(unit)
    row = Hours.objects.for_organization(actor.organization).filter(unit_id=set_on).first() if set_on else None
    return _view(unit, set_on, row)


def all_hours(actor: Actor) -> list[HoursView]:
    """Those that were set, in units whose conversations the actor may read, in the order of the tree."""
    units, rows = actor.units("conversations:read"), {row.unit_id: row for row in Hours.objects.for_organization(actor.organization)}
    tree = govern.units(actor.organization) if rows else []
    return [_view(one.id, one.id, rows[one.id]) for one in tree if one.id in rows and (units is None or one.id in units)]


def save(
    actor: Actor,
    unit: UUID,
    *,
    zone: str,
    days: Mapping[str, Sequence[str]],
    holidays: Sequence[Mapping[str, str]] = (),
    times: Mapping[str, int] | None = None,
) -> HoursView:
    """Set the hours of ``unit``: ``days`` has spans (“09:00-17:00”) for each weekday that opens, ``holidays`` are ``{date, name}``,
    ``times`` those of :data:`TIMES`; what is not said is the usual. Clocks that run already stay as they are.

    Raises NotFound, NotAllowed, Invalid (each field that is wrong, by its path).
    """
    _mine(actor, unit)
    faults: list[FieldError] = []
    if zone not in zones():
        faults.append(FieldError("zone", _("no place of the IANA database, such as Europe/Berlin")))
    spans = [_spans(f"days.{name}", days.get(name, ()), faults) for name in WEEKDAYS]
    if not any(spans) and not faults:
        faults.append(FieldError("days.monday", _("open on at least one day")))
    free = _free(holidays, faults)
    kept = _usual() | dict(times or {})
    for name in TIMES:
        if not 1 <= kept[name] <= LONGEST:
            faults.append(FieldError(name, _("between 1 and {n} minutes").format(n=LONGEST)))
    if faults:
        raise Invalid("hours_invalid", _("These hours cannot be kept."), _("See beside the fields."), errors=tuple(faults))
    values: dict[str, Any] = {"zone": zone, "days": spans, "holidays": free, **{name: kept[name] for name in TIMES}}
    with transaction.atomic():
        Hours.objects.for_organization(actor.organization).update_or_create(
            organization_id=actor.organization, unit_id=unit, defaults=values
        )
        govern.record(actor, "hours.set", f"unit:{unit}", {name: values[name] for name in ("zone", "days", *TIMES)})
    return hours(actor, unit)


def remove(actor: Actor, unit: UUID) -> None:
    """From now on ``unit`` keeps the hours of the unit above. Raises NotFound (also where it has none of its own), NotAllowed."""
    _mine(actor, unit)
    with transaction.atomic():
        gone, _rows = Hours.objects.for_organization(actor.organization).filter(unit_id=unit).delete()
        if not gone:
            raise NotFound("hours")
        govern.record(actor, "hours.removed", f"unit:{unit}")


def _known(actor: Actor, unit: UUID) -> None:
    govern.unit(actor.organization, unit)
    if not actor.may("conversations:read", unit):
        raise NotFound("unit")


def _mine(actor: Actor, unit: UUID) -> None:
    _known(actor, unit)
    if not actor.may(WRITE, unit):
        raise NotAllowed("not_allowed", f"That needs the right “{WRITE}” in this unit.", "Ask an owner or manager for it.")


def _view(unit: UUID, set_on: UUID | None, row: Hours | None) -> HoursView:
    terms: Promise = USUAL if row is None else as_promise(row)
    times = _usual() if row is None else {name: getattr(row, name) for name in TIMES}
    holidays = () if row is None else tuple((date.fromisoformat(one["date"]), one["name"]) for one in row.holidays)
    return HoursView(unit=unit, set_on=set_on, zone=terms.calendar.zone, days=terms.calendar.days, holidays=holidays, **times)


def _usual() -> dict[str, int]:
    values = (USUAL.first_answer_private, USUAL.first_answer_public, USUAL.next_answer_private, USUAL.next_answer_public, USUAL.resolution)
    return {name: int(value.total_seconds() // 60) for name, value in zip(TIMES, values, strict=True)}


def _spans(path: str, given: Sequence[str], faults: list[FieldError]) -> list[list[int]]:
    found: list[Span] = []
    for text in given:
        one = span(text)
        if one is None:
            faults.append(FieldError(path, _("write from and to like 09:00-17:00; a night ends at 24:00 and goes on the day after")))
            return []
        found.append(one)
    found.sort()
    if len(found) > _SPANS or not apart(found):
        faults.append(FieldError(path, _("at most {n} spans that do not overlap").format(n=_SPANS)))
        return []
    return [list(one) for one in found]


def _free(given: Sequence[Mapping[str, str]], faults: list[FieldError]) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for entry in given:
        try:
            day = date.fromisoformat(entry["date"]).isoformat()
        except ValueError:
            faults.append(FieldError("holidays", _("“{text}” is no day; write 2026-12-25 and its name").format(text=entry["date"][:40])))
            return []
        found[day] = normalise(entry.get("name", "")).strip()[:_NAME]
    if len(found) > _HOLIDAYS:
        faults.append(FieldError("holidays", _("at most {n} days").format(n=_HOLIDAYS)))
    return [{"date": day, "name": found[day]} for day in sorted(found)]
