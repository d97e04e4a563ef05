"""The component gallery at ``/design``: every component in every state; what changes here was meant to change."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from cxm.design import specimens

SAMPLES = {"inbox": "design/sample_inbox.html"}


@login_required
def gallery(request: HttpRequest) -> HttpResponse:
    """``?theme=light|dark|system``, ``?dir=rtl|ltr``, ``?sample=inbox`` a whole page, ``?stop`` with a stop in force."""
    theme = request.GET.get("theme", "")
    direction = request.GET.get("dir", "")
    context = {
        **specimens.everything(),
        **specimens.shell(request),
        "theme": theme if theme in ("light", "dark", "system") else request.COOKIES.get("cxm_theme", "system"),
        "rail": request.COOKIES.get("cxm_rail", ""),
        "direction": direction if direction in ("rtl", "ltr") else "",
    }
    return render(request, SAMPLES.get(request.GET.get("sample", ""), "design/gallery.html"), context)
