"""/inbox: what waits, one conversation, the person beside it. Fragments for what changes live."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import page_lists as lists
from cxm.love import page_marks as marks
from cxm.love import page_person, page_shifts
from cxm.love import page_thread as threads
from cxm.love import page_words as words
from cxm.love import page_writing as writing
from cxm.love.contracts import ConversationView

#: Cases one may put what is ticked under: the newest that are open.
_CASES = 30


@require_GET
@govern.page("conversations:read")
def inbox_page(request: HttpRequest) -> HttpResponse:
    """The list alone; what its address asks for."""
    actor = govern.actor_of(request)
    wanted = lists.read(request.GET)
    if partial(request):
        return render(request, "love/swap.html", {"empty_main": True, "wanted": wanted, "list_url": wanted.address()})
    members = threads.members_of(actor.organization)
    return render(request, "love/inbox.html", list_context(actor, wanted, None, members) | {"show": "list"})


@require_GET
@govern.page("conversations:read")
def conversation_page(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """One conversation beside its list. ``person=1`` shows the person on a narrow screen, ``before`` an earlier part."""
    actor = govern.actor_of(request)
    wanted = lists.read(request.GET)
    members = threads.members_of(actor.organization)
    context = conversation_context(request, actor, conversation, wanted, members)
    if partial(request):
        return render(request, "love/swap.html", {**context, "main": True})
    show = "side" if request.GET.get("person") else "main"
    return render(request, "love/inbox.html", list_context(actor, wanted, conversation, members) | context | {"show": show})


@require_GET
@govern.page("conversations:read")
def list_fragment(request: HttpRequest) -> HttpResponse:
    """The list again, or its next page (``cursor``); ``hold`` keeps the rows named in their places and tells how many are new."""
    actor = govern.actor_of(request)
    wanted = lists.read(request.GET)
    _, current = lists.beside(request)
    members = threads.members_of(actor.organization)
    cursor = request.GET.get("cursor") or None
    if cursor:
        return render(request, "love/rows.html", lists.rows(actor, wanted, current, members, cursor) | {"wanted": wanted})
    hold = request.GET.get("hold")
    if hold is None:
        found = lists.rows(actor, wanted, current, members)
    else:
        keep = [key for key in (parse_id(text) for text in hold.split(",")[: lists.HELD]) if key]
        found = lists.held(actor, wanted, current, members, keep)
    return render(
        request, "love/swap.html", {**found, "list": True, "wanted": wanted, "list_url": wanted.address(), **counted(actor, wanted)}
    )


@require_GET
@govern.page("conversations:read")
def thread_fragment(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """The open conversation as it is now: its thread, its head, what to know before writing. The composer stays as it is."""
    actor = govern.actor_of(request)
    wanted, _current = lists.beside(request)
    return thread_again(request, actor, conversation, wanted)


def thread_again(request: HttpRequest, actor: Actor, conversation: UUID, wanted: lists.Wanted, **more: Any) -> HttpResponse:
    """The fragment that brings an open conversation up to date."""
    members = threads.members_of(actor.organization)
    context = conversation_context(request, actor, conversation, wanted, members)
    return render(request, "love/swap.html", {**context, "thread_again": True, **more})


def conversation_context(
    request: HttpRequest, actor: Actor, conversation: UUID, wanted: lists.Wanted, members: dict[UUID, str]
) -> dict[str, Any]:
    """Everything the conversation's two panes show. It counts as seen."""
    before = request.GET.get("before") or None
    detail = love.conversation(actor, conversation, before)
    view = detail.conversation
    if view.unread or before is None:
        love.look(actor, conversation, anything_new=view.unread)
    organization = govern.organization(actor.organization).name
    earlier = detail.mentions[0].id if detail.earlier and detail.mentions else None
    query = wanted.query()
    off = page_shifts.off(getattr(members, "known", ()))
    composer = threads.composer(actor, view, organization, detail.drafts)
    if composer["may_reply"]:
        composer["notices"] += marks.notices(detail.replies)
        marks.answers_from(actor.organization, composer["modes"], detail)
        composer["copies"] = marks.copies(detail)
    if composer["may_reply"] and (since := writing.since(request.GET.get("since", ""))):
        composer["notices"] += writing.meanwhile(actor, conversation, since)
    return {
        "conversation": view,
        "heading": heading(view),
        "entries": threads.thread(actor, detail, members),
        "place": {"id": view.id, "kind": view.kind},
        "rights": {"may_reply": composer["may_reply"]},
        "earlier_url": f"/inbox/{view.id}{query or '?'}{'&' if query else ''}before={earlier}" if earlier else "",
        "latest_url": wanted.address(view.id) if before else "",
        "channel": words.channel(view.channel),
        "state_word": words.states()[view.state],
        "assignee": members.get(view.assignee, "") if view.assignee else "",
        "mine": view.assignee is not None and view.assignee == actor.member,
        "members": [
            (str(key), name, key == view.assignee, off.get(key, "")) for key, name in threads.who_may_answer(actor, view, members).items()
        ],
        "assignee_off": off.get(view.assignee, "") if view.assignee and view.assignee != actor.member else "",
        "me": str(actor.member or ""),
        "reasons": list(words.reasons().items()),
        "close_reason": words.reason(view.close_reason or ""),
        "snoozes": threads.later(),
        "may_manage": actor.may("conversations:manage", view.unit) and not view.erased,
        "may_note": actor.may("conversations:note", view.unit) and not view.erased,
        "promise": threads.promise_times(actor.organization, view),
        "pledges": detail.pledges,
        "queues_here": (known := love.queues(actor.organization)),
        "queue": next((one for one in known if one.id == view.queue), None),
        "may_read_mentions": actor.may("mentions:read", view.unit),
        "composer": composer,
        "seen_at": now().isoformat(),
        "here": writing.onlookers(actor, conversation, members),
        "person": page_person.person(actor, view),
        **page_person.cases(actor, view),
        "wanted": wanted,
        "query": query,
        "list_url": wanted.address(),
        "person_url": wanted.address(view.id) + ("&" if query else "?") + "person=1",
        "thread_url": wanted.address(view.id),
    }


def heading(view: ConversationView) -> str:
    """What it is about: its subject, else who it is with."""
    return view.subject or words.person(view.author)[0]


def list_context(actor: Actor, wanted: lists.Wanted, current: UUID | None, members: dict[UUID, str]) -> dict[str, Any]:
    """Everything the list's pane shows."""
    figures = counted(actor, wanted)
    queues = lists.queues(actor, wanted)
    return {
        **lists.rows(actor, wanted, current, members),
        **figures,
        "wanted": wanted,
        "list_url": wanted.address(),
        "views": lists.views(wanted, figures["counts"]),
        "view_name": words.views()[wanted.state],
        "assignee_name": words.assignees().get(wanted.assignee)
        or members.get(parse_id(wanted.assignee) or UUID(int=0), wanted.assignee[:8]),
        "assignees": lists.assignees(wanted, actor, members),
        "narrowings": lists.narrowings(wanted, queues),
        "queues": queues,
        "filters": lists.form(wanted),
        "may_manage_some": actor.may("conversations:manage"),
        "runs": [words.run(view) for view in love.bulk_going_on(actor)],
        "many": {
            "queues": [(one["id"], one["label"]) for one in queues],
            "cases": [(str(one.id), one.title) for one in love.offered_cases(actor, None, limit=_CASES)],
            "snoozes": threads.later(),
            "reasons": list(words.reasons().items()),
        },
        "may_connect": actor.may("accounts:write"),
        "plain_url": "/inbox",
        "everyone_url": wanted.address(assignee="all"),
    }


def counted(actor: Actor, wanted: lists.Wanted) -> dict[str, Any]:
    """How many there are: ``count`` in this list, ``ours`` for the rail."""
    counts = love.counts(actor)
    return {"counts": counts, "count": lists.count_of(wanted, counts), "ours": counts.mine + counts.nobody}


def partial(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page; going back in history asks for the whole."""
    return request.headers.get("HX-Request-Type") == "partial" and not request.headers.get("HX-History-Restore-Request")
