"""The guided tour: seven stops along the way of one message, from home to the stop. It can be left at any of them and taken up again.

Where somebody is stands in their preferences (``tour``: ``{"at", "state"}``; state is on, left, done or later); nothing of it needs the script.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid

HERE = "/tour"


def _steps() -> list[dict[str, str]]:
    return [
        {"url": "/home", "right": "", "title": _("Home"),
         "text": _("What needs you now stands first: who waits, and whose answer is due soonest. Every number leads to its messages.")},
        {"url": "/inbox", "right": "conversations:read", "title": _("Inbox"),
         "text": _("Everything anybody wrote to the company, from every channel, in one list. j and k move, Enter opens, ? shows all keys.")},
        {"url": "/inbox?sort=due", "right": "conversations:reply", "title": _("Answer"),
         "text": _("Open the first conversation and press r. Above the words stands from which account they go, to whom, and who can read them. For ten seconds u takes them back.")},
        {"url": "/inbox?state=waiting&assignee=all", "right": "conversations:read", "title": _("Where it arrived"),
         "text": _("What was answered waits here for them. Beneath your words stands what became of them: on its way, sent, delivered, or why not.")},
        {"url": "/explorer", "right": "mentions:read", "title": _("Explorer"),
         "text": _("Ask anything of all that was ever said: a word, a mood, a wish. Each number narrows the question, and each mention leads to who said it.")},
        {"url": "/coverage", "right": "mentions:read", "title": _("Coverage"),
         "text": _("Nobody is forgotten: every mention ends answered, closed with a reason, or waiting. The sum is the number heard, and what we could not hear is shown too.")},
        {"url": "/stop", "right": "stops:read", "title": _("Stop"),
         "text": _("One button, and nothing leaves any more. What was about to leave is held, and you look at it item by item when you lift the stop.")},
    ]  # fmt: skip


def steps_for(actor: Actor) -> list[dict[str, str]]:
    """The stops of the tour whose pages ``actor`` may open."""
    return [one for one in _steps() if not one["right"] or actor.may(one["right"])]


def state_of(request: HttpRequest) -> dict[str, Any]:
    """Where whoever is signed in is: ``at`` (from 0) and ``state``, empty before the tour was offered."""
    kept = govern.own_preferences(request).get("tour")
    return kept if isinstance(kept, dict) and isinstance(kept.get("at"), int) and isinstance(kept.get("state"), str) else {}


def bar(request: HttpRequest, actor: Actor) -> dict[str, Any] | None:
    """What the frame shows of it: the stop one is at, or, at home of the demo company, the offer to begin; None mostly."""
    kept = state_of(request)
    if not kept:
        return {"offer": True} if request.path == "/home" and _is_demo() else None
    if kept["state"] != "on":
        return None
    steps = steps_for(actor)
    at = min(max(kept["at"], 0), len(steps) - 1)
    return {
        "step": steps[at],
        "number": at + 1,
        "of": len(steps),
        "back": steps[at - 1]["title"] if at else "",
        "next": steps[at + 1]["title"] if at + 1 < len(steps) else "",
        "here": request.path == steps[at]["url"].partition("?")[0],
    }


def _is_demo() -> bool:
    from cxm.demo import api as demo

    return demo.is_demo()


@require_http_methods(["GET", "POST"])
@govern.page(None)
def tour_page(request: HttpRequest) -> HttpResponse:
    """All its stops; ``do`` begins it, goes on (``resume``), to the ``next``, ``back``, or ``leave``s it; ``later`` takes the offer away."""
    actor = govern.actor_of(request)
    steps, kept = steps_for(actor), state_of(request)
    if request.method == "POST":
        return _move(request, actor, steps, kept)
    context = {"steps": [{**one, "number": number + 1} for number, one in enumerate(steps)], "at": kept.get("at", 0) + 1, "kept": kept}
    return render(request, "run/tour.html", context)


def _move(request: HttpRequest, actor: Actor, steps: list[dict[str, str]], kept: dict[str, Any]) -> HttpResponse:
    at, doing, last = kept.get("at", 0), request.POST.get("do", ""), len(steps) - 1
    moves = {
        "start": (0, "on"),
        "resume": (at, "on"),
        "next": (at + 1, "on"),
        "back": (at - 1, "on"),
        "leave": (at, "left"),
        "later": (0, "later"),
    }
    if doing not in moves:
        said = _("Nothing was changed.")
        raise Invalid("tour_invalid", said, _("Use one of the buttons."), errors=(FieldError("do", said),))
    at, state = moves[doing]
    if at > last:
        at, state = last, "done"
    govern.prefer(actor, tour={"at": max(at, 0), "state": state})
    if state == "on":
        return HttpResponseRedirect(f"{steps[max(at, 0)]['url']}#tour")
    return HttpResponseRedirect(HERE if state == "done" else _back(request))


def _back(request: HttpRequest) -> str:
    """The page one is on, by its path alone, so that nothing leads elsewhere."""
    path = request.POST.get("from", "")
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and "\n" not in path else "/home"
