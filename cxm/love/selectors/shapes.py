"""From rows to what crosses the door, and from that to the public JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cxm.kernel.clock import format_instant
from cxm.love.contracts import (
    BulkView,
    CaseMoveView,
    CaseView,
    ConversationDetail,
    ConversationView,
    Former,
    MentionItem,
    NoteItem,
    PledgeView,
)
from cxm.love.models import CaseRecord, Conversation, Entry, Pledge, Seen

#: What a stored mention carries for our own work alone.
_INNER = frozenset({"organization", "context", "imported", "provider_order", "version", "heard_at"})

#: What of its context is shown beside it.
_TOLD = ("marks", "alias", "authentication", "copies", "reaction")


def views(organization: UUID, rows: Sequence[Conversation], member: UUID | None, known: Sequence[Entry] = ()) -> list[ConversationView]:
    """Conversations with their last mention and whether ``member`` has seen it: two queries for all of them, less where the last ones are
    among the ``known``."""
    last = {entry.id: entry for entry in known}
    if asked := [row.last_entry for row in rows if row.last_entry and row.last_entry not in last]:
        last |= {entry.id: entry for entry in Entry.objects.for_organization(organization).filter(id__in=asked)}
    seen: dict[UUID, datetime] = {}
    if member is not None:
        marks = Seen.objects.for_organization(organization).filter(member=member, conversation_id__in=[row.id for row in rows])
        seen = dict(marks.values_list("conversation_id", "at"))
    return [_view(row, last.get(row.last_entry) if row.last_entry else None, seen.get(row.id), member) for row in rows]


def _view(row: Conversation, entry: Entry | None, seen: datetime | None, member: UUID | None) -> ConversationView:
    theirs_new = entry is not None and not entry.ours and (seen is None or heard_at(entry) > seen)
    return ConversationView(
        id=row.id,
        channel=row.channel,
        account=row.account,
        account_id=row.account_id,
        unit=row.unit_id,
        author={**row.author, "profile": str(row.profile_id) if row.profile_id else None},
        profile=row.profile_id,
        kind=row.kind,
        state=row.state,
        assignee=row.assignee,
        queue=row.queue_id,  # type: ignore[attr-defined]
        case=row.case_id,  # type: ignore[attr-defined]
        tags=tuple(row.tags),
        subject=row.subject,
        language=row.language,
        opened_at=row.opened_at,
        last_at=row.last_at,
        first_answer_due=row.first_answer_due,
        first_answered_at=row.first_answered_at,
        answer_due=row.answer_due,
        promise_due=row.promise_due,
        resolution_due=row.resolution_due,
        snoozed_until=row.snoozed_until,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        version=row.version,
        last_mention=public(entry) if entry else None,
        unread=member is not None and theirs_new,
        erased=row.erased_at is not None,
    )


def heard_at(entry: Entry) -> datetime:
    """When we heard it; when it was said where that is not known."""
    from cxm.kernel.clock import parse_instant

    heard = entry.mention.get("heard_at")
    return parse_instant(heard) if heard else entry.published_at


def public(entry: Entry) -> dict[str, Any]:
    """The mention as the public interface shows it."""
    shown = {key: value for key, value in entry.mention.items() if key not in _INNER}
    if entry.deleted_at is not None:
        shown["deleted_at"] = format_instant(entry.deleted_at)
    return shown


def mention_item(entry: Entry) -> MentionItem:
    """One mention in its place."""
    return MentionItem(
        at=entry.published_at,
        id=entry.mention_id,
        mention=public(entry),
        ours=entry.ours,
        waiting=entry.waiting,
        edited=bool(entry.history),
        deleted_at=entry.deleted_at,
        history=tuple(Former(former.get("text"), former.get("title"), former.get("until", "")) for former in entry.history),
        told={name: context[name] for name in _TOLD if name in (context := entry.mention.get("context") or {})},
    )


def _at(moment: datetime | None) -> str | None:
    return format_instant(moment) if moment else None


def conversation_json(view: ConversationView) -> dict[str, Any]:
    """A conversation as lists of the REST interface show it."""
    return {
        "id": str(view.id),
        "channel": view.channel,
        "account": view.account,
        "account_id": str(view.account_id),
        "unit": str(view.unit),
        "author": dict(view.author),
        "kind": view.kind,
        "state": view.state,
        "assignee": str(view.assignee) if view.assignee else None,
        "queue": str(view.queue) if view.queue else None,
        "case": str(view.case) if view.case else None,
        "tags": list(view.tags),
        "subject": view.subject,
        "language": view.language,
        "opened_at": format_instant(view.opened_at),
        "last_at": format_instant(view.last_at),
        "first_answer_due": _at(view.first_answer_due),
        "first_answered_at": _at(view.first_answered_at),
        "answer_due": _at(view.answer_due),
        "promise_due": _at(view.promise_due),
        "resolution_due": _at(view.resolution_due),
        "snoozed_until": _at(view.snoozed_until),
        "closed_at": _at(view.closed_at),
        "close_reason": view.close_reason,
        "version": view.version,
        "last_mention": dict(view.last_mention) if view.last_mention else None,
    }


def detail_json(detail: ConversationDetail) -> dict[str, Any]:
    """A conversation with its mentions (oldest first) and notes; ``before`` asks for earlier ones, None: there are none."""
    mentions = detail.mentions
    return conversation_json(detail.conversation) | {
        "mentions": [_mention_json(item) for item in mentions],
        "notes": [note_json(item) for item in detail.items if isinstance(item, NoteItem)],
        "promises": [pledge_json(view) for view in detail.pledges],
        "before": str(mentions[0].id) if detail.earlier and mentions else None,
    }


def _mention_json(item: MentionItem) -> dict[str, Any]:
    former = [{"text": entry.text, "title": entry.title, "until": entry.until} for entry in item.history]
    return {**item.mention, "edits": former} if former else dict(item.mention)


def note_json(item: NoteItem) -> dict[str, Any]:
    """A note."""
    return {
        "id": str(item.id),
        "text": item.text,
        "by": item.by,
        "member": str(item.member) if item.member else None,
        "at": format_instant(item.at),
        "mentions": [str(key) for key in item.mentions],
    }


def pledge_view(row: Pledge) -> PledgeView:
    """A promise."""
    key: UUID = row.conversation_id  # type: ignore[attr-defined]
    return PledgeView(row.id, key, row.text, row.due_at, row.at, row.by, row.member, row.state, row.settled_at, row.settled_by)


def pledge_json(view: PledgeView) -> dict[str, Any]:
    """A promise as the REST interface shows it."""
    return {
        "id": str(view.id),
        "conversation": str(view.conversation),
        "text": view.text,
        "due": format_instant(view.due_at),
        "at": format_instant(view.at),
        "by": view.by,
        "member": str(view.member) if view.member else None,
        "state": view.state,
        "settled_at": _at(view.settled_at),
        "settled_by": view.settled_by or None,
    }


def case_view(row: CaseRecord, conversations: Iterable[UUID]) -> CaseView:
    """A case over those of its conversations the reader may see."""
    return CaseView(
        row.id,
        row.title,
        row.state,
        row.opened_at,
        row.opened_by,
        row.resolution_due,
        row.resolved_at,
        tuple(conversations),
        row.version,
        row.merged_into,
    )


def bulk_json(view: BulkView) -> dict[str, Any]:
    """A bulk action as the REST interface shows it."""
    return {
        "id": str(view.id),
        "action": view.action,
        "state": view.state,
        "total": view.total,
        "done": view.done,
        "refused": view.refused,
        "undone": view.undone,
        "undo_until": _at(view.undo_until),
    }


def case_move_json(view: CaseMoveView) -> dict[str, Any]:
    """A move as the REST interface shows it."""
    return {
        "id": str(view.id),
        "case": str(view.case),
        "what": view.what,
        "count": view.count,
        "by": view.by,
        "at": format_instant(view.at),
        "undone": view.undone,
        "undo_until": _at(view.undo_until),
    }


def case_json(view: CaseView) -> Mapping[str, Any]:
    """A case as the REST interface shows it."""
    return {
        "id": str(view.id),
        "title": view.title,
        "state": view.state,
        "opened_at": format_instant(view.opened_at),
        "opened_by": view.opened_by,
        "resolution_due": _at(view.resolution_due),
        "resolved_at": _at(view.resolved_at),
        "conversations": [str(key) for key in view.conversations],
        "merged_into": str(view.merged_into) if view.merged_into else None,
    }
