"""``/live``: names of what changed, as server-sent events. What is behind a name is fetched with permission."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from cxm.govern import api as govern
from cxm.kernel.errors import NotSignedIn
from cxm.platform.realtime import hub

_NAME = re.compile(r"[a-z0-9_:.-]{1,120}")
#: A revoked session loses its stream within this many seconds.
RECHECK_SECONDS = 4.0
SLACK_SECONDS = 2.0


async def live(request: HttpRequest) -> HttpResponse:
    """The stream of one page; ends when the member's session does."""
    try:
        actor = await sync_to_async(govern.actor_of)(request)
    except NotSignedIn:
        return HttpResponse(status=401)

    async def lines() -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        checked = time.monotonic()
        async for name in hub.stream(actor.organization, _rendered_at(request)):
            if time.monotonic() - checked > RECHECK_SECONDS:
                if not await sync_to_async(_still_in)(request, actor.organization):
                    return
                checked = time.monotonic()
            if not name:
                yield b": still here\n\n"
            elif _NAME.fullmatch(name):
                yield f"data: {name}\n\n".encode()

    response = StreamingHttpResponse(lines(), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _rendered_at(request: HttpRequest) -> float | None:
    """When the page that asks was rendered, less what a transaction may take until it is seen."""
    try:
        return float(request.GET["since"]) - SLACK_SECONDS
    except (KeyError, ValueError):
        return None


def _still_in(request: HttpRequest, organization: UUID) -> bool:
    """Whether the session still exists, and its member still works in this organization now; asked of the database, not of this request's memory."""
    actor = govern.actor_of_session(request.session.session_key)
    return actor is not None and actor.organization == organization
