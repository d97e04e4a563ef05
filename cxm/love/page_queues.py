"""/settings/queues: the queues in the order their rules are asked, each with its rule."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cxm.channels import registry
from cxm.connect import api as connect
from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import CxmError
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import page_lists as lists
from cxm.love import page_words as words
from cxm.love.contracts import QueueView
from cxm.love.services.queues import WRITE

HERE = "/settings/queues"
_TEXTS = ("name", "query", "channel", "language")


@require_http_methods(["GET", "POST"])
@govern.page(WRITE)
def queues_page(request: HttpRequest) -> HttpResponse:
    """All of them; the form changes the one chosen (``queue``), or makes a new one."""
    actor = govern.actor_of(request)
    govern.require_everywhere(actor, WRITE)
    key = parse_id(request.GET.get("queue", ""))
    error: CxmError | None = None
    if request.method == "POST":
        try:
            _act(actor, key, request)
            return HttpResponseRedirect(HERE)
        except CxmError as refused:
            if refused.status not in (400, 404, 409, 422):
                raise
            error = refused
    known, counts = love.queues(actor.organization), love.queue_counts(actor)
    chosen = next((one for one in known if one.id == key), None)
    accounts = {one.id: f"{words.channel(one.channel)} · {one.name}" for one in connect.accounts(actor.organization)}
    context = {
        "tabs": govern.settings_tabs(actor, "queues"),
        "error": error,
        "faults": refusals.fields(error),
        "queues": [{"one": one, "rule": _rule(one, accounts), "waiting": counts.get(one.id, 0)} for one in known],
        "last": len(known),
        "chosen": chosen,
        "shown": _typed(request) if error else _kept(chosen),
        "channels": [(one.name, refusals.told(one.manifest.title)) for one in registry.channels()],
        "accounts": [(str(one), name) for one, name in accounts.items()],
        "languages": sorted(((tag, words.language(tag)) for tag in lists.TONGUES), key=lambda entry: entry[1]),
    }
    return render(request, "love/queues.html", context, status=error.status if error else 200)


def _act(actor: Actor, key: UUID | None, request: HttpRequest) -> None:
    action = request.POST.get("action", "")
    if key is not None and action == "delete":
        love.delete_queue(actor, key)
    elif key is not None and action in ("up", "down"):
        love.save_queue(actor, key, position=love.queue(actor.organization, key).position + (1 if action == "down" else -1))
    else:
        typed = _typed(request)
        love.save_queue(actor, key, **{**typed, "account": parse_id(typed["account"]), "default": bool(typed["default"])})


def _typed(request: HttpRequest) -> dict[str, Any]:
    return {name: request.POST.get(name, "").replace("\x00", "").strip() for name in (*_TEXTS, "account", "default")}


def _kept(one: QueueView | None) -> dict[str, Any]:
    if one is None:
        return dict.fromkeys((*_TEXTS, "account", "default"), "")
    return {**{name: getattr(one, name) for name in _TEXTS}, "account": str(one.account or ""), "default": one.default}


def _rule(one: QueueView, accounts: dict[UUID, str]) -> str:
    parts = [one.query, words.channel(one.channel) if one.channel else "", words.language(one.language) if one.language else ""]
    parts.append(accounts.get(one.account, _("an account that is gone")) if one.account else "")
    return " · ".join(part for part in parts if part)
