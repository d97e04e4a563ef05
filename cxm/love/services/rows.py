"""How every write reaches a conversation: locked, judged by the actor's rights in its unit, told to whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotAllowed, NotFound
from cxm.kernel.text import normalise
from cxm.love.clocks import FAR_FUTURE
from cxm.love.events import ConversationChanged, ConversationsContinued, ConversationsOpened
from cxm.love.models import Conversation, Entry, EventLine
from cxm.platform import events, realtime
from cxm.platform.once import once

#: Names in one notification: PostgreSQL carries less than 8,000 bytes of them.
_NAMES = 100


def locked(actor: Actor, conversation: UUID, permission: str) -> Conversation:
    """The conversation, locked until the transaction ends.

    NotFound where it is not there or in a unit the actor may not read; NotAllowed where the actor may read it but lacks
    ``permission`` there.
    """
    row = Conversation.objects.for_organization(actor.organization).select_for_update().filter(id=conversation).first()
    return judged(actor, row, permission)


def found(organization: UUID, conversation: UUID) -> Conversation | None:
    """It, to be read alone: whoever changes it takes it :func:`locked`."""
    return once(
        ("love.conversation", organization, conversation),
        lambda: Conversation.objects.for_organization(organization).filter(id=conversation).first(),
    )


def judged(actor: Actor, row: Conversation | None, permission: str) -> Conversation:
    """``row`` if the actor may; see :func:`locked`."""
    if row is None or not actor.may("conversations:read", row.unit_id):
        raise NotFound("conversation")
    if row.erased_at is not None and permission != "conversations:read":
        raise Conflict(
            "conversation_erased", "The person was erased; nothing can be added.", "If they write again, it is a new conversation."
        )
    return permitted(actor, row, permission)


def permitted(actor: Actor, row: Conversation | None, permission: str) -> Conversation:
    """As :func:`judged`, for what does not change the conversation itself: one of somebody who was erased, too."""
    if row is None or not actor.may("conversations:read", row.unit_id):
        raise NotFound("conversation")
    if not actor.may(permission, row.unit_id):
        raise NotAllowed("not_allowed", f"That needs the right “{permission}” in this unit.", "Ask an owner or manager for it.")
    return row


def keep(row: Conversation, what: str, by: str) -> None:
    """Save a changed conversation, publish it, tell open pages."""
    row.version += 1
    row.due_order = due_order(row)
    row.save()
    events.publish(
        ConversationChanged(
            organization=row.organization_id,
            conversation=row.id,
            account=row.account_id,
            unit=row.unit_id,
            channel=row.channel,
            kind=row.kind,
            what=what,
            state=row.state,
            assignee=row.assignee,
            by=by,
        )
    )
    tell(row)


def due_order(row: Conversation) -> datetime:
    """What is due first of it, or the far future."""
    return min(row.answer_due or FAR_FUTURE, row.promise_due or FAR_FUTURE)


def opened(organization: UUID, began: Sequence[tuple[Conversation, bool]]) -> None:
    """Publish that conversations began; with each, whether it is imported history."""
    if began:
        events.publish(
            ConversationsOpened(
                organization=organization, conversations=tuple(_told(row) | {"imported": imported} for row, imported in began)
            )
        )
        _tell_all(organization, [row for row, _ in began])


def continued(organization: UUID, changed: Sequence[Conversation]) -> None:
    """Publish that new mentions joined conversations."""
    if changed:
        events.publish(ConversationsContinued(organization=organization, conversations=tuple(_told(row) for row in changed)))
        _tell_all(organization, changed)


def _told(row: Conversation) -> dict[str, str]:
    return {
        "conversation": str(row.id),
        "account_id": str(row.account_id),
        "unit": str(row.unit_id),
        "channel": row.channel,
        "kind": row.kind,
        "state": row.state,
    }


def _tell_all(organization: UUID, changed: Sequence[Conversation]) -> None:
    for start in range(0, len(changed), _NAMES):
        realtime.tell(organization, "inbox", *(f"conversation:{row.id}" for row in changed[start : start + _NAMES]))


def tell(row: Conversation) -> None:
    """Tell open pages that the inbox and this conversation changed."""
    realtime.tell(row.organization_id, "inbox", f"conversation:{row.id}")


def line(row: Conversation, what: str, by: str, **detail: Any) -> None:
    """Add a quiet line to the conversation."""
    EventLine.objects.add(row.organization_id, conversation=row, what=what, detail=detail, by=by, at=now())


def waiting_entries(row: Conversation) -> list[Entry]:
    """Their mentions in it that still wait for an answer, oldest first; locked."""
    entries = Entry.objects.for_organization(row.organization_id).select_for_update()
    return list(entries.filter(Q(conversation=row, waiting=True)).order_by("published_at", "provider_order", "id"))


def fitting(path: str, text: str, limit: int) -> str:
    """``text`` as it is kept. Raises Invalid where it is empty or longer than ``limit`` characters."""
    kept = normalise(text).strip()
    if not kept:
        raise Invalid("text_missing", f"“{path}” is empty.", "Write something.", errors=(FieldError(path, "is empty"),))
    if len(kept) > limit:
        raise Invalid(
            "text_too_long",
            f"“{path}” is longer than {limit} characters.",
            "Shorten it.",
            errors=(FieldError(path, f"at most {limit} characters"),),
        )
    return kept
