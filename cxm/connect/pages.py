"""/channels: the wall of channels, one account's health and what is done about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cxm.channels import registry
from cxm.channels.grades import grade
from cxm.channels.registry import Channel
from cxm.connect import api as connect
from cxm.connect import quarantine_pages, schema_forms, selectors, sources_pages, strips
from cxm.connect.account_json import inbound_url
from cxm.connect.authorizing_pages import browser, leaving, typed_app
from cxm.connect.authorizing_rest import called
from cxm.connect.connecting_pages import broken_off, sealed, unsealed, ways_of
from cxm.connect.contracts import Account, SourceSum
from cxm.connect.page_kit import about, given, text_of, units, visible
from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import CxmError

_GAP_DAYS, _FEW = 90, 5


@require_GET
@govern.page("accounts:read")
def channels_page(request: HttpRequest) -> HttpResponse:
    """Every channel with its tier and our accounts on it, each with one sentence on its health."""
    actor = govern.actor_of(request)
    ours: dict[str, list[dict[str, Any]]] = {}
    counted = connect.source_sums(actor.organization)
    for one in visible_accounts(actor):
        ours.setdefault(one.channel, []).append({"account": one, "health": connect.health_of(one, counted.get(one.id))})
    places = [
        {"channel": known, "manifest": known.manifest, "grade": grade(known.name), "accounts": ours.get(known.name, [])}
        for known in registry.channels()
    ]
    context = {
        "places": sorted(places, key=lambda place: (not place["accounts"], place["manifest"].title.casefold())),
        "connected": sum(len(rows) for rows in ours.values()),
        "may_write": actor.may("accounts:write"),
        "removals": [one for one in connect.removals(actor.organization) if actor.may("accounts:read", one.unit)],
        "quarantined": quarantine_pages.count(actor) if actor.may("intake:read") else None,
    }
    return render(request, "connect/channels.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@govern.page("accounts:read")
def account_page(request: HttpRequest, account: UUID) -> HttpResponse:
    """One account: how it is, when it was heard, its gaps and sums, quarantine; pause, rename, change, remove."""
    actor = govern.actor_of(request)
    one = visible(actor, account, "accounts:read")
    error = None
    if request.method == "POST":
        visible(actor, account, "accounts:write")
        try:
            return _act(request, actor, one)
        except CxmError as refused:
            if refused.status not in (409, 422):
                raise
            error = refused
    return render(request, "connect/account.html", _account_context(request, actor, one, error), status=error.status if error else 200)


def _act(request: HttpRequest, actor: Actor, one: Account) -> HttpResponse:
    """What a button of the account's page asks; then back to the page."""
    action = request.POST.get("action")
    known = registry.channel(one.channel)
    if action == "remove":
        connect.remove(actor, one.id, mentions=request.POST.get("mentions", "keep"))
        return HttpResponseRedirect("/channels")
    if action in ("pause", "resume"):
        connect.change(actor, one.id, state="paused" if action == "pause" else "active")
    elif action == "rename":
        connect.change(actor, one.id, name=text_of(request, "name"))
    elif action and action.startswith("sign_in:"):
        way = action.partition(":")[2]
        begun = connect.begin_sign_in_anew(
            actor, one.id, way=way, client=typed_app(request, way), base=called(request), session=browser(request)
        )
        return leaving(request, begun, f"/channels/{one.id}")
    elif action == "sign_in":
        typed = _credentials(request, actor, known)
        changed, secret, _steps = connect.sign_in_anew(actor, one.id, typed, anyway=request.POST.get("anyway") == "on")
        if secret is not None:
            return render(
                request, "connect/made.html", {"account": changed, "secret": secret, "url": inbound_url(one, request), **about(known)}
            )
    elif action == "change":
        connect.change(actor, one.id, settings=given(schema_forms.values(known, "settings", request.POST), keep_empty=True))
    return HttpResponseRedirect(f"/channels/{one.id}")


def _account_context(request: HttpRequest, actor: Actor, one: Account, error: CxmError | None) -> dict[str, Any]:
    known = registry.channel(one.channel)
    errors = refusals.fields(error)
    typed = schema_forms.values(known, "settings", request.POST) if error and request.POST.get("action") == "change" else one.settings
    may_write = actor.may("accounts:write", one.unit)
    names = dict(units(actor))
    counted = connect.source_sums(actor.organization, one.id).get(one.id)
    told = connect.health_of(one, counted)
    kept = _credentials(request, actor, known) if error and request.POST.get("action") == "sign_in" else {}
    credentials = schema_forms.fields(known, "credentials", kept, errors) if may_write else []
    for field in credentials:
        field["kept"] = field["secret"] and field["name"].partition(".")[2] in kept and not field["error"]
    return {
        "account": one,
        "health": (connect.silence_of(one) or told) if told.tone == "good" else told,
        "sources": counted or SourceSum(),
        "source_rows": _first_sources(actor, one) if known.manifest.sources else [],
        "sum": selectors.mailbox_sum(actor.organization, one.id),
        "strip": strips.gap_strip(actor, _GAP_DAYS, one.id),
        "url": inbound_url(one, request) if known.can("receive") else "",
        "unit": names.get(str(one.unit), ""),
        "may_write": may_write,
        "may_delete": actor.may("mentions:write", one.unit),
        "error": error,
        "action": request.POST.get("action", "") if error else "",
        "name": text_of(request, "name") if error and request.POST.get("action") == "rename" else one.name,
        "name_error": errors.get("name", ""),
        "fields": schema_forms.fields(known, "settings", typed, errors) if may_write else [],
        "credentials": credentials,
        "secret_made_here": known.manifest.auth.secret_made_here,
        "ways": ways_of(request, actor, known, error) if may_write else [],
        "signed_by": known.manifest.auth.way(one.way or ""),
        "kept": sealed(kept, actor, known.name),
        "refused": error is not None and error.code == "credentials_refused",
        "quarantine": quarantine_pages.rows(actor, one.id, limit=5) if actor.may("intake:read", one.unit) else None,
        "may_replay": actor.may("intake:replay", one.unit),
        "mentions_url": explorer_url(one) if actor.may("mentions:read") else "",
        **about(known),
    }


def _credentials(request: HttpRequest, actor: Actor, known: Channel) -> dict[str, Any]:
    """What was typed, now or before something was refused."""
    typed = given(schema_forms.values(known, "credentials", request.POST))
    return {**unsealed(request.POST.get("kept", ""), actor, known.name), **typed}


def _first_sources(actor: Actor, one: Account) -> list[dict[str, Any]]:
    """What the account's page shows of them: those that cannot be heard, else the newest."""
    for failing in (True, False):
        found = connect.source_page(actor, channel=None, account=one.id, kind=None, cursor=None, limit=_FEW, failing=failing)
        if found.items:
            return sources_pages.rows(found.items, one)
    return []


@require_POST
@govern.page("accounts:write")
def test_fragment(request: HttpRequest, account: UUID) -> HttpResponse:
    """Press the test button: each step in plain words."""
    actor = govern.actor_of(request)
    visible(actor, account, "accounts:write")
    try:
        steps = connect.test_account(actor.organization, account)
    except CxmError:
        raise
    except Exception as error:  # whatever a connector did not foresee is still one failed step, not a broken page
        steps = [broken_off(error)]
    return render(request, "connect/steps.html", {"steps": steps, "ok": all(step.ok for step in steps)})


def visible_accounts(actor: Actor) -> list[Account]:
    """Connected accounts of the units whose accounts the actor may see."""
    held = actor.units("accounts:read")
    return [one for one in selectors.accounts(actor.organization) if held is None or one.unit in held]


def explorer_url(one: Account) -> str:
    """Everything heard on the account."""
    from urllib.parse import urlencode

    name = one.name.replace("\\", "\\\\").replace('"', '\\"')
    return "/explorer?" + urlencode({"q": f'channel:{one.channel} account:"{name}"'})
