"""REST of keeping accounts: tried before they are made, signed in anew, their gaps, whole lists of sources."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from cxm.connect import keeping, leaving, lists, selectors
from cxm.connect.account_json import AccountOut, StepOut, TestOut, account_out, steps_out, visible
from cxm.govern import api as govern
from cxm.kernel.clock import now
from cxm.kernel.errors import NotFound

router = govern.router(tags=["accounts"])
#: How far back gaps are told.
_DAYS = 90


class TrialIn(govern.Body):
    """An account that is not connected yet. ``reach_only``: try only how it is reached, before there are credentials."""

    channel: str
    settings: dict[str, Any] = Field(default_factory=dict)
    credentials: dict[str, str] = Field(default_factory=dict)
    reach_only: bool = False


class CredentialsIn(govern.Body):
    """New credentials; what is left out stays. ``anyway``: store them without a test, for a server that is away."""

    credentials: dict[str, str] = Field(default_factory=dict)
    anyway: bool = False


class SignedIn(AccountOut):
    """The account with the steps of its test and, this once, the secret we made for it."""

    steps: list[StepOut]
    secret: str | None = None


class GapOut(BaseModel):
    """A time in which the account could not be heard, and why. ``ended_at`` null: still cut; ``filled_at`` null: what was said then is
    missing, else when it was fetched."""

    began_at: datetime
    ended_at: datetime | None
    filled_at: datetime | None
    reason: str


class GapList(BaseModel):
    """The gaps of the last 90 days, newest first."""

    items: list[GapOut]
    next: str | None = None


class RemovalOut(BaseModel):
    """What becomes of what was heard on a removed account. ``mentions``: keep, deleting or deleted; ``deleted``: how many are gone; ``left``:
    how many were still there when they were last counted, null before that."""

    model_config = ConfigDict(from_attributes=True)

    account: UUID
    channel: str
    name: str
    removed_at: datetime
    mentions: str
    deleted: int
    left: int | None


class RefusedOut(BaseModel):
    """An entry of a list that was not taken."""

    name: str
    reason: str


class AddedOut(BaseModel):
    """What became of a list: ``read = added + known + len(refused)``."""

    read: int
    added: int
    known: int
    refused: list[RefusedOut]


@router.post("/test", response=TestOut, summary="Try an account before it is connected")
@govern.requires("accounts:write")
def try_account(request: HttpRequest, body: TrialIn) -> Any:
    """Each step of the connection, in plain words; nothing is stored and nothing is sent."""
    steps = keeping.try_out(
        govern.actor_of(request), channel=body.channel, settings=body.settings, credentials=body.credentials, reach_only=body.reach_only
    )
    return steps_out(steps)


@router.post("/{account}/test", response=TestOut, summary="Test an account")
@govern.requires("accounts:write")
def test_account(request: HttpRequest, account: UUID) -> Any:
    """Each step of the connection, in plain words."""
    visible(request, account, "accounts:write")
    return steps_out(keeping.test_account(govern.actor_of(request).organization, account))


@router.post("/{account}/credentials", response=SignedIn, summary="Sign in anew")
@govern.requires("accounts:write")
def sign_in_anew(request: HttpRequest, account: UUID, body: CredentialsIn) -> Any:
    """New credentials over the old; its place, its sources and all that was heard stay. They are tried first: 422 `credentials_refused`
    keeps the old ones. Without any, a channel whose secret we make gets a fresh one, answered this once."""
    visible(request, account, "accounts:write")
    changed, secret, steps = keeping.sign_in_anew(govern.actor_of(request), account, body.credentials, anyway=body.anyway)
    return {**account_out(changed, request), "steps": steps_out(steps)["steps"], "secret": secret}


@router.get("/{account}/gaps", response=GapList, summary="When an account could not be heard")
@govern.requires("accounts:read")
def list_gaps(request: HttpRequest, account: UUID) -> Any:
    """From when to when and why, and whether what was missed was fetched afterwards."""
    found = visible(request, account, "accounts:read")
    gaps = selectors.gaps(found.organization, since=now() - timedelta(days=_DAYS), account=account)
    return {"items": gaps, "next": None}


@router.get("/{account}/removal", response=RemovalOut, summary="How far the removal of an account is")
@govern.requires("accounts:read")
def get_removal(request: HttpRequest, account: UUID) -> Any:
    """Of an account that was removed; 404 for one that is connected."""
    actor = govern.actor_of(request)
    found = leaving.removal(actor.organization, account)
    if not actor.may("accounts:read", found.unit):
        raise NotFound("account")
    return found


@router.post(
    "/{account}/sources/list",
    response=AddedOut,
    summary="Listen to a whole list of sources",
    openapi_extra={"requestBody": {"required": True, "content": {"text/x-opml": {"schema": {"type": "string"}}}}},
)
@govern.requires("accounts:write")
def take_list(request: HttpRequest, account: UUID) -> Any:
    """For channels that have lists, such as feeds: an OPML document as other readers export it, up to 5 MB. Those known are passed over,
    those refused are named with the reason."""
    visible(request, account, "accounts:write")
    done = lists.take(govern.actor_of(request), account, request.body)
    return {
        "read": done.read, "added": done.added, "known": done.known, "refused": [{"name": name, "reason": why} for name, why in done.refused],
    }  # fmt: skip


@router.get("/{account}/sources/list", response={200: None}, summary="The list of an account's sources")
@govern.requires("accounts:read")
def give_list(request: HttpRequest, account: UUID) -> Any:
    """As other programs read it: OPML for feeds."""
    visible(request, account, "accounts:read")
    return list_answer(request, account)


def list_answer(request: HttpRequest, account: UUID) -> HttpResponse:
    """The file, to be saved."""
    name, kind, body = lists.give(govern.actor_of(request), account)
    answer = HttpResponse(body, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
