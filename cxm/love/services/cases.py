"""Cases: a matter to be settled, over one or more conversations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound
from cxm.love.clocks import Terms
from cxm.love.events import CaseChanged
from cxm.love.models import CaseRecord, Conversation
from cxm.love.services import rows
from cxm.platform import events, realtime

_TITLE_LIMIT = 300
_MANAGE = "conversations:manage"


def create(actor: Actor, title: str, conversations: Sequence[UUID]) -> UUID:
    """Open a case over ``conversations`` (at least one, so that its unit is known). Raises NotFound, NotAllowed, Invalid."""
    name = rows.fitting("title", title, _TITLE_LIMIT)
    if not conversations:
        raise Invalid(
            "case_needs_conversation",
            "A case is about at least one conversation.",
            "Name one.",
            errors=(FieldError("conversations", "at least one"),),
        )
    with transaction.atomic():
        moment = now()
        case = CaseRecord.objects.add(
            actor.organization,
            title=name,
            opened_at=moment,
            resolution_due=_settled_by(actor, conversations, moment),
            opened_by=actor.name,
        )
        for key in sorted(set(conversations)):
            _put(actor, case, key)
        _tell(case, "opened")
    return case.id


def _settled_by(actor: Actor, conversations: Sequence[UUID], moment: datetime) -> datetime | None:
    """By the hours of the unit that promises it soonest."""
    units = set(Conversation.objects.for_organization(actor.organization).filter(id__in=conversations).values_list("unit_id", flat=True))
    terms = Terms(actor.organization)
    return min((terms.of(unit).resolution_due(moment) for unit in units), default=None)


def link(actor: Actor, case: UUID, conversation: UUID) -> None:
    """Put a conversation under a case (and away from another one). Raises NotFound, NotAllowed."""
    with transaction.atomic():
        row = _locked(actor, case)
        _put(actor, row, conversation)
        _tell(row, "linked")


def unlink(actor: Actor, case: UUID, conversation: UUID) -> None:
    """Take a conversation out of a case. Raises NotFound, NotAllowed, Conflict (its only one)."""
    with transaction.atomic():
        row = _locked(actor, case)
        held = rows.locked(actor, conversation, _MANAGE)
        if held.case_id != row.id:  # type: ignore[attr-defined]
            raise NotFound("conversation")
        if not row.conversations.exclude(id=held.id).exists():
            raise Conflict(
                "case_last_conversation", "It is the case's only conversation.", "Resolve the case, or link another conversation first."
            )
        held.case = None
        rows.line(held, "unlinked", actor.name, case=str(row.id))
        rows.keep(held, "linked", actor.name)
        _tell(row, "unlinked")


def resolve(actor: Actor, case: UUID, *, resolved: bool = True) -> None:
    """The matter is settled (or, with ``resolved`` False, it is not after all). Raises NotFound, NotAllowed."""
    with transaction.atomic():
        row = _locked(actor, case)
        if (row.state == "resolved") == resolved:
            return
        row.state, row.resolved_at = ("resolved", now()) if resolved else ("open", None)
        row.version += 1
        row.save()
        _tell(row, "resolved" if resolved else "reopened")


def _put(actor: Actor, case: CaseRecord, conversation: UUID) -> None:
    row = rows.locked(actor, conversation, _MANAGE)
    row.case = case
    rows.line(row, "linked", actor.name, case=str(case.id))
    rows.keep(row, "linked", actor.name)


def _locked(actor: Actor, case: UUID) -> CaseRecord:
    """The case, if one of its conversations is the actor's to manage."""
    row = CaseRecord.objects.for_organization(actor.organization).select_for_update().filter(id=case).first()
    units = actor.units("conversations:read")
    if row is None or (units is not None and not row.conversations.filter(unit_id__in=units).exists()):
        raise NotFound("case")
    mine = next(
        (held for held in row.conversations.order_by("id") if actor.may(_MANAGE, held.unit_id)), row.conversations.order_by("id").first()
    )
    if mine is not None:
        rows.judged(actor, mine, _MANAGE)
    return row


def _tell(case: CaseRecord, what: str) -> None:
    events.publish(CaseChanged(organization=case.organization_id, case=case.id, what=what, state=case.state))
    realtime.tell(case.organization_id, "inbox", f"case:{case.id}")
