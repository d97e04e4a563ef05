"""A mention as queries see it: its words, exact values, numbers and time, each computed once.

The matcher reads these, and a store indexes exactly these: that is why a query means the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, cast

from cxm.kernel.text import Token, fold, tokens
from cxm.query import limits
from cxm.query.moments import micros

_LINK = re.compile(r"https?://\S|\bwww\.\w", re.IGNORECASE)
_URL_PARTS = re.compile(r"[^\W_]+")
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:@\s]+)", re.IGNORECASE)
#: Exact fields that hold the value of the mention's key of the same name, one at most: short words of our own.
PLAIN = ("channel", "kind", "media_type", "sentiment", "state", "unit")
# Those with one value of somebody else's, and with several, each with the mention's key.
_SINGLE = ("account", "country", "location")
_SEVERAL = {"source": "source", "emotion": "emotions", "intent": "intents", "category": "categories", "topic": "topics", "tag": "tags"}
_NO_AUTHOR: Mapping[str, Any] = {}
_LINKED: AbstractSet[str] = frozenset(("link",))
#: Positions between an author's name and handle, so that no phrase reaches across.
_GAP = limits.NEAR + limits.PHRASE_WORDS


def url_parts(url: str) -> list[str]:
    """The :func:`url_words` alone; their positions are 0, 1, 2, ..."""
    return _URL_PARTS.findall(fold(url))


def author_tokens(name: str | None, handle: str | None) -> list[Token]:
    """The tokens of an author's name and, far behind, those of the handle."""
    found = tokens(name) if name else []
    if handle:
        after = (found[-1].position if found else 0) + _GAP
        found = found + [t._replace(position=t.position + after) for t in tokens(handle)]
    return found


def url_words(url: str) -> list[Token]:
    """The letters and digits of an address, in order: ``url:acme.com/shop`` is a phrase of these."""
    return [Token(found[0], at, *found.span()) for at, found in enumerate(_URL_PARTS.finditer(fold(url)))]


def person(mention: Mapping[str, Any]) -> str | None:
    """Who said it, for counting people: the profile, else the channel identity; None where no one is known."""
    author = cast("Mapping[str, Any]", mention.get("author") or {})
    if profile := author.get("profile"):
        return str(profile)
    native = author.get("native_id") or author.get("handle")
    return f"{mention.get('channel')}\x1f{native}" if native else None


def published(mention: Mapping[str, Any]) -> int:
    """``published_at`` in microseconds since 1970."""
    value = mention["published_at"]
    return micros(value if isinstance(value, datetime) else datetime.fromisoformat(value))


class Subject:
    """One mention (a dict as in the public interface, with ``unit``), ready to be asked many queries."""

    def __init__(self, mention: Mapping[str, Any]) -> None:
        self.mention = mention
        self._positions: dict[str, dict[str, list[int]]] = {}
        self._tokens: dict[str, list[Token]] = {}

    def text(self, where: str) -> str:
        """The text a text field's tokens were made from (``author``: the name)."""
        source = self._author if where == "author" else self.mention
        return cast("str", source.get("name" if where == "author" else where) or "")

    def tokens(self, where: str) -> list[Token]:
        """The tokens of a text field (text, title, author, url)."""
        found = self._tokens.get(where)
        if found is None:
            if where == "url":
                found = url_words(self.text("url"))
            elif where == "author":
                found = author_tokens(self.text("author"), cast("str | None", self._author.get("handle")))
            else:
                found = tokens(self.text(where)) if self.text(where) else []
            self._tokens[where] = found
        return found

    def positions(self, where: str) -> dict[str, list[int]]:
        """Each token of a text field with its positions, ascending."""
        found = self._positions.get(where)
        if found is None:
            found = cast("dict[str, list[int]]", {})
            for token in self.tokens(where):
                found.setdefault(token.text, []).append(token.position)
            self._positions[where] = found
        return found

    @property
    def _author(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.mention.get("author") or {})

    @cached_property
    def exact(self) -> dict[str, AbstractSet[str]]:
        """The folded values of each exact field; fields without a value are absent."""
        mention = self.mention
        plain = {name: _some(value) for name in PLAIN if (value := mention.get(name)) is not None}
        return {name: values for name, values in plain.items() if values} | marks(mention)

    def number(self, name: str) -> float | int | None:
        """A number field's value."""
        if name == "rating":
            return cast("float | None", self.mention.get("rating"))
        if name == "followers":
            return cast("int | None", self._author.get("followers"))
        engagement = cast("Mapping[str, Any]", self.mention.get("engagement") or {})
        return cast("int | None", engagement.get(name))

    @cached_property
    def engagement(self) -> int:
        """Likes, shares and comments together: the order “engagement”."""
        return sum(int(self.number(name) or 0) for name in ("likes", "shares", "comments"))

    @cached_property
    def published(self) -> int:
        """``published_at`` in microseconds since 1970."""
        return published(self.mention)


#: The keys of a mention that :func:`shared_marks` reads: one value each, several, and those of which only the presence counts.
SHARED = (*_SINGLE, "source", "account_id", "language", "offensive", "spam", "rating", "state")
SHARED_LISTS = ("emotions", "intents", "categories", "topics", "tags")
SHARED_PRESENCE = ("reply_to", "media")


def marks(mention: Mapping[str, Any]) -> dict[str, AbstractSet[str]]:
    """The folded values of the exact fields that are not :data:`PLAIN`; fields without a value are absent."""
    found, own = shared_marks(mention), own_marks(mention)
    return {**found, **own, **({"has": found["has"] | own["has"]} if "has" in found and "has" in own else {})}


def own_marks(mention: Mapping[str, Any]) -> dict[str, AbstractSet[str]]:
    """Those that hardly two mentions share: the author's handle, the site, whether its words hold a link."""
    found: dict[str, AbstractSet[str]] = {}
    if handle := (mention.get("author") or _NO_AUTHOR).get("handle"):
        found["handle"] = _some(handle, "@")
    if (url := mention.get("url")) and (sites := _sites(url)):
        found["site"] = sites
    if _has_link(mention.get("text")) or _has_link(mention.get("title")):
        found["has"] = _LINKED
    return found


def shared_marks(mention: Mapping[str, Any]) -> dict[str, AbstractSet[str]]:
    """Those that depend on :data:`SHARED`, :data:`SHARED_LISTS` and :data:`SHARED_PRESENCE` alone, which are alike in many mentions."""
    get = mention.get
    found: dict[str, AbstractSet[str]] = {}
    for name in _SINGLE:
        if value := get(name):
            found[name] = _some(value)
    for name, key in _SEVERAL.items():
        if value := get(key):
            found[name] = _many(value, "#" if name == "tag" else "")
    if account := get("account_id"):
        found["account"] = found.get("account", _NOTHING) | _some(account)
    if language := get("language"):
        found["lang"] = _language(language)
    found["is"] = _is(mention)
    found["has"] = _has(mention)
    return {name: values for name, values in found.items() if values}


def _is(mention: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    if mention.get("reply_to"):
        found.add("reply")
    if "question" in (mention.get("intents") or ()):
        found.add("question")
    if mention.get("offensive"):
        found.add("offensive")
    if mention.get("spam"):
        found.add("spam")
    return found


def _has(mention: Mapping[str, Any]) -> set[str]:
    get = mention.get
    found: set[str] = set()
    if get("media"):
        found.add("media")
    if get("location"):
        found.add("location")
    if get("state") == "answered":
        found.add("reply")
    if get("rating") is not None:
        found.add("rating")
    return found


def _has_link(text: str | None) -> bool:
    # Most texts have none, and plain searches say so sooner than the pattern.
    return bool(text) and ("://" in text or "www." in text.lower()) and _LINK.search(text) is not None


_NOTHING: frozenset[str] = frozenset()


@lru_cache(maxsize=16_384)
def _known(text: str, strip: str) -> frozenset[str]:
    folded = fold(text).strip()
    folded = folded.lstrip(strip) if strip else folded
    return frozenset((folded,)) if folded else _NOTHING


def _some(value: object, strip: str = "") -> frozenset[str]:
    text = str(value) if value is not None else ""
    # What is long hardly comes again.
    return _known(text, strip) if len(text) <= 100 else _known.__wrapped__(text, strip)


def _many(values: object, strip: str = "") -> AbstractSet[str]:
    if values is None:
        return _NOTHING
    if isinstance(values, str):
        return _some(values, strip)
    return {text for value in cast("list[object]", values) for text in _some(value, strip)}


@lru_cache(maxsize=1024)
def _language(tag: str) -> frozenset[str]:
    """``de-CH`` is also ``de``."""
    parts = fold(tag).split("-")
    return frozenset("-".join(parts[:count]) for count in range(1, len(parts) + 1))


def _sites(url: str | None) -> set[str]:
    """The host of an address and the domains it lies in: ``old.reddit.com`` is also ``reddit.com``."""
    found = _HOST.match(url or "")
    host = found[1] if found else ""
    labels = fold(host).strip(".").split(".")
    return {".".join(labels[at:]) for at in range(max(1, len(labels) - 1))} - {""}
