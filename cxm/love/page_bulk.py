"""Many conversations at once on /inbox: what is ticked, or everything in the list; progress, cancel, undo."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import FieldError, Invalid
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import page_lists as lists
from cxm.love import page_shifts, pages
from cxm.love import page_thread as threads
from cxm.love import page_words as words
from cxm.love.contracts import BulkView
from cxm.love.page_refusals import toast, told

#: Short names of the bar's own buttons.
_SHORT = {"mine": "assign", "nobody": "assign"}
#: Names that are said of those left out.
_NAMED = 6


@require_POST
@told
@govern.page("conversations:manage")
def bulk(request: HttpRequest) -> HttpResponse:
    """``do`` (mine, nobody, close, assign, tag, snooze, queue, case) for the ``ids`` ticked, or with ``all`` for everything in the list on screen."""
    actor = govern.actor_of(request)
    doing = request.POST.get("do", "")
    ids = [key for key in map(parse_id, request.POST.getlist("ids")) if key]
    whole = bool(request.POST.get("all"))
    if not (ids or whole):
        raise Invalid("bulk_invalid", _("Nothing was changed."), _("Tick at least one conversation."))
    wanted = lists.beside(request)[0].filter() if whole else None
    values = _values(request, actor, doing)
    view = love.bulk(actor, _SHORT.get(doing, doing), values, conversations=ids, wanted=wanted)
    return _answer(request, actor, view, values["member"] if doing == "assign" else None)


@require_GET
@govern.page("conversations:manage")
def givable(request: HttpRequest) -> HttpResponse:
    """Whom all of the ``ids`` ticked, or with ``all`` the whole list on screen, can be given to, as the fields of a form; and who is left out."""
    actor = govern.actor_of(request)
    ids = [key for key in map(parse_id, request.GET.getlist("ids")) if key]
    units = love.units_of(actor, lists.beside(request)[0].filter() if request.GET.get("all") else None, ids)
    known = [one for one in govern.members(actor.organization) if one.state != "removed"]
    able = [govern.who_may(actor.organization, known, ("conversations:read", "conversations:reply"), unit) for unit in units]
    everywhere, somewhere = (set[UUID].intersection(*able), set[UUID].union(*able)) if able else (set[UUID](), set[UUID]())
    off = page_shifts.off(known)
    left_out = [one.name for one in known if one.id in somewhere - everywhere]
    context = {
        "members": [(str(one.id), page_shifts.option(one.name, off.get(one.id, ""))) for one in known if one.id in everywhere],
        "left_out": ", ".join(left_out[:_NAMED]) + ("…" if len(left_out) > _NAMED else ""),
    }
    return render(request, "love/givable.html", context)


@require_GET
@govern.page("conversations:manage")
def progress(request: HttpRequest, bulk: UUID) -> HttpResponse:
    """How far it is, as a fragment."""
    return render(request, "love/bulk.html", {"runs": [words.run(love.bulk_status(govern.actor_of(request), bulk))]})


@require_POST
@told
@govern.page("conversations:manage")
def cancel(request: HttpRequest, bulk: UUID) -> HttpResponse:
    """Stop it where it is."""
    actor = govern.actor_of(request)
    return _answer(request, actor, love.cancel_bulk(actor, bulk))


@require_POST
@told
@govern.page("conversations:manage")
def undo(request: HttpRequest, bulk: UUID) -> HttpResponse:
    """Bring back what was before."""
    actor = govern.actor_of(request)
    return _answer(request, actor, love.undo_bulk(actor, bulk))


def _values(request: HttpRequest, actor: Actor, doing: str) -> dict[str, Any]:
    member, until = request.POST.get("member", ""), request.POST.get("until", "")
    values: dict[str, Any] = {
        "add": [part.strip() for part in request.POST.get("add", "").replace("\x00", "").split(",") if part.strip()],
        "reason": request.POST.get("reason", "").replace("\x00", ""),
        "queue": parse_id(request.POST.get("queue", "")),
        "case": parse_id(request.POST.get("case", "")),
        "member": actor.member if doing == "mine" or member == "me" else parse_id(member),
    }
    try:
        values["until"] = parse_instant(until).astimezone(UTC) if until else None
    except Invalid as error:
        said = _("Choose one of the times offered.")
        raise Invalid("until_invalid", _("That is no time."), said, errors=(FieldError("until", said),)) from error
    return values


def _answer(request: HttpRequest, actor: Actor, view: BulkView, member: UUID | None = None) -> HttpResponse:
    """The list as it is now; a toast with its undo where it is over, else the progress. ``member``: whom they were given to."""
    wanted, current = lists.beside(request)
    members = threads.members_of(actor.organization)
    context = lists.rows(actor, wanted, current, members) | pages.counted(actor, wanted)
    runs = [words.run(view)] if view.busy or view.state == "cancelled" else []
    response = render(
        request, "love/swap.html", {**context, "list": True, "wanted": wanted, "list_url": wanted.address(), "bulk": True, "runs": runs}
    )
    if not view.busy:
        undo_url = f"/inbox/bulk/{view.id}/undo" if view.undo_until else ""
        said, off = words.run_said(view), page_shifts.warning(actor, member) if view.done else ""
        text = " ".join(part for part in (said, off) if part)
        response["HX-Trigger"] = toast(text, kind="warn" if view.refused or off else "good", undo=undo_url)
    return response
