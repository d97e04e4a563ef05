"""REST of the addresses nothing is sent to."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel

from cxm.govern import api as govern
from cxm.outbound import suppressed

router = govern.router(tags=["replies"])


class SuppressionOut(BaseModel):
    """An address. ``reason``: complained (they called mail of ours spam), unknown_address or mailbox_closed; ``detail``: in their mail
    server's words; ``since``: when that was last told."""

    address: str
    reason: str
    detail: str
    since: datetime


class SuppressionList(BaseModel):
    """Newest first."""

    items: list[SuppressionOut]
    next: str | None


class LiftIn(govern.Body):
    """Which address, and why it may be written to again."""

    address: str
    reason: str


@router.get("", response=SuppressionList, summary="Addresses nothing is sent to")
@govern.requires(suppressed.READ)
def list_suppressions(request: HttpRequest, limit: int | None = None, cursor: str | None = None) -> Any:
    """Of the whole organization. A reply to one waits (`queued`, reason `suppressed`) until they write to us again or the address is taken off."""
    found = suppressed.listed(govern.actor_of(request), cursor=cursor, limit=limit)
    return {"items": [asdict(one) for one in found.items], "next": found.next}


@router.post("/lift", response={204: None}, summary="Take an address off the list")
@govern.requires(suppressed.WRITE)
def lift_suppression(request: HttpRequest, body: LiftIn) -> Any:
    """What waits for it leaves within a minute; the reason stands in the audit log. 404 where it is not on the list."""
    suppressed.lift(govern.actor_of(request), body.address, body.reason)
    return Status(204, None)
