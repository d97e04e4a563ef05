"""/settings/addresses: whom nothing is sent to, and why."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.errors import CxmError
from cxm.outbound import suppressed

_HERE = "/settings/addresses"
_PAGE = 50


@require_http_methods(["GET", "POST"])
@govern.page(suppressed.READ)
def addresses_page(request: HttpRequest) -> HttpResponse:
    """The list, newest first; each can be taken off, saying why."""
    actor = govern.actor_of(request)
    error = None
    if request.method == "POST":
        govern.require_everywhere(actor, suppressed.WRITE)
        try:
            suppressed.lift(actor, request.POST.get("address", ""), request.POST.get("reason", ""))
            return HttpResponseRedirect(_HERE)
        except CxmError as refused:
            if refused.status != 422:
                raise
            error = refused
    found = suppressed.listed(actor, cursor=request.GET.get("cursor") or None, limit=_PAGE)
    words = {
        "complained": _("They called mail of ours spam."),
        "unknown_address": _("Their address does not exist."),
        "mailbox_closed": _("Their mailbox is closed."),
    }
    context = {
        "tabs": govern.settings_tabs(actor, "addresses"),
        "error": error,
        "field_errors": refusals.fields(error),
        "form": request.POST,
        "rows": [asdict(one) | {"why": words.get(one.reason, one.reason)} for one in found.items],
        "next": found.next,
        "may_write": actor.may(suppressed.WRITE) and actor.units(suppressed.WRITE) is None,
    }
    return render(request, "outbound/addresses.html", context, status=error.status if error else 200)
