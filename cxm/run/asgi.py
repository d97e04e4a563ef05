"""ASGI: the inbound door beside Django (it commits in groups), everything else through Django."""

from __future__ import annotations

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cxm.run.settings")
django.setup(set_prefix=False)

from django.core.handlers.asgi import ASGIHandler  # noqa: E402 - after setup

from cxm.connect.door import InboundDoor  # noqa: E402

_django = ASGIHandler()
_door = InboundDoor()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Route one connection."""
    if scope["type"] == "http" and scope["path"].startswith("/in/"):
        await _door(scope, receive, send)
    elif scope["type"] == "http":
        await _django(scope, receive, send)
