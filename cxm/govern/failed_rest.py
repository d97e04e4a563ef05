"""REST of events set aside: what a part of the house could not handle for a day, and giving it back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Schema
from pydantic import Field

from cxm.govern import access, failed
from cxm.govern.doors import Body, requires, router
from cxm.govern.shapes import Paging

routes = router(tags=["events"])


class FailedOut(Schema):
    """An event that one part of the house (``subscriber``) could not handle. ``lane``: what waited behind it; ``since``: it waited from then
    on; ``error``: kind and place, never anybody's words."""

    id: int
    event: str
    subscriber: str
    lane: str
    since: datetime
    failed_at: datetime
    tries: int
    error: str


class FailedList(Schema):
    """Newest first."""

    items: list[FailedOut]
    next: str | None


class AgainIn(Body):
    """Which: ``ids``, or ``all`` of them."""

    ids: list[int] = Field(default_factory=list, max_length=500)
    all: bool = False


class AgainOut(Schema):
    """How many were given back."""

    given_back: int


@routes.get("/failed", response=FailedList, summary="Events set aside")
@requires("events:read")
def list_failed(request: HttpRequest, page: Paging = Query(...)) -> Any:
    """What failed for a day and waits for a person; only what one may read in the whole organization."""
    found = failed.listed(access.actor_of(request), cursor=page.cursor, limit=page.limit)
    return {"items": [asdict(one) for one in found.items], "next": found.next}


@routes.post("/again", response=AgainOut, summary="Try events that were set aside again")
@requires("intake:replay")
def try_again(request: HttpRequest, body: AgainIn) -> Any:
    """One more try each, before whatever waits behind it; what fails again is set aside again. 404 where one of ``ids`` is not there."""
    return {"given_back": failed.again(access.actor_of(request), None if body.all else body.ids)}
