"""What goes on while somebody writes on /inbox, before anything is sent: their draft and its files are kept, colleagues see who else is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import TooLarge
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import page_thread as threads
from cxm.love.page_refusals import told
from cxm.outbound import api as outbound

#: Names said one by one; more are a number.
_NAMED = 2


@require_POST
@govern.page("conversations:read")
def draft(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Keep what is being written (``text``, ``visibility``, ids of files as ``media``); without any it is forgotten."""
    text = request.POST.get("text", "").replace("\x00", "").replace("\r\n", "\n")
    media = [key for key in map(parse_id, request.POST.getlist("media")) if key]
    love.save_draft(govern.actor_of(request), conversation, text, visibility=request.POST.get("visibility", ""), media=media)
    return HttpResponse(status=204)


@require_http_methods(["GET", "POST"])
@govern.page("conversations:read")
def here(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """GET: who else is there, as a fragment. POST: a sign of life (``typing=1``: a key was just pressed, ``left=1``: gone)."""
    actor = govern.actor_of(request)
    if request.method == "GET":
        return render(request, "love/here.html", {"here": onlookers(actor, conversation, threads.members_of(actor.organization))})
    if request.POST.get("left"):
        love.gone(actor, conversation)
    else:
        love.here(actor, conversation, typing=request.POST.get("typing") == "1")
    return HttpResponse(status=204)


@require_GET
@govern.page("conversations:note")
def names(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Whom a note here can tell, as options of a list: those who may see the conversation, each with the words that name them."""
    actor = govern.actor_of(request)
    unit = love.conversation_row(actor, conversation).unit
    found = [(one, called) for one, called in love.callable_names(actor.organization, unit) if one.id != actor.member]
    return render(request, "love/names.html", {"found": found})


@require_http_methods(["GET", "POST"])
@told
@govern.page("conversations:reply")
def files(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """POST: attach the file that is the body (``?name=``, ``type=``, ``mode=``). GET: those already there by ``ids``. Answers chips."""
    actor = govern.actor_of(request)
    love.conversation_row(actor, conversation)
    if request.method == "POST":
        said = request.headers.get("Content-Length", "")
        if said.isdecimal() and int(said[:20]) > outbound.UPLOAD_LIMIT:
            raise TooLarge(
                "file_too_large", _("The file is larger than {n} MB.").format(n=outbound.UPLOAD_LIMIT // 1_000_000), _("Send a link to it.")
            )
        ids = [outbound.upload(actor, request.GET.get("name", ""), request.body, request.GET.get("type", "")).id]
    else:
        ids = [key for key in map(parse_id, request.GET.get("ids", "").split(",")[:10]) if key]
    return render(request, "love/files.html", {"attached": threads.attachments(actor, request.GET.get("mode", ""), ids)})


@require_POST
@govern.page("conversations:reply")
def drop_file(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """A file that is not sent after all (``file``)."""
    actor = govern.actor_of(request)
    love.conversation_row(actor, conversation)
    if key := parse_id(request.POST.get("file", "")):
        outbound.drop_upload(actor, key)
    return HttpResponse(status=204)


def onlookers(actor: Actor, conversation: UUID, members: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """Who else is there, in words: those who write, then those who look."""
    found = love.onlookers(actor, conversation)
    said = []
    for typing in (True, False):
        names = [members.get(one.member, _("a colleague")) for one in found if one.typing == typing]
        if names:
            said.append({"icon": "pencil" if typing else "eye", "text": _writing(names) if typing else _looking(names), "typing": typing})
    return said


def _writing(names: list[str]) -> str:
    if len(names) <= _NAMED:
        return ngettext("{names} is writing here", "{names} are writing here", len(names)).format(names=_listed(names))
    return _("{n} colleagues are writing here").format(n=len(names))


def _looking(names: list[str]) -> str:
    if len(names) <= _NAMED:
        return ngettext("{names} is looking at this too", "{names} are looking at this too", len(names)).format(names=_listed(names))
    return _("{n} colleagues are looking at this too").format(n=len(names))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else _("{one} and {other}").format(one=names[0], other=names[1])


def meanwhile(actor: Actor, conversation: UUID, since: datetime) -> list[dict[str, str]]:
    """A notice that somebody else answered since this was opened."""
    found = love.answered_meanwhile(actor, conversation, since)
    if not found:
        return []
    return [{"kind": "warn", "icon": "users", "text": _("{name} answered while you have this open.").format(name=found[-1].by)}]


def since(text: str) -> datetime | None:
    """When the writer last saw the conversation, as its composer says; None where it does not."""
    try:
        return parse_instant(text) if text else None
    except ValueError:
        return None
