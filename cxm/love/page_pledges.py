"""Promises on /inbox: noting one, settling it by hand, and the list of all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from cxm.govern import api as govern
from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import FieldError, Invalid
from cxm.love import api as love
from cxm.love import page_lists as lists
from cxm.love import page_words as words
from cxm.love import pages
from cxm.love.contracts import PledgeView
from cxm.love.page_refusals import toast, told
from cxm.love.selectors import pledges as states

HERE = "/inbox/promises"
_PAGE = 50


@require_POST
@told
@govern.page("conversations:read")
def promise(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Note one: ``text``, and ``until`` (one of the times offered) or ``own`` (a wall-clock time in the unit's zone)."""
    actor = govern.actor_of(request)
    zone = love.zone_of(actor.organization, love.conversation_row(actor, conversation).unit)
    text = request.POST.get("text", "").replace("\x00", "").strip() or _("I'll write")
    own = request.POST.get("own", "")
    try:
        due = datetime.fromisoformat(own).replace(tzinfo=ZoneInfo(zone)) if own else parse_instant(request.POST.get("until", ""))
    except (ValueError, Invalid) as error:
        raise Invalid(
            "until_invalid",
            _("That is no time."),
            _("Choose one of the times offered."),
            errors=(FieldError("own", _("a date and a time")),),
        ) from error
    try:
        love.promise(actor, conversation, text, due, zone)
    except Invalid as error:
        if error.code != "due_invalid":
            raise
        said = _("That time is not within the coming year.")
        raise Invalid("due_invalid", said, _("Give a time to come."), errors=(FieldError("own", said),)) from error
    return _shown(request, conversation, toast(_("Promised for {when}").format(when=words.moment(due, zone)), kind="good"))


@require_POST
@told
@govern.page("conversations:read")
def settle(request: HttpRequest, promise: UUID) -> HttpResponse:
    """By hand: ``state`` is kept or withdrawn; ``conversation`` is the one on screen."""
    actor = govern.actor_of(request)
    love.settle_promise(actor, promise, request.POST.get("state", ""))
    here = lists.beside(request)[1]
    said = _("Kept.") if request.POST.get("state") == "kept" else _("Withdrawn.")
    if here is None or not request.headers.get("HX-Request"):
        return HttpResponseRedirect(HERE)
    return _shown(request, here, toast(said, kind="good", seconds=4))


def _shown(request: HttpRequest, conversation: UUID, said: str) -> HttpResponse:
    wanted = lists.beside(request)[0]
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(wanted.address(conversation))
    response = pages.thread_again(request, govern.actor_of(request), conversation, wanted, menus=True)
    response["HX-Trigger"] = said
    return response


@require_GET
@govern.page("conversations:read")
def promises_page(request: HttpRequest) -> HttpResponse:
    """All of them, what is due last first; ``state`` narrows."""
    actor = govern.actor_of(request)
    state = request.GET.get("state", "")
    state = state if state in states.STATES else ""
    found = love.pledges(actor, state or None, request.GET.get("cursor") or None, _PAGE)
    choices = {"": _("All"), "open": _("Still open"), "kept": _("Kept"), "late": _("Kept late"), "withdrawn": _("Withdrawn")}
    context = {
        "promises": [_row(view) for view in found.items],
        "states": [
            {"label": label, "url": f"{HERE}?state={key}" if key else HERE, "active": key == state} for key, label in choices.items()
        ],
        "more": f"{HERE}?state={state}&cursor={found.next}" if found.next else "",
    }
    return render(request, "love/promises.html", context)


def _row(view: PledgeView) -> dict[str, Any]:
    tones = {"kept": ("good", _("kept")), "late": ("warn", _("kept late")), "withdrawn": ("neutral", _("withdrawn"))}
    tone, label = tones.get(view.state, ("neutral", ""))
    return {"one": view, "url": f"/inbox/{view.conversation}", "tone": tone, "label": label, "open": view.state == "open"}
