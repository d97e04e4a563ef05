"""What the pages of accounts share."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from cxm.channels.registry import Channel
from cxm.connect import accounts
from cxm.connect.contracts import Account
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import NotFound
from cxm.kernel.ids import parse_id


def visible(actor: Actor, account: UUID, permission: str) -> Account:
    """One account; another organization's or unit's is not there, one that may only be looked at is not changed."""
    one = accounts.as_contract(accounts.find(actor.organization, account))
    if not actor.may("accounts:read", one.unit):
        raise NotFound("account")
    govern.require(actor, permission, one.unit)
    return one


def units(actor: Actor) -> list[tuple[str, str]]:
    """Units to choose from: those in which the actor may change accounts, else all they may see; the root first."""
    held = actor.units("accounts:write") if actor.may("accounts:write") else actor.units("accounts:read")
    return [(str(unit.id), unit.name) for unit in govern.units(actor.organization) if held is None or unit.id in held]


def about(known: Channel) -> dict[str, Any]:
    """What templates ask of a channel."""
    manifest = known.manifest
    return {
        "channel": known,
        "manifest": manifest,
        "signed": manifest.auth.inbound == "standard_webhooks",
        "receives": known.can("receive"),
        "looks": known.can("poll") or known.can("stream"),
        "tests": known.can("test"),
    }


def given(values: dict[str, Any], *, keep_empty: bool = False) -> dict[str, Any]:
    """What was filled in; a change keeps the empty ones, which take a setting back."""
    return values if keep_empty else {key: value for key, value in values.items() if value not in ("", [], None)}


def text_of(request: HttpRequest, name: str) -> str:
    """A field of a form as text that can be stored."""
    return request.POST.get(name, "").replace("\x00", "")


def id_of(request: HttpRequest, name: str) -> UUID | None:
    """A field of a form as an id: None where it is empty, an id nobody has where it is none."""
    text = request.POST.get(name, "")
    return (parse_id(text) or UUID(int=0)) if text else None
