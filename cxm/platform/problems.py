"""Errors on the wire: every CxmError once as problem+json (RFC 9457)."""

from __future__ import annotations

import orjson
from django.http import HttpRequest, HttpResponse

from cxm.kernel.errors import CxmError, Invalid, NotNow, NotSignedIn, TooMany


def problem(error: CxmError, request: HttpRequest | None = None) -> HttpResponse:
    """The problem document of ``error``."""
    body: dict[str, object] = {
        "type": f"urn:opencxm:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": str(error),
    }
    if request is not None:
        body["instance"] = request.path
    if isinstance(error, Invalid) and error.errors:
        body["errors"] = [{"path": entry.path, "text": entry.text} for entry in error.errors]
    body |= error.extra
    response = HttpResponse(orjson.dumps(body), status=error.status, content_type="application/problem+json")
    if isinstance(error, TooMany | NotNow):
        response["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn):
        response["WWW-Authenticate"] = 'Bearer realm="OpenCXM"'
    return response
