"""What the Explorer shows for one question: figures, mood over time, facets that narrow, the newest voices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from cxm.design import charts
from cxm.design.words import stamped, written
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.listen import asking, names, selectors, shown
from cxm.listen.asking import Asked
from cxm.listen.store import spec
from cxm.listen.store.port import Aggregated, By, Page

#: Mentions on one page, and characters of one shown in a list.
SHOWN, EXCERPT = 30, 320
_LEAD = 60
#: How many files of a mention a list shows small.
THUMBS = 4
#: Counted field, its name in the query, how many values a facet shows.
FACETS = (("channel", "channel", 8), ("language", "lang", 8), ("sentiment", "sentiment", 3), ("emotions", "emotion", 8), ("intents", "intent", 8), ("state", "state", 6),
          ("kind", "kind", 7), ("account", "account", 8))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Voice:
    """One mention as lists show it: cut around what was found, its marked spans moved along."""

    mention: Mapping[str, Any]
    at: datetime
    who: str
    handle: str
    text: str
    spans: list[tuple[int, int]]
    channel: str
    chips: list[dict[str, str]]
    files: list[dict[str, Any]]
    more: int


def voices(organization: UUID, mentions: Sequence[Mapping[str, Any]]) -> list[Voice]:
    """Mentions for a list, with the first of their pictures and files; however long one is, only some of it travels."""
    known = shown.fetched(organization, mentions)
    return [_voice(organization, one, known.get(str(one["id"]))) for one in mentions]


def _voice(organization: UUID, mention: Mapping[str, Any], known: shown.Known | None) -> Voice:
    entries = mention.get("media") or ()
    author = mention.get("author") or {}
    where = "text" if mention.get("text") else "title"
    text, spans = excerpt(mention.get(where) or "", (mention.get("highlights") or {}).get(where) or [])
    who = str(author.get("name") or author.get("handle") or author.get("native_id") or _("somebody"))
    handle = str(author.get("handle") or "")
    return Voice(
        mention=mention,
        at=parse_instant(mention["published_at"]),
        who=who[:80],
        handle="" if handle == who else handle[:80],
        text=text,
        spans=spans,
        channel=names.channel(mention.get("channel")),
        chips=_chips(mention),
        files=shown.tiles(organization, str(mention["id"]), entries[:THUMBS], known),
        more=max(len(entries) - THUMBS, 0),
    )


def excerpt(text: str, spans: Sequence[Sequence[int]]) -> tuple[str, list[tuple[int, int]]]:
    """At most ``EXCERPT`` characters of ``text`` that hold the first span, and the spans within them."""
    first = spans[0][0] if spans else 0
    start = max(0, first - _LEAD) if first > EXCERPT - _LEAD else 0
    end = start + EXCERPT
    shift = 1 if start else 0
    cut = ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
    inside = [(max(low, start) - start + shift, min(high, end) - start + shift) for low, high in spans if low < end and high > start]
    return cut, inside


def _chips(mention: Mapping[str, Any]) -> list[dict[str, str]]:
    """The verdicts that say something: a guess looks like one, a person's word does not."""
    kind = "" if mention.get("verdicts_by") == "person" else "guess"
    found = [("state", mention["state"])] if mention.get("state") in ("waiting", "expired", "unreachable") else []
    found += [("sentiment", mention["sentiment"])] if mention.get("sentiment") in ("negative", "positive") else []
    found += [("emotions", value) for value in mention.get("emotions") or []] + [
        ("intents", value) for value in mention.get("intents") or []
    ]
    chips = [
        {"label": names.word(field, value), "kind": names.TONES.get(value, "neutral") if field == "state" else kind or "neutral"}
        for field, value in found[:5]
    ]
    return [*chips, {"label": _("spam"), "kind": kind or "warn"}] if mention.get("spam") else chips


@dataclass(frozen=True, slots=True)
class Found:
    """The answer: exact ``count``, ``people`` (``people_exact``: counted one by one), facets, chart, one page of voices."""

    count: int
    people: int
    people_exact: bool
    states: dict[str, int]
    chart: charts.Chart | None
    interval: str
    facets: list[dict[str, Any]]
    voices: list[Voice]
    next: str | None


def find(actor: Actor, asked: Asked) -> Found:
    """Ask. Raises BadInput for a query that cannot be understood or is too broad to answer exactly."""
    page = selectors.search(
        actor,
        asked.text,
        after=asked.after,
        before=asked.before,
        sort=asked.sort,
        limit=SHOWN,
        cursor=asked.cursor,
        highlight=True,
    )
    interval = _interval(actor, asked, page)
    by = [*(By(field, size) for field, _name, size in FACETS), By("published_at", interval=interval)]
    counted = selectors.aggregate(actor, asked.text, by, after=asked.after, before=asked.before, time_zone=_zone())
    people = selectors.aggregate(actor, asked.text, [], after=asked.after, before=asked.before, distinct="author")
    facets = [
        {"title": _titles()[field], "rows": _rows(asked, field, name, counted.by[at])} for at, (field, name, _size) in enumerate(FACETS)
    ]
    return Found(
        count=page.count,
        people=people.count,
        people_exact=people.exact,
        states={str(row["key"]): row["count"] for row in counted.by[5]},
        chart=_chart(actor, asked, counted, interval) if page.count else None,
        interval=interval,
        facets=[facet for facet in facets if facet["rows"]],
        voices=voices(actor.organization, page.items),
        next=page.next,
    )


def _titles() -> dict[str, str]:
    return {
        "channel": _("Channel"),
        "language": _("Language"),
        "sentiment": _("Mood"),
        "emotions": _("Feeling present"),
        "intents": _("What they want"),
        "state": _("State"),
        "kind": _("Kind"),
        "account": _("Our account"),
    }


def _rows(asked: Asked, field: str, name: str, counted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for entry in counted:
        value = entry["key"]
        if value is None and field not in ("sentiment", "emotions", "intents"):
            continue  # no account of ours: there is no query for it
        more = _without(field, name, counted) if value is None else asking.written(name, str(value))
        text, active = asking.narrowed(asked.text, more)
        label = _none(field) if value is None else names.word(field, str(value))
        tone = "neutral" if value is None else names.TONES.get(str(value), "") if field in ("sentiment", "emotions", "state") else ""
        hint = _("Counted, not hidden: the models make no guess here.") if value is None else ""
        rows.append(
            {
                "label": label,
                "count": entry["count"],
                "url": asked.address(q=text, cursor=None),
                "active": active,
                "tone": tone,
                "hint": hint,
            }
        )
    return rows


def _none(field: str) -> str:
    return {"sentiment": _("not assessed"), "emotions": _("none or not assessed"), "intents": _("none found")}[field]


def _without(field: str, name: str, counted: list[dict[str, Any]]) -> str:
    known = {"sentiment": names.sentiments, "emotions": names.emotions, "intents": names.intents}[field]()
    seen = [str(entry["key"]) for entry in counted if entry["key"] is not None]
    return asking.without(name, sorted({*known, *seen}))


def _zone() -> str:
    """The reader's clock: days begin at its midnight."""
    return timezone.get_current_timezone_name()


def _interval(actor: Actor, asked: Asked, page: Page) -> str:
    """Buckets that make between a dozen and about a hundred bars."""
    ends = [asked.after, asked.before or (now() if asked.after else None)]
    if page.count and None in ends:
        for at, sort in enumerate(("oldest", "newest")):
            if ends[at] is None:
                edge = selectors.search(actor, asked.text, after=asked.after, before=asked.before, sort=sort, limit=1).items
                ends[at] = parse_instant(edge[0]["published_at"]) if edge else now()
    span = ends[1] - ends[0] if ends[0] and ends[1] else timedelta(days=30)
    for limit, interval in ((timedelta(days=3), "hour"), (timedelta(days=92), "day"), (timedelta(days=800), "week")):
        if span <= limit:
            return interval
    return "month"


def _chart(actor: Actor, asked: Asked, counted: Aggregated, interval: str) -> charts.Chart | None:
    every = counted.by[-1]
    if not every or len(every) > 600:
        return None
    by = [By("published_at", interval=interval)]
    moods = {}
    for mood in names.sentiments():
        text, _active = asking.narrowed(asked.text, asking.written("sentiment", mood))
        if _active:  # it asks for this mood alone: the whole is this mood
            moods[mood] = {row["key"]: row["count"] for row in every}
            continue
        one = selectors.aggregate(actor, text, by, after=asked.after, before=asked.before, time_zone=_zone())
        moods[mood] = {row["key"]: row["count"] for row in (one.by[0] if one.by else [])}
    keys = [row["key"] for row in every]
    values = {mood: [found.get(key, 0) for key in keys] for mood, found in moods.items()}
    rest = [row["count"] - sum(values[mood][at] for mood in values) for at, row in enumerate(every)]
    words = names.sentiments()
    series = [charts.Series(words[mood], values[mood], tone) for mood, tone in (("positive", 1), ("neutral", 2), ("negative", 3))]
    if any(rest):
        series.append(charts.Series(_("not assessed"), [max(value, 0) for value in rest], 4))
    zone = ZoneInfo(_zone())
    starts = [spec.start_of(str(key), zone) for key in keys]
    labels = [_label(start, interval) for start in starts]
    ends = [*starts[1:], spec.end_of(interval, starts[-1], zone)]
    urls = [
        asked.address(
            **{
                "from": format_instant(max(start, asked.after or start)),
                "to": format_instant(min(end, asked.before or end)),
                "cursor": None,
            }
        )
        for start, end in zip(starts, ends, strict=True)  # the first and the last bar hold only what lies within the period
    ]
    return charts.bars(labels, series, urls=urls)


def _label(start: datetime, interval: str) -> str:
    here = start.year == now().year
    if interval == "hour":
        return stamped(start, "j M")
    return written(start, "M Y" if interval == "month" else "j M" if here else "j M Y")


def steps(asked: Asked) -> list[dict[str, str]]:
    """The breadcrumb: everything, then each part of the query; every step leads back to itself."""
    found = [{"label": _("Everything"), "url": asked.address(q=None)}]
    so_far: list[str] = []
    for spelled, _node in asking.parts(asked.text):
        so_far.append(spelled)
        found.append({"label": spelled if len(spelled) <= 60 else spelled[:59] + "…", "url": asked.address(q=" AND ".join(so_far))})
    return [*found[:-1], {"label": found[-1]["label"], "url": ""}]


def periods(asked: Asked) -> list[dict[str, Any]]:
    """The periods one click away."""
    words = {"now-24h": _("24 h"), "now-7d": _("7 days"), "now-30d": _("30 days"), "now-365d": _("1 year"), "": _("All time")}
    return [
        {"label": words[since], "url": asked.address(**{"from": since, "to": None}), "active": asked.since == since and not asked.until}
        for since in asking.PERIODS
    ]


def empty(asked: Asked) -> Asked:
    """The same period without a query."""
    return replace(asked, text="", cursor=None)
