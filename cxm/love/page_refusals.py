"""How /inbox tells what was refused, and what was done: words beside the composer, or a toast."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from cxm.design import refusals
from cxm.kernel.errors import CxmError

View = Callable[..., HttpResponse]


def told(view: View) -> View:
    """What love refuses becomes a toast (for the composer: words beside it); the page stays as it is."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        try:
            return view(request, *arguments, **named)
        except CxmError as error:
            if error.status >= 500 or not request.headers.get("HX-Request"):
                raise
            beside = request.headers.get("HX-Target", "").endswith("#composer-says")
            response = render(request, "love/refused.html", {"error": error}, status=error.status)
            if not beside:
                text = " ".join(part for part in (refusals.told(error.text), refusals.told(error.hint)) if part)
                fields = refusals.fields(error)
                response["HX-Reswap"] = "none"
                # Of a form it is told beside its field; what has none becomes a toast.
                form = request.headers.get("HX-Source", "").startswith("form")
                response["HX-Trigger"] = json.dumps({"cxm:wrong": {"text": text, "fields": fields}}) if form else toast(text, kind="bad")
            return response

    return guarded


def toast(text: str, *, kind: str = "info", undo: str = "", seconds: int = 0, **events: Any) -> str:
    # Headers are Latin-1: json.dumps writes everything else as \u escapes.
    return json.dumps(
        {
            "cxm:toast": {"text": text, "kind": kind, **({"undo": undo} if undo else {}), **({"seconds": seconds} if seconds else {})},
            **events,
        }
    )
