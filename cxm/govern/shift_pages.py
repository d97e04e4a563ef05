"""/settings/shifts: when one works, and for who manages members, when each of them does."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.dates import WEEKDAYS as DAY_NAMES
from django.utils.translation import gettext as _

from cxm.govern import access, settings_pages
from cxm.govern.contracts import Member
from cxm.govern.doors import page
from cxm.govern.services import members, shifts
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Invalid, NotFound
from cxm.kernel.ids import parse_id
from cxm.kernel.weekly import WEEKDAYS, written

HERE = "/settings/shifts"


@settings_pages.both
@page(None)
def shifts_page(request: HttpRequest) -> HttpResponse:
    """One's own week, or that of the ``member`` named, where one may manage them."""
    actor = access.actor_of(request)
    manages = actor.may("members:write")
    known = [one for one in members.members(actor.organization) if one.state != "removed" and (manages or one.id == actor.member)]
    wanted = parse_id(request.GET.get("member", "")) or actor.member
    chosen = next((one for one in known if one.id == wanted), None)
    if chosen is None:
        raise NotFound("member")
    error = None
    if request.method == "POST":
        typed = {name: [part for part in request.POST.get(name, "").replace("\x00", "").split(",") if part.strip()] for name in WEEKDAYS}
        error = settings_pages.attempt(lambda: shifts.save(actor, chosen.id, typed))
        if error is None:
            return HttpResponseRedirect(f"{HERE}?member={chosen.id}")
    faults = {one.path: one.text for one in error.errors} if isinstance(error, Invalid) else {}
    context = {
        "one": chosen,
        "own": chosen.id == actor.member,
        "colleagues": [_colleague(one, actor, chosen) for one in known] if manages else [],
        "zone": access.zone_of(request) if chosen.id == actor.member else chosen.shifts.zone if chosen.shifts else "",
        "off_until": chosen.shifts.off_until(now()) if chosen.shifts else None,
        "days": [
            {
                "name": name,
                "label": DAY_NAMES[number],
                "value": request.POST.get(name, "") if error else _kept(chosen, number),
                "error": faults.get(f"days.{name}", ""),
            }
            for number, name in enumerate(WEEKDAYS)
        ],
    }
    return settings_pages.show(request, "shifts", context, error=error)


def _kept(member: Member, day: int) -> str:
    return ", ".join(written(one) for one in member.shifts.days[day]) if member.shifts else ""


def _colleague(one: Member, actor: Actor, chosen: Member) -> dict[str, Any]:
    off = one.shifts is not None and one.shifts.off_until(now()) is not None
    state = "" if one.shifts is None else _("off now") if off else _("works now")
    return {
        "name": one.name,
        "url": f"{HERE}?member={one.id}",
        "active": one == chosen,
        "me": one.id == actor.member,
        "state": state,
        "off": off,
    }
