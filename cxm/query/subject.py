"""A mention as queries see it: its words, exact values, numbers and time, each computed once.

The matcher reads these, and a store indexes exactly these: that is why a query means the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from cxm.kernel.text import Token, fold, tokens
from cxm.query import limits
from cxm.query.moments import micros

_LINK = re.compile(r"https?://\S|\bwww\.\w", re.IGNORECASE)
_URL_PARTS = re.compile(r"[^\W_]+")
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:@\s]+)", re.IGNORECASE)
# Exact fields with one value, and with several, each with the mention's key.
_SINGLE = {name: name for name in ("channel", "account", "country", "location", "unit", "kind", "media_type", "sentiment", "state")}
_SEVERAL = {"source": "source", "emotion": "emotions", "intent": "intents", "category": "categories", "topic": "topics", "tag": "tags"}
#: Positions between an author's name and handle, so that no phrase reaches across.
_GAP = limits.NEAR + limits.PHRASE_WORDS


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
            else:
                found = tokens(self.text(where)) if self.text(where) else []
            if where == "author" and (handle := self._author.get("handle")):
                after = (found[-1].position if found else 0) + _GAP
                found = found + [t._replace(position=t.position + after) for t in tokens(cast("str", handle))]
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
    def exact(self) -> dict[str, set[str]]:
        """The folded values of each exact field; fields without a value are absent."""
        mention = self.mention
        found: dict[str, set[str]] = {}
        for name, key in _SINGLE.items():
            if (value := mention.get(key)) is not None:
                found[name] = _some(value)
        for name, key in _SEVERAL.items():
            if value := mention.get(key):
                found[name] = _many(value, "#" if name == "tag" else "")
        if account := mention.get("account_id"):
            found["account"] = found.get("account", set()) | _some(account)
        if handle := self._author.get("handle"):
            found["handle"] = _some(handle, strip="@")
        if url := mention.get("url"):
            found["site"] = _sites(url)
        if language := mention.get("language"):
            found["lang"] = _language(language)
        found["is"] = self._is()
        found["has"] = self._has()
        return {name: values for name, values in found.items() if values}

    def _is(self) -> set[str]:
        mention = self.mention
        answers = {
            "reply": mention.get("reply_to"),
            "question": "question" in cast("list[str]", mention.get("intents") or ()),
            "offensive": mention.get("offensive"),
            "spam": mention.get("spam"),
        }
        return {name for name, answer in answers.items() if answer}

    def _has(self) -> set[str]:
        mention = self.mention
        answers = {
            "media": mention.get("media"),
            "link": _LINK.search(self.text("text")) or _LINK.search(self.text("title")),
            "location": mention.get("location"),
            "reply": mention.get("state") == "answered",
            "rating": mention.get("rating") is not None,
        }
        return {name for name, answer in answers.items() if answer}

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
        value = self.mention["published_at"]
        return micros(value if isinstance(value, datetime) else datetime.fromisoformat(value))


def _some(value: object, strip: str = "") -> set[str]:
    text = fold(str(value)).strip() if value is not None else ""
    text = text.lstrip(strip) if strip else text
    return {text} if text else set()


def _many(values: object, strip: str = "") -> set[str]:
    if values is None:
        return set()
    if isinstance(values, str):
        return _some(values, strip)
    return {text for value in cast("list[object]", values) for text in _some(value, strip)}


def _language(tag: str | None) -> set[str]:
    """``de-CH`` is also ``de``."""
    parts = fold(tag).split("-") if tag else []
    return {"-".join(parts[:count]) for count in range(1, len(parts) + 1)}


def _sites(url: str | None) -> set[str]:
    """The host of an address and the domains it lies in: ``old.reddit.com`` is also ``reddit.com``."""
    found = _HOST.match(url or "")
    host = found[1] if found else ""
    labels = fold(host).strip(".").split(".")
    return {".".join(labels[at:]) for at in range(max(1, len(labels) - 1))} - {""}
