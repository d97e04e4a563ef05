"""Cases: all of them, one, what was moved in it."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid, NotFound
from cxm.love.contracts import CaseMoveView, CaseView
from cxm.love.models import CaseMove, CaseRecord
from cxm.love.selectors import shapes
from cxm.love.selectors.inbox import readable
from cxm.platform import paging

STATES = ("open", "resolved", "merged")
_MOVES = 20


def cases(actor: Actor, state: str | None = None, cursor: str | None = None, limit: int | None = None) -> paging.Page[CaseView]:
    """Cases with a conversation the actor may read, newest first. Raises Invalid for a state that is none."""
    rows = _visible(actor)
    if state is not None:
        if state not in STATES:
            raise Invalid(
                "state_invalid",
                "“state” is neither open, resolved nor merged.",
                "Say one of them.",
                errors=(FieldError("state", "open, resolved or merged"),),
            )
        rows = rows.filter(state=state)
    found = paging.page(rows, order=("-opened_at", "-id"), cursor=cursor, limit=limit, as_item=lambda row: row)
    return paging.Page(_views(actor, found.items), found.next)


def case(actor: Actor, key: UUID) -> CaseView:
    """One case. Raises NotFound."""
    row = _visible(actor).filter(id=key).first()
    if row is None:
        raise NotFound("case")
    return _views(actor, [row])[0]


def offered_cases(actor: Actor, profile: UUID | None, text: str = "", limit: int = 8) -> list[CaseView]:
    """Open cases one may choose from: those of the same person first, then the newest; ``text`` is a part of the title."""
    rows = _visible(actor).filter(state="open")
    rows = rows.filter(title__icontains=text) if text else rows
    theirs = (
        rows.filter(id__in=readable(actor).filter(profile_id=profile, case__isnull=False).values("case_id")) if profile else rows.none()
    )
    found = {row.id: row for row in [*theirs.order_by("-opened_at")[:limit], *rows.order_by("-opened_at", "-id")[:limit]]}
    return [shapes.case_view(row, ()) for row in list(found.values())[:limit]]


def case_moves(actor: Actor, key: UUID) -> list[CaseMoveView]:
    """What was moved in and out of a case by one of its own moves, newest first. Raises NotFound."""
    from cxm.love.services.cases import UNDO_WITHIN

    case(actor, key)
    rows = CaseMove.objects.for_organization(actor.organization).filter(
        Q(case_id=key) | Q(versions__has_key=str(key), at__gt=now() - UNDO_WITHIN)
    )
    found = list(rows.order_by("-at", "-id")[:_MOVES])
    named = {UUID(one) for move in found for one in move.versions}
    versions = dict(CaseRecord.objects.for_organization(actor.organization).filter(id__in=named).values_list("id", "version"))
    shown = []
    for move in found:
        still = move.undone_at is None and now() - move.at <= UNDO_WITHIN
        still = still and all(versions.get(UUID(one)) == version for one, version in move.versions.items())
        main: UUID = move.case_id  # type: ignore[attr-defined]
        until = move.at + UNDO_WITHIN if still else None
        shown.append(CaseMoveView(move.id, main, move.what, len(move.moved), move.by, move.at, move.undone_at is not None, until))
    return shown


def _visible(actor: Actor) -> QuerySet[CaseRecord]:
    rows = CaseRecord.objects.for_organization(actor.organization)
    units = actor.units("conversations:read")
    return rows if units is None else rows.filter(id__in=readable(actor).filter(case__isnull=False).values("case_id"))


def _views(actor: Actor, rows: list[CaseRecord]) -> list[CaseView]:
    """With the conversations one may read: one query for all of them."""
    inside: dict[UUID, list[UUID]] = {row.id: [] for row in rows}
    held = readable(actor).filter(case_id__in=list(inside)).order_by("opened_at", "id").values_list("case_id", "id")
    for key, conversation in held:
        inside[key].append(conversation)
    return [shapes.case_view(row, inside[row.id]) for row in rows]
