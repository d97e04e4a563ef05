"""/stop: turn one on, see what is on and what it holds, lift it item by item."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cxm.design import refusals
from cxm.govern import access
from cxm.govern.contracts import HeldItem, Stop
from cxm.govern.doors import page
from cxm.govern.frame import names, scope_name
from cxm.govern.services import stops
from cxm.govern.settings_pages import attempt
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.errors import CxmError, FieldError, Invalid
from cxm.kernel.ids import parse_id

#: Characters of a reason; everyone sees it on every page.
REASON_LIMIT = 2000
both = require_http_methods(["GET", "POST"])


@page("stops:read")
def moved(request: HttpRequest) -> HttpResponse:
    """A former address."""
    return HttpResponseRedirect("/stop")


@both
@page("stops:read")
def stop_page(request: HttpRequest) -> HttpResponse:
    """Turn a stop on; stops that are on; the last ones that were lifted."""
    actor = access.actor_of(request)
    error = None
    if request.method == "POST":
        access.require(actor, "stops:write")
        error = attempt(lambda: stops.stop_on(actor, request.POST.get("scope", "")[:60], _reason(request)))
        if error is None:
            return HttpResponseRedirect("/stop")
    named = names(actor)
    on = [_shown(one, named) | {"held": len(stops.held(actor.organization, one.id))} for one in stops.stops(actor.organization, on=True)]
    lifted = [_shown(one, named) for one in stops.stops(actor.organization, on=False)[:20]]
    context: dict[str, Any] = {
        "on": on,
        "lifted": lifted,
        "scopes": _scopes(actor),
        "may_write": actor.may("stops:write"),
        "error": error,
        "field_errors": refusals.fields(error),
        "form": request.POST,
    }
    return render(request, "govern/stop.html", context, status=error.status if error else 200)


@both
@page("stops:read")
def one_stop_page(request: HttpRequest, stop: UUID) -> HttpResponse:
    """One stop: what it holds, item by item, and its lifting; afterwards the receipt."""
    actor = access.actor_of(request)
    error: CxmError | None = None
    if request.method == "POST":
        access.require(actor, "stops:write")

        def act() -> None:
            release = [one for one in (parse_id(text) for text in request.POST.getlist("release")) if one is not None]
            stops.lift(actor, stop, release, parse_instant(request.POST.get("seen_until", "")))

        error = attempt(act)
        if error is None:
            return HttpResponseRedirect(f"/stop/{stop}")
    one = stops.stop_of(actor.organization, stop)
    context = {
        "stop_one": _shown(one, names(actor)),
        "items": [_item(one) for one in stops.held_for(actor, stop)],
        "seen_until": format_instant(now()),
        "receipts": list((one.receipt or {}).get("lifts", [])),
        "may_write": actor.may("stops:write"),
        "error": error,
    }
    return render(request, "govern/stop_one.html", context, status=error.status if error else 200)


def _reason(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "").replace("\x00", "")
    if len(reason) > REASON_LIMIT:
        text = _("At most {n} characters.").format(n=REASON_LIMIT)
        raise Invalid("reason_too_long", _("The reason is too long."), text, errors=(FieldError("reason", text),))
    return reason


def _item(item: HeldItem) -> dict[str, Any]:
    words = {"reply": _("Reply"), "post": _("Post"), "campaign": _("Campaign"), "survey": _("Survey"), "ad": _("Ad"), "call": _("Call")}
    return {"id": item.id, "text": item.text, "since": item.since, "kind_name": words.get(item.kind, item.kind)}


def _scopes(actor: Actor) -> list[tuple[str, str]]:
    units = actor.units("stops:write")
    found = names(actor).items()
    if units is None:
        return list(found)
    return [(scope, name) for scope, name in found if scope.startswith("unit:") and parse_id(scope[5:]) in units]


def _shown(stop: Stop, named: dict[str, str]) -> dict[str, Any]:
    return {"stop": stop, "name": scope_name(stop, named), "url": f"/stop/{stop.id}"}
