"""Rich text: facets with their UTF-8 byte offsets, both ways, and how Bluesky counts. Pure.

Source: lexicon app.bsky.richtext.facet; what is taken for a handle, a link or a tag follows Bluesky's own programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import regex

from cxm.channels.kit.fields import entries, string, table, whole

#: A post's longest text, as its readers count and as the server stores it.
GRAPHEMES, BYTES = 300, 3000
_FACET = "app.bsky.richtext.facet"
_MOST = 500
_HANDLE = regex.compile(r"(?<![\w@./])@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)\b")
_LINK = regex.compile(r"(?<![\w/])https?://[^\s<>\"]+", regex.IGNORECASE)
_TAG = regex.compile(r"(?<![^\s(])[#＃](?!\ufe0f)([^\s#＃\u00ad\u2060\u200a-\u200d\u20e2]+)")
_TAIL = ".,;:!?'\"’”»…"
_ELLIPSES = ("...", "…")


@dataclass(frozen=True, slots=True)
class Facet:
    """``text[begin:end]`` (characters) means ``value``: the DID of a ``mention``, the address of a ``link``, the name of a ``tag``."""

    kind: str
    begin: int
    end: int
    value: str


def graphemes(text: str) -> int:
    """How many signs a reader sees: what the limit of 300 counts."""
    return len(text) if text.isascii() and "\r\n" not in text else len(regex.findall(r"\X", text))


def facets_of(text: str, told: object) -> list[Facet]:
    """The facets in a record, as far as they are whole: offsets that lie outside, backwards or within a sign are left out."""
    given = entries(told)[:_MOST]
    if not given:
        return []
    places = _places(text)
    found: list[Facet] = []
    for one in map(table, given):
        index = table(one.get("index"))
        begin, end = whole(index.get("byteStart")), whole(index.get("byteEnd"))
        if begin is None or end is None or begin >= end or begin not in places or end not in places:
            continue
        for feature in map(table, entries(one.get("features"))[:10]):
            kind = string(feature.get("$type"), 100).removeprefix(f"{_FACET}#")
            value = string(feature.get({"mention": "did", "link": "uri", "tag": "tag"}.get(kind, "")), 4000)
            if value:
                found.append(Facet(kind, places[begin], places[end], value))
    return found


def _places(text: str) -> dict[int, int]:
    """The character at which each byte offset lies that begins one."""
    if text.isascii():
        return {place: place for place in range(len(text) + 1)}
    places, offset = {0: 0}, 0
    for number, sign in enumerate(text, 1):
        offset += 1 if sign < "\x80" else 2 if sign < "\u0800" else 3 if sign < "\U00010000" else 4
        places[offset] = number
    return places


def spelled_out(text: str, facets: list[Facet]) -> str:
    """``text`` with abbreviated links (``example.org/a-long-na…``) as the address they stand for; other words stay as they are."""
    for facet in sorted(facets, key=lambda one: one.begin, reverse=True):
        shown = text[facet.begin : facet.end]
        if facet.kind == "link" and _abbreviates(shown, facet.value):
            text = text[: facet.begin] + facet.value + text[facet.end :]
    return text


def _abbreviates(shown: str, address: str) -> bool:
    """Whether ``shown`` is the beginning of ``address`` without its scheme, so that nobody is led elsewhere than they read."""
    bare = address.partition("://")[2]
    for mark in _ELLIPSES:
        if shown.endswith(mark):
            return len(shown) > len(mark) + 3 and bare.startswith(shown.removesuffix(mark))
    return False


def found_in(text: str) -> Iterator[Facet]:
    """What a text of ours will show as handles, links and tags. A mention's ``value`` is its handle: who that is, the server knows."""
    taken: list[tuple[int, int]] = []
    for match in _LINK.finditer(text):
        end = match.end() - _tail(match.group())
        taken.append((match.start(), end))
        yield Facet("link", match.start(), end, text[match.start() : end])
    for match in _HANDLE.finditer(text):
        if not _within(match.start(), taken):
            yield Facet("mention", match.start(), match.end(), match.group(1).lower())
    for match in _TAG.finditer(text):
        name = match.group(1).rstrip(_TAIL + ")")
        if name and not name.isdigit() and graphemes(name) <= 64 and not _within(match.start(), taken):
            yield Facet("tag", match.start(), match.start(1) + len(name), name)


def _tail(link: str) -> int:
    """How many signs at the end of a link belong to the sentence around it."""
    short = link.rstrip(_TAIL)
    if short.endswith(")") and "(" not in short:
        short = short[:-1].rstrip(_TAIL)
    return len(link) - len(short)


def _within(place: int, taken: list[tuple[int, int]]) -> bool:
    return any(begin <= place < end for begin, end in taken)


def records(text: str, facets: list[Facet], known: Mapping[str, str]) -> list[dict[str, Any]]:
    """Facets as a record carries them. ``known``: the DID of each handle; one that nobody has is no mention."""
    told: list[dict[str, Any]] = []
    for facet in sorted(facets, key=lambda one: one.begin):
        value = known.get(facet.value, "") if facet.kind == "mention" else facet.value
        if not value:
            continue
        begin = len(text[: facet.begin].encode())
        feature = {"$type": f"{_FACET}#{facet.kind}", {"mention": "did", "link": "uri", "tag": "tag"}[facet.kind]: value}
        index = {"byteStart": begin, "byteEnd": begin + len(text[facet.begin : facet.end].encode())}
        told.append({"$type": _FACET, "index": index, "features": [feature]})
    return told
