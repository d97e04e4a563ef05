"""RSS 0.9x, 1.0 and 2.0, and Atom 0.3 and 1.0."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cxm.channels.kit.mail.html import to_text
from cxm.channels.kit.text import clean, one_line, storable
from cxm.channels.rss import markup
from cxm.channels.rss.entries import ENTRY_LIMIT, ID_LENGTH, LINE, Enclosure, Entry, Feed, NotAFeed, joined, kind_of, number, web
from cxm.channels.rss.markup import Node

_LOOKS_LIKE_HTML = re.compile(r"</?[a-zA-Z][^<>]{0,2000}>|&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
_BLANKS = re.compile(r"[ \t\r\f\v\xa0]+")


def read(text: str, address: str) -> Feed:
    """The feed in the document ``text``. Raises :class:`~cxm.channels.rss.entries.NotAFeed`."""
    try:
        document = markup.read(text)
    except markup.NotMarkup:
        raise NotAFeed("not_a_feed", "This is neither XML nor JSON.") from None
    root = document.root
    if root.name == "html" or root.name == "xhtml:html":
        raise NotAFeed("a_page", "This is a page, not a feed.")
    if root.name == "opml":
        raise NotAFeed("a_list_of_feeds", "This is a list of feeds (OPML), not a feed.")
    channel = root if root.name == "feed" else root.first("channel") or root
    if channel is root and root.name not in ("feed", "channel", "rss", "rdf:rdf") and not _nodes(root, root):
        raise NotAFeed("not_a_feed", f"This is XML, but no feed: it begins with “{one_line(root.name, 40)}”.")
    return _xml(document, root, channel, address)


def _nodes(root: Node, channel: Node) -> list[Node]:
    found = channel.all("item", "entry", "at:deleted-entry")
    if root is not channel:
        found += root.all("item", "entry")
    return found or [node for node in root.walk() if node.name in markup.ITEMS]


def _xml(document: markup.Document, root: Node, channel: Node, address: str) -> Feed:
    base = joined(address, channel.attributes.get("xml:base") or root.attributes.get("xml:base") or "")
    feed = Feed(
        title=_line(channel.first("title")),
        link=_link(channel, base),
        author=_person(channel, base),
        hub=_related(channel, "hub"),
        topic=_related(channel, "self"),
        pause=_pause(channel),
        broken=document.broken,
        data=document.data,
    )
    for node in _nodes(root, channel)[:ENTRY_LIMIT]:
        feed.entries.append(_entry(node, joined(base, node.attributes.get("xml:base", "")), feed))
    return feed


def _related(channel: Node, relation: str) -> str:
    links = channel.all("link", "atom:link")
    return next((node.attributes.get("href", "") for node in links if relation in node.attributes.get("rel", "").lower().split()), "")


def _entry(node: Node, base: str, feed: Feed) -> Entry:
    if node.name == "at:deleted-entry":
        gone = node.attributes
        return Entry(
            (node.start, node.end), own_id=storable(gone.get("ref", ""))[:ID_LENGTH].strip(), deleted=True, updated=gone.get("when", "")
        )
    name, mark, url = _person(node, base) if _person(node, base)[0] else feed.author
    link = _link(node, base)
    guid = node.first("guid", "id", "atom:id")
    own_id = guid.text() if guid is not None else node.attributes.get("rdf:about", "")
    if not link and guid is not None and guid.name == "guid" and guid.attributes.get("ispermalink", "true").lower() != "false":
        link = web(base, own_id)
    return Entry(
        (node.start, node.end),
        own_id=storable(own_id).strip()[:ID_LENGTH],
        title=_line(node.first("title", "media:title", "dc:title", "itunes:title")),
        text=_words(node, base),
        link=link,
        published=_told(node, "pubdate", "published", "issued", "dc:date", "dcterms:issued", "dcterms:created", "created", "date"),
        updated=_told(node, "updated", "modified", "dcterms:modified", "lastbuilddate"),
        author=name,
        author_mark=mark,
        author_url=url,
        tags=_tags(node),
        media=tuple(_media(node, base)),
        reply_to=next((storable(one.attributes.get("ref", ""))[:ID_LENGTH].strip() for one in node.all("thr:in-reply-to")), ""),
        comments_url=web(base, _told(node, "comments")),
        comments=number(_told(node, "slash:comments", "thr:total")),
    )


def _told(node: Node, *names: str) -> str:
    for name in names:
        for child in node.all(name):
            if said := child.text().strip()[:200]:
                return said
    return ""


def _line(node: Node | None) -> str:
    if node is None:
        return ""
    return one_line(_plain(node), LINE)


def _plain(node: Node) -> str:
    """The words of a text construct, whether plain, escaped markup or markup itself."""
    kind = node.attributes.get("type", "").lower()
    if any(True for _ in node.children):
        return to_text(node.markup())
    said = node.text()
    if kind in ("html", "text/html", "application/xhtml+xml") or (kind not in ("text", "text/plain") and _LOOKS_LIKE_HTML.search(said)):
        return to_text(said)
    return _BLANKS.sub(" ", said).strip()


def _words(node: Node, base: str) -> str:
    """The fullest text there is."""
    for name in (
        "content:encoded",
        "content",
        "xhtml:body",
        "description",
        "summary",
        "itunes:summary",
        "media:description",
        "dc:description",
    ):
        for child in node.all(name):
            if child.attributes.get("src") and not child.parts:
                continue
            if said := clean(_plain(child)).strip():
                return said
    group = node.first("media:group")
    return _words(group, base) if group is not None else ""


def _link(node: Node, base: str) -> str:
    """Where a reader reads it: an alternate link before any other."""
    spare = ""
    for child in node.all("link", "atom:link"):
        told = child.attributes
        target = web(base, told.get("href") or child.text().strip())
        relation = (told.get("rel") or "alternate").lower()
        if target and relation == "alternate" and "html" in (told.get("type") or "html"):
            return target
        if target and not spare and relation not in ("self", "hub", "enclosure", "replies", "edit", "next", "first", "last", "license"):
            spare = target
    return spare


def _person(node: Node, base: str) -> tuple[str, str, str]:
    """Who wrote it: name, what tells them from others of that name, address of their page."""
    author = node.first("author", "atom:author", "dc:creator", "itunes:author", "managingeditor")
    if author is None:
        return "", "", ""
    if not any(True for _ in author.children):
        said = one_line(author.text(), LINE)
        found = re.fullmatch(r"(\S{1,64}@\S{1,253})\s*\((.{1,200})\)", said)
        return (found.group(2), found.group(1).lower(), "") if found else (said, "", "")
    mail, page = one_line(_told(author, "email"), 320).lower(), web(base, _told(author, "uri", "url"))
    return _line(author.first("name")) or mail, page or mail, page


def _tags(node: Node) -> tuple[str, ...]:
    found = [
        one_line(child.attributes.get("label") or child.attributes.get("term") or child.text(), 100)
        for child in node.all("category", "dc:subject")
    ]
    found += [part.strip() for part in one_line(_told(node, "itunes:keywords", "media:keywords"), 400).split(",")]
    return tuple(dict.fromkeys(tag for tag in found if tag))[:20]


def _media(node: Node, base: str) -> Iterator[Enclosure]:
    seen: set[str] = set()
    groups = [node, *node.all("media:group")]
    named = [child for group in groups for child in group.all("enclosure", "media:content", "media:thumbnail", "itunes:image", "link")]
    for child in named:
        told = child.attributes
        if child.name == "link" and told.get("rel", "").lower() != "enclosure":
            continue
        url = web(base, told.get("url") or told.get("href") or "")
        if not url or url in seen or len(seen) >= 20:
            continue
        seen.add(url)
        told_type = one_line(told.get("type", ""), 100).lower()
        picture = child.name in ("media:thumbnail", "itunes:image")
        alt = child.first("media:title", "media:description")
        yield Enclosure(url, kind_of(told_type, told.get("medium", "image" if picture else ""), url), told_type or None, _line(alt) or None)


def _pause(channel: Node) -> int:
    minutes = number(_told(channel, "ttl"))
    period = {"hourly": 60, "daily": 1440, "weekly": 10080, "monthly": 43200, "yearly": 525600}.get(
        _told(channel, "sy:updateperiod").lower(), 0
    )
    return min(max(minutes, period // max(1, number(_told(channel, "sy:updatefrequency")) or 1)), 1440)
