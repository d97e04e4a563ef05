"""What members do with a conversation: assign, note, snooze, tag, close, reopen, look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from cxm.kernel.actor import Actor, system
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.errors import Conflict, FieldError, Invalid
from cxm.kernel.text import normalise
from cxm.love.clocks import promise
from cxm.love.models import Conversation, EventLine, Note, Notification, Seen
from cxm.love.services import drafts, leaving, members, rows, states
from cxm.love.tasks import wake

NOTE_LIMIT = 20_000
_TAG_LIMIT, _TAGS = 60, 50
REASON_LIMIT = 200
_SNOOZE_LIMIT = timedelta(days=366)
_MANAGE = "conversations:manage"
#: Reopened within this time, closing it was a slip: its clocks go on as if nothing had been.
UNDO_WITHIN = timedelta(minutes=10)
_CLOCKS = ("answer_due", "first_answer_due", "resolution_due")


def assign(actor: Actor, conversation: UUID, member: UUID | None) -> None:
    """Give it to ``member``, or to nobody. Raises NotFound, NotAllowed, Invalid (the member may not answer in its unit)."""
    with transaction.atomic():
        row = rows.locked(actor, conversation, _MANAGE)
        if member is not None:
            members.able(actor.organization, member, row.unit_id)
        if row.assignee == member:
            return
        row.assignee = member
        rows.line(row, "assigned", actor.name, member=str(member) if member else None)
        if member is not None:
            members.notify(row, [member], "assigned", actor.name, but=actor.member)
        rows.keep(row, "assigned", actor.name)


def note(actor: Actor, conversation: UUID, text: str) -> UUID:
    """Write a note for ourselves; members named by “@name” are told. Returns its id. Raises NotFound, NotAllowed, Invalid."""
    kept = rows.fitting("text", text, NOTE_LIMIT)
    with transaction.atomic():
        row = rows.locked(actor, conversation, "conversations:note")
        named = members.named_in(actor.organization, row.unit_id, kept)
        made = Note.objects.add(
            actor.organization, conversation=row, text=kept, by=actor.name, member=actor.member, at=now(), mentions=named
        )
        drafts.forget(actor, row, "note")
        members.notify(row, named, "named", actor.name, but=actor.member)
        rows.keep(row, "noted", actor.name)
    return made.id


def snooze(actor: Actor, conversation: UUID, until: datetime) -> None:
    """Out of sight until ``until`` (or until they write); then it is our turn again. Raises Invalid, Conflict (it is closed)."""
    snoozable(until)
    with transaction.atomic():
        row = rows.locked(actor, conversation, _MANAGE)
        if row.state == "closed":
            raise Conflict("conversation_closed", "It is closed.", "Reopen it first.")
        row.state, row.snoozed_until = "snoozed", until
        rows.line(row, "snoozed", actor.name, until=format_instant(until))
        wake.defer(schedule_at=until, organization=str(actor.organization), conversation=str(row.id))
        rows.keep(row, "snoozed", actor.name)


def snoozable(until: datetime) -> None:
    """Raises Invalid for a time to which nothing can be snoozed."""
    if until.tzinfo is None or not now() < until <= now() + _SNOOZE_LIMIT:
        raise Invalid(
            "until_invalid",
            "“until” is not within the coming year.",
            "Give a time to come, with its zone.",
            errors=(FieldError("until", "within the coming year"),),
        )


def wake_up(organization: UUID, conversation: UUID) -> None:
    """The end of a snooze, unless it was ended or moved in the meantime."""
    with transaction.atomic():
        row = Conversation.objects.for_organization(organization).select_for_update().filter(id=conversation, state="snoozed").first()
        if row is None or row.snoozed_until is None or row.snoozed_until > now():
            return
        row.state, row.snoozed_until = "open", None
        rows.line(row, "woken", system(organization).name)
        rows.keep(row, "woken", system(organization).name)


def tags_fitting(add: Sequence[str], remove: Sequence[str]) -> dict[str, list[str]]:
    """Tags to put on and to take off as they are kept. Raises Invalid."""
    kept = {"add": [rows.fitting("add", text, _TAG_LIMIT) for text in add], "remove": [normalise(text).strip() for text in remove]}
    if not any(kept.values()) or len(kept["add"]) > _TAGS:
        raise Invalid("tags_missing", f"Between 1 and {_TAGS} tags.", "Name some.", errors=(FieldError("add", f"between 1 and {_TAGS}"),))
    return kept


def tag(actor: Actor, conversation: UUID, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Put tags on it and take others off. Raises NotFound, NotAllowed, Invalid."""
    wanted = [rows.fitting("add", text, _TAG_LIMIT) for text in add]
    with transaction.atomic():
        row = rows.locked(actor, conversation, _MANAGE)
        gone = {normalise(text).strip() for text in remove}
        kept = list(dict.fromkeys([name for name in row.tags if name not in gone] + [name for name in wanted if name not in gone]))
        if len(kept) > _TAGS:
            raise Invalid(
                "tags_too_many", f"More than {_TAGS} tags.", "Take some off.", errors=(FieldError("add", f"at most {_TAGS} in all"),)
            )
        if kept == row.tags:
            return
        rows.line(
            row,
            "tagged",
            actor.name,
            add=[name for name in kept if name not in row.tags],
            remove=[name for name in row.tags if name not in kept],
        )
        row.tags = kept
        rows.keep(row, "tagged", actor.name)


def close(actor: Actor, conversation: UUID, reason: str = "") -> None:
    """Done with it. What still waits gets ``reason`` as its state where it is one (answered, no_answer_needed, handed_over,
    expired, unreachable), else no_answer_needed; the reason is kept as said. Closing twice changes nothing."""
    why = rows.fitting("reason", reason, REASON_LIMIT) if reason.strip() else "no_answer_needed"
    with transaction.atomic():
        row = rows.locked(actor, conversation, _MANAGE)
        if row.state == "closed":
            return
        waiting = rows.waiting_entries(row)
        before = {"ended": [str(entry.mention_id) for entry in waiting], "clocks": {name: _written(getattr(row, name)) for name in _CLOCKS}}
        states.end(actor, waiting, why if why in states.ENDINGS else "no_answer_needed")
        row.state, row.snoozed_until, row.answer_due = "closed", None, None
        row.closed_at, row.close_reason = now(), why
        rows.line(row, "closed", actor.name, reason=why, before=before)
        rows.keep(row, "closed", actor.name)


def reopen(actor: Actor, conversation: UUID) -> None:
    """Take it up again by hand, also from a snooze. What the closing ended waits again; the clocks go on where that was a moment ago
    (an undo), else they count from now. Raises Conflict where a newer conversation with them is open already."""
    with transaction.atomic():
        row = rows.locked(actor, conversation, _MANAGE)
        if row.state == "snoozed":
            row.state, row.snoozed_until = "open", None
            rows.line(row, "woken", actor.name)
            rows.keep(row, "woken", actor.name)
        if row.state != "closed":
            return
        if Conversation.objects.for_organization(actor.organization).filter(key=row.key).exclude(state="closed").exists():
            raise Conflict("newer_open", "A newer conversation with them is open.", "Go on in that one.")
        _as_before(actor, row)
        row.closed_at, row.close_reason = None, None
        rows.line(row, "reopened", actor.name)
        if gone := leaving.freed(row):
            rows.line(row, "let_go", system(actor.organization).name, name=gone)
        rows.keep(row, "reopened", actor.name)


def _as_before(actor: Actor, row: Conversation) -> None:
    """Mentions and clocks as they stood when it was closed by hand; where a rule closed it, it is open and nothing waits."""
    told = EventLine.objects.for_organization(row.organization_id).filter(conversation=row, what="closed").order_by("-at", "-id").first()
    before = told.detail.get("before") or {} if told is not None else {}
    back = states.wait_again(actor, row, [UUID(key) for key in before.get("ended", ())])
    row.state = "open"
    if before and row.closed_at is not None and now() - row.closed_at <= UNDO_WITHIN:
        for name in _CLOCKS:
            written = before["clocks"].get(name)
            setattr(row, name, parse_instant(written) if written else None)
        if not back:
            row.answer_due = None
        return
    terms = promise(actor.organization, row.unit_id)
    row.resolution_due = terms.resolution_due(now())
    if back:
        row.answer_due = terms.answer_due(row.kind, now(), first=row.first_answered_at is None)


def _written(moment: datetime | None) -> str | None:
    return format_instant(moment) if moment is not None else None


def look(actor: Actor, conversation: UUID, *, anything_new: bool = True) -> None:
    """The acting member has seen it up to now; its notifications for them are read. Where nothing new is in it, that is not written again."""
    if actor.member is None:
        return
    row = rows.judged(actor, rows.found(actor.organization, conversation), "conversations:read")
    with transaction.atomic():
        if anything_new:
            seen = [Seen(organization_id=actor.organization, conversation=row, member=actor.member, at=now())]
            Seen.objects.add_all(
                seen, update_conflicts=True, unique_fields=["organization_id", "member", "conversation"], update_fields=["at"]
            )
        unread = Notification.objects.for_organization(actor.organization).filter(member=actor.member, conversation=row, read_at=None)
        unread.update(read_at=now())
