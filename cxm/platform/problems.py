"""Errors on the wire: every CxmError once as problem+json (RFC 9457), its sentences in the language that was asked for.

``code``, ``type`` and the fields' paths are for programs and the same in every language; ``title``, ``detail`` and ``errors[].text`` are
for people. What no catalogue has stays English; ``Content-Language`` says which language the detail is in.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language, gettext

from cxm.kernel.errors import CxmError, Invalid, NotNow, NotSignedIn, TooMany

#: How a sentence of an error is told in the language at work; the design slice, which has the catalogues' patterns, supplies it.
_told: Callable[[str], str] = gettext


def told_by(teller: Callable[[str], str]) -> None:
    """From now on ``teller`` translates the sentences of problem documents."""
    global _told
    _told = teller


def problem(error: CxmError, request: HttpRequest | None = None) -> HttpResponse:
    """The problem document of ``error``."""
    detail = " ".join(_told(part) for part in (error.text, error.hint) if part)
    english = detail == str(error)
    body: dict[str, object] = {
        "type": f"urn:opencxm:problem:{error.code}",
        "title": gettext(error.title),
        "status": error.status,
        "code": error.code,
        "detail": detail,
    }
    if request is not None:
        body["instance"] = request.path
    if isinstance(error, Invalid) and error.errors:
        body["errors"] = [{"path": entry.path, "text": _told(entry.text)} for entry in error.errors]
    body |= error.extra
    response = HttpResponse(orjson.dumps(body), status=error.status, content_type="application/problem+json")
    response["Content-Language"] = "en" if english else get_language() or "en"
    patch_vary_headers(response, ["Accept-Language"])
    if isinstance(error, TooMany | NotNow):
        response["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn):
        response["WWW-Authenticate"] = 'Bearer realm="OpenCXM"'
    return response
