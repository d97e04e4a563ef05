"""What a member has begun to write: kept for each way of saying it, public, private and note apart, so that none slips into another."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid, NotFound
from cxm.kernel.text import normalise
from cxm.love.models import Conversation, Draft
from cxm.love.services import rows

#: Who may keep a draft of each way: who may say it.
NEEDS = {"public": "conversations:reply", "private": "conversations:reply", "note": "conversations:note"}
#: The longest draft (characters); what is longer no channel takes.
TEXT_LIMIT = 100_000
_MEDIA_LIMIT = 10


def save(
    actor: Actor, conversation: UUID, text: str, *, visibility: str = "private", in_reply_to: UUID | None = None, media: Sequence[UUID] = ()
) -> None:
    """Keep it in place of the former one; without text and files it is forgotten. Nobody else is told.

    Raises NotFound, NotAllowed, Invalid (no such way, too long).
    """
    if visibility not in NEEDS:
        raise _invalid("visibility", "is none of public, private, note", "Say one of them.")
    if len(text) > TEXT_LIMIT:
        raise _invalid("text", f"is longer than {TEXT_LIMIT} characters", "Shorten it.")
    with transaction.atomic():
        # Not locked: a draft changes nothing of the conversation, and must not wait for what does.
        found = Conversation.objects.for_organization(actor.organization).filter(id=conversation).first()
        row = rows.judged(actor, found, NEEDS[visibility])
        if actor.member is None:
            raise NotFound("member")
        if not text.strip() and not media:
            forget(actor, row, visibility)
            return
        kept = Draft(
            organization_id=actor.organization,
            conversation=row,
            member=actor.member,
            visibility=visibility,
            text=normalise(text),
            in_reply_to=in_reply_to,
            media=[str(key) for key in media[:_MEDIA_LIMIT]],
            at=now(),
        )
        Draft.objects.add_all(
            [kept],
            update_conflicts=True,
            unique_fields=["organization_id", "conversation", "member", "visibility"],
            update_fields=["text", "in_reply_to", "media", "at"],
        )


def forget(actor: Actor, row: Conversation, visibility: str) -> None:
    """What was said, or emptied, is no draft any more."""
    if actor.member is not None:
        Draft.objects.for_organization(actor.organization).filter(conversation=row, member=actor.member, visibility=visibility).delete()


def _invalid(path: str, fault: str, hint: str) -> Invalid:
    return Invalid("draft_invalid", f"“{path}” {fault}.", hint, errors=(FieldError(path, fault),))
