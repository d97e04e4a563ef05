"""What every page's frame shows: where one can go, who one is, whether a stop is on."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context of ``design/shell.html``; empty before sign-in."""
    from cxm.run.navigation import frame

    return frame(request)
