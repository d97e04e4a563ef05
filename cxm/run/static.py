"""Static files by an address that names what is in them: a browser keeps each for a year and asks for none twice."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

_YEAR, _MONTH = 31_536_000, 2_592_000


class Versioned(StaticFilesStorage):
    """``/static/built/app.css?v=1f2e3d4c``: the first of the digest of its bytes, read once a process."""

    def url(self, name: str | None) -> str:
        """The address with its version; without one where there is no such file."""
        address, version = super().url(name), version_of(name or "")
        return f"{address}?v={version}" if version else address


@cache
def version_of(name: str) -> str:
    """Eight letters that change with the file; empty where there is none."""
    found = finders.find(name)
    return hashlib.sha256(Path(str(found)).read_bytes()).hexdigest()[:8] if found else ""


def keep(request: HttpRequest, response: HttpResponse) -> None:
    """How long a browser may keep a static file: under its present version for good, a font for a month, all else as it is."""
    if response.status_code not in (200, 304):
        return
    name = request.path.removeprefix("/static/")
    if request.GET.get("v") and request.GET["v"] == version_of(name):
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    elif name.startswith("built/fonts/"):
        response.headers["Cache-Control"] = f"public, max-age={_MONTH}"


class Compressed(GZipMiddleware):
    """Pages and answers of the API travel compressed, padded by chance so that their length betrays nothing; streams and files as they are."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Compress what is text and is there as a whole."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if response.streaming or not (kind.startswith("text/") or kind.endswith(("json", "xml", "javascript"))):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        return super().process_response(request, response)
