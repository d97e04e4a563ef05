"""/settings/hours: when each unit is open, and how soon it answers within its hours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.dates import WEEKDAYS as DAY_NAMES
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import CxmError, Invalid, NotAllowed
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love.clocks import promise
from cxm.love.contracts import HoursView
from cxm.love.hours import is_open, zones
from cxm.love.services.hours import TIMES, WEEKDAYS, WRITE, written

HERE = "/settings/hours"


@require_http_methods(["GET", "POST"])
@govern.page(WRITE)
def hours_page(request: HttpRequest) -> HttpResponse:
    """Every unit one may set, and the form of the one chosen (``unit``)."""
    actor = govern.actor_of(request)
    mine = [one for one in govern.units(actor.organization) if actor.may(WRITE, one.id) and actor.may("conversations:read", one.id)]
    if not mine:
        raise NotAllowed("not_allowed", _("There is no unit here whose hours you may set."), _("Ask an owner."))
    chosen = next((one for one in mine if one.id == parse_id(request.GET.get("unit", ""))), mine[0])
    error: CxmError | None = None
    if request.method == "POST":
        try:
            _act(actor, chosen.id, request)
            return HttpResponseRedirect(f"{HERE}?unit={chosen.id}")
        except Invalid as refused:
            error = refused
    names = {one.id: one.name for one in govern.units(actor.organization)}
    set_on = {view.unit for view in love.all_hours(actor)}
    view = love.hours(actor, chosen.id)
    shown = _typed(request) if error else _kept(view)
    faults = {one.path: one.text for one in error.errors} if isinstance(error, Invalid) else {}
    context = {
        "tabs": govern.settings_tabs(actor, "hours"),
        "error": error,
        "units": [
            {"name": one.name, "depth": min(one.depth, 5), "url": f"{HERE}?unit={one.id}", "own": one.id in set_on, "active": one == chosen}
            for one in mine
        ],
        "unit": chosen,
        "own": view.set_on == chosen.id,
        "above": names.get(view.set_on, "") if view.set_on and view.set_on != chosen.id else "",
        "zone": shown["zone"],
        "zones": zones(),
        "days": [
            {"name": name, "label": DAY_NAMES[number], "value": shown[name], "error": faults.get(f"days.{name}", "")}
            for number, name in enumerate(WEEKDAYS)
        ],
        "holidays": shown["holidays"],
        "times": [
            {"name": name, "label": label, "value": shown[name], "error": faults.get(name, "")} for name, label in _time_words().items()
        ],
        "faults": faults,
        "would": _would(actor, chosen.id),
    }
    return render(request, "love/hours.html", context, status=error.status if error else 200)


def _time_words() -> dict[str, str]:
    return {
        "first_private": _("First answer to a private message"),
        "first_public": _("First answer in public"),
        "next_private": _("Every later answer to a private message"),
        "next_public": _("Every later answer in public"),
        "resolution": _("Settled"),
    }


def _act(actor: Actor, unit: UUID, request: HttpRequest) -> None:
    if request.POST.get("action") == "remove":
        love.remove_hours(actor, unit)
        return
    typed = _typed(request)
    days = {name: [part for part in typed[name].replace(";", ",").split(",") if part.strip()] for name in WEEKDAYS}
    holidays = []
    for line in typed["holidays"].splitlines():
        day, _blank, name = line.strip().partition(" ")
        if day:
            holidays.append({"date": day, "name": name.strip()})
    times = {name: int(text) if (text := typed[name]).isascii() and text.isdigit() and len(text) < 8 else 0 for name in TIMES}
    love.save_hours(actor, unit, zone=typed["zone"], days=days, holidays=holidays, times=times)


def _typed(request: HttpRequest) -> dict[str, Any]:
    return {name: request.POST.get(name, "").replace("\x00", "").strip() for name in (*WEEKDAYS, *TIMES, "zone", "holidays")}


def _kept(view: HoursView) -> dict[str, Any]:
    days = {name: ", ".join(written(span) for span in spans) for name, spans in zip(WEEKDAYS, view.days, strict=True)}
    holidays = "\n".join(f"{day.isoformat()} {name}".strip() for day, name in view.holidays)
    return {"zone": view.zone, "holidays": holidays, **days, **{name: getattr(view, name) for name in TIMES}}


def _would(actor: Actor, unit: UUID) -> dict[str, Any]:
    """What it means, by example: a message heard now."""
    terms, moment = promise(actor.organization, unit), now()
    zone = ZoneInfo(terms.calendar.zone)
    return {
        "open": is_open(moment, terms.calendar),
        "private": _wall(terms.answer_due("private", moment), zone),
        "public": _wall(terms.answer_due("public", moment), zone),
        "settled": _wall(terms.resolution_due(moment), zone),
    }


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """The zone's own wall time, written as if it were the page's."""
    return moment.astimezone(zone).replace(tzinfo=UTC)
