"""What wraps every page: headers that keep strangers out, the interface language, errors a person can read."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext_noop as _

from cxm.design import refusals
from cxm.kernel.errors import CxmError, NotAllowed, NotFound, NotNow, TooMany
from cxm.platform import once
from cxm.platform.problems import problem
from cxm.run import static

Next = Callable[[HttpRequest], HttpResponse]
_log = structlog.get_logger(__name__)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
#: Words of the error page that the kernel says without Django; the page translates them as it shows them.
WORDS = (
    _("Something broke on our side"), _("That cannot be read"), _("Sign in first"), _("Not allowed"), _("Not found"),
    _("Not possible now"), _("Deleted"), _("Too large"), _("Not valid"), _("Too many requests"),
    _("Not available just now"), _("There is no such page here."), _("Check the address; it may have been removed."),
)  # fmt: skip


def security_headers(get_response: Next) -> Next:
    """A strict content security policy on every answer; pages are never kept by shared caches."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if request.path.startswith("/static/"):
            static.keep(request, response)
        else:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def interface_language(get_response: Next) -> Next:
    """``?lang=``, then the member's choice (a cookie), then what the browser asks for."""
    known = [code for code, _ in settings.LANGUAGES]

    def middleware(request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("lang", "")
        chosen = asked if asked in known else request.COOKIES.get("cxm_language", "")
        language = chosen if chosen in known else translation.get_language_from_request(request)
        with translation.override(language):
            request.LANGUAGE_CODE = language  # type: ignore[attr-defined]
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        if asked in known:
            response.set_cookie(
                "cxm_language", asked, max_age=31536000, samesite="Lax", httponly=True, secure=settings.SESSION_COOKIE_SECURE
            )
        return response

    return middleware


def read_once(get_response: Next) -> Next:
    """A request that only reads asks for the organization, its units and the like once."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return get_response(request)
        with once.within():
            return get_response(request)

    return middleware


class errors_on_screen:  # noqa: N801 - Django names middleware in lower case
    """Every error becomes problem+json under /api and a page (or its fragment) elsewhere."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Render ``exception``; what nobody foresaw is logged with its trace and told without it."""
        error = understood(exception)
        if error.status >= 500 and not isinstance(error, NotNow):
            _log.error("request.failed", path=request.path, exc_info=exception)
        return show(request, error)


def understood(exception: Exception) -> CxmError:
    """``exception`` as one of the tree."""
    if isinstance(exception, CxmError):
        return exception
    if isinstance(exception, Http404):
        return NotFound("page")
    if isinstance(exception, PermissionDenied):
        return NotAllowed("not_allowed", _("You may not do that."), _("Ask an owner for the right."))
    if isinstance(exception, OperationalError | InterfaceError):
        return NotNow(
            "database_unavailable",
            _("The database does not answer just now."),
            _("Try again in a moment; nothing you sent was accepted."),
        )
    if isinstance(exception, MemoryError):
        return NotNow(
            "memory_short",
            _("There is too little memory for that just now."),
            _("Try again in a moment; nothing you sent was accepted."),
        )
    return CxmError(
        "internal", _("Something broke on our side."), _("Try again; if it stays, tell your administrator the time it happened.")
    )


def show(request: HttpRequest, error: CxmError) -> HttpResponse:
    """``error`` as this request wants it."""
    if request.path.startswith(("/api/", "/in/")):
        return problem(error, request)
    template = "design/error_fragment.html" if request.headers.get("HX-Request") else "design/error.html"
    response = render(request, template, {"error": error, "said": _said(error)}, status=error.status)
    if isinstance(error, NotNow | TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _said(error: CxmError) -> str:
    """What happened, in the page's language. What is missing has a name that only English has: elsewhere it is a page that is missing."""
    text = refusals.told(error.text)
    other = error.code == "not_found" and text == error.text and not (translation.get_language() or "en").startswith("en")
    return translation.gettext("There is no such page here.") if other else text
