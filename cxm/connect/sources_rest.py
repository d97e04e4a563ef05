"""REST of sources."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, ConfigDict, Field

from cxm.connect import sources
from cxm.govern import api as govern

router = govern.router(tags=["sources"])


class SourceIn(govern.Body):
    """A new source. ``account``: its id, or its name on ``channel``. ``kind`` and ``settings`` as in ``GET /channels/{name}``."""

    channel: str | None = None
    account: str
    kind: str
    settings: dict[str, Any] = Field(default_factory=dict)


class SourceChange(govern.Body):
    """Settings that are given change, the rest stays. ``state``: active or paused."""

    settings: dict[str, Any] | None = None
    state: str | None = None


class SourceOut(BaseModel):
    """Something an account listens to beside its own inbound. ``health`` says why it could not be heard at the last look, ``mend`` what to
    do; both are empty where all is well. Times are null where the channel tells nothing of single sources."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel: str
    account: str
    account_id: UUID
    kind: str
    name: str
    settings: dict[str, Any]
    state: str
    health: str
    mend: str
    created_at: datetime
    last_heard_at: datetime | None
    last_ok_at: datetime | None
    next_look_at: datetime | None


class SourceList(BaseModel):
    """A page of sources, newest first."""

    items: list[SourceOut]
    next: str | None


@router.get("", response=SourceList, summary="What our accounts listen to")
@govern.requires("accounts:read")
def list_sources(
    request: HttpRequest,
    channel: str | None = None,
    account: UUID | None = None,
    kind: str | None = None,
    failing: bool = False,
    limit: int | None = None,
    cursor: str | None = None,
) -> Any:
    """Sources of accounts of the units the token may see, newest first; ``failing``: only those that cannot be heard."""
    actor = govern.actor_of(request)
    found = sources.source_page(actor, channel=channel, account=account, kind=kind, cursor=cursor, limit=limit, failing=failing)
    return {"items": found.items, "next": found.next}


@router.post("", response={201: SourceOut}, summary="Listen to one more source")
@govern.requires("accounts:write")
def add_source(request: HttpRequest, body: SourceIn) -> Any:
    """A folder, a room, a feed, a search: what the channel knows. 409 where the account has it already."""
    actor = govern.actor_of(request)
    return Status(201, sources.add(actor, channel=body.channel, account=body.account, kind=body.kind, settings=body.settings))


@router.get("/{source}", response=SourceOut, summary="One source")
@govern.requires("accounts:read")
def get_source(request: HttpRequest, source: UUID) -> Any:
    """Its account, kind and settings."""
    return sources.as_contract(*sources.find(govern.actor_of(request), source))


@router.patch("/{source}", response=SourceOut, summary="Change, pause or resume a source")
@govern.requires("accounts:write")
def change_source(request: HttpRequest, source: UUID, body: SourceChange) -> Any:
    """Settings that are given change, the rest stays."""
    return sources.change(govern.actor_of(request), source, body.settings, state=body.state)


@router.delete("/{source}", response={204: None}, summary="Listen to a source no more")
@govern.requires("accounts:write")
def remove_source(request: HttpRequest, source: UUID) -> Any:
    """What was heard stays."""
    sources.remove(govern.actor_of(request), source)
    return Status(204, None)
