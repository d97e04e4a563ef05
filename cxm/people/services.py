"""Writes of people that members ask for."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid, NotAllowed, NotFound
from cxm.kernel.text import fold, normalise
from cxm.people import joining
from cxm.people.models import Identity, Profile
from cxm.platform import realtime

_NOTE_LIMIT = 20_000
_NAME_LIMIT = 200
_REASON_LIMIT = 1_000


def require(actor: Actor, permission: str) -> None:
    """Raise NotAllowed unless ``actor`` holds ``permission`` somewhere."""
    if not actor.may(permission):
        raise NotAllowed("not_allowed", f"That needs the right “{permission}”.", "Ask an owner of your organization for it.")


def merge(actor: Actor, profiles: Sequence[UUID], reason: str) -> UUID:
    """Join ``profiles`` (two or more) into the oldest of them and return its id. Raises NotFound, Invalid, NotAllowed."""
    require(actor, "profiles:write")
    why = _reason(reason)
    with transaction.atomic():
        joining.lock(actor.organization)
        rows = {_current(actor.organization, key).id: _current(actor.organization, key) for key in profiles}
        if len(rows) < 2:
            raise Invalid(
                "merge_needs_two",
                "Merging needs two different profiles.",
                "Name at least two.",
                errors=(FieldError("profiles", "at least two different ones"),),
            )
        oldest, *newer = sorted(rows.values(), key=lambda row: (row.created_at, row.id))
        for row in newer:
            joining.join(actor.organization, into=oldest, source=row, kind="hand", reason=why, by=actor.name)
        _audit(actor, "profile.merged", oldest.id, {"merged": [str(row.id) for row in newer]})
        realtime.tell(actor.organization, "people", f"profile:{oldest.id}", *(f"profile:{row.id}" for row in newer))
    return oldest.id


def unlink(actor: Actor, profile: UUID, identity: UUID, reason: str) -> UUID:
    """Part ``identity`` from ``profile``; the id of the profile it has now. Raises NotFound, Conflict, Invalid, NotAllowed."""
    require(actor, "profiles:write")
    why = _reason(reason)
    with transaction.atomic():
        joining.lock(actor.organization)
        current = _current(actor.organization, profile)
        row = Identity.objects.for_organization(actor.organization).select_for_update().filter(id=identity, profile=current).first()
        if row is None:
            raise NotFound("identity")
        target = joining.part(actor.organization, row, reason=why, by=actor.name)
        _audit(actor, "profile.parted", current.id, {"identity": str(identity), "profile": str(target)})
        realtime.tell(actor.organization, "people", f"profile:{current.id}", f"profile:{target}")
    return target


def describe(actor: Actor, profile: UUID, *, name: str | None = None, note: str | None = None) -> None:
    """Give the profile a name of ours, or a note; None leaves it. Raises NotFound, Invalid, NotAllowed."""
    require(actor, "profiles:write")
    with transaction.atomic():
        row = _current(actor.organization, profile)
        if name is not None:
            row.name = _fitting("name", name, _NAME_LIMIT)
            row.search = fold(row.name)
        if note is not None:
            row.note = _fitting("note", note, _NOTE_LIMIT)
        row.save(update_fields=["name", "search", "note"])
        realtime.tell(actor.organization, f"profile:{row.id}")


def _current(organization: UUID, profile: UUID) -> Profile:
    row = Profile.objects.for_organization(organization).filter(id=profile).first()
    if row is not None and row.merged_into is not None:
        row = Profile.objects.for_organization(organization).filter(id=row.merged_into).first()
    if row is None:
        raise NotFound("profile")
    return row


def _reason(text: str) -> str:
    reason = _fitting("reason", text, _REASON_LIMIT)
    if not reason:
        raise Invalid(
            "reason_missing",
            "A reason is missing.",
            "Say how you know; it stays with the profile.",
            errors=(FieldError("reason", "is missing"),),
        )
    return reason


def _fitting(path: str, text: str, limit: int) -> str:
    kept = normalise(text).strip()
    if len(kept) > limit:
        raise Invalid(
            "text_too_long",
            f"“{path}” is longer than {limit} characters.",
            "Shorten it.",
            errors=(FieldError(path, f"at most {limit} characters"),),
        )
    return kept


def _audit(actor: Actor, action: str, subject: UUID, detail: dict[str, object]) -> None:
    govern.record(actor, action, f"profile:{subject}", detail)
