"""The frame of every page: the rail's entries with their counts, the stop, who is signed in."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from cxm.kernel.actor import Actor
from cxm.run import tour


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context of the shell; before sign-in only the look."""
    look = {"theme": request.COOKIES.get("cxm_theme", "system"), "letters_on": request.COOKIES.get("cxm_letters") != "off"}
    actor = getattr(request, "actor", None)
    if not isinstance(actor, Actor) or actor.member is None:
        return look
    from cxm.govern import api as govern

    organization = govern.organization(actor.organization)
    return {
        **look,
        "navigation": _entries(request, actor),
        "stop": _stop(actor),
        "organization": {"name": organization.name, "unit": "", "switch": _switch(request, actor)},
        "tour": tour.bar(request, actor),
        "member": {"name": actor.name},
        "live_url": f"/live?since={time.time():.3f}",  # what happens until the page listens is told when it does
    }


def _switch(request: HttpRequest, actor: Actor) -> list[dict[str, Any]]:
    from cxm.govern import api as govern

    places = govern.workplaces(request)
    entries = [{"name": one.name, "url": f"/switch-organization?to={one.id}", "active": one.id == actor.organization} for one in places]
    return entries if len(entries) > 1 else []


def _entries(request: HttpRequest, actor: Actor) -> list[dict[str, Any]]:
    waiting, share = _counts(actor)
    wanted = [
        ("/home", "house", _("Home"), "conversations:read", ""),
        ("/inbox", "inbox", _("Inbox"), "conversations:read", waiting),
        ("/explorer", "telescope", _("Explorer"), "mentions:read", ""),
        ("/topics", "hash", _("Topics"), "mentions:read", ""),
        ("/people", "users", _("People"), "profiles:read", ""),
        ("/coverage", "list-checks", _("Coverage"), "mentions:read", share),
        ("/channels", "radio-tower", _("Channels"), "accounts:read", ""),
    ]
    entries = [_entry(request, *entry) for entry in wanted if actor.may(entry[3]) and _exists(entry[0])]
    return [*entries, {**_entry(request, "/settings", "settings", _("Settings"), "", ""), "section": "foot"}]


def _entry(request: HttpRequest, url: str, icon: str, label: str, permission: str, count: str) -> dict[str, Any]:
    active = request.path == url or request.path.startswith(url + "/")
    return {
        "url": url,
        "icon": icon,
        "label": label,
        "count": count,
        "hot": url == "/inbox" and bool(count),
        "active": active,
        "section": "main",
    }


@lru_cache
def _exists(url: str) -> bool:
    from django.urls import Resolver404, resolve

    try:
        resolve(url)
    except Resolver404:
        return False
    return True


def _counts(actor: Actor) -> tuple[str, str]:
    from cxm.love import api as love

    return (str(love.waiting_count(actor) or ""), "") if actor.may("conversations:read") else ("", "")


def _stop(actor: Actor) -> dict[str, Any]:
    from cxm.govern import api as govern

    on = govern.stops(actor.organization, on=True)
    return {
        "on": bool(on),
        "stops": on,
        "scopes": govern.stop_banners(actor) if on else [],
        "may": actor.may("stops:write"),
        "url": "/stop",
    }
