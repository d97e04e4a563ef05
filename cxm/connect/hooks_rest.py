"""REST of outbound webhooks: ``/webhooks``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, Field

from cxm.connect import hooks
from cxm.govern import api as govern
from cxm.platform import paging

router = govern.router(tags=["webhooks"])
Names = Annotated[list[str], Field(max_length=200)]


class WebhookIn(govern.Body):
    """A new webhook. ``events``: names as in ``GET /events``; none: all one may read."""

    url: str
    events: Names = Field(default_factory=list)


class WebhookChange(govern.Body):
    """What is given changes, the rest stays. ``active``: false pauses, true goes on where it stopped."""

    url: str | None = None
    events: Names | None = None
    active: bool | None = None


class WebhookOut(BaseModel):
    """A webhook; its secret is given only at its making. ``reason``: why it is paused, or what went wrong last."""

    id: UUID
    url: str
    events: list[str]
    active: bool
    reason: str
    failures: int
    failing_since: datetime | None
    next_try_at: datetime | None
    last_delivered_at: datetime | None
    created_at: datetime
    member: UUID


class WebhookMade(WebhookOut):
    """A webhook with, this once, the secret its deliveries are signed with (Standard Webhooks)."""

    secret: str


class WebhookList(BaseModel):
    """A page of webhooks."""

    items: list[WebhookOut]
    next: str | None


@router.get("", response=WebhookList, summary="Webhooks of the organization")
@govern.requires(hooks.RIGHT)
def list_webhooks(request: HttpRequest, limit: int | None = None, cursor: str | None = None) -> Any:
    """Oldest first, never with their secrets."""
    rows = hooks.rows(govern.actor_of(request))
    found = paging.page(rows, order=("id",), cursor=cursor, limit=limit, as_item=lambda row: _out(hooks.as_hook(row)))
    return {"items": found.items, "next": found.next}


@router.post("", response={201: WebhookMade}, summary="Have an address told what happens")
@govern.requires(hooks.RIGHT)
def add_webhook(request: HttpRequest, body: WebhookIn) -> Any:
    """Each event from now on is POSTed to ``url``, in order, signed, until it answers 2xx. Answers once with the secret."""
    made, secret = hooks.create(govern.actor_of(request), body.url, body.events)
    return Status(201, {**_out(made), "secret": secret})


@router.get("/{webhook}", response=WebhookOut, summary="One webhook")
@govern.requires(hooks.RIGHT)
def get_webhook(request: HttpRequest, webhook: UUID) -> Any:
    """How it stands, without its secret."""
    return _out(hooks.one(govern.actor_of(request), webhook))


@router.patch("/{webhook}", response=WebhookOut, summary="Change, pause or resume a webhook")
@govern.requires(hooks.RIGHT)
def change_webhook(request: HttpRequest, webhook: UUID, body: WebhookChange) -> Any:
    """Whoever sets address or events, or makes it active, answers for it: from then on it is told what they may read."""
    return _out(hooks.change(govern.actor_of(request), webhook, url=body.url, names=body.events, active=body.active))


@router.delete("/{webhook}", response={204: None}, summary="Remove a webhook")
@govern.requires(hooks.RIGHT)
def remove_webhook(request: HttpRequest, webhook: UUID) -> Any:
    """It is told nothing any more."""
    hooks.remove(govern.actor_of(request), webhook)
    return Status(204, None)


@router.post("/{webhook}/rotate", response={200: WebhookMade}, summary="A new secret for a webhook")
@govern.requires(hooks.RIGHT)
def rotate_webhook(request: HttpRequest, webhook: UUID) -> Any:
    """Answers once with the new secret; for a day deliveries carry a signature under the former one as well."""
    changed, secret = hooks.rotate(govern.actor_of(request), webhook)
    return Status(200, {**_out(changed), "secret": secret})


def _out(hook: hooks.Hook) -> dict[str, Any]:
    return {name: getattr(hook, name) for name in WebhookOut.model_fields}
