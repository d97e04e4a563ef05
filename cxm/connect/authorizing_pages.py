"""The way to a platform's sign-in and back: the page that says where one goes, the callback, and who we say we are."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET

from cxm.channels import registry
from cxm.connect import authorizing
from cxm.connect.authorizing_rest import called
from cxm.connect.contracts import Begun
from cxm.connect.page_kit import text_of
from cxm.connect.platform_clients import Typed
from cxm.govern import api as govern
from cxm.kernel.errors import CxmError, NotFound

_NAMES = ("state", "code", "error", "iss")


def leaving(request: HttpRequest, begun: Begun, back: str) -> HttpResponse:
    """The page that says where one goes and what will be asked there. It is a link, not a redirect: a form of ours may lead nowhere else."""
    return render(request, "connect/leaving.html", {"begun": begun, "back": back})


def typed_app(request: HttpRequest, way: str) -> Typed:
    """What stands in the form of what was registered at the platform."""
    return Typed(text_of(request, f"{way}.client_id"), text_of(request, f"{way}.client_secret"))


def browser(request: HttpRequest) -> str:
    """What tells this browser's session from every other."""
    if not request.session.session_key:
        request.session.save()
    return request.session.session_key or ""


@sensitive_variables("answer")
@never_cache
@require_GET
@govern.page("accounts:write")
def authorized(request: HttpRequest) -> HttpResponse:
    """Where platforms send a member back to. It leads on to the account's page and nowhere else, whatever the address says."""
    answer = {name: request.GET[name] for name in _NAMES if name in request.GET}
    try:
        account = authorizing.finish(govern.actor_of(request), answer, session=browser(request))
    except CxmError as refused:
        if refused.status not in (409, 422):
            raise
        # Not the page that offers to try the same address again: it holds a code, and can be used once.
        return render(request, "connect/not_signed_in.html", {"error": refused}, status=refused.status)
    return HttpResponseRedirect(f"/channels/{account.id}")


@require_GET
def client_metadata(request: HttpRequest, channel: str) -> HttpResponse:
    """Who we are, for platforms that read it here instead of registering us. Nothing in it is secret."""
    told = authorizing.metadata(registry.channel(channel), authorizing.base_of(called(request)))
    if told is None:
        raise NotFound("page")
    return JsonResponse(told)
