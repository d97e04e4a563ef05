"""The fields of the language: what each is, and where its values stand in a mention."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

#: Fields holding words; a bare word searches the first two.
TEXTS = ("text", "title", "author", "url")
NUMBERS = ("rating", "likes", "shares", "comments", "views", "followers")
DATES = ("published",)

SENTIMENTS = ("negative", "neutral", "positive")
_HAS = ("link", "location", "media", "rating", "reply")
_IS = ("offensive", "question", "reply", "spam")


@dataclass(frozen=True, slots=True)
class Exact:
    """A field of exact values (compared folded); ``values`` where only some exist."""

    name: str
    values: tuple[str, ...] = ()


EXACTS: dict[str, Exact] = {
    each.name: each
    for each in (
        Exact("handle"),
        Exact("channel"),
        Exact("account"),
        Exact("source"),
        Exact("site"),
        Exact("lang"),
        Exact("country"),
        Exact("location"),
        Exact("unit"),
        Exact("kind", ("post", "comment", "review", "message", "call", "answer", "article")),
        Exact("media_type", ("earned", "owned", "paid")),
        Exact("sentiment", SENTIMENTS),
        Exact("emotion"),
        Exact("intent", ("complaint", "question", "request", "praise", "purchase", "churn", "legal_threat", "crisis")),
        Exact("category"),
        Exact("topic"),
        Exact("tag"),
        Exact("state", ("waiting", "answered", "no_answer_needed", "handed_over", "expired", "unreachable")),
        Exact("has", _HAS),
        Exact("is", _IS),
    )
}
ALL = (*TEXTS, *EXACTS, *NUMBERS, *DATES, "exact")
#: Other names people try, each with ours.
_ALIASES = {
    "language": "lang",
    "date": "published",
    "published_at": "published",
    "from": "author",
    "by": "author",
    "tags": "tag",
    "topics": "topic",
    "emotions": "emotion",
    "intents": "intent",
    "categories": "category",
    "type": "kind",
    "domain": "site",
    "link": "url",
    "status": "state",
    "place": "location",
    "hashtag": "tag",
    "platform": "channel",
}


def nearest(name: str, among: tuple[str, ...]) -> str | None:
    """The likeliest meant of ``among``, if any is close."""
    close = get_close_matches(name.casefold(), among, n=1, cutoff=0.6)
    return close[0] if close else None


def suggested(name: str) -> str | None:
    """The field probably meant by an unknown name."""
    return _ALIASES.get(name.casefold()) or nearest(name, ALL)
