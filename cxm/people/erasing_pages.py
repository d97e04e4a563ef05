"""/people/erasures: who was erased, when and why, without who it was; and the asking, confirmed by typing a word."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET, require_http_methods

from cxm.govern import api as govern
from cxm.kernel.errors import CxmError, FieldError, Invalid
from cxm.people import api as people
from cxm.people.contracts import ErasureView

_PAGE = 50


@require_GET
@govern.page("profiles:erase")
def erasures_page(request: HttpRequest) -> HttpResponse:
    """Every erasure, newest first."""
    found = people.erasures(govern.actor_of(request), request.GET.get("cursor") or None, _PAGE)
    return render(request, "people/erasures.html", {"rows": [_row(one) for one in found.items], "next": found.next})


@require_http_methods(["GET", "POST"])
@govern.page("profiles:erase")
def erase_page(request: HttpRequest, profile: UUID) -> HttpResponse:
    """What will go, a reason, and a word to type; then it begins."""
    actor = govern.actor_of(request)
    one = people.profile(actor.organization, profile)
    govern.require_everywhere(actor, "profiles:erase")
    word = confirming()
    error: CxmError | None = None
    reason = request.POST.get("reason", "").replace("\x00", "")
    if request.method == "POST":
        try:
            if request.POST.get("typed", "").strip().casefold() != word.casefold():
                raise Invalid(
                    "not_confirmed",
                    _("The word to confirm was not typed."),
                    errors=(FieldError("typed", _("Type the word as it stands above.")),),
                )
            people.erase(actor, one.id, reason)
            return HttpResponseRedirect("/people/erasures")
        except Invalid as refused:
            error = refused
    faults = {fault.path: fault.text for fault in getattr(error, "errors", ())}
    context = {
        "one": one,
        "word": word,
        "reason": reason,
        "error": error,
        "typed_error": faults.get("typed", ""),
        "reason_error": faults.get("reason", ""),
    }
    context["under_way"] = people.under_way(actor.organization, one.id)
    return render(request, "people/erase.html", context, status=error.status if error else 200)


def confirming() -> str:
    """What is typed to confirm, in the reader's language."""
    return pgettext("typed to confirm", "erase")


def _row(one: ErasureView) -> dict[str, object]:
    states = {"waiting": (_("Waiting"), "neutral"), "running": (_("Under way"), "accent"), "done": (_("Done"), "good")}
    label, kind = states[one.state]
    return {"erasure": one, "label": label, "kind": kind, "mentions": one.counts.get("mentions", 0)}
