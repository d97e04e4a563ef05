"""Reads of outbound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from cxm.outbound import copies
from cxm.outbound.contracts import AttemptView, Reply
from cxm.outbound.models import Attempt, Intent


def surely_here(state: str, attempts: Iterable[Attempt]) -> bool:
    """Whether an intent has surely not left: nobody is carrying it out, and of no earlier attempt it is unknown what became of it."""
    return state in ("waiting", "held", "queued") and not any(attempt.outcome in ("", "unknown") for attempt in attempts)


def as_reply(row: Intent, attempts: Sequence[Attempt] | None = None) -> Reply:
    """The intent as others see it."""
    found = list(row.attempts.order_by("at")) if attempts is None else attempts
    return Reply(
        id=row.id, state="queued" if row.state == "claimed" else row.state, kind=row.kind, account=row.account_id, unit=row.unit_id, conversation=row.conversation_id,
        text=row.text, private=row.private, created_at=row.created_at, created_by=row.created_by, created_by_name=row.created_by_name,
        undo_until=row.not_before if row.state == "waiting" else None, sent_at=row.sent_at, native_id=row.native_id, delivery=row.delivery, reason=row.reason, detail=row.detail,
        attempts=tuple(AttemptView(entry.at, entry.outcome or "under_way", entry.detail) for entry in found), media=tuple(row.media),
        copies=copies.views(row), reports=copies.reports(row), can_be_taken_back=surely_here(row.state, found),
    )  # fmt: skip


def reply(organization: UUID, intent: UUID) -> Reply:
    """One reply; NotFound for another organization's."""
    from cxm.outbound.services import find

    return as_reply(find(organization, intent))


def replies(organization: UUID, conversation: UUID) -> list[Reply]:
    """All replies of a conversation, oldest first."""
    rows = (
        Intent.objects.for_organization(organization)
        .filter(conversation_id=conversation)
        .order_by("created_at")
        .prefetch_related("attempts")
    )
    return [as_reply(row, sorted(row.attempts.all(), key=lambda attempt: attempt.at)) for row in rows]


def open_count(organization: UUID) -> dict[str, int]:
    """How many intents are in each state that is not an end."""
    counts: dict[str, int] = {}
    for state in (
        Intent.objects.for_organization(organization)
        .filter(state__in=("waiting", "queued", "claimed", "unknown", "held"))
        .values_list("state", flat=True)
    ):
        counts[state] = counts.get(state, 0) + 1
    return counts
