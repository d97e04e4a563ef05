"""The ways in: page views by session, REST operations by bearer token."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from ninja import Router
from ninja.security import HttpBearer
from pydantic import BaseModel, ConfigDict

from cxm.govern.access import actor_of, actor_of_token, require, zone_of
from cxm.kernel.actor import Actor
from cxm.kernel.errors import NotSignedIn

View = TypeVar("View", bound=Callable[..., Any])


class Body(BaseModel):
    """Base of every request body: a member that is not declared is refused, so nothing can be set on the side."""

    model_config = ConfigDict(extra="forbid")


class BearerToken(HttpBearer):
    """``Authorization: Bearer cxm_…``; a browser session is nothing here."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        """The token's actor, also at ``request.actor``."""
        known = getattr(request, "actor", None)
        if isinstance(known, Actor) and known.kind == "token":
            return known
        actor = actor_of_token(token)
        if actor is not None:
            request.actor = actor  # type: ignore[attr-defined]
        return actor


bearer = BearerToken()


def router(*, tags: list[str] | None = None) -> Router:
    """A router whose operations need a bearer token; they find ``request.actor``."""
    return Router(auth=bearer, tags=tags)


def requires(permission: str) -> Callable[[View], View]:
    """Beneath ``@router.get(...)``: the token must hold ``permission`` in some unit at least."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
            require(actor_of(request), permission)
            return view(request, *arguments, **named)

        guarded.permission = permission  # type: ignore[attr-defined]
        # ninja reads annotations in the wrapper's module, where the view's names mean nothing: they are resolved here.
        guarded.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def page(permission: str | None) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A page view for members: signed in (else to /sign-in and back) and holding ``permission`` (None: any member).

    The view gets ``request.actor``.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
            try:
                actor = actor_of(request)
            except NotSignedIn:
                return to_sign_in(request)
            if permission is not None:
                require(actor, permission)
            with timezone.override(zone_of(request)):
                return view(request, *arguments, **named)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Off to /sign-in, and back here afterwards; a fragment's request moves the whole window."""
    fragment = request.headers.get("HX-Request") == "true"
    wanted = (
        request.headers.get("HX-Current-URL-Path", "") if fragment else request.get_full_path() if request.method in ("GET", "HEAD") else ""
    )
    address = "/sign-in" + (f"?{urlencode({'next': wanted})}" if wanted.startswith("/") and wanted != "/" else "")
    if fragment:
        return HttpResponse(status=401, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)
