"""An account as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict

from cxm.channels import registry
from cxm.channels.contracts import TestStep
from cxm.connect import accounts, health, sources
from cxm.connect.contracts import Account as AccountContract
from cxm.connect.contracts import SourceSum
from cxm.govern import api as govern
from cxm.kernel.errors import NotFound
from cxm.platform.config import settings


class LimitOut(BaseModel):
    """How many calls the platform still lets us make at a host, as it said itself."""

    model_config = ConfigDict(from_attributes=True)

    host: str
    left: int
    of: int | None
    resets_at: datetime | None


class SourceSumOut(BaseModel):
    """The account's sources, counted."""

    model_config = ConfigDict(from_attributes=True)

    total: int
    paused: int
    failing: int


class AccountOut(BaseModel):
    """An account; credentials are never given back. ``summary``: how it is, in one sentence, whatever the reason, with ``advice`` where
    something is to be done; ``health`` and ``mend``: the account's own last fault, empty where there is none.
    ``way``: by which of its channel's ways it signed in by OAuth2, null where by credentials; its token is renewed before ``token_expires_at``."""

    id: UUID
    channel: str
    name: str
    unit: UUID
    settings: dict[str, Any]
    state: str
    ok: bool
    summary: str
    advice: str
    health: str
    mend: str
    url: str | None
    created_at: datetime
    last_heard_at: datetime | None
    last_ok_at: datetime | None
    next_look_at: datetime | None
    limits: list[LimitOut]
    way: str | None
    token_expires_at: datetime | None
    sources: SourceSumOut


class StepOut(BaseModel):
    """One step of a test."""

    name: str
    ok: bool
    text: str


class TestOut(BaseModel):
    """What the test button found, step by step."""

    ok: bool
    steps: list[StepOut]


_NAMES = (
    "id", "channel", "name", "unit", "settings", "state", "health", "mend", "created_at", "last_heard_at", "last_ok_at", "next_look_at", "limits",
    "way", "token_expires_at",
)  # fmt: skip


def account_out(account: AccountContract, request: HttpRequest, counted: SourceSum | None = None) -> dict[str, Any]:
    """An account as JSON, with its absolute inbound address where it has one; ``counted``: its sources, where they were counted before."""
    known = registry.channel(account.channel)
    if counted is None:
        counted = sources.sums(account.organization, account.id).get(account.id) or SourceSum()
    told = health.of(account, counted)
    return {name: getattr(account, name) for name in _NAMES} | {
        "url": inbound_url(account, request) if known.can("receive") else None,
        "ok": told.ok,
        "summary": told.text,
        "advice": told.mend,
        "sources": counted,
    }


def inbound_url(account: AccountContract, request: HttpRequest) -> str:
    """Where its platform delivers: by CXM_PUBLIC_URL, else as we were called."""
    base = settings().public_url.rstrip("/") or f"{request.scheme}://{request.get_host()}"
    return f"{base}/in/{account.channel}/{account.id}"


def visible(request: HttpRequest, account: UUID, permission: str) -> AccountContract:
    """An account of the units in which the caller has ``permission``; any other is not there."""
    actor = govern.actor_of(request)
    found = accounts.as_contract(accounts.find(actor.organization, account))
    if not actor.may(permission, found.unit):
        raise NotFound("account")
    return found


def steps_out(steps: list[TestStep]) -> dict[str, Any]:
    """The steps of a test as JSON."""
    return {"ok": all(step.ok for step in steps), "steps": [{"name": step.name, "ok": step.ok, "text": step.text} for step in steps]}
