"""/channels: the wall of channels, connecting by a guided form, one account's health and what is done about it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cxm.channels import registry
from cxm.channels.contracts import TestStep
from cxm.channels.registry import Channel
from cxm.channels.score import Score
from cxm.connect import accounts, quarantine_pages, schema_forms, selectors, strips
from cxm.connect import api as connect
from cxm.connect.contracts import Account
from cxm.connect.rest import inbound_url
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import CxmError, NotFound
from cxm.kernel.ids import parse_id

_GAP_DAYS = 90


@require_GET
@govern.page("accounts:read")
def channels_page(request: HttpRequest) -> HttpResponse:
    """Every channel with its tier and our accounts on it, each with one sentence on its health."""
    actor = govern.actor_of(request)
    ours: dict[str, list[dict[str, Any]]] = {}
    for one in visible_accounts(actor):
        ours.setdefault(one.channel, []).append({"account": one, "health": health(one)})
    places = [{"channel": known, "manifest": known.manifest, "accounts": ours.get(known.name, [])} for known in registry.channels()]
    context = {
        "places": sorted(places, key=lambda place: (not place["accounts"], place["manifest"].title.casefold())),
        "connected": sum(len(rows) for rows in ours.values()),
        "may_write": actor.may("accounts:write"),
        "quarantined": quarantine_pages.count(actor) if actor.may("intake:read") else None,
    }
    return render(request, "connect/channels.html", context)


@require_GET
@govern.page("accounts:read")
def tier_fragment(request: HttpRequest, channel: str) -> HttpResponse:
    """A channel's tier, computed from its folder; asked for after the page is there, since the first time takes seconds."""
    known = registry.channel(channel)
    return render(request, "connect/tier.html", {"score": tier(known.name), "manifest": known.manifest})


@lru_cache(maxsize=200)
def tier(channel: str) -> Score:
    """The score of a channel; a folder does not change while the program runs."""
    from cxm.channels.score import score

    return score(registry.channel(channel))


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
@govern.page("accounts:write")
def new_account(request: HttpRequest, channel: str) -> HttpResponse:
    """Connect an account: a form drawn from the channel's own description; a secret of ours is shown this once."""
    actor = govern.actor_of(request)
    known = registry.channel(channel)
    error = None
    if request.method == "POST":
        try:
            made, secret = connect.connect(
                actor,
                channel=channel,
                name=_text(request, "name"),
                unit=_id(request, "unit"),
                settings=_given(schema_forms.values(known, "settings", request.POST)),
                credentials=_given(schema_forms.values(known, "credentials", request.POST)),
            )
        except CxmError as refused:
            if refused.status not in (409, 422):
                raise
            error = refused
        else:
            if secret is None:
                return HttpResponseRedirect(f"/channels/{made.id}")
            return render(
                request, "connect/made.html", {"account": made, "secret": secret, "url": inbound_url(made, request), **_about(known)}
            )
    context = _form(request, known, actor, error) | _about(known)
    return render(request, "connect/new.html", context, status=error.status if error else 200)


def _form(request: HttpRequest, known: Channel, actor: Actor, error: CxmError | None) -> dict[str, Any]:
    errors = {one.path: one.text for one in getattr(error, "errors", ())}
    typed = {section: schema_forms.values(known, section, request.POST) if error else {} for section in ("settings", "credentials")}
    credentials = schema_forms.fields(known, "credentials", typed["credentials"], errors)
    made_here = known.manifest.auth.secret_made_here
    return {
        "error": error,
        "name": _text(request, "name"),
        "name_error": errors.get("name", "") or (error.text if error and error.code == "account_exists" else ""),
        "unit": _text(request, "unit"),
        "unit_error": errors.get("unit", ""),
        "units": units(actor),
        "fields": schema_forms.fields(known, "settings", typed["settings"], errors),
        "credentials": [one for one in credentials if not (made_here and one["name"] == "credentials.secret")],
        "secret_made_here": made_here,
        "kept": any(one["secret"] for one in credentials) and error is not None and not made_here,
    }


def _about(known: Channel) -> dict[str, Any]:
    manifest = known.manifest
    return {
        "channel": known,
        "manifest": manifest,
        "signed": manifest.auth.inbound == "standard_webhooks",
        "receives": known.can("receive"),
        "looks": known.can("poll") or known.can("stream"),
        "tests": known.can("test"),
    }


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
        connect.remove(actor, one.id)
        return HttpResponseRedirect("/channels")
    if action in ("pause", "resume"):
        connect.change(actor, one.id, state="paused" if action == "pause" else "active")
    elif action == "rename":
        connect.change(actor, one.id, name=_text(request, "name"))
    elif action == "change":
        secrets = {key: value for key, value in schema_forms.values(known, "credentials", request.POST).items() if value not in ("", None)}
        connect.change(
            actor,
            one.id,
            settings=_given(schema_forms.values(known, "settings", request.POST), keep_empty=True),
            credentials=secrets or None,
        )
    return HttpResponseRedirect(f"/channels/{one.id}")


def _account_context(request: HttpRequest, actor: Actor, one: Account, error: CxmError | None) -> dict[str, Any]:
    known = registry.channel(one.channel)
    errors = {fault.path: fault.text for fault in getattr(error, "errors", ())}
    typed = schema_forms.values(known, "settings", request.POST) if error and request.POST.get("action") == "change" else one.settings
    may_write = actor.may("accounts:write", one.unit)
    names = dict(units(actor))
    return {
        "account": one,
        "health": health(one),
        "sum": selectors.mailbox_sum(actor.organization, one.id),
        "strip": strips.gap_strip(actor, _GAP_DAYS, one.id),
        "url": inbound_url(one, request) if known.can("receive") else "",
        "unit": names.get(str(one.unit), ""),
        "may_write": may_write,
        "error": error,
        "action": request.POST.get("action", "") if error else "",
        "name": _text(request, "name") if error and request.POST.get("action") == "rename" else one.name,
        "name_error": errors.get("name", ""),
        "fields": schema_forms.fields(known, "settings", typed, errors) if may_write else [],
        "credentials": schema_forms.fields(known, "credentials", {}, errors) if may_write else [],
        "quarantine": quarantine_pages.rows(actor, one.id, limit=5) if actor.may("intake:read", one.unit) else None,
        "may_replay": actor.may("intake:replay", one.unit),
        "mentions_url": explorer_url(one) if actor.may("mentions:read") else "",
        **_about(known),
    }


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
        steps = [
            TestStep(
                _("Run the test"),
                False,
                _("It broke off ({kind}). Try again; if it stays, tell your administrator.").format(kind=type(error).__name__),
            )
        ]
    return render(request, "connect/steps.html", {"steps": steps, "ok": all(step.ok for step in steps)})


def visible_accounts(actor: Actor) -> list[Account]:
    """Connected accounts of the units whose accounts the actor may see."""
    held = actor.units("accounts:read")
    return [one for one in selectors.accounts(actor.organization) if held is None or one.unit in held]


def visible(actor: Actor, account: UUID, permission: str) -> Account:
    """One account; another organization's or unit's is not there, one that may only be looked at is not changed."""
    one = accounts.as_contract(accounts.find(actor.organization, account))
    if not actor.may("accounts:read", one.unit):
        raise NotFound("account")
    govern.require(actor, permission, one.unit)
    return one


def units(actor: Actor) -> list[tuple[str, str]]:
    """Units to choose from: those in which the actor may change accounts, else all they may see; the root first."""
    held = actor.units("accounts:write") if actor.may("accounts:write") else actor.units("accounts:read")
    return [(str(unit.id), unit.name) for unit in govern.units(actor.organization) if held is None or unit.id in held]


def health(one: Account) -> dict[str, str]:
    """One sentence on how an account is, its tone and icon; ``mend`` says what to do."""
    if one.state == "paused":
        return {"tone": "neutral", "icon": "pause", "text": _("Paused by you: nothing comes in, nothing leaves."), "mend": ""}
    if one.state == "broken":
        return {"tone": "bad", "icon": "circle-alert", "text": one.health or _("It cannot connect."), "mend": one.mend}
    if one.health:
        return {"tone": "warn", "icon": "triangle-alert", "text": one.health, "mend": one.mend}
    if one.last_heard_at is None and one.last_ok_at is None:
        return {"tone": "info", "icon": "clock", "text": _("Connected; nothing was heard yet."), "mend": ""}
    if one.last_heard_at is None:
        return {"tone": "good", "icon": "circle-check", "text": _("Connected and looked at; nobody has said anything yet."), "mend": ""}
    return {"tone": "good", "icon": "circle-check", "text": _("All is well."), "mend": ""}


def explorer_url(one: Account) -> str:
    """Everything heard on the account."""
    from urllib.parse import urlencode

    name = one.name.replace("\\", "\\\\").replace('"', '\\"')
    return "/explorer?" + urlencode({"q": f'channel:{one.channel} account:"{name}"'})


def _given(values: dict[str, Any], *, keep_empty: bool = False) -> dict[str, Any]:
    """What was filled in; a change keeps the empty ones, which take a setting back."""
    return values if keep_empty else {key: value for key, value in values.items() if value not in ("", [], None)}


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "")


def _id(request: HttpRequest, name: str) -> UUID | None:
    text = request.POST.get(name, "")
    return (parse_id(text) or UUID(int=0)) if text else None
