"""Cases: a matter to be settled, over one or more conversations.

Conversations change their case by link, unlink, merge and split. Each such move is kept with what was before, stands in the audit log, and can
be undone for ten minutes, as long as nothing of it changed since. Cases are locked before conversations, both in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound
from cxm.love.clocks import Terms
from cxm.love.events import CaseChanged
from cxm.love.models import CaseMove, CaseRecord, Conversation
from cxm.love.services import rows
from cxm.platform import events, realtime

_TITLE_LIMIT = 300
#: Conversations that change their case at once.
MOST = 500
#: How long a move can be undone.
UNDO_WITHIN = timedelta(minutes=10)
_MANAGE = "conversations:manage"


def create(actor: Actor, title: str, conversations: Sequence[UUID]) -> UUID:
    """Open a case over ``conversations`` (at least one, so that its unit is known). Raises NotFound, NotAllowed, Invalid."""
    with transaction.atomic():
        case = _begun(actor, title, conversations)
        move = _Move(actor, "linked", case, new=True)
        move.put(conversations, case)
        move.done("opened")
    return case.id


def link(actor: Actor, case: UUID, conversation: UUID) -> UUID | None:
    """Put a conversation under a case, and away from another one, which is resolved if nothing is left in it.

    Returns the move; None where it is there already. Raises NotFound, NotAllowed, Conflict (the case was merged).
    """
    with transaction.atomic():
        move = _Move(actor, "linked", _locked(actor, case, _cases_of(actor, [conversation])))
        move.put([conversation], move.case)
        return move.done("linked")


def unlink(actor: Actor, case: UUID, conversation: UUID) -> UUID | None:
    """Take a conversation out of a case. Raises NotFound, NotAllowed, Conflict (its only one)."""
    with transaction.atomic():
        row = _locked(actor, case)
        if not row.conversations.filter(id=conversation).exists():
            rows.locked(actor, conversation, _MANAGE)
            raise NotFound("conversation")
        if not row.conversations.exclude(id=conversation).exists():
            raise Conflict(
                "case_last_conversation", "It is the case's only conversation.", "Resolve the case, or link another conversation first."
            )
        move = _Move(actor, "unlinked", row)
        move.put([conversation], None)
        return move.done("unlinked")


def merge(actor: Actor, case: UUID, other: UUID) -> UUID | None:
    """Everything of ``other`` goes on in ``case``. Raises NotFound, NotAllowed (also for one conversation of it), Conflict (too many)."""
    if case == other:
        raise Conflict("case_same", "It is the same case.", "Choose another one.")
    with transaction.atomic():
        row = _locked(actor, case, [other])
        gone = _locked(actor, other)
        keys = list(gone.conversations.order_by("id").values_list("id", flat=True)[: MOST + 1])
        if len(keys) > MOST:
            raise Conflict("case_too_large", f"More than {MOST} conversations at once.", "Split it first.")
        move = _Move(actor, "merged", row)
        move.remember(gone)
        gone.state, gone.merged_into, gone.resolved_at = "merged", row.id, now()
        move.put(keys, row)
        return move.done("merged")


def split(actor: Actor, case: UUID, title: str, conversations: Sequence[UUID]) -> tuple[UUID, UUID | None]:
    """Take ``conversations`` out of a case into a new one. Returns the new case and the move.

    Raises NotFound (one is not in it), NotAllowed, Invalid, Conflict (nothing would be left).
    """
    with transaction.atomic():
        row = _locked(actor, case)
        inside, wanted = set(row.conversations.values_list("id", flat=True)), set(conversations)
        if wanted - inside:
            raise NotFound("conversation")
        if wanted and wanted == inside:
            raise Conflict("case_split_all", "Nothing would be left in the case.", "Leave at least one conversation in it.")
        made = _begun(actor, title, conversations)
        move = _Move(actor, "split", row)
        move.remember(made, new=True)
        move.put(conversations, made)
        return made.id, move.done("split")


def undo(actor: Actor, key: UUID) -> UUID:
    """Everything as it was before a move; returns its case. A case that the move made is merged back.

    Raises NotFound, NotAllowed, Conflict (undone already, too long ago, changed since).
    """
    with transaction.atomic():
        move = CaseMove.objects.for_organization(actor.organization).filter(id=key).first()
        if move is None:
            raise NotFound("change")
        ids = sorted(UUID(one) for one in move.before)
        cases = {row.id: row for row in _rows(actor).filter(id__in=ids).order_by("id").select_for_update()}
        move.refresh_from_db()  # as it is under the locks
        held = _held(actor, [UUID(one["conversation"]) for one in move.moved])
        _undoable(move, cases, held)
        back = {UUID(one["conversation"]): one["before"] for one in move.moved}
        for row in held:
            target = back[row.id]
            row.case_id = UUID(target) if target else None  # type: ignore[attr-defined]
            rows.line(row, "case_undone", actor.name, move=move.what)
            rows.keep(row, "linked", actor.name)
        main: UUID = move.case_id  # type: ignore[attr-defined]
        for one, row in cases.items():
            _restore(row, move.before[str(one)], main)
            _tell(row, "undone")
        move.undone_at = now()
        move.save(update_fields=["undone_at"])
        govern.record(actor, "case.undone", f"case:{main}", {"change": str(key), "what": move.what})
    return main


def resolve(actor: Actor, case: UUID, *, resolved: bool = True) -> None:
    """The matter is settled (or, with ``resolved`` False, it is not after all). Raises NotFound, NotAllowed, Conflict (it was merged)."""
    with transaction.atomic():
        row = _locked(actor, case)
        if (row.state == "resolved") == resolved:
            return
        row.state, row.resolved_at = ("resolved", now()) if resolved else ("open", None)
        govern.record(actor, "case.resolved" if resolved else "case.reopened", f"case:{case}")
        _tell(row, "resolved" if resolved else "reopened")


class _Move:
    """One move as it is made: what was before, what becomes of it, told and kept at its end."""

    def __init__(self, actor: Actor, what: str, case: CaseRecord, *, new: bool = False) -> None:
        self.actor, self.what, self.case = actor, what, case
        self._cases: dict[UUID, CaseRecord] = {}
        self._before: dict[str, Any] = {}
        self._moved: list[dict[str, str | None]] = []
        self.remember(case, new=new)

    def remember(self, case: CaseRecord, *, new: bool = False) -> None:
        """How a case stands before it is changed; ``new``: this move makes it."""
        if case.id not in self._cases:
            resolved = format_instant(case.resolved_at) if case.resolved_at else None
            into = str(case.merged_into) if case.merged_into else None
            self._cases[case.id] = case
            self._before[str(case.id)] = None if new else {"state": case.state, "resolved_at": resolved, "merged_into": into}

    def put(self, conversations: Iterable[UUID], target: CaseRecord | None) -> None:
        """Conversations into ``target`` (None: into no case); those that are there already stay. Raises NotFound, NotAllowed."""
        wanted = target.id if target is not None else None
        held = _held(self.actor, conversations)
        former = {row.case_id for row in held} - {None, *self._cases}  # type: ignore[attr-defined]
        for case in _rows(self.actor).filter(id__in=former).order_by("id").select_for_update():
            self.remember(case)
        for row in held:
            before: UUID | None = row.case_id  # type: ignore[attr-defined]
            if before == wanted:
                continue
            if before is None:  # what lies in a case may leave it; nobody who was erased is put into one
                rows.judged(self.actor, row, _MANAGE)
            row.case = target
            self._moved.append(
                {"conversation": str(row.id), "before": str(before) if before else None, "after": str(wanted) if wanted else None}
            )
            named = target or self.case
            rows.line(row, "linked" if target else "unlinked", self.actor.name, case=str(named.id), title=named.title)
            rows.keep(row, "linked", self.actor.name)

    def done(self, told: str) -> UUID | None:
        """Keep it, write it into the audit log, tell of it; None where nothing moved."""
        if not self._moved and self.what != "merged":
            return None
        left = {one["before"] for one in self._moved}
        for key, case in self._cases.items():
            if str(key) in left and case.state == "open" and not case.conversations.exists():
                case.state, case.resolved_at = "resolved", now()
            _tell(case, told)
        versions = {str(key): case.version for key, case in self._cases.items()}
        made = CaseMove.objects.add(
            self.actor.organization, case=self.case, what=self.what, moved=self._moved, before=self._before, versions=versions,
            by=self.actor.name, at=now(),
        )  # fmt: skip
        detail = {"change": str(made.id), "cases": sorted(versions), "conversations": [one["conversation"] for one in self._moved][:50]}
        govern.record(self.actor, f"case.{told}", f"case:{self.case.id}", detail)
        return made.id


def _begun(actor: Actor, title: str, conversations: Sequence[UUID]) -> CaseRecord:
    name = rows.fitting("title", title, _TITLE_LIMIT)
    if not conversations:
        raise Invalid(
            "case_needs_conversation",
            "A case is about at least one conversation.",
            "Name one.",
            errors=(FieldError("conversations", "at least one"),),
        )
    moment = now()
    due = _settled_by(actor, conversations, moment)
    return CaseRecord.objects.add(actor.organization, title=name, opened_at=moment, resolution_due=due, opened_by=actor.name)


def _settled_by(actor: Actor, conversations: Sequence[UUID], moment: datetime) -> datetime | None:
    """By the hours of the unit that promises it soonest."""
    units = set(Conversation.objects.for_organization(actor.organization).filter(id__in=conversations).values_list("unit_id", flat=True))
    terms = Terms(actor.organization)
    return min((terms.of(unit).resolution_due(moment) for unit in units), default=None)


def _rows(actor: Actor) -> Any:
    return CaseRecord.objects.for_organization(actor.organization)


def _held(actor: Actor, conversations: Iterable[UUID]) -> list[Conversation]:
    """Locked, those of erased people too: where they lie says nothing of them."""
    known = Conversation.objects.for_organization(actor.organization)
    return [rows.permitted(actor, known.select_for_update().filter(id=key).first(), _MANAGE) for key in sorted(set(conversations))]


def _cases_of(actor: Actor, conversations: Sequence[UUID]) -> list[UUID]:
    found = Conversation.objects.for_organization(actor.organization).filter(id__in=conversations, case__isnull=False)
    return list(found.values_list("case_id", flat=True))


def _locked(actor: Actor, case: UUID, others: Sequence[UUID] = ()) -> CaseRecord:
    """The case, if one of its conversations is the actor's to manage; ``others`` are locked with it, in order."""
    held = {row.id: row for row in _rows(actor).filter(id__in={case, *others}).order_by("id").select_for_update()}
    row: CaseRecord | None = held.get(case)
    units = actor.units("conversations:read")
    if row is None or (units is not None and not row.conversations.filter(unit_id__in=units).exists()):
        raise NotFound("case")
    # Somebody who was erased freezes nothing of the others; what holds only erased ones can still be settled.
    living = list(row.conversations.filter(erased_at=None).order_by("id"))
    inside = living or list(row.conversations.order_by("id"))
    mine = next((held for held in inside if actor.may(_MANAGE, held.unit_id)), inside[0] if inside else None)
    if mine is not None:
        rows.permitted(actor, mine, _MANAGE)
    if row.state == "merged":
        raise Conflict("case_merged", "That case was merged into another one.", "Go on in that one.")
    return row


def _undoable(move: CaseMove, cases: dict[UUID, CaseRecord], held: Sequence[Conversation]) -> None:
    if move.undone_at is not None:
        raise Conflict("change_undone", "That was undone already.", "Look at the case as it is now.")
    if now() - move.at > UNDO_WITHIN:
        raise Conflict("change_too_old", "That was more than ten minutes ago.", "Move the conversations by hand.")
    after = {one["conversation"]: one["after"] for one in move.moved}
    same = all(str(row.case_id or "") == (after[str(row.id)] or "") for row in held)  # type: ignore[attr-defined]
    if not same or len(cases) != len(move.versions) or any(row.version != move.versions[str(key)] for key, row in cases.items()):
        raise Conflict("changed_since", "It was changed since.", "Look at the case as it is now.")


def _restore(row: CaseRecord, before: dict[str, Any] | None, main: UUID) -> None:
    if before is None:
        row.state, row.resolved_at, row.merged_into = ("merged", now(), main) if row.id != main else ("resolved", now(), None)
        return
    row.state = before["state"]
    row.resolved_at = parse_instant(before["resolved_at"]) if before["resolved_at"] else None
    row.merged_into = UUID(before["merged_into"]) if before["merged_into"] else None


def _tell(case: CaseRecord, what: str) -> None:
    """Keep a changed case and tell of it."""
    case.version += 1
    case.save()
    events.publish(CaseChanged(organization=case.organization_id, case=case.id, what=what, state=case.state))
    realtime.tell(case.organization_id, "inbox", f"case:{case.id}")
