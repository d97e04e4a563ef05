"""/channels/quarantine: what could not be taken, its bytes shown and never run, tried again after a fix."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from cxm.channels import registry
from cxm.connect import quarantine, selectors
from cxm.connect.contracts import Account, QuarantinedItem
from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import NotFound
from cxm.kernel.ids import parse_id

#: Bytes of one item shown on screen.
_SHOWN = 1_500
_PAGE = 20


@require_GET
@govern.page("intake:read")
def quarantine_page(request: HttpRequest) -> HttpResponse:
    """All of it, or one account's (``?account=``), newest first."""
    actor = govern.actor_of(request)
    account = parse_id(request.GET.get("account", "")) if request.GET.get("account") else None
    page = _page(actor, account, request.GET.get("cursor") or None, _PAGE)
    known = {one.id: one for one in selectors.accounts(actor.organization)}
    context = {
        "rows": page["rows"],
        "next": page["next"],
        "account": known.get(account) if account else None,
        "limited": actor.units("intake:read") is not None and account is None,
        "done": request.GET.get("done", ""),
        "failed": govern.failed_events(actor, limit=_PAGE) if account is None and actor.may("events:read") else None,
        "may_give_back": actor.may("intake:replay"),
    }
    return render(request, "connect/quarantine.html", context)


@require_POST
@govern.page("intake:replay")
def give_back(request: HttpRequest) -> HttpResponse:
    """Every event that was set aside is tried once more."""
    govern.give_back_events(govern.actor_of(request), None)
    return HttpResponseRedirect("/channels/quarantine?done=given")


@require_POST
@govern.page("intake:replay")
def replay(request: HttpRequest, item: UUID) -> HttpResponse:
    """Try one again: it is taken, or says anew why not. A fragment for htmx, else back to the list."""
    actor = govern.actor_of(request)
    one = quarantine.one(actor.organization, item)
    unit = _unit(actor, one)
    if not (may(actor, "intake:read", unit) and may(actor, "intake:replay", unit)):
        raise NotFound("quarantined item")
    taken = quarantine.replay(actor.organization, item)
    govern.record(actor, "quarantine.replay", f"quarantined:{item}", {"outcome": taken.outcome})
    if request.headers.get("HX-Request"):
        again = _row(actor, quarantine.one(actor.organization, item), {})
        return render(request, "connect/quarantine_row.html", {"row": again | {"tried": True}})
    return HttpResponseRedirect(f"/channels/quarantine?done={'no' if taken.outcome == 'quarantined' else 'yes'}")


def count(actor: Actor) -> int:
    """How much waits for a fix, of what the actor may see."""
    return quarantine.within(actor.organization, actor.units("intake:read")).filter(state="quarantined").count()


def rows(actor: Actor, account: UUID, *, limit: int) -> dict[str, Any]:
    """The newest of one account, for its page."""
    return _page(actor, account, None, limit)


def may(actor: Actor, permission: str, unit: UUID | None) -> bool:
    """Whether ``permission`` holds in ``unit``; imports belong to none, so to whoever holds it everywhere."""
    return actor.may(permission, unit) if unit else actor.may(permission) and actor.units(permission) is None


def _page(actor: Actor, account: UUID | None, cursor: str | None, limit: int) -> dict[str, Any]:
    units = actor.units("intake:read")
    found = quarantine.listed(actor.organization, units=units, channel=None, account=account, cursor=cursor, limit=limit)
    known: dict[UUID | None, UUID | None] = {}
    return {"rows": [_row(actor, item, known) for item in found.items], "next": found.next}


def _unit(actor: Actor, item: QuarantinedItem, known: dict[UUID | None, UUID | None] | None = None) -> UUID | None:
    known = known if known is not None else {}
    if item.account not in known:
        account = _account(actor, item.account)
        # A removed account's leftovers belong to whoever may see everything.
        known[item.account] = account.unit if account else None
    return known[item.account]


def _account(actor: Actor, account: UUID | None) -> Account | None:
    if account is None:
        return None
    try:
        return selectors.account(actor.organization, account)
    except NotFound:
        return None


def _row(actor: Actor, item: QuarantinedItem, units: dict[UUID | None, UUID | None]) -> dict[str, Any]:
    account = _account(actor, item.account)
    return {
        "item": item,
        "where": account.name if account else _("import"),
        "channel": _title(item.channel),
        "raw": readable(item.raw[:_SHOWN]),
        "cut": item.size > _SHOWN,
        "may_replay": may(actor, "intake:replay", _unit(actor, item, units)),
    }


def _title(channel: str) -> str:
    return refusals.told(registry.title(channel))


def readable(raw: bytes) -> str:
    """Bytes as text that can do nothing: what is not UTF-8 and every control sign, those that turn the line around too, is written out."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(sign if sign in "\n\t" or sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
