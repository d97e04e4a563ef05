"""What goes on while somebody writes on /inbox, before anything is sent: their draft is kept."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from cxm.govern import api as govern
from cxm.kernel.ids import parse_id
from cxm.love import api as love


@require_POST
@govern.page("conversations:read")
def draft(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Keep what is being written (``text``, ``visibility``, ids of files as ``media``); without any it is forgotten."""
    text = request.POST.get("text", "").replace("\x00", "").replace("\r\n", "\n")
    media = [key for key in map(parse_id, request.POST.getlist("media")) if key]
    love.save_draft(govern.actor_of(request), conversation, text, visibility=request.POST.get("visibility", ""), media=media)
    return HttpResponse(status=204)
