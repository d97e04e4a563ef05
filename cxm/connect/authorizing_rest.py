"""REST of signing in by OAuth2: begun here, finished in a browser in which the same member is signed in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, Field

from cxm.connect import authorizing
from cxm.connect.account_json import visible
from cxm.connect.platform_clients import Typed
from cxm.govern import api as govern

router = govern.router(tags=["accounts"])


class AppIn(govern.Body):
    """What was registered at the platform. ``client_id`` and ``client_secret`` are needed once for each organization and way, and kept for
    all of its accounts. ``way`` may be left out where the channel has only one."""

    way: str = ""
    client_id: str = ""
    client_secret: str = ""


class SignInIn(AppIn):
    """An account that is to be connected by signing in."""

    channel: str
    name: str
    unit: UUID | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class BegunOut(BaseModel):
    """Open ``url`` in a browser in which the token's member is signed in here, before ``expires_at``. The platform sends it back to
    ``redirect_uri``, which must be registered there."""

    model_config = ConfigDict(from_attributes=True)

    url: str
    host: str
    scopes: list[str]
    redirect_uri: str
    expires_at: datetime


@router.post("/authorize", response=BegunOut, summary="Connect an account by signing in")
@govern.requires("accounts:write")
def begin(request: HttpRequest, body: SignInIn) -> Any:
    """Nothing is connected until somebody has agreed at the platform. The address can be used once."""
    return authorizing.begin(
        govern.actor_of(request), channel=body.channel, name=body.name, unit=body.unit, settings=body.settings, way=body.way,
        client=Typed(body.client_id, body.client_secret), base=called(request),
    )  # fmt: skip


@router.post("/{account}/authorize", response=BegunOut, summary="Sign in anew at the platform")
@govern.requires("accounts:write")
def begin_anew(request: HttpRequest, account: UUID, body: AppIn) -> Any:
    """As above, for an account that is there: its place, its sources and all that was heard stay."""
    visible(request, account, "accounts:write")
    return authorizing.begin_anew(
        govern.actor_of(request), account, way=body.way, client=Typed(body.client_id, body.client_secret), base=called(request)
    )


def called(request: HttpRequest) -> str:
    """The address we were reached by; host names are judged before anything of ours sees the request."""
    return f"{request.scheme}://{request.get_host()}"
