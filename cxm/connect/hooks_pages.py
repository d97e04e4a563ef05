"""/settings/webhooks: which addresses of other programs are told what happens, and how they stand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from cxm.connect import hooks
from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import CxmError, FieldError, Invalid
from cxm.kernel.ids import parse_id

HERE = "/settings/webhooks"


@sensitive_variables("secret")
@never_cache
@require_http_methods(["GET", "POST"])
@govern.page(hooks.RIGHT)
def webhooks_page(request: HttpRequest) -> HttpResponse:
    """All of them, and a form for another; a secret is shown this once."""
    actor = govern.actor_of(request)
    rows = hooks.rows(actor)
    error, secret = None, None
    if request.method == "POST":
        try:
            secret = _act(actor, request)
            if secret is None:
                return HttpResponseRedirect(HERE)
        except CxmError as refused:
            if refused.status not in (409, 422):
                raise
            error = refused
    held = hooks.readable(actor)
    some = error is not None and request.POST.get("which") == "some"
    context = {
        "tabs": govern.settings_tabs(actor, "webhooks"),
        "error": error,
        "field_errors": refusals.fields(error),
        "form": request.POST,
        "hooks": [hooks.as_hook(row) for row in rows.order_by("id")],
        "names": [
            {"name": name, "checked": some and name in request.POST.getlist("events")}
            for name, right in sorted(hooks.known_events().items())
            if right in held
        ],
        "some": some,
        "secret": secret,
    }
    return render(request, "connect/webhooks.html", context, status=error.status if error else 200)


def _act(actor: Actor, request: HttpRequest) -> str | None:
    """What the form asks for; the secret where a new one was made."""
    action = request.POST.get("action", "")
    if action not in ("pause", "resume", "rotate", "remove"):
        return hooks.create(actor, request.POST.get("url", "").strip(), _chosen(request))[1]
    hook = parse_id(request.POST.get("webhook", "")) or UUID(int=0)
    if action == "rotate":
        return hooks.rotate(actor, hook)[1]
    if action == "remove":
        hooks.remove(actor, hook)
    else:
        hooks.change(actor, hook, active=action == "resume")
    return None


def _chosen(request: HttpRequest) -> list[str]:
    if request.POST.get("which") != "some":
        return []
    names: Any = request.POST.getlist("events")
    if not names:  # none would mean all
        raise Invalid("events_missing", _("Choose at least one event."), errors=(FieldError("events", _("at least one")),))
    return names
