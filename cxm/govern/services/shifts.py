"""When members work, week by week, on their own wall clock: set by themselves or by who may manage members, seen by colleagues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from cxm.govern import access, models
from cxm.govern.services import audit
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid, NotFound
from cxm.kernel.weekly import WEEKDAYS, Shifts, Span, apart, span, written
from cxm.platform.once import once

#: Spans of one day.
_SPANS = 6


def of(row: models.Member) -> Shifts | None:
    """When a member works; None where nobody said."""
    days = row.preferences.get("shifts")
    if not days:
        return None
    zone = row.preferences.get("zone") or once(("govern.home_zone", row.organization_id), lambda: _home_zone(row.organization_id))
    return Shifts(zone, tuple(tuple((begin, end) for begin, end in spans) for spans in days))


def save(actor: Actor, member: UUID, days: Mapping[str, Sequence[str]]) -> None:
    """Set when ``member`` works: spans (“09:00-17:00”) by weekday; without any it is nobody's matter again.

    Raises NotFound, NotAllowed (it is neither oneself nor somebody one manages), Invalid (by weekday, as ``days.monday``).
    """
    faults: list[FieldError] = []
    week = [_spans(f"days.{name}", days.get(name, ()), faults) for name in WEEKDAYS]
    if faults:
        raise Invalid("shifts_invalid", _("These hours cannot be kept."), _("See beside the fields."), errors=tuple(faults))
    with transaction.atomic():
        row = _mine(actor, member)
        kept = {key: value for key, value in row.preferences.items() if key != "shifts"}
        row.preferences = {**kept, "shifts": week} if any(week) else kept
        row.save(update_fields=["preferences"])
        said = {name: [written(one) for one in spans] for name, spans in zip(WEEKDAYS, week, strict=True) if spans}
        audit.record(actor, "member.shifts_set", f"member:{row.id}", {"days": said})


def _mine(actor: Actor, member: UUID) -> models.Member:
    found = models.Member.objects.for_organization(actor.organization).select_for_update().filter(id=member, removed_at=None).first()
    if found is None:
        raise NotFound("member")
    if actor.member != member:
        _manages(actor, found)
    return found


def _manages(actor: Actor, row: models.Member) -> None:
    """Raises NotAllowed unless ``actor`` manages members in every unit in which ``row`` has a role."""
    units = list(models.Grant.objects.for_organization(actor.organization).filter(member=row).values_list("unit_id", flat=True))
    access.require(actor, "members:write")
    for unit in units:
        access.require(actor, "members:write", unit)


def _spans(path: str, given: Sequence[str], faults: list[FieldError]) -> list[Span]:
    found = [one for text in given if (one := span(text)) is not None]
    found.sort()
    if len(found) < len(given):
        faults.append(FieldError(path, _("write from and to like 09:00-17:00; a night ends at 24:00 and goes on the day after")))
    elif len(found) > _SPANS or not apart(found):
        faults.append(FieldError(path, _("at most {n} spans that do not overlap").format(n=_SPANS)))
    return found


def _home_zone(organization: UUID) -> str:
    return models.Organization.objects.only("zone").get(id=organization).zone
