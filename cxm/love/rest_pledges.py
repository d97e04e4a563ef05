"""REST of promises."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel

from cxm.govern import api as govern
from cxm.love import api as love
from cxm.love.selectors import shapes

router = govern.router(tags=["promises"])


class PledgeIn(govern.Body):
    """What was promised, and for when (with a zone, within a year)."""

    text: str
    due: datetime


class PledgeChange(govern.Body):
    """What became of it; ``kept`` after its time is ``late``."""

    state: Literal["kept", "withdrawn"]


class PledgeMade(BaseModel):
    """The promise that was noted."""

    id: UUID


class PledgeOut(BaseModel):
    """A promise. ``state``: open, kept, late (kept, but afterwards), withdrawn."""

    id: UUID
    conversation: UUID
    text: str
    due: str
    at: str
    by: str
    member: UUID | None
    state: str
    settled_at: str | None
    settled_by: str | None


class PledgeList(BaseModel):
    """One page."""

    items: list[PledgeOut]
    next: str | None


@router.post("/conversations/{conversation}/promises", response={201: PledgeMade}, summary="Note a promise")
@govern.requires("conversations:note")
def note_promise(request: HttpRequest, conversation: UUID, body: PledgeIn) -> Any:
    """It comes due as a clock; an answer that is sent in time keeps it."""
    return Status(201, {"id": love.promise(govern.actor_of(request), conversation, body.text, body.due)})


@router.get("/promises", response=PledgeList, summary="Promises")
@govern.requires("conversations:read")
def list_promises(request: HttpRequest, state: str | None = None, cursor: str | None = None, limit: int | None = None) -> Any:
    """What is due last first; ``state``: open, kept, late, withdrawn."""
    found = love.pledges(govern.actor_of(request), state, cursor, limit)
    return {"items": [shapes.pledge_json(view) for view in found.items], "next": found.next}


@router.patch("/promises/{promise}", response={204: None}, summary="Settle a promise")
@govern.requires("conversations:note")
def settle_promise(request: HttpRequest, promise: UUID, body: PledgeChange) -> Any:
    """By hand; 409 where it was settled otherwise."""
    love.settle_promise(govern.actor_of(request), promise, body.state)
    return Status(204, None)
