"""/settings: the organization, its units and members, one's tokens, sign-ins and looks, the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cxm.design import refusals
from cxm.govern import access, audit_words
from cxm.govern.browsers import browser_name
from cxm.govern.doors import page
from cxm.govern.services import audit, members, organizations, tokens
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import CxmError, FieldError, Invalid
from cxm.kernel.ids import parse_id
from cxm.kernel.permissions import ROLES

_YEAR = 31_536_000
both = require_http_methods(["GET", "POST"])


def role_names() -> list[tuple[str, str]]:
    """Roles as people read them."""
    words = {
        "owner": _("Owner"),
        "manager": _("Manager"),
        "agent": _("Agent"),
        "publisher": _("Publisher"),
        "analyst": _("Analyst"),
        "privacy_officer": _("Privacy officer"),
    }
    return [(role, words[role]) for role in ROLES]


#: Tabs that open only for whom the right is one in the whole organization.
_EVERYWHERE = ("queues", "webhooks", "addresses", "audit")


def tabs(actor: Actor, active: str) -> list[dict[str, Any]]:
    """The tabs of /settings that ``actor`` may open; what concerns the whole organization is not offered to whose right ends at a unit."""
    known = [
        ("organization", _("Organization"), "organization:read"),
        ("units", _("Units"), "organization:read"),
        ("members", _("Members"), "members:read"),
        ("shifts", _("Shifts"), None),
        ("hours", _("Hours"), "desk:write"),
        ("queues", _("Queues"), "desk:write"),
        ("tokens", _("API tokens"), "tokens:write"),
        ("webhooks", _("Webhooks"), "webhooks:write"),
        ("addresses", _("Addresses"), "stops:read"),
        ("sessions", _("Sign-ins"), None),
        ("appearance", _("Appearance"), None),
        ("audit", _("Audit log"), "audit:read"),
    ]
    return [
        {"label": label, "url": f"/settings/{name}", "active": name == active}
        for name, label, right in known
        if right is None or (actor.may(right) and (name not in _EVERYWHERE or actor.units(right) is None))
    ]


def show(request: HttpRequest, tab: str, context: dict[str, Any], *, error: CxmError | None = None, template: str = "") -> HttpResponse:
    """A page of /settings; ``error`` stands above the form and beside its fields, and gives the status."""
    actor = access.actor_of(request)
    context = {"tabs": tabs(actor, tab), "error": error, "field_errors": refusals.fields(error), "form": request.POST, **context}
    return render(request, f"govern/{template or tab}.html", context, status=error.status if error else 200)


def attempt(act: Callable[[], Any]) -> CxmError | None:
    """Run ``act``; what it refuses comes back, to be shown beside the form. What is missing or forbidden stays an error page."""
    try:
        act()
    except CxmError as error:
        if error.status not in (409, 410, 422):
            raise
        return error
    return None


@page(None)
def settings_root(request: HttpRequest) -> HttpResponse:
    """The first page one may open."""
    return HttpResponseRedirect(tabs(access.actor_of(request), "")[0]["url"])


@both
@page("organization:read")
def organization_page(request: HttpRequest) -> HttpResponse:
    """The organization's name."""
    actor = access.actor_of(request)
    error = None
    if request.method == "POST":
        access.require(actor, "organization:write")
        error = attempt(lambda: _keep_organization(actor, request))
        if error is None:
            return HttpResponseRedirect("/settings/organization")
    context = {
        "one": organizations.organization(actor.organization),
        "may_write": actor.may("organization:write"),
        "zones": sorted(available_timezones()),
    }
    return show(request, "organization", context, error=error)


def _keep_organization(actor: Actor, request: HttpRequest) -> None:
    with transaction.atomic():
        organizations.rename_organization(actor, _text(request, "name"))
        if "zone" in request.POST:
            organizations.set_zone(actor, _text(request, "zone"))


@both
@page("organization:read")
def units_page(request: HttpRequest) -> HttpResponse:
    """The tree of units, and a new one."""
    actor = access.actor_of(request)
    error = None
    if request.method == "POST":
        access.require(actor, "units:write")
        error = attempt(lambda: organizations.create_unit(actor, _text(request, "name"), _id(request, "parent")))
        if error is None:
            return HttpResponseRedirect("/settings/units")
    known = organizations.units(actor.organization)
    context = {"units": known, "parents": [(str(one.id), one.name) for one in known], "may_write": actor.may("units:write")}
    return show(request, "units", context, error=error)


@both
@page("units:write")
def unit_page(request: HttpRequest, unit: UUID) -> HttpResponse:
    """One unit: its name, where it stands, its end."""
    actor = access.actor_of(request)
    one = organizations.unit(actor.organization, unit)
    error = None
    if request.method == "POST":
        if request.POST.get("action") == "delete":
            error = attempt(lambda: organizations.delete_unit(actor, unit))
        else:
            error = attempt(lambda: organizations.change_unit(actor, unit, name=_text(request, "name"), parent=_id(request, "parent")))
        if error is None:
            return HttpResponseRedirect("/settings/units")
    below = set(organizations.descendants(actor.organization, unit))
    parents = [(str(other.id), other.name) for other in organizations.units(actor.organization) if other.id not in below]
    return show(request, "units", {"one": one, "parents": parents}, error=error, template="unit")


@both
@page("members:read")
def members_page(request: HttpRequest) -> HttpResponse:
    """Who works here; invite somebody."""
    actor = access.actor_of(request)
    error, invited = None, []
    if request.method == "POST":
        access.require(actor, "members:write")

        def act() -> None:
            made = members.invite(
                actor, _text(request, "email"), _text(request, "name"), request.POST.get("role", ""), _id(request, "unit")
            )
            invited.append({"email": made.member.email, "link": _absolute(request, made.link), "until": made.expires_at})

        error = attempt(act)
    names = {unit.id: unit.name for unit in organizations.units(actor.organization)}
    words = dict(role_names())
    listed = [
        {"member": one, "roles": [(words[grant.role], names.get(grant.unit, "")) for grant in one.grants]}
        for one in members.members(actor.organization)
    ]
    context = {
        "members": listed,
        "roles": role_names(),
        "units": [(str(key), name) for key, name in names.items()],
        "may_write": actor.may("members:write"),
        "invited": invited[0] if invited else None,
    }
    return show(request, "members", context, error=error)


@both
@page("members:write")
def member_page(request: HttpRequest, member: UUID) -> HttpResponse:
    """One member: name, role and unit, a fresh invitation, letting them go."""
    actor = access.actor_of(request)
    one = members.member(actor.organization, member)
    error, links = None, []
    if request.method == "POST":
        action = request.POST.get("action")
        if action == "remove":
            error = attempt(lambda: members.remove(actor, member))
            if error is None:
                return HttpResponseRedirect("/settings/members")
        elif action == "invite":
            error = attempt(lambda: links.append(_absolute(request, members.invite_again(actor, member).link)))
        else:
            error = attempt(
                lambda: members.change(actor, member, name=_text(request, "name"), role=request.POST.get("role"), unit=_id(request, "unit"))
            )
            if error is None:
                return HttpResponseRedirect("/settings/members")
    first = one.grants[0] if one.grants else None
    context = {
        "one": one,
        "role": first.role if first else "",
        "unit": str(first.unit) if first else "",
        "roles": role_names(),
        "units": [(str(unit.id), unit.name) for unit in organizations.units(actor.organization)],
        "link": links[0] if links else None,
    }
    return show(request, "members", context, error=error, template="member")


@both
@page("tokens:write")
def tokens_page(request: HttpRequest) -> HttpResponse:
    """One's API tokens; a new one's secret is shown this once."""
    actor = access.actor_of(request)
    error, secrets, chosen = None, [], None
    if request.method == "POST":
        if request.POST.get("action") == "revoke":
            tokens.revoke_token(actor, _id(request, "token") or UUID(int=0))
            return HttpResponseRedirect("/settings/tokens")
        chosen = request.POST.getlist("scopes") if request.POST.get("which") == "some" else None

        def act() -> None:
            if chosen is not None and not chosen:
                raise Invalid("scopes_missing", _("Choose at least one right."), errors=(FieldError("scopes", _("at least one")),))
            secrets.append(tokens.create_token(actor, _text(request, "name"), chosen, _until(request))[1])

        error = attempt(act)
    held = [one for one in sorted(access.registry.permissions.values(), key=lambda one: one.name) if actor.may(one.name)]
    names = {one.id: one.name for one in members.members(actor.organization)}
    listed = [{"token": one, "member": names.get(one.member, "")} for one in tokens.tokens(actor)]
    days = [("", _("never")), ("30", _("in 30 days")), ("90", _("in 90 days")), ("365", _("in a year"))]
    return show(
        request,
        "tokens",
        {
            "tokens": listed,
            "permissions": [
                {"name": one.name, "text": _(one.text), "checked": error is not None and one.name in (chosen or ())} for one in held
            ],
            "days": days,
            "secret": secrets[0] if secrets else None,
            "which_all": chosen is None,
            "which_some": chosen is not None,
        },
        error=error,
    )


@both
@page(None)
def sessions_page(request: HttpRequest) -> HttpResponse:
    """Where one is signed in."""
    key = request.session.session_key
    if request.method == "POST":
        number = request.POST.get("session", "")
        if number == "others":
            tokens.end_other_sign_ins(request.user.pk, key)
        else:
            tokens.end_sign_in(request.user.pk, int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0)
        return HttpResponseRedirect("/settings/sessions")
    return show(
        request,
        "sessions",
        {"sign_ins": [asdict(one) | {"name": browser_name(one.browser)} for one in tokens.sign_ins(request.user.pk, key)]},
    )


@both
@page(None)
def appearance_page(request: HttpRequest) -> HttpResponse:
    """Light or dark, language, single letters as keys: kept in cookies of this browser. The time zone: kept with the member."""
    actor = access.actor_of(request)
    error = None
    if request.method == "POST":
        error = attempt(lambda: _keep_looks(actor, request))
        if error is None:
            return _with_cookies(request, HttpResponseRedirect("/settings/appearance"))
    asked = request.POST if error else {}
    context = {
        "chosen_theme": asked.get("theme") or request.COOKIES.get("cxm_theme", "system"),
        "themes": [
            {"value": "system", "label": _("As the system")},
            {"value": "light", "label": _("Light")},
            {"value": "dark", "label": _("Dark")},
        ],
        "languages": settings.LANGUAGES,
        "chosen_language": asked.get("language") or request.LANGUAGE_CODE,  # type: ignore[attr-defined]
        "letters": (asked.get("letters") if error else request.COOKIES.get("cxm_letters", "on")) not in ("off", None),
        "zone": asked.get("zone", members.preferences(actor).get("zone", "")),
        "zones": sorted(available_timezones()),
        "home_zone": organizations.organization(actor.organization).zone,
    }
    return show(request, "appearance", context, error=error)


_LOOKS = {"theme": ("light", "dark", "system"), "language": tuple(code for code, _name in settings.LANGUAGES), "letters": ("on", "off")}


def _keep_looks(actor: Actor, request: HttpRequest) -> None:
    faults = tuple(
        FieldError(name, _("Choose one of those offered."))
        for name, allowed in _LOOKS.items()
        if request.POST.get(name) not in (None, *allowed)
    )
    if faults:
        raise Invalid("looks_invalid", _("Nothing was saved."), _("See beside the fields."), errors=faults)
    zone = _text(request, "zone").strip()
    if "zone" in request.POST:
        members.prefer(actor, zone=organizations.fitting_zone(zone) if zone else None)


def _with_cookies(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    for name in _LOOKS:
        # The theme and the letters are read by scripts of this site as well, so they are not hidden from them.
        wanted = request.POST.get(name, "off" if name == "letters" else None)
        if wanted is not None:
            response.set_cookie(
                f"cxm_{name}", wanted, max_age=_YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE, httponly=name == "language"
            )
    return response


@page("audit:read")
def audit_page(request: HttpRequest) -> HttpResponse:
    """What was done, by whom, newest first; and whether the chain is whole."""
    actor = access.actor_of(request)
    access.require_everywhere(actor, "audit:read")
    before = request.GET.get("before", "")
    rows = audit.entries(
        actor.organization, before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None, limit=50
    )
    named = audit_words.names(actor)
    report = audit.verify(actor.organization) if request.GET.get("verify") else None
    return show(
        request,
        "audit",
        {"entries": [audit_words.line(one, named) for one in rows], "older": rows[-1].seq if len(rows) == 50 else None, "report": report},
    )


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "")


def _id(request: HttpRequest, name: str) -> UUID | None:
    """The id in a field; what is none is one that does not exist."""
    text = request.POST.get(name, "")
    return (parse_id(text) or UUID(int=0)) if text else None


def _until(request: HttpRequest) -> Any:
    days = request.POST.get("days", "")
    return now() + timedelta(days=int(days)) if days in ("30", "90", "365") else None


def _absolute(request: HttpRequest, link: str) -> str:
    return link if "://" in link else request.build_absolute_uri(link)
