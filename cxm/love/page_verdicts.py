"""What was judged of the newest message, put right by one key in the conversation: mood, feelings, what they want. For pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cxm.channels.contracts import INTENTS, SENTIMENTS
from cxm.govern import api as govern
from cxm.kernel.errors import NotFound
from cxm.kernel.ids import parse_id
from cxm.listen import api as listen
from cxm.love import api as love
from cxm.love import page_words as words
from cxm.love.page_refusals import toast, told

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


def offered(mention: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups of verdicts to choose from: of the moods one, of feelings and wishes any; what stands now is ``on``."""
    known = words.feelings() | {"neutral": _("neutral")}
    groups = (
        ("sentiment", _("Mood"), SENTIMENTS, (mention.get("sentiment"),)),
        ("emotions", _("Feelings"), EMOTIONS, mention.get("emotions") or ()),
        ("intents", _("What they want"), INTENTS, mention.get("intents") or ()),
    )
    return [
        {"field": field, "label": label, "values": [{"value": value, "label": known[value], "on": value in now} for value in values]}
        for field, label, values, now in groups
    ]


@require_POST
@told
@govern.page("mentions:write")
def correct(request: HttpRequest, conversation: UUID) -> HttpResponse:
    """Put one verdict right: ``field`` and ``value`` of ``mention``; a feeling or wish that stands is taken away, another added."""
    actor = govern.actor_of(request)
    wanted = parse_id(request.POST.get("mention", ""))
    items = love.conversation(actor, conversation).mentions
    mention = next((item.mention for item in items if item.id == wanted and not item.ours), None)
    if wanted is None or mention is None:
        raise NotFound("mention")
    field, value = request.POST.get("field", ""), request.POST.get("value", "")
    if field in ("emotions", "intents"):
        stood = [str(one) for one in mention.get(field) or ()]
        correction: Any = [one for one in stood if one != value] if value in stood else [*stood, value]
    else:
        correction = value
    listen.patch(actor, wanted, corrections={field: correction})
    response = HttpResponse(status=200)
    response["HX-Reswap"] = "none"
    response["HX-Trigger"] = toast(_("Corrected. Models never overwrite your word."), kind="good", seconds=4)
    return response
