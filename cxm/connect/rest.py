"""REST of connect: channels, accounts, quarantine."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, Field

from cxm.channels import registry
from cxm.connect import api as connect
from cxm.connect import authorizing_rest, hooks_rest, keeping_rest, lists, platform_clients, quarantine, selectors, sources, sources_rest
from cxm.connect.account_json import AccountOut, account_out, visible
from cxm.connect.contracts import SourceSum
from cxm.govern import api as govern

router = govern.router(tags=["accounts"])


class SourceKindOut(BaseModel):
    """A kind of source that an account of a channel can listen to; ``settings`` is a JSON Schema. ``list``: what people call a file of
    many of them, which ``/accounts/{account}/sources/list`` takes and gives; null where there is none."""

    kind: str
    title: str
    description: str
    settings: dict[str, Any]
    list: str | None


class ErrandOut(BaseModel):
    """What an operator must arrange on the platform before connecting."""

    title: str
    text: str
    link: str | None


class WayOut(BaseModel):
    """A way of signing in by OAuth2, for ``POST /accounts/authorize``. ``needs``: what the operator registers at the platform first;
    ``settings``: those that follow from this way."""

    way: str
    title: str
    description: str
    scopes: list[str]
    needs: list[str]
    settings: dict[str, Any]


class ChannelOut(BaseModel):
    """A kind of place we can be connected to."""

    name: str
    title: str
    description: str
    capabilities: list[str]
    support: str
    text_limit: int | None
    settings: dict[str, Any]
    credentials: dict[str, Any]
    sources: list[SourceKindOut]
    arrange: list[ErrandOut]
    ways: list[WayOut]


class ChannelList(BaseModel):
    """Every channel."""

    items: list[ChannelOut]
    next: str | None


class AccountIn(govern.Body):
    """A new account. ``settings`` and ``credentials`` as in ``GET /channels/{name}``."""

    channel: str
    name: str
    unit: UUID | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    credentials: dict[str, str] = Field(default_factory=dict)


class AccountChange(govern.Body):
    """What is given changes, the rest stays. ``state``: active or paused."""

    name: str | None = None
    unit: UUID | None = None
    settings: dict[str, Any] | None = None
    credentials: dict[str, str] | None = None
    state: str | None = None


class AccountMade(AccountOut):
    """A new account with, this once, the secret we made for it."""

    secret: str | None = None


class AccountList(BaseModel):
    """A page of accounts."""

    items: list[AccountOut]
    next: str | None


class QuarantineEntry(BaseModel):
    """Something that could not be taken."""

    id: UUID
    received_at: datetime
    channel: str
    account: UUID | None
    native_id: str | None
    code: str
    reason: str
    size: int


class QuarantineItem(QuarantineEntry):
    """The same with its bytes, in base64."""

    raw: str


class QuarantineList(BaseModel):
    """A page of quarantined items, newest first."""

    items: list[QuarantineEntry]
    next: str | None


class Replayed(BaseModel):
    """What became of a replay: ``accepted`` or ``quarantined`` again."""

    state: str
    reason: str


@router.get("/channels", response=ChannelList, summary="Every channel")
@govern.requires("accounts:read")
def list_channels(request: HttpRequest) -> Any:
    """Kinds of places, with what each needs."""
    return {"items": [_channel(entry) for entry in registry.channels()], "next": None}


@router.get("/channels/{name}", response=ChannelOut, summary="What a channel needs")
@govern.requires("accounts:read")
def get_channel(request: HttpRequest, name: str) -> Any:
    """Its settings and credentials as JSON Schema."""
    return _channel(registry.channel(name))


@router.get("/accounts", response=AccountList, summary="Our accounts")
@govern.requires("accounts:read")
def list_accounts(request: HttpRequest, limit: int | None = None, cursor: str | None = None) -> Any:
    """Connected accounts of the units the token may see, newest first."""
    actor = govern.actor_of(request)
    found = selectors.account_page(actor.organization, units=actor.units("accounts:read"), cursor=cursor, limit=limit)
    counted = sources.sums(actor.organization)
    return {"items": [account_out(entry, request, counted.get(entry.id, SourceSum())) for entry in found.items], "next": found.next}


@router.post("/accounts", response={201: AccountMade}, summary="Connect an account")
@govern.requires("accounts:write")
def add_account(request: HttpRequest, body: AccountIn) -> Any:
    """Answers once with the inbound address and, where we make it, the secret."""
    actor = govern.actor_of(request)
    made, secret = connect.connect(
        actor, channel=body.channel, name=body.name, unit=body.unit, settings=body.settings, credentials=body.credentials
    )
    return Status(201, {**account_out(made, request), "secret": secret})


@router.get("/accounts/{account}", response=AccountOut, summary="One account")
@govern.requires("accounts:read")
def get_account(request: HttpRequest, account: UUID) -> Any:
    """Its settings and health."""
    return account_out(visible(request, account, "accounts:read"), request)


@router.patch("/accounts/{account}", response=AccountOut, summary="Change, pause or resume an account")
@govern.requires("accounts:write")
def change_account(request: HttpRequest, account: UUID, body: AccountChange) -> Any:
    """What is given changes, the rest stays."""
    visible(request, account, "accounts:write")
    actor = govern.actor_of(request)
    changed = connect.change(
        actor, account, name=body.name, settings=body.settings, credentials=body.credentials, state=body.state, unit=body.unit
    )
    return account_out(changed, request)


@router.delete("/accounts/{account}", response={204: None}, summary="Disconnect an account")
@govern.requires("accounts:write")
def remove_account(request: HttpRequest, account: UUID, mentions: str = "keep") -> Any:
    """Nothing comes in or goes out any more, replies that wait are cancelled, its credentials and sources are forgotten. ``mentions``:
    `keep`, they stay, and so do conversations, which say why nobody can answer; or `delete`, all that was heard on it is deleted for good in
    the background (`GET /accounts/{id}/removal` tells how far that is), which takes mentions:write too."""
    visible(request, account, "accounts:write")
    connect.remove(govern.actor_of(request), account, mentions=mentions)
    return Status(204, None)


@router.get("/quarantine", response=QuarantineList, summary="What could not be taken")
@govern.requires("intake:read")
def list_quarantine(
    request: HttpRequest, channel: str | None = None, account: UUID | None = None, limit: int | None = None, cursor: str | None = None
) -> Any:
    """Newest first."""
    actor = govern.actor_of(request)
    found = quarantine.listed(
        actor.organization, units=actor.units("intake:read"), channel=channel, account=account, cursor=cursor, limit=limit
    )
    return {"items": [_entry(item) for item in found.items], "next": found.next}


@router.get("/quarantine/{item}", response=QuarantineItem, summary="One quarantined item with its bytes")
@govern.requires("intake:read")
def get_quarantined(request: HttpRequest, item: UUID) -> Any:
    """``raw`` is base64."""
    actor = govern.actor_of(request)
    found = quarantine.one(actor.organization, item, units=actor.units("intake:read"))
    return {**_entry(found), "raw": base64.b64encode(found.raw).decode()}


@router.post("/quarantine/{item}/replay", response=Replayed, summary="Try a quarantined item again")
@govern.requires("intake:replay")
def replay_quarantined(request: HttpRequest, item: UUID) -> Any:
    """After a fix."""
    actor = govern.actor_of(request)
    quarantine.one(actor.organization, item, units=actor.units("intake:replay"))
    taken = quarantine.replay(actor.organization, item)
    return {"state": "quarantined" if taken.outcome == "quarantined" else "accepted", "reason": taken.reason}


def _entry(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ("id", "received_at", "channel", "account", "native_id", "code", "reason", "size")}


def _channel(entry: registry.Channel) -> dict[str, Any]:
    manifest = entry.manifest
    return {
        "name": manifest.name, "title": manifest.title, "description": manifest.description, "capabilities": list(manifest.capabilities), "support": manifest.support,
        "text_limit": manifest.limits.text, "settings": dict(manifest.settings), "credentials": dict(manifest.credentials),
        "sources": [
            {"kind": kind.name, "title": kind.title, "description": kind.description, "settings": dict(kind.settings), "list": _list_of(entry.name, kind.name)}
            for kind in manifest.sources
        ],
        "arrange": [{"title": errand.title, "text": errand.text, "link": errand.link or None} for errand in manifest.arrange],
        "ways": [
            {"way": way.name, "title": way.title, "description": way.description, "scopes": list(way.scopes), "needs": platform_clients.needs(way), "settings": dict(way.settings)}
            for way in manifest.auth.ways
        ],
    }  # fmt: skip


def _list_of(channel: str, kind: str) -> str | None:
    module = lists.module_of(channel)
    return module.FORMAT if module and kind == module.KIND else None


#: The keeping of accounts first: /accounts/test is not the account called “test”.
ROUTES = [
    ("/accounts", keeping_rest.router),
    ("/accounts", authorizing_rest.router),
    ("", router),
    ("/sources", sources_rest.router),
    ("/webhooks", hooks_rest.router),
]
