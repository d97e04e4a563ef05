"""Every mention ends in a known state: what love decides is told to listen, which owns it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from cxm.kernel.actor import Actor, system
from cxm.kernel.clock import now, parse_instant
from cxm.listen import api as listen
from cxm.love.clocks import promise
from cxm.love.models import Conversation, Entry, EventLine
from cxm.love.services.rows import waiting_entries

#: States a mention can end in by closing its conversation; any other reason counts as “no answer needed”.
ENDINGS = ("answered", "no_answer_needed", "handed_over", "expired", "unreachable")


def end(actor: Actor, entries: Sequence[Entry], state: str) -> None:
    """Give the mentions of ``entries`` their final state, here at once and in the mention store by listen."""
    if entries:
        _decide(actor, entries, state)


def wait_again(actor: Actor, row: Conversation, mentions: Sequence[UUID]) -> list[Entry]:
    """Mentions that a closing had ended wait for an answer again, those that nobody deleted or answered since; which they are."""
    found = Entry.objects.for_organization(row.organization_id).select_for_update()
    entries = list(found.filter(conversation=row, mention_id__in=mentions, deleted_at=None, ours=False, waiting=False))
    if entries:
        _decide(actor, entries, "waiting")
    return entries


def _decide(actor: Actor, entries: Sequence[Entry], state: str) -> None:
    """The mention store follows; the system says so, since the right to answer implies it.

    What listen tells of it afterwards is known here already: an entry that was up to date carries the new version, so that the echo
    of a closing cannot undo a reopening that came sooner.
    """
    versions = listen.set_state(system(actor.organization, actor.name), [entry.mention_id for entry in entries], state)
    for entry in entries:
        entry.waiting = state == "waiting"
        entry.mention["state"] = state
        if versions.get(entry.mention_id) == entry.version + 1:
            entry.version += 1
    Entry.everywhere.bulk_update(entries, ["waiting", "mention", "version"])  # everywhere: rows of one organization, already read within it


def answered(row: Conversation, upto: Entry | None) -> None:
    """Our answer is out: the mention it answers and those that waited before it are answered; later ones still wait, and the oldest of them says
    by when.

    ``upto`` None: everything that waits. The caller holds the row's lock and saves it.
    """
    waiting = waiting_entries(row)
    last = _place(upto) if upto is not None else None
    done = [entry for entry in waiting if last is None or _place(entry) <= last]
    end(system(row.organization_id), done, "answered")
    if row.first_answered_at is None:
        row.first_answered_at = now()
    if len(done) == len(waiting):
        row.answer_due = None
        if row.state in ("open", "snoozed"):
            row.state, row.snoozed_until = "waiting", None
    elif done and row.answer_due is not None:
        row.answer_due = due(row, [entry for entry in waiting if entry.waiting])


def due(row: Conversation, still: Sequence[Entry]) -> datetime | None:
    """By when the oldest of what ``still`` waits is to be answered: from when it was heard or, later, taken up again by hand. Imported history has
    no clock."""
    heard = [_heard(entry) for entry in still if not entry.mention.get("imported")]
    if not heard:
        return None
    lines = EventLine.objects.for_organization(row.organization_id).filter(conversation=row, what="reopened")
    again = lines.exclude(detail__has_key="reason").order_by("-at").values_list("at", flat=True).first()
    since = max(min(heard), again) if again is not None else min(heard)
    return promise(row.organization_id, row.unit_id).answer_due(row.kind, since, first=row.first_answered_at is None)


def _heard(entry: Entry) -> datetime:
    told = entry.mention.get("heard_at")
    return min(parse_instant(told) if told else entry.published_at, now())


def _place(entry: Entry) -> tuple[object, ...]:
    return entry.published_at, entry.provider_order, entry.id
