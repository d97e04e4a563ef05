"""/mentions/<id>: one mention whole, what was judged of it and by which words, a person's correction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cxm.channels.contracts import INTENTS, SENTIMENTS, STATES
from cxm.govern import api as govern
from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import CxmError, Removed
from cxm.kernel.ids import parse_id
from cxm.listen import asking, changes, forms, names, selectors, shown
from cxm.listen.asking import Asked
from cxm.listen.models import Record
from cxm.understanding import api as understanding

#: Characters of a text shown at once; the rest is a click away.
_SHOWN = 20_000


@require_http_methods(["GET", "POST"])
@govern.page("mentions:read")
def mention_page(request: HttpRequest, mention: UUID) -> HttpResponse:
    """One mention; a deleted one says so and when."""
    actor = govern.actor_of(request)
    try:
        item = selectors.mention(actor, mention)
    except Removed as error:
        gone = {"deleted_at": parse_instant(str(error.extra["deleted_at"])), "error": error}
        return render(request, "listen/mention_gone.html", gone, status=error.status)
    unit = parse_id(str(item["unit"])) if item.get("unit") else None
    may_write = actor.may_for("mentions:write", unit)
    error = None
    if request.method == "POST":
        govern.require(actor, "mentions:write", unit)
        error = forms.attempt(lambda: _change(request, mention))
        if error is None:
            return HttpResponseRedirect(request.get_full_path())
    corrected = Record.objects.filter(pk=mention, organization_id=actor.organization).values_list("overrides", flat=True).first() or {}
    context = (
        _context(item, frozenset(corrected), whole=bool(request.GET.get("whole"))) | _form(request, item, error) | {"may_write": may_write}
    )
    context["files"] = shown.tiles(
        actor.organization, str(mention), item.get("media") or (), shown.fetched(actor.organization, [item]).get(str(mention))
    )
    context["may_read_conversation"] = actor.may("conversations:read", unit)
    context["profile"] = (item.get("author") or {}).get("profile") if actor.may("profiles:read") else None
    return render(request, "listen/mention.html", context, status=error.status if error else 200)


def _change(request: HttpRequest, mention: UUID) -> None:
    """State alone, or what a person says against the verdicts: only what differs from what stands there is a correction."""
    actor = govern.actor_of(request)
    if request.POST.get("action") == "state":
        changes.patch(actor, mention, state=request.POST.get("state", ""))
        return
    item = selectors.mention(actor, mention)
    wanted: dict[str, Any] = {
        "sentiment": request.POST.get("sentiment") or None,
        "intents": [value for value in INTENTS if value in request.POST.getlist("intents")],
        "language": forms.text(request, "language").strip() or "und",
        "spam": {"true": True, "false": False}.get(request.POST.get("spam", "")),
    }
    stands = {**item, "intents": [value for value in INTENTS if value in (item.get("intents") or [])]}
    differs = {key: value for key, value in wanted.items() if value != stands.get(key)}
    if differs:
        changes.patch(actor, mention, corrections=differs)


def _context(item: dict[str, Any], corrected: frozenset[str], *, whole: bool) -> dict[str, Any]:
    text = item.get("text") or ""
    author = item.get("author") or {}
    shown = text if whole else text[:_SHOWN]
    verdicts = _verdicts(item, corrected)
    return {
        "mention": item,
        "at": parse_instant(item["published_at"]),
        "who": author.get("name") or author.get("handle") or author.get("native_id") or _("somebody"),
        "channel": names.channel(item.get("channel")),
        "kind": names.kinds().get(item.get("kind") or "", ""),
        "side": "ours" if item.get("media_type") == "owned" else "theirs",
        "text": shown,
        "length": len(text),
        "cut": len(shown) < len(text),
        "verdicts": verdicts,
        "spans": sorted({span for verdict in verdicts for span in verdict["spans"] if span[1] <= len(shown)}),
        "judge": _judge(item.get("verdicts_by")),
        "state": names.states().get(item.get("state") or "", ""),
        "state_tone": names.TONES.get(item.get("state") or "", "neutral"),
        "original": _address(item.get("url")),
        "author_url": _address(author.get("url")),
        "more_url": Asked(asking.written("handle", author["handle"])).address() if author.get("handle") else "",
        "engagement": [(label, value) for label, value in _engagement(item) if value],
    }


def _engagement(item: dict[str, Any]) -> list[tuple[str, int]]:
    found = item.get("engagement") or {}
    words = {"likes": _("likes"), "shares": _("shares"), "comments": _("comments"), "views": _("views")}
    return [(label, int(found.get(key) or 0)) for key, label in words.items()]


def _verdicts(item: dict[str, Any], corrected: frozenset[str]) -> list[dict[str, Any]]:
    """One entry for each verdict: a person's word, or a guess with the words that carried it where the models say the same now."""
    carried = _carried(item.get("text") or "", item.get("language"))
    found = [("language", item["language"])] if item.get("language") and item["language"] != "und" else []
    found += [("sentiment", item["sentiment"])] if item.get("sentiment") else []
    found += [("emotions", value) for value in item.get("emotions") or []] + [("intents", value) for value in item.get("intents") or []]
    found += [("spam", "true")] if item.get("spam") else []
    found += [("offensive", "true")] if item.get("offensive") else []
    return [_verdict(field, value, carried, field in corrected) for field, value in found]


def _verdict(field: str, value: str, carried: dict[tuple[str, str], Any], by_person: bool) -> dict[str, Any]:
    label = {"spam": _("spam"), "offensive": _("offensive")}.get(field) or names.word(field, value)
    spans, words = ([], []) if by_person else carried.get((field, value), ([], []))
    title = _("carried by: {words}").format(words=" · ".join(words)) if words else _("set by a person") if by_person else ""
    return {"label": label, "kind": "neutral" if by_person else "guess", "spans": spans, "words": words, "title": title}


def _carried(text: str, language: str | None) -> dict[tuple[str, str], tuple[list[tuple[int, int]], list[str]]]:
    explained = understanding.explain(text, language)
    return {
        (part.of, part.value): (
            [(span.start, span.end) for span in part.spans],
            [text[span.start : span.end][:40] for span in part.spans],
        )
        for part in explained.carried
    }


def _judge(by: str | None) -> str:
    words = {
        "fast": _("Judged by our models; dashed is a guess."),
        "deep": _("Judged by our models; dashed is a guess."),
        "both": _("Judged by our models; dashed is a guess."),
        "person": _("Corrected by a person; models leave that alone. Dashed is still a guess."),
        "import": _("As it came with the import; what was missing there is our models' guess."),
    }
    return words.get(by or "", _("Nothing was judged here."))


def _address(url: object) -> str:
    """A link we may show: web addresses only."""
    text = str(url or "")
    return text if text.startswith(("https://", "http://")) else ""


def _form(request: HttpRequest, item: dict[str, Any], error: CxmError | None) -> dict[str, Any]:
    typed = request.POST if error is not None and request.POST.get("action") != "state" else None
    chosen = typed.getlist("intents") if typed is not None else item.get("intents") or []
    spam = {True: "true", False: "false"}.get(item.get("spam"), "")
    return {
        "error": error,
        "field_errors": forms.field_errors(error),
        "sentiments": [(value, names.sentiments()[value]) for value in SENTIMENTS],
        "sentiment": typed.get("sentiment") if typed is not None else item.get("sentiment") or "",
        "intents": [{"value": value, "label": names.intents()[value], "checked": value in chosen} for value in INTENTS],
        "tag": typed.get("language") if typed is not None else item.get("language") or "und",
        "spams": [("false", _("no")), ("true", _("yes"))],
        "spam": typed.get("spam") if typed is not None else spam,
        "states": [(value, names.states()[value]) for value in STATES],
    }
