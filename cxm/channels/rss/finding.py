"""Where a page's feeds are, and which feeds a list (OPML) names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import urljoin, urlsplit, urlunsplit

from cxm.channels.kit.text import one_line
from cxm.channels.rss import characters, markup

_KINDS = (
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/rdf+xml",
    "application/xml",
    "text/xml",
    "application/json",
)
_LINK = re.compile(r"<(?:link|base)\b([^<>]{1,4000})>", re.IGNORECASE)
_ANCHOR = re.compile(r"<a\b([^<>]{1,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([a-zA-Z-]{1,30})\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_FEEDISH = re.compile(r"(?:/(?:feed|rss|atom|index\.xml|feeds)(?:[/.?]|$)|\.(?:rss|atom|rdf)$|/feed\.json$)", re.IGNORECASE)
#: Where feeds usually are when a page names none.
USUAL = ("/feed", "/rss.xml", "/atom.xml", "/feed.xml", "/index.xml", "/feed.json")
#: Feeds of one list.
LIST_LIMIT = 10_000
_PAGE_LIMIT = 2_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A feed that a page or a list names; ``folders``: where in the list it stands, outermost first."""

    url: str
    title: str
    folders: tuple[str, ...] = ()


def on_page(body: bytes, address: str, content_type: str = "") -> list[Found]:
    """The feeds that the page at ``address`` names, the main one first; those of comments last."""
    text = characters.decode(body[:_PAGE_LIMIT], content_type)
    base, found = address, list[Found]()
    for told in (_attributes(one.group(0)) for one in _LINK.finditer(text)):
        if "href" in told and "rel" not in told and "type" not in told:
            base = _joined(address, told["href"])
        elif "alternate" in told.get("rel", "").lower().split() and told.get("type", "").partition(";")[0].strip().lower() in _KINDS:
            found.append(Found(_joined(base, told.get("href", "")), one_line(told.get("title", ""), 200)))
    if not found:
        links = (_joined(base, _attributes(one.group(0)).get("href", "")) for one in _ANCHOR.finditer(text))
        found = [Found(link, "") for link in links if _FEEDISH.search(urlsplit(link).path)][:5]
    found = [one for one in dict.fromkeys(found) if one.url]
    return sorted(found, key=lambda one: "comment" in (one.url + one.title).lower())[:20]


def usual(address: str) -> list[str]:
    """Where a site's feed may be although no page says so."""
    parts = urlsplit(address)
    return [urlunsplit((parts.scheme, parts.netloc, path, "", "")) for path in USUAL]


def in_list(body: bytes) -> list[Found]:
    """The feeds that an OPML document names, each once. Raises ValueError where it is none."""
    try:
        root = markup.read(characters.decode(body)).root
    except markup.NotMarkup:
        raise ValueError("This is no list of feeds: it is not XML.") from None
    if root.name != "opml":
        raise ValueError("This is no list of feeds: an OPML document begins with <opml>.")
    found: dict[str, Found] = {}
    waiting: list[tuple[markup.Node, tuple[str, ...]]] = [(root, ())]
    while waiting and len(found) < LIST_LIMIT:
        node, folders = waiting.pop()
        told = node.attributes
        title = one_line(told.get("title") or told.get("text") or "", 200)
        url = web_address(told.get("xmlurl", ""))
        if url:
            found.setdefault(url, Found(url, title, folders))
        inner = (*folders, title) if node.name == "outline" and title and not url else folders
        waiting.extend((child, inner) for child in reversed(list(node.children)))
    return list(found.values())


def web_address(text: str) -> str:
    """``text`` as a full address of the web (``feed:`` and a missing scheme are mended), or nothing."""
    text = one_line(text, 4000)
    if text.lower().startswith("feed:"):
        text = text[5:].removeprefix("//")
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text):
        text = f"https://{text}" if "." in text.partition("/")[0] else ""
    return _joined(text, "") if text else ""


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): unescape(double or single or bare).strip() for name, double, single, bare in _ATTRIBUTE.findall(tag)}


def _joined(base: str, address: str) -> str:
    try:
        whole = urljoin(base, one_line(address, 4000)) if address else base
        parts = urlsplit(whole)
        return whole if parts.scheme.lower() in ("http", "https") and parts.hostname else ""
    except ValueError:
        return ""
