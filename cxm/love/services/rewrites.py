"""What happens to mentions after they were heard: edits, decisions, deletions, profiles that were joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.ids import parse_id
from cxm.love.models import Conversation, Entry
from cxm.love.services import intake, leaving, rows, states

#: Former texts kept of one mention; older ones give way.
_HISTORY = 50
_ENDINGS = ("no_answer_needed", "handed_over", "expired", "unreachable")
#: What goes when somebody takes back what they said.
_WORDS = ("text", "title", "quoted", "media", "url", "context", "tags", "intents", "emotions", "categories", "topics", "sentiment")


def changed(organization: UUID, mentions: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
    """Apply newer versions: whole mentions, or ``{id, version, set}``. A late or repeated one changes nothing.

    A mention that no conversation holds yet and that now waits for an answer is treated as heard.
    """
    with transaction.atomic():
        entries = _entries(organization, [UUID(mention["id"]) for mention in mentions])
        touched: dict[UUID, set[str]] = {}
        units: dict[UUID, UUID] = {}
        for mention in mentions:
            entry = entries.get(UUID(mention["id"]))
            if entry is None or not _is_newer(entry, mention):
                continue
            decided = touched.setdefault(entry.conversation_id, set())  # type: ignore[attr-defined]
            waited = entry.waiting
            _apply(entry, mention, whole=whole)
            if waited and not entry.waiting:
                decided.add(entry.mention["state"])
            if unit := parse_id(entry.mention.get("unit") or ""):
                units[entry.conversation_id] = unit  # type: ignore[attr-defined]
        for row in _conversations(organization, touched):
            _move(row, units.get(row.id, row.unit_id))
            _follow(row, touched[row.id])
        late = [mention for mention in mentions if whole and UUID(mention["id"]) not in entries and mention.get("state") == "waiting"]
        if late:
            intake.heard(organization, late)


def _move(row: Conversation, unit: UUID) -> None:
    """Its account may belong to another unit by now, in which whoever it lay with can perhaps not answer."""
    if row.unit_id == unit:
        return
    row.unit_id = unit
    if (name := leaving.freed(row)) is not None:
        rows.line(row, "let_go", "OpenCXM", name=name)


def _is_newer(entry: Entry, mention: Mapping[str, Any]) -> bool:
    return entry.deleted_at is None and int(mention.get("version") or 0) > entry.version


def _apply(entry: Entry, mention: Mapping[str, Any], *, whole: bool) -> None:
    newer = dict(mention) if whole else {**entry.mention, **mention.get("set", {})}
    if (newer.get("text"), newer.get("title")) != (entry.mention.get("text"), entry.mention.get("title")):
        until = newer.get("edited_at") or format_instant(now())
        former = {"text": entry.mention.get("text"), "title": entry.mention.get("title"), "until": until}
        entry.history = [*entry.history, former][-_HISTORY:]
    entry.mention, entry.version = newer, int(mention["version"])
    entry.waiting = not entry.ours and newer.get("state") == "waiting"
    entry.save(update_fields=["mention", "version", "history", "waiting"])


def _follow(row: Conversation, decided: set[str]) -> None:
    """Where the last mention that waited was decided upon, the conversation is theirs to go on with, or over."""
    still = rows.waiting_entries(row) if decided and row.state != "closed" else []
    if still and row.answer_due is not None and (due := states.due(row, still)) is not None:
        row.answer_due = max(row.answer_due, due)  # what waited longest does so no more
    if decided and row.state != "closed" and not still:
        row.answer_due = None
        ending = next((state for state in _ENDINGS if state in decided), None)
        if ending is not None and row.first_answered_at is None:
            row.state, row.snoozed_until, row.closed_at, row.close_reason = "closed", None, now(), ending
            rows.line(row, "closed", "OpenCXM", reason=ending)
        elif row.state == "open":
            row.state = "waiting"
    rows.keep(row, "rewritten", "OpenCXM")


def deleted(organization: UUID, mentions: Sequence[UUID], at: str) -> None:
    """Taken back: the place stays, the words go, former ones too. It is never undone."""
    with transaction.atomic():
        touched: dict[UUID, bool] = {}
        for entry in _entries(organization, mentions).values():
            if entry.deleted_at is not None:
                continue
            touched[entry.conversation_id] = touched.get(entry.conversation_id, False) or entry.waiting  # type: ignore[attr-defined]
            entry.deleted_at = parse_instant(at)
            entry.mention = {key: _emptied(key, value) for key, value in entry.mention.items()} | {
                "deleted_at": at,
                "state": "no_answer_needed",
            }
            entry.history, entry.waiting = [], False
            entry.save(update_fields=["deleted_at", "mention", "history", "waiting"])
        for row in _conversations(organization, touched):
            _forget_subject(row)
            _follow(row, {"no_answer_needed"} if touched[row.id] or _is_empty(row) else set())


def _is_empty(row: Conversation) -> bool:
    """Nothing that anybody said stands in it any more."""
    return not Entry.objects.for_organization(row.organization_id).filter(conversation=row, deleted_at=None).exists()


def _emptied(key: str, value: Any) -> Any:
    if key not in _WORDS:
        return value
    return [] if isinstance(value, list) else {} if isinstance(value, dict) else None


def _forget_subject(row: Conversation) -> None:
    """The subject line was a deleted mention's title: nothing of it stays."""
    titles = (
        Entry.objects.for_organization(row.organization_id)
        .filter(conversation=row, ours=False, deleted_at=None)
        .values_list("mention__title", flat=True)
    )
    row.subject = next((title for title in titles if title), "")[:200]


def moved(organization: UUID, profile: UUID, source: UUID, identities: Sequence[Mapping[str, Any]]) -> None:
    """Identities that belonged to ``source`` now belong to ``profile``: so do their conversations."""
    with transaction.atomic():
        for identity in identities:
            found = Conversation.objects.for_organization(organization).filter(
                profile_id=source, channel=identity["channel"], author_id=identity["native_id"]
            )
            account = parse_id(identity.get("account") or "")
            for row in (found.filter(account_id=account) if account else found).order_by("id").select_for_update():
                row.profile_id = profile
                rows.keep(row, "rewritten", "OpenCXM")


def _entries(organization: UUID, mentions: Sequence[UUID]) -> dict[UUID, Entry]:
    """Their conversations are locked first, in order, as everywhere else."""
    found = Entry.objects.for_organization(organization).filter(mention_id__in=mentions)
    list(_conversations(organization, set(found.values_list("conversation_id", flat=True))))
    return {entry.mention_id: entry for entry in found.order_by("id").select_for_update()}


def _conversations(organization: UUID, keys: Any) -> list[Conversation]:
    return list(Conversation.objects.for_organization(organization).filter(id__in=list(keys)).order_by("id").select_for_update())
