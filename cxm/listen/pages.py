"""/explorer: one question, its answer as figures, time, facets and voices; checked as one types, exported, kept as a topic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from cxm.design import charts
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import BadInput, CxmError, Invalid
from cxm.listen import asking, explorer, exports, selectors, sending, topics
from cxm.listen.asking import Asked
from cxm.query import api as language

#: Longest query shown beside its error; the language refuses longer ones anyway.
_SHOWN_QUERY = 2_000


@require_GET
@govern.page("mentions:read")
def explorer_page(request: HttpRequest) -> HttpResponse:
    """The Explorer. A query or period that cannot be understood is shown with what is wrong; nothing typed is lost."""
    actor = govern.actor_of(request)
    asked, found, error = Asked(request.GET.get("q", "")), None, None
    try:
        asked = asking.read(request.GET)
        found = explorer.find(actor, asked)
    except (BadInput, Invalid) as refused:
        error = refused
    context: dict[str, Any] = {
        "asked": asked,
        "found": found,
        "says": says(actor, asked, error),
        "periods": explorer.periods(asked),
        "steps": explorer.steps(asked) if found and asked.text.strip() else [],
        "custom": asked.since not in asking.PERIODS or bool(asked.until),
        "sorts": _sorts(asked),
        "may_export": actor.may("mentions:export"),
        "may_save": topics.may_write(actor),
        "everything": not asked.text.strip() and not asked.since and not asked.until,
    }
    if found:
        context |= {
            "next": asked.address(cursor=found.next) if found.next else "",
            "waiting_url": asked.address(q=asking.narrowed(asked.text, "state:waiting")[0], cursor=None),
            "answered_url": asked.address(q=asking.narrowed(asked.text, "state:answered")[0], cursor=None),
            "new_url": replace(asked, cursor=None).address("/explorer/new", known=str(found.count)),
            "waiting": found.states.get("waiting", 0),
            "answered": found.states.get("answered", 0),
            "share": _share(found.states),
            "export_urls": {kind: asked.address("/explorer/export", format=kind) for kind in exports.FORMATS},
            "save_url": asked.address("/topics/new", **{"from": None, "to": None, "sort": None}),
            "first_page": asked.address(cursor=None) if asked.cursor else "",
        }
    return render(request, "listen/explorer.html", context, status=error.status if error else 200)


@require_GET
@govern.page("mentions:read")
def check_fragment(request: HttpRequest) -> HttpResponse:
    """What the query line says as one types: the query in words, or what is wrong, where, and what would mend it."""
    text = request.GET.get("q", request.GET.get("query", "")).replace("\x00", "")
    asked = Asked(text, request.GET.get("from", ""), request.GET.get("to", ""))
    return render(request, "listen/says.html", {"says": says(govern.actor_of(request), asked, None), "asked": asked})


@require_GET
@govern.page("mentions:read")
def new_fragment(request: HttpRequest) -> HttpResponse:
    """How many more answer the question now than when the page was made: the quiet pill."""
    asked = asking.read(request.GET)
    known = request.GET.get("known", "")
    if not (known.isascii() and known.isdigit() and len(known) < 16):
        raise Invalid("known_invalid", "“known” is no count.", "Open the Explorer again.")
    counted = selectors.aggregate(govern.actor_of(request), asked.text, [], after=asked.after, before=asked.before).count
    return render(request, "listen/new.html", {"fresh": max(counted - int(known), 0), "url": asked.address(cursor=None)})


@require_GET
@govern.page("mentions:export")
def export_file(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """All that answer the question as a file, streamed; only of units whose mentions one may read and export."""
    actor = exports.exporting(govern.actor_of(request))
    asked, kind = asking.read(request.GET), request.GET.get("format", "jsonl")
    selectors.understood(actor, asked.text)  # refused now, not in the middle of the file
    chunks = exports.export(exports.watched(actor, selectors.scan(actor, asked.text, after=asked.after, before=asked.before)), kind)
    return sending.Sent(
        chunks, content_type=exports.FORMATS[kind], headers={"Content-Disposition": f'attachment; filename="mentions.{kind}"'}
    )


def says(actor: Actor, asked: Asked, refused: CxmError | None) -> dict[str, Any]:
    """The line beneath the query: ``words`` where it is understood; else text, hint, the query with the wrong place marked, a mend."""
    error = refused
    if error is None:
        try:
            return {"words": language.explain(selectors.understood(actor, asked.text)), "empty": not asked.text.strip()}
        except BadInput as found:
            error = found
    position, length = error.extra.get("position"), error.extra.get("length")
    shown = asked.text[:_SHOWN_QUERY]
    spans = [(position, position + max(length, 1))] if isinstance(position, int) and isinstance(length, int) else []
    mended = asking.mended(asked.text, error) if isinstance(error, BadInput) else ""
    return {
        "error": error,
        "shown": shown + (" " if spans and spans[0][0] >= len(shown) else ""),
        "spans": spans,
        "position": position + 1 if isinstance(position, int) else None,
        "suggestion": _advice(error),
        "mended": mended,
        "mended_url": asked.with_query(mended).address() if mended else "",
    }


def _advice(error: CxmError) -> str:
    """The suggestion, unless the sentence says it already."""
    found = error.extra.get("suggestion")
    return found if isinstance(found, str) and found not in f"{error.text} {error.hint}" else ""


def _share(states: dict[str, int]) -> str:
    """Answered among those that call for an answer; empty where none does."""
    called = sum(count for state, count in states.items() if state not in ("no_answer_needed", "None"))
    return charts.percent(states.get("answered", 0) / called, 0) if called else ""


def _sorts(asked: Asked) -> list[dict[str, Any]]:
    from django.utils.translation import gettext as _

    words = {"newest": _("Newest"), "oldest": _("Oldest"), "relevance": _("Best match"), "engagement": _("Most engaged")}
    return [
        {"label": label, "url": asked.address(sort="" if sort == "newest" else sort, cursor=None), "active": asked.sort == sort}
        for sort, label in words.items()
    ]
