"""/channels/new/<channel>: connecting an account, in the order in which an operator goes about it, with a test on the way.

Nothing that was typed is lost: what is wrong stands beside its field, and secrets come back sealed, never readable.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from cxm.channels import registry
from cxm.channels.contracts import TestStep
from cxm.channels.registry import Channel
from cxm.connect import api as connect
from cxm.connect import authorizing, platform_clients, schema_forms
from cxm.connect.account_json import inbound_url
from cxm.connect.authorizing_pages import browser, leaving, typed_app
from cxm.connect.authorizing_rest import called
from cxm.connect.page_kit import about, given, id_of, text_of, units
from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.errors import CxmError
from cxm.platform import secrets

#: How long secrets that were typed are kept in the form that holds them.
_KEPT_FOR = timedelta(hours=1)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
@govern.page("accounts:write")
def new_account(request: HttpRequest, channel: str) -> HttpResponse:
    """A form drawn from the channel's own description, tried as far as it is filled in, then connected; a secret of ours is shown once."""
    actor = govern.actor_of(request)
    known = registry.channel(channel)
    error: CxmError | None = None
    steps: list[TestStep] | None = None
    action = request.POST.get("action", "")
    typed = _typed(request, known, actor)
    if request.method == "POST":
        try:
            if action in ("reach", "try"):
                steps = try_out(actor, channel, typed, reach_only=action == "reach")
            elif action.startswith("sign_in:"):
                return _sign_in(request, actor, known, typed, action.partition(":")[2])
            else:
                return _connected(request, actor, known, typed)
        except CxmError as refused:
            if refused.status not in (409, 422):
                raise
            error = refused
    context = _form(request, known, actor, typed, error) | about(known)
    context |= {
        "steps": steps,
        "ok": steps is not None and all(step.ok for step in steps),
        "tried": action,
        "fresh": request.method == "GET",
    }
    return render(request, "connect/new.html", context, status=error.status if error else 200)


def _sign_in(request: HttpRequest, actor: Actor, known: Channel, typed: dict[str, dict[str, Any]], way: str) -> HttpResponse:
    begun = authorizing.begin(
        actor, channel=known.name, name=text_of(request, "name"), unit=id_of(request, "unit"), settings=given(typed["settings"]), way=way,
        client=typed_app(request, way), base=called(request), session=browser(request),
    )  # fmt: skip
    return leaving(request, begun, f"/channels/new/{known.name}")


def ways_of(request: HttpRequest, actor: Actor, known: Channel, error: CxmError | None) -> list[dict[str, Any]]:
    """The ways of signing in by OAuth2 as the forms show them; what is registered there already need not be typed again."""
    errors = refusals.fields(error) if error is not None and error.code == "client_invalid" else {}
    chosen = request.POST.get("action", "").partition(":")[2]
    found = []
    for way in known.manifest.auth.ways:
        kept = platform_clients.stored(actor.organization, known.name, way.name)
        titles = known.manifest.settings.get("properties", {})
        found.append({
            "way": way, "needs": platform_clients.needs(way), "kept": kept.client_id if kept else "", "id": text_of(request, f"{way.name}.client_id"),
            "errors": errors if chosen == way.name else {}, "redirect_uri": authorizing.base_of(called(request)) + platform_clients.CALLBACK,
            "settings": [(titles.get(name, {}).get("title", name), value) for name, value in way.settings.items()],
        })  # fmt: skip
    return found


def try_out(actor: Actor, channel: str, typed: dict[str, dict[str, Any]], *, reach_only: bool) -> list[TestStep]:
    """The steps of a trial; whatever a connector did not foresee is one failed step, not a broken page."""
    try:
        return connect.try_out(
            actor, channel=channel, settings=given(typed["settings"]), credentials=given(typed["credentials"]), reach_only=reach_only
        )
    except CxmError:
        raise
    except Exception as error:
        return [broken_off(error)]


def broken_off(error: Exception) -> TestStep:
    """The step that says that a test broke off."""
    text = _("It broke off ({kind}). Try again; if it stays, tell your administrator.").format(kind=type(error).__name__)
    return TestStep(_("Run the test"), False, text)


def _connected(request: HttpRequest, actor: Actor, known: Channel, typed: dict[str, dict[str, Any]]) -> HttpResponse:
    made, secret = connect.connect(
        actor,
        channel=known.name,
        name=text_of(request, "name"),
        unit=id_of(request, "unit"),
        settings=given(typed["settings"]),
        credentials=given(typed["credentials"]),
    )
    if secret is None:
        return HttpResponseRedirect(f"/channels/{made.id}")
    return render(request, "connect/made.html", {"account": made, "secret": secret, "url": inbound_url(made, request), **about(known)})


def _typed(request: HttpRequest, known: Channel, actor: Actor) -> dict[str, dict[str, Any]]:
    """What stands in the form; secrets that were typed before and kept count as typed."""
    if request.method != "POST":
        return {"settings": {}, "credentials": {}}
    found = {section: schema_forms.values(known, section, request.POST) for section in ("settings", "credentials")}
    found["credentials"] = {**unsealed(request.POST.get("kept", ""), actor, known.name), **given(found["credentials"])}
    return found


def sealed(values: dict[str, Any], actor: Actor, channel: str) -> str:
    """What was typed as credentials, so that only we can read it, only for this member and channel, only for an hour."""
    if not values:
        return ""
    return secrets.seal(json.dumps({"of": _owner(actor, channel), "at": format_instant(now()), "values": values}))


def unsealed(text: str, actor: Actor, channel: str) -> dict[str, Any]:
    """What :func:`sealed` made; empty for anything else, for another's, and for what is too old."""
    try:
        told = json.loads(secrets.unseal(text)) if text else {}
        fresh = told["of"] == _owner(actor, channel) and now() - parse_instant(told["at"]) < _KEPT_FOR
        return dict(told["values"]) if fresh else {}
    except (CxmError, ValueError, KeyError, TypeError):
        return {}


def _owner(actor: Actor, channel: str) -> list[str]:
    return [str(actor.organization), str(actor.member), channel]


def _form(request: HttpRequest, known: Channel, actor: Actor, typed: dict[str, dict[str, Any]], error: CxmError | None) -> dict[str, Any]:
    errors = refusals.fields(error)
    held = given(typed["credentials"])
    credentials = schema_forms.fields(known, "credentials", typed["credentials"], errors)
    made_here = known.manifest.auth.secret_made_here
    for one in credentials:
        one["kept"] = one["secret"] and one["name"].partition(".")[2] in held and not one["error"]
    return {
        "error": error,
        "name": text_of(request, "name"),
        "name_error": errors.get("name", ""),
        "unit": text_of(request, "unit"),
        "unit_error": errors.get("unit", ""),
        "units": units(actor),
        "fields": schema_forms.fields(known, "settings", typed["settings"], errors),
        "credentials": [one for one in credentials if not (made_here and one["name"] == "credentials.secret")],
        "secret_made_here": made_here,
        "ways": ways_of(request, actor, known, error),
        "typed_too": known.manifest.auth.kind != "oauth2",
        "kept": sealed(held, actor, known.name),
    }
