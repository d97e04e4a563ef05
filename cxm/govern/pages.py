"""The ways in and out: the first page, accepting an invitation, choosing the organization one works in."""

from __future__ import annotations

from typing import Any

from allauth.account.utils import perform_login
from allauth.core import ratelimit
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from cxm.govern import access
from cxm.govern.doors import page
from cxm.govern.services import members, organizations
from cxm.govern.sign_in import SignInAdapter
from cxm.kernel.errors import Invalid, NotFound, TooMany


@require_GET
def root(request: HttpRequest) -> HttpResponse:
    """``/``: home for whoever is signed in, else the way in."""
    return HttpResponseRedirect("/home" if request.user.is_authenticated else "/sign-in")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def accept_invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Join by link: choose a password, or prove the account one has. Signed in afterwards."""
    if len(secret) > 100:
        raise NotFound("invitation")
    invitation = members.open_invitation(secret)
    context: dict[str, Any] = {
        "organization_name": organizations.organization(invitation.organization_id).name,
        "email": invitation.email,
        "name": invitation.member.name,
        "errors": {},
    }
    if request.method == "POST":
        if not ratelimit.consume(request, action="login_failed", key=invitation.digest):
            raise TooMany("too_many_attempts", _("Too many attempts."), _("Wait five minutes and try again."), 300)
        context["name"] = request.POST.get("name", "").replace("\x00", "")
        try:
            user = members.accept(secret, context["name"], request.POST.get("password", ""))
        except Invalid as error:
            context["errors"] = {one.path: error.text for one in error.errors}
        else:
            response = perform_login(request, user, redirect_url="/home", email=user.email)
            request.session[access.ACTIVE] = str(invitation.organization_id)
            return response
    return render(request, "govern/accept_invitation.html", context, status=422 if context["errors"] else 200)


@require_http_methods(["GET", "POST"])
@page(None)
def switch_organization(request: HttpRequest) -> HttpResponse:
    """Work in another of one's organizations (``to``, a link in the rail); any other id is as if it were not there."""
    asked = request.POST if request.method == "POST" else request.GET
    wanted = asked.get("to", "")
    if wanted not in {str(row.organization_id) for row in access.memberships(request.user.pk)}:
        raise NotFound("organization")
    request.session[access.ACTIVE] = wanted
    target = asked.get("next", "")
    return HttpResponseRedirect(target if SignInAdapter(request).is_safe_url(target) else "/home")
