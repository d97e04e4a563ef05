"""What the frame of every page shows of this slice: where one can work, which stops are on."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from cxm.govern import access
from cxm.govern.contracts import STOP_KINDS, Organization, Stop
from cxm.govern.services import organizations, stops
from cxm.kernel.actor import Actor


def workplaces(request: HttpRequest) -> list[Organization]:
    """Where the signed-in user is a member, by name; ``/switch-organization?to=<id>`` goes there."""
    ids = [row.organization_id for row in access.memberships(request.user.pk)] if request.user.is_authenticated else []
    return [organizations.organization(one) for one in ids]


def banners(actor: Actor) -> list[dict[str, Any]]:
    """Stops that are on, as the frame of every page shows them (``stop.scopes``): read without what they hold, which may be much."""
    on = stops.stops(actor.organization, on=True)
    named = names(actor) if on else {}
    return [
        {
            "whole": one.scope == "organization",
            "name": scope_name(one, named),
            "since": one.on_at,
            "by": one.by_name,
            "reason": one.reason,
            "held_url": f"/stop/{one.id}",
            "lift_url": f"/stop/{one.id}",
        }
        for one in on
    ]


def kind_names() -> dict[str, str]:
    """What a stop of a kind holds, in words."""
    return {
        "reply": _("replies"),
        "post": _("posts"),
        "campaign": _("campaigns"),
        "survey": _("surveys"),
        "ad": _("ads"),
        "call": _("calls"),
    }


def names(actor: Actor) -> dict[str, str]:
    """Words for every scope that can be chosen."""
    found = {"organization": _("Everything")}
    found |= {
        f"unit:{unit.id}": _("Unit {name}").format(name=unit.name)
        for unit in organizations.units(actor.organization)
        if unit.parent is not None
    }
    return found | {f"kind:{kind}": _("All {things}").format(things=kind_names()[kind]) for kind in STOP_KINDS}


def scope_name(stop: Stop, named: dict[str, str]) -> str:
    """What a stop covers, in words."""
    kind, _colon, target = stop.scope.partition(":")
    return named.get(stop.scope) or (_("Account {id}").format(id=target[:8]) if kind == "account" else stop.scope)
