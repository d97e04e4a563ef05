"""REST of cases."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, Field

from cxm.govern import api as govern
from cxm.love import api as love
from cxm.love.selectors import shapes

router = govern.router(tags=["conversations"])


class CaseIn(govern.Body):
    """A matter, over at least one conversation."""

    title: str
    conversations: list[UUID] = Field(min_length=1, max_length=500)


class CaseChange(govern.Body):
    """``state``: open or resolved; conversations to put under it and to take out."""

    state: Literal["open", "resolved"] | None = None
    add: list[UUID] = Field(default_factory=list, max_length=500)
    remove: list[UUID] = Field(default_factory=list, max_length=500)


class CaseOut(BaseModel):
    """A case with those of its conversations you may read. ``state``: open, resolved, merged (then ``merged_into`` goes on with it)."""

    id: UUID
    title: str
    state: str
    opened_at: str
    opened_by: str
    resolution_due: str | None
    resolved_at: str | None
    conversations: list[UUID]
    merged_into: UUID | None


class CaseMoved(CaseOut):
    """The case afterwards, and the ``change`` that can be undone for ten minutes; null where nothing moved."""

    change: UUID | None


class CaseMoveOut(BaseModel):
    """Conversations (``count``) that changed their case. ``what``: linked, unlinked, merged, split; ``undo_until`` null: it is too late."""

    id: UUID
    case: UUID
    what: str
    count: int
    by: str
    at: str
    undone: bool
    undo_until: str | None


class CaseMoveList(BaseModel):
    """The newest twenty."""

    items: list[CaseMoveOut]
    next: str | None


class MergeIn(govern.Body):
    """The case whose conversations come over."""

    other: UUID


class SplitIn(govern.Body):
    """The new case's title, and what goes into it."""

    title: str
    conversations: list[UUID] = Field(min_length=1, max_length=500)


class CaseList(BaseModel):
    """One page."""

    items: list[CaseOut]
    next: str | None


@router.get("/cases", response=CaseList, summary="Cases")
@govern.requires("conversations:read")
def list_cases(request: HttpRequest, state: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
    """Newest first."""
    found = love.cases(govern.actor_of(request), state, cursor, limit)
    return {"items": [shapes.case_json(view) for view in found.items], "next": found.next}


@router.post("/cases", response={201: CaseOut}, summary="Open a case")
@govern.requires("conversations:manage")
def create_case(request: HttpRequest, body: CaseIn) -> Any:
    """Over the conversations named."""
    actor = govern.actor_of(request)
    return Status(201, shapes.case_json(love.case(actor, love.create_case(actor, body.title, body.conversations))))


@router.get("/cases/{case}", response=CaseOut, summary="One case")
@govern.requires("conversations:read")
def get_case(request: HttpRequest, case: UUID) -> Any:
    """A case."""
    return shapes.case_json(love.case(govern.actor_of(request), case))


@router.patch("/cases/{case}", response=CaseOut, summary="Change a case")
@govern.requires("conversations:manage")
def change_case(request: HttpRequest, case: UUID, body: CaseChange) -> Any:
    """Resolve it, take it up again, link conversations."""
    actor = govern.actor_of(request)
    with transaction.atomic():
        love.case(actor, case)
        for key in body.add:
            love.link_case(actor, case, key)
        for key in body.remove:
            love.unlink_case(actor, case, key)
        if body.state is not None:
            love.resolve_case(actor, case, resolved=body.state == "resolved")
    return shapes.case_json(love.case(actor, case))


@router.post("/cases/{case}/merge", response=CaseMoved, summary="Merge another case into this one")
@govern.requires("conversations:manage")
def merge_cases(request: HttpRequest, case: UUID, body: MergeIn) -> Any:
    """Everything of the other goes on in this one."""
    actor = govern.actor_of(request)
    change = love.merge_cases(actor, case, body.other)
    return {**shapes.case_json(love.case(actor, case)), "change": change}


@router.post("/cases/{case}/split", response={201: CaseMoved}, summary="Split a case")
@govern.requires("conversations:manage")
def split_case(request: HttpRequest, case: UUID, body: SplitIn) -> Any:
    """Conversations out of it into a new case, which is answered."""
    actor = govern.actor_of(request)
    made, change = love.split_case(actor, case, body.title, body.conversations)
    return Status(201, {**shapes.case_json(love.case(actor, made)), "change": change})


@router.get("/cases/{case}/changes", response=CaseMoveList, summary="What was moved in a case")
@govern.requires("conversations:read")
def list_case_changes(request: HttpRequest, case: UUID) -> Any:
    """The newest twenty, newest first."""
    found = love.case_moves(govern.actor_of(request), case)
    return {"items": [shapes.case_move_json(one) for one in found], "next": None}


@router.post("/cases/changes/{change}/undo", response=CaseOut, summary="Undo a move")
@govern.requires("conversations:manage")
def undo_case_change(request: HttpRequest, change: UUID) -> Any:
    """Within ten minutes and while nothing of it changed since (409); a case that a split made is merged back."""
    actor = govern.actor_of(request)
    return shapes.case_json(love.case(actor, love.undo_case_move(actor, change)))
