"""Replies: what we want to say goes to outbound with everything the channel needs; what was said answers what waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound
from cxm.kernel.text import normalise
from cxm.love.models import Answer, Conversation, Entry
from cxm.love.selectors import detail
from cxm.love.services import drafts, pledges, rows
from cxm.love.services.states import answered
from cxm.outbound import api as outbound
from cxm.outbound.contracts import NewIntent, Reply

_VISIBILITIES = ("private", "public")
_MEDIA_LIMIT = 10
#: The longest answer any channel takes is shorter; this one only keeps the database from strangers' patience.
_TEXT_LIMIT = 100_000


def reply(
    actor: Actor,
    conversation: UUID,
    text: str,
    *,
    visibility: str | None = None,
    in_reply_to: UUID | None = None,
    media: Sequence[Mapping[str, Any]] = (),
    copies: bool = False,
    copies_of: UUID | None = None,
    undo_seconds: int = 0,
    since: datetime | None = None,
) -> Reply:
    """Answer. ``visibility`` is the conversation's own unless given; ``in_reply_to`` their newest mention that may be answered.
    ``copies``: to the others they wrote to as well; ``copies_of``: the mention whose others the writer was shown. ``since``: when the writer last saw the conversation; an answer somebody else gave after that is told instead of sending a second.

    Raises NotFound (the conversation, or a mention that is not in it), NotAllowed, Invalid (what the channel does not take),
    Conflict (the mention was deleted, a machine wrote it, “answered_meanwhile”, or “copies_changed”: it would go to others than were shown).
    """
    if visibility is not None and visibility not in _VISIBILITIES:
        raise Invalid(
            "visibility_invalid",
            "“visibility” is neither private nor public.",
            "Say one of them.",
            errors=(FieldError("visibility", "private or public"),),
        )
    if len(media) > _MEDIA_LIMIT:
        raise Invalid(
            "media_too_many", f"More than {_MEDIA_LIMIT} files.", "Send fewer.", errors=(FieldError("media", f"at most {_MEDIA_LIMIT}"),)
        )
    if len(text) > _TEXT_LIMIT:
        raise Invalid(
            "text_too_long",
            f"Longer than {_TEXT_LIMIT} characters.",
            "Shorten it.",
            errors=(FieldError("text", f"at most {_TEXT_LIMIT} characters"),),
        )
    with transaction.atomic():
        row = rows.locked(actor, conversation, "conversations:reply")
        if since is not None and (others := detail.answered_since(actor, row, since)):
            raise Conflict(
                "answered_meanwhile",
                f"{others[-1].by} answered meanwhile. Yours was not sent.",
                "Read it; send yours too if it is still needed.",
            )
        target = _target(row, in_reply_to)
        private = (visibility or row.kind) == "private"
        new = _intent(row, target, normalise(text), private=private, media=media, undo_seconds=undo_seconds)
        if copies:
            new = _to_all(new, _shown(row, copies_of) if copies_of is not None else None)
        proposed = outbound.propose(actor, new)
        Answer.objects.add(
            actor.organization,
            id=proposed.id,
            conversation=row,
            mention_id=target.mention_id if target else None,
            by=actor.name,
            at=now(),
            state=proposed.state,
        )
        drafts.forget(actor, row, "private" if private else "public")
        rows.tell(row)
    return proposed


def _target(row: Conversation, wanted: UUID | None) -> Entry | None:
    entries = Entry.objects.for_organization(row.organization_id).filter(conversation=row)
    if wanted is not None:
        entry = entries.filter(mention_id=wanted).first()
        if entry is None:
            raise NotFound("mention")
        if entry.deleted_at is not None:
            raise Conflict(
                "answered_mention_deleted",
                "They took back what you are answering.",
                "Answer another message of theirs, or close the conversation.",
            )
        if entry.mention.get("automatic"):
            raise _machine()
        return entry
    theirs = entries.filter(ours=False, deleted_at=None)
    found = theirs.exclude(mention__automatic=True).order_by("-published_at", "-provider_order", "-id").first()
    if found is None and theirs.exists():
        raise _machine()
    return found


def _machine() -> Conflict:
    return Conflict("mention_automatic", "A machine wrote that; answering it could go round for ever.", "Answer a person's message.")


def _intent(
    row: Conversation, target: Entry | None, text: str, *, private: bool, media: Sequence[Mapping[str, Any]], undo_seconds: int
) -> NewIntent:
    data: Mapping[str, Any] = target.mention if target else {}
    return NewIntent(
        account=row.account_id,
        unit=row.unit_id,
        text=text,
        private=private,
        conversation=row.id,
        in_reply_to_mention=target.mention_id if target else None,
        in_reply_to_native=data.get("native_id"),
        thread=data.get("thread") or row.thread,
        to=row.author_id or None,
        title=data.get("title") or row.subject or None,
        media=[dict(entry) for entry in media],
        context={name: value for name, value in (data.get("context") or {}).items() if name != "cc"},  # a member's choice alone
        undo_seconds=undo_seconds,
        last_heard_at=target.published_at if target else None,
    )


def _shown(row: Conversation, mention: UUID) -> list[str]:
    entry = Entry.objects.for_organization(row.organization_id).filter(conversation=row, mention_id=mention).first()
    return list((entry.mention.get("context") or {}).get("copies") or ()) if entry is not None else []


def _to_all(new: NewIntent, shown: list[str] | None) -> NewIntent:
    """The same, to the others they wrote to as well, where these are those the writer was shown.

    Raises Invalid where there are none (it would go out to fewer than was meant), Conflict where they are others."""
    at_present = list(new.context.get("copies") or ())
    if shown is not None and (not shown or set(shown) != set(at_present)):
        raise Conflict(
            "copies_changed", "Whom they write to has changed. Yours was not sent.", "Look who gets a copy now, then send it again.",
            added=[one for one in at_present if one not in shown], gone=[one for one in shown if one not in at_present],
        )  # fmt: skip
    if not new.context.get("copies"):
        hint = "Answer them alone."
        raise Invalid("copies_none", "They wrote to nobody else.", hint, errors=(FieldError("copies", hint),))
    return replace(new, context={**new.context, "cc": list(new.context["copies"])})


def take_back(actor: Actor, answer: UUID) -> Reply:
    """Cancel a reply while it waits. Raises NotFound, NotAllowed, Conflict (too late)."""
    with transaction.atomic():
        known = Answer.objects.for_organization(actor.organization).filter(id=answer).first()
        if known is None:
            raise NotFound("reply")
        rows.locked(actor, known.conversation_id, "conversations:reply")  # type: ignore[attr-defined]
        return outbound.take_back(actor, answer)


def settled(organization: UUID, intent: UUID, state: str) -> None:
    """A reply reached ``state``; once sent, what it answers and what waited before that is answered."""
    with transaction.atomic():
        known = Answer.objects.for_organization(organization).filter(id=intent).first()
        if known is None:
            return
        row = Conversation.objects.for_organization(organization).select_for_update().get(id=known.conversation_id)  # type: ignore[attr-defined]
        known.state = state
        first = state == "sent" and known.settled_at is None
        if first:
            known.settled_at = now()
        known.save(update_fields=["state", "settled_at"])
        if not first:
            rows.tell(row)
            return
        entry = Entry.objects.for_organization(organization).filter(mention_id=known.mention_id).first() if known.mention_id else None
        answered(row, entry)
        pledges.kept_by_reply(row, known.at, known.by)
        rows.keep(row, "answered", known.by)
