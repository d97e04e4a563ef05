"""/inbox/cases: all of them, one with its conversations, and what is done with it: open, put under, take out, merge, split, settle, undo."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.errors import CxmError, FieldError, Invalid, NotFound
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import page_lists as lists
from cxm.love import page_words as words
from cxm.love import pages
from cxm.love.contracts import CaseMoveView, ConversationView, InboxFilter
from cxm.love.page_refusals import toast, told
from cxm.love.selectors import cases as states

HERE = "/inbox/cases"
_PAGE, _SHOWN = 30, 200


@require_GET
@govern.page("conversations:read")
def cases_page(request: HttpRequest) -> HttpResponse:
    """All of them, newest first; ``state`` narrows (open unless said otherwise)."""
    actor = govern.actor_of(request)
    state = request.GET.get("state", "open")
    state = state if state in (*states.STATES, "all") else "open"
    found = love.cases(actor, None if state == "all" else state, request.GET.get("cursor") or None, _PAGE)
    choices = {"open": _("Open cases"), "resolved": _("Settled cases"), "merged": _("Merged cases"), "all": _("All cases")}
    context = {
        "cases": found.items,
        "states": [{"label": label, "url": f"{HERE}?state={key}", "active": key == state} for key, label in choices.items()],
        "more": f"{HERE}?state={state}&cursor={found.next}" if found.next else "",
    }
    return render(request, "love/cases.html", context)


@require_GET
@govern.page("conversations:read")
def case_page(request: HttpRequest, case: UUID) -> HttpResponse:
    """One case."""
    return _show(request, case)


@require_POST
@govern.page("conversations:read")
def change(request: HttpRequest, case: UUID) -> HttpResponse:
    """What its page asks for: ``do`` is resolve, reopen, merge (``other``), split (``title``, ``ids``) or out (``ids``)."""
    actor = govern.actor_of(request)
    love.case(actor, case)
    ids = [key for key in map(parse_id, request.POST.getlist("ids")) if key]
    doing = request.POST.get("do", "")
    try:
        if doing in ("resolve", "reopen"):
            love.resolve_case(actor, case, resolved=doing == "resolve")
        elif doing == "merge":
            other = parse_id(request.POST.get("other", ""))
            if other is None:
                raise Invalid(
                    "case_missing",
                    _("No case was chosen."),
                    _("Choose the one that comes over."),
                    errors=(FieldError("other", _("No case was chosen.")),),
                )
            love.merge_cases(actor, case, other)
        elif doing in ("split", "out"):
            if not ids:
                raise Invalid(
                    "conversations_missing",
                    _("No conversation is ticked."),
                    _("Tick at least one."),
                    errors=(FieldError("ids", _("Tick at least one.")),),
                )
            if doing == "split":
                case, _move = love.split_case(actor, case, request.POST.get("title", "").replace("\x00", ""), ids)
            for key in ids if doing == "out" else ():
                love.unlink_case(actor, case, key)
        else:
            raise Invalid("case_change_invalid", _("Nothing was changed."), _("Use one of the buttons."))
    except CxmError as refused:
        if refused.status not in (404, 409, 422):
            raise
        return _show(request, case, refused)
    return HttpResponseRedirect(f"{HERE}/{case}")


@require_POST
@told
@govern.page("conversations:read")
def undo(request: HttpRequest, change: UUID) -> HttpResponse:
    """Everything as it was before a move; back to the case, or to the conversation on screen."""
    actor = govern.actor_of(request)
    try:
        case = love.undo_case_move(actor, change)
    except CxmError as refused:
        known = parse_id(request.POST.get("case", ""))
        if refused.status != 409 or known is None or request.headers.get("HX-Request"):
            raise
        return _show(request, known, refused)
    wanted, here = lists.beside(request)
    if not request.headers.get("HX-Request") or here is None:
        return HttpResponseRedirect(f"{HERE}/{case}")
    response = pages.thread_again(request, actor, here, wanted, menus=True)
    response["HX-Trigger"] = toast(_("Undone."), kind="good", seconds=4)
    return response


@require_POST
@told
@govern.page("conversations:read")
def of_conversation(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Put it under a case (``case``), under a new one (``title``), or take it out of its own (``out``)."""
    actor = govern.actor_of(request)
    key, title = parse_id(request.POST.get("case", "")), request.POST.get("title", "").replace("\x00", "").strip()
    move: UUID | None = None
    if request.POST.get("out"):
        mine = love.conversation_row(actor, conversation).case
        if mine is None:
            raise NotFound("case")
        move, said = love.unlink_case(actor, mine, conversation), _("Taken out of the case.")
    elif key is not None:
        move, said = love.link_case(actor, key, conversation), _("Put under the case.")
    elif title:
        made = love.create_case(actor, title, [conversation])
        move, said = love.case_moves(actor, made)[0].id, _("The case is open.")
    else:
        raise Invalid("case_missing", _("No case was chosen."), _("Choose one, or write a title for a new one."))
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(lists.read(request.GET).address(conversation))
    response = pages.thread_again(request, actor, conversation, lists.read(request.GET), menus=True)
    response["HX-Trigger"] = toast(said, kind="good", undo=f"{HERE}/moves/{move}/undo" if move else "")
    return response


def _show(request: HttpRequest, key: UUID, error: CxmError | None = None) -> HttpResponse:
    actor = govern.actor_of(request)
    case = love.case(actor, key)
    inside = love.conversations(actor, InboxFilter(case=key), None, _SHOWN).items
    may = any(actor.may("conversations:manage", one.unit) for one in inside)
    into = case.merged_into
    context = {
        "case": case,
        "error": error,
        "typed": request.POST.get("title", "").replace("\x00", ""),
        "ticked": request.POST.getlist("ids"),
        "chosen": request.POST.get("other", ""),
        "faults": refusals.fields(error),
        "state": {"open": _("open"), "resolved": _("settled"), "merged": _("merged")}[case.state],
        "into": f"{HERE}/{into}" if into else "",
        "inside": [_inside(one) for one in inside],
        "may_manage": may and case.state != "merged",
        "others": [(str(one.id), one.title[:120]) for one in love.offered_cases(actor, None, limit=50) if one.id != key] if may else [],
        "moves": [_moved(one) for one in love.case_moves(actor, key)],
    }
    return render(request, "love/case.html", context, status=error.status if error else 200)


def _inside(one: ConversationView) -> dict[str, Any]:
    last = one.last_mention or {}
    who, _handle = words.person(one.author)
    return {
        "id": str(one.id),
        "url": f"/inbox/{one.id}",
        "who": who,
        "channel": one.channel,
        "text": " ".join(str(last.get("text") or last.get("title") or one.subject or "").split())[:240],
        "at": one.last_at,
        "state": words.states()[one.state],
        "due": one.answer_due if one.state == "open" else None,
    }


def _moved(one: CaseMoveView) -> dict[str, Any]:
    said = {
        "linked": ngettext("{by} put {n} conversation under it", "{by} put {n} conversations under it", one.count),
        "unlinked": ngettext("{by} took {n} conversation out", "{by} took {n} conversations out", one.count),
        "merged": ngettext(
            "{by} merged another case into it: {n} conversation", "{by} merged another case into it: {n} conversations", one.count
        ),
        "split": ngettext("{by} split off {n} conversation", "{by} split off {n} conversations", one.count),
    }
    return {"one": one, "text": said[one.what].format(by=one.by, n=one.count)}
