"""REST of queues."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, Field

from cxm.govern import api as govern
from cxm.love import api as love
from cxm.love.contracts import QueueView

router = govern.router(tags=["queues"])


class QueueIn(govern.Body):
    """A queue and its rule over the opening mention; empty parts ask nothing, all given ones must fit. ``default``: takes what fits nowhere."""

    name: str
    query: str = ""
    channel: str = ""
    account: UUID | None = None
    language: str = ""
    default: bool = False
    position: int | None = Field(default=None, ge=1, le=1000)


class QueueChange(govern.Body):
    """What is to change; ``position`` counts from 1."""

    name: str | None = None
    query: str | None = None
    channel: str | None = None
    account: UUID | None = None
    language: str | None = None
    default: bool | None = None
    position: int | None = Field(default=None, ge=1, le=1000)


class QueueOut(BaseModel):
    """A queue. ``waiting``: how many conversations in it wait for us, in the units you may read; ``broken``: its query cannot be understood."""

    id: UUID
    name: str
    position: int
    query: str
    channel: str
    account: UUID | None
    language: str
    default: bool
    broken: bool
    waiting: int


class QueueList(BaseModel):
    """All of them."""

    items: list[QueueOut]
    next: str | None


@router.get("/queues", response=QueueList, summary="Queues")
@govern.requires("conversations:read")
def list_queues(request: HttpRequest) -> Any:
    """In the order in which their rules are asked; the first that fits takes a conversation."""
    actor = govern.actor_of(request)
    counts = love.queue_counts(actor)
    return {"items": [_json(view, counts) for view in love.queues(actor.organization)], "next": None}


@router.post("/queues", response={201: QueueOut}, summary="Make a queue")
@govern.requires("desk:write")
def create_queue(request: HttpRequest, body: QueueIn) -> Any:
    """It stands last unless ``position`` says otherwise. What is open already stays where it is."""
    actor = govern.actor_of(request)
    return Status(201, _json(love.save_queue(actor, **body.model_dump()), {}))


@router.get("/queues/{queue}", response=QueueOut, summary="One queue")
@govern.requires("conversations:read")
def get_queue(request: HttpRequest, queue: UUID) -> Any:
    """With its rule."""
    actor = govern.actor_of(request)
    return _json(love.queue(actor.organization, queue), love.queue_counts(actor))


@router.patch("/queues/{queue}", response=QueueOut, summary="Change a queue")
@govern.requires("desk:write")
def change_queue(request: HttpRequest, queue: UUID, body: QueueChange) -> Any:
    """Only what is named changes; conversations stay where they are."""
    actor = govern.actor_of(request)
    given = body.model_dump(exclude_unset=True)
    values = {name: value for name, value in given.items() if value is not None or name == "account"}
    return _json(love.save_queue(actor, queue, **values), love.queue_counts(actor))


@router.delete("/queues/{queue}", response={204: None}, summary="Delete a queue")
@govern.requires("desk:write")
def delete_queue(request: HttpRequest, queue: UUID) -> Any:
    """Its conversations are in no queue then."""
    love.delete_queue(govern.actor_of(request), queue)
    return Status(204, None)


def _json(view: QueueView, counts: dict[UUID, int]) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "position": view.position,
        "query": view.query,
        "channel": view.channel,
        "account": view.account,
        "language": view.language,
        "default": view.default,
        "broken": view.broken,
        "waiting": counts.get(view.id, 0),
    }
