"""What members do on /inbox: answer, take back, settle, note, assign, snooze, tag, close, reopen. Many at once: ``page_bulk``.

Each answers with the fragments that changed. What is refused is told in words where it was done, and nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now, parse_instant
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import page_lists as lists
from cxm.love import page_marks as marks
from cxm.love import page_shifts, pages
from cxm.love import page_thread as threads
from cxm.love import page_words as words
from cxm.love import page_writing as writing
from cxm.love.page_refusals import View, toast, told
from cxm.outbound import api as outbound

#: Seconds in which an answer can be taken back.
UNDO_SECONDS = 10
#: No mention has this id: whoever asks for copies was shown no list of ours.
_NOTHING_SHOWN = UUID(int=0)


def _action(permission: str) -> Callable[[View], View]:
    return lambda view: require_POST(told(govern.page(permission)(view)))


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "")


def _plain(request: HttpRequest, conversation: UUID) -> HttpResponse | None:
    """Without the script: back to the conversation."""
    if request.headers.get("HX-Request"):
        return None
    return HttpResponseRedirect(lists.read(request.GET).address(conversation))


# --- speaking ----------------------------------------------------------------------------------------------------------


@_action("conversations:read")
def write(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """What the composer sends: an answer, public or private, or a note for ourselves."""
    actor = govern.actor_of(request)
    text, visibility = _text(request, "text").replace("\r\n", "\n"), request.POST.get("visibility", "")
    if visibility == "note":
        love.note(actor, conversation, text)
        said = None
    elif visibility in ("public", "private"):
        media, copies = [{"id": key} for key in request.POST.getlist("media")], request.POST.get("copies", "")
        shown = (parse_id(copies) or _NOTHING_SHOWN) if copies else None
        seen = writing.since(request.POST.get("read", "") or request.POST.get("since", ""))
        try:
            made = love.reply(
                actor,
                conversation,
                text,
                visibility=visibility,
                media=media,
                copies=bool(copies),
                copies_of=shown,
                undo_seconds=UNDO_SECONDS,
                since=seen,
            )
        except Conflict as error:
            if error.code == "copies_changed" and request.headers.get("HX-Request"):
                return _to_others(request, actor, conversation, error)
            if error.code != "answered_meanwhile" or seen is None or not request.headers.get("HX-Request"):
                raise
            return _overtaken(request, actor, conversation, seen)
        said = _said(made.id, made.state, visibility)
    else:
        raise Invalid("visibility_invalid", _("Choose who can read it."), _("Nothing was sent."))
    response = _plain(request, conversation) or pages.thread_again(request, actor, conversation, lists.read(request.GET), said_nothing=True)
    if said:
        response["HX-Trigger"] = said
    return response


def _to_others(request: HttpRequest, actor: Actor, conversation: UUID, error: Conflict) -> HttpResponse:
    """They wrote to others meanwhile: who is new, who is gone, and whom a copy goes to when it is sent once more."""
    composer = {"copies": marks.copies(love.conversation(actor, conversation))}
    return render(
        request,
        "love/copies_changed.html",
        {
            "conversation": love.conversation_row(actor, conversation),
            "composer": composer,
            "error": error,
            "added": _listed(error, "added"),
            "gone": _listed(error, "gone"),
        },
        status=409,
    )


def _listed(error: Conflict, name: str) -> str:
    found = error.extra.get(name)
    return ", ".join(map(str, found)) if isinstance(found, list) else ""


def _overtaken(request: HttpRequest, actor: Actor, conversation: UUID, seen: datetime) -> HttpResponse:
    """Somebody else answered meanwhile: what they said, and a way to send one's own all the same."""
    others = love.answered_meanwhile(actor, conversation, seen)
    context = {"conversation": conversation, "last": others[-1], "seen_at": now().isoformat()}
    return render(request, "love/overtaken.html", context, status=409)


def _said(reply: UUID, state: str, visibility: str) -> str:
    undo = f"/inbox/replies/{reply}/take-back"
    if state == "held":
        return toast(_("Held by a stop. Nothing was sent."), kind="warn", undo=undo)
    text = _("Public answer: {n} s to take it back") if visibility == "public" else _("Private answer: {n} s to take it back")
    return toast(text.format(n=UNDO_SECONDS), undo=undo, seconds=UNDO_SECONDS)


@_action("conversations:reply")
def take_back(request: HttpRequest, reply: UUID) -> HttpResponse:
    """Take back an answer while it waits or is held; its words return to the composer."""
    actor = govern.actor_of(request)
    back = love.take_back(actor, reply)
    given = {
        "conversation": str(back.conversation),
        "text": back.text,
        "visibility": "private" if back.private else "public",
        "files": [str(entry["upload"]) for entry in back.media if entry.get("upload")],
    }
    response = HttpResponse() if request.headers.get("HX-Request") else HttpResponseRedirect(f"/inbox/{back.conversation}")
    response["HX-Trigger"] = toast(_("Taken back. Nothing was sent."), kind="good", seconds=4, **{"inbox:given-back": given})
    return response


@_action("conversations:reply")
def settle(request: HttpRequest, reply: UUID) -> HttpResponse:
    """A person looked on the platform and says what became of an answer."""
    actor = govern.actor_of(request)
    known = outbound.reply(actor.organization, reply)
    if known.conversation is None:
        raise NotFound("reply")
    love.conversation_row(actor, known.conversation)
    outbound.settle(actor, reply, outcome=request.POST.get("outcome", ""))
    return _plain(request, known.conversation) or pages.thread_again(request, actor, known.conversation, lists.beside(request)[0])


# --- handling ----------------------------------------------------------------------------------------------------------


@_action("conversations:read")
def assign(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Give it to a member (``me``, an id), or to nobody (empty)."""
    actor = govern.actor_of(request)
    wanted = request.POST.get("member", "")
    member = actor.member if wanted == "me" else parse_id(wanted)
    if wanted and member is None:
        raise NotFound("member")
    love.assign(actor, conversation, member)
    response = _changed(request, actor, conversation)
    if off := page_shifts.warning(actor, member):
        response["HX-Trigger"] = toast(off, kind="warn")
    return response


@_action("conversations:read")
def tag(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Put tags on (``add``, separated by commas), keep only those still ticked (``keep`` of ``had``)."""
    actor = govern.actor_of(request)
    add = [part.strip() for part in _text(request, "add").split(",") if part.strip()]
    gone = sorted(set(request.POST.getlist("had")) - set(request.POST.getlist("keep")))
    if not add and not gone:
        raise Invalid(
            "tags_missing",
            _("No tag was written."),
            _("Write one, or untick one to take it off."),
            errors=(FieldError("add", _("No tag was written.")),),
        )
    love.tag(actor, conversation, add, gone)
    return _changed(request, actor, conversation, menus=True)


@_action("conversations:read")
def queue(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Move it to a queue, or to none (empty)."""
    actor = govern.actor_of(request)
    wanted = request.POST.get("queue", "")
    key = parse_id(wanted)
    if wanted and key is None:
        raise NotFound("queue")
    love.move_to_queue(actor, conversation, key)
    return _changed(request, actor, conversation, menus=True)


@_action("conversations:read")
def close(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Close it with a reason and go on to the next one of the list."""
    actor = govern.actor_of(request)
    reason = _text(request, "own").strip() or _text(request, "reason") or _usual_reason(actor, conversation)
    following = _following(request, actor, conversation)
    love.close(actor, conversation, reason)
    text = _("Closed: {reason}").format(reason=words.reason(reason))
    return _onward(request, actor, conversation, following, toast(text, kind="good", undo=f"/inbox/{conversation}/reopen"))


def _usual_reason(actor: Actor, conversation: UUID) -> str:
    view = love.conversation_row(actor, conversation)
    return "answered" if view.first_answered_at and view.answer_due is None else "no_answer_needed"


@_action("conversations:read")
def snooze(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Out of sight until ``until`` and on to the next one of the list."""
    actor = govern.actor_of(request)
    try:
        until = parse_instant(request.POST.get("until", ""))
    except Invalid as error:
        raise Invalid("until_invalid", _("That is no time."), _("Choose one of the times offered.")) from error
    following = _following(request, actor, conversation)
    love.snooze(actor, conversation, until)
    text = _("Snoozed until {when}").format(when=words.moment(until))
    return _onward(request, actor, conversation, following, toast(text, kind="good", undo=f"/inbox/{conversation}/reopen"))


@_action("conversations:read")
def reopen(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Take it up again: a closed one is open, a snoozed one awake."""
    actor = govern.actor_of(request)
    love.reopen(actor, conversation)
    if request.headers.get("HX-Source", "").startswith("button#reopen"):
        return _changed(request, actor, conversation)
    response = HttpResponse() if request.headers.get("HX-Request") else HttpResponseRedirect(f"/inbox/{conversation}")
    response["HX-Trigger"] = toast(
        _("Open again"), kind="good", seconds=4, **{"inbox:go": {"url": lists.beside(request)[0].address(conversation)}}
    )
    return response


# --- what is answered --------------------------------------------------------------------------------------------------


def _changed(request: HttpRequest, actor: Actor, conversation: UUID, **more: Any) -> HttpResponse:
    """The conversation with what changed."""
    return _plain(request, conversation) or pages.thread_again(request, actor, conversation, lists.read(request.GET), **more)


def _following(request: HttpRequest, actor: Actor, conversation: UUID) -> UUID | None:
    """Where to go when this one is done: the one below it in the list, else the one above. Asked before it leaves the list."""
    return love.next_one(actor, lists.read(request.GET).filter(), conversation)


def _onward(request: HttpRequest, actor: Actor, conversation: UUID, following: UUID | None, said: str) -> HttpResponse:
    """The next conversation, or an empty place where that was the last."""
    wanted = lists.read(request.GET)
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(wanted.address(following))
    if following is None:
        context: dict[str, Any] = {"empty_main": True, "wanted": wanted, "list_url": wanted.address()}
    else:
        members = threads.members_of(actor.organization)
        context = pages.conversation_context(request, actor, following, wanted, members) | {"main": True}
    response = render(request, "love/swap.html", context | {"done": conversation})
    response["HX-Push-Url"] = wanted.address(following)
    response["HX-Trigger"] = said
    return response
