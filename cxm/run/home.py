"""/home: what needs me now, what changed since yesterday, what we could not hear. Every number leads to its messages.

It stands in ``run`` because it looks into several slices at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET

from cxm.connect import api as connect
from cxm.design import charts
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import minute_after, now
from cxm.kernel.errors import CxmError
from cxm.listen import api as listen
from cxm.love import api as love
from cxm.love.contracts import InboxFilter

_NEEDS = 6
_TOPICS = 4
_GAP_DAYS = 35
_DAY = timedelta(days=1)


@require_GET
@govern.page(None)
def home_page(request: HttpRequest) -> HttpResponse:
    """Home; each part only for whoever may see what it counts."""
    actor = govern.actor_of(request)
    context: dict[str, Any] = {"greeting": greeting(timezone.localtime(now())), "name": actor.name, "today": now()}
    if actor.may("conversations:read"):
        context |= _needs(actor) | {"promised": love.pledge_counts(actor, now() - 7 * _DAY)}
    if actor.may("mentions:read"):
        context |= _changed(actor) | _week(actor)
    if actor.may("accounts:read"):
        context["strip"] = connect.gap_strip(actor, _GAP_DAYS)
        units = actor.units("accounts:read")
        context["accounts"] = [one for one in connect.accounts(actor.organization) if units is None or one.unit in units]
        context["ailing"] = [one for one in context["accounts"] if one.state == "broken" or one.health]
        context["may_connect"] = actor.may("accounts:write")
    return render(request, "run/home.html", context)


def greeting(local: datetime) -> str:
    """By the hour where the installation is."""
    if 5 <= local.hour < 12:
        return _("Good morning")
    return _("Good afternoon") if 12 <= local.hour < 18 else _("Good evening")


def _needs(actor: Actor) -> dict[str, Any]:
    """What waits for me or for nobody: late and due soonest first."""
    assignee = "mine_or_nobody" if actor.member else None
    found = love.conversations(actor, InboxFilter(states=frozenset({"open"}), assignee=assignee, sort="due"), None, _NEEDS)
    return {"needs": [_need(one) for one in found.items], "more_needs": bool(found.next), "counts": love.counts(actor)}


def _need(one: Any) -> dict[str, Any]:
    author, last = one.author or {}, one.last_mention or {}
    return {
        "url": f"/inbox/{one.id}",
        "who": author.get("name") or author.get("handle") or author.get("native_id") or _("somebody"),
        "text": (last.get("text") or last.get("title") or one.subject or "")[:200],
        "language": last.get("language") or "",
        "due": one.answer_due,
        "at": one.last_at,
    }


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the last 24 hours beside the 24 before, and where its messages are."""

    label: str
    value: int
    before: int
    url: str
    tone: str = ""

    @property
    def change(self) -> str:
        """The day before, in words."""
        return _("{n} the day before").format(n=self.before)


def _changed(actor: Actor) -> dict[str, Any]:
    end = minute_after(now())
    figures = [
        _figure(actor, _("mentions"), "", end),
        _figure(actor, pgettext("mentions", "negative"), "sentiment:negative", end, "bad"),
        _figure(actor, _("complaints"), "intent:complaint", end),
        _figure(actor, _("questions"), "intent:question", end),
    ]
    people = listen.aggregate(actor, "", [], after=end - _DAY, before=end, distinct="author")
    topics = [entry for entry in listen.topic_glances(actor, limit=_TOPICS) if not entry["broken"]]
    return {"figures": figures, "people": people.count, "people_exact": people.exact, "topics": topics}


def _figure(actor: Actor, label: str, query: str, end: datetime, tone: str = "") -> Figure:
    counts = [listen.aggregate(actor, query, [], after=end - (back + 1) * _DAY, before=end - back * _DAY).count for back in (0, 1)]
    address = "/explorer?from=now-24h" + (f"&q={query.replace(':', '%3A')}" if query else "")
    return Figure(label, counts[0], counts[1], address, tone if counts[0] > counts[1] else "")


def _week(actor: Actor) -> dict[str, Any]:
    """Of what was said in seven days and called for an answer: how much has one."""
    total = listen.coverage(actor, after=now() - 7 * _DAY)
    called = sum(count for state, count in total.states.items() if state != "no_answer_needed")
    share = charts.percent(total.states["answered"] / called) if called else ""
    return {"called": called, "share": share, "waiting": total.states["waiting"], "heard": total.heard}


@require_GET
@govern.page("conversations:read")
def conversation_of_mention(request: HttpRequest, mention: UUID) -> HttpResponse:
    """On to the conversation a mention stands in; where it stands in none, back to the mention, saying so."""
    try:
        found = love.conversation_of(govern.actor_of(request), mention)
    except CxmError as error:
        if error.status != 404:
            raise
        return HttpResponseRedirect(f"/mentions/{mention}?conversation=none")
    return HttpResponseRedirect(f"/inbox/{found}")
