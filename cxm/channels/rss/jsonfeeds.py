"""JSON Feed 1.x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from cxm.channels.kit import jsons
from cxm.channels.kit.mail.html import to_text
from cxm.channels.kit.text import clean, one_line, storable
from cxm.channels.rss.entries import ENTRY_LIMIT, ID_LENGTH, LINE, Enclosure, Entry, Feed, NotAFeed, kind_of, web


def read(text: str, address: str) -> Feed:
    """The feed in the document ``text``. Raises :class:`~cxm.channels.rss.entries.NotAFeed`."""
    try:
        value = jsons.load(text.encode("utf-8", "surrogatepass"))
    except jsons.NotJson as error:
        raise NotAFeed("not_json", str(error)) from error
    if not isinstance(value, dict):
        raise NotAFeed("not_a_feed", "This is JSON, but no feed.")
    told = cast("dict[str, Any]", value)
    items = told.get("items")
    if not isinstance(items, list) or not ("jsonfeed.org" in str(told.get("version")) or "title" in told):
        raise NotAFeed("not_a_feed", "This is JSON, but no feed: it has no version and items of a JSON Feed.")
    base = web(address, _text(told, "home_page_url")) or address
    people = _json_person(told, base)
    head = {key: part for key, part in told.items() if key != "items"}
    feed = Feed(title=one_line(_text(told, "title"), LINE), link=base, author=people, json=head)
    feed.hub = next((_text(cast("dict[str, Any]", hub), "url") for hub in _list(told, "hubs") if isinstance(hub, dict)), "")
    feed.topic = _text(told, "feed_url")
    for item in cast("list[object]", items)[:ENTRY_LIMIT]:
        feed.entries.append(_json_entry(item, base, people))
    return feed


def _json_entry(item: object, base: str, author: tuple[str, str, str]) -> Entry:
    if not isinstance(item, dict):
        return Entry(raw=item)
    told = cast("dict[str, Any]", item)
    number = told.get("id")
    own_id = str(number) if isinstance(number, int) and not isinstance(number, bool) and abs(number) <= 2**53 else _text(told, "id")
    name, mark, url = _json_person(told, base) if _json_person(told, base)[0] else author
    # A text that says it is text is no markup, whatever it looks like.
    words = _text(told, "content_text") or to_text(_text(told, "content_html")) or _text(told, "summary")
    return Entry(
        raw=item,
        own_id=storable(own_id).strip()[:ID_LENGTH],
        title=one_line(_text(told, "title"), LINE),
        text=clean(words).strip(),
        link=web(base, _text(told, "url") or _text(told, "external_url")),
        published=_text(told, "date_published"),
        updated=_text(told, "date_modified"),
        author=name,
        author_mark=mark,
        author_url=url,
        tags=tuple(dict.fromkeys(tag for one in _list(told, "tags") if isinstance(one, str) and (tag := one_line(one, 100))))[:20],
        media=tuple(_json_media(told, base)),
    )


def _json_media(told: dict[str, Any], base: str) -> Iterator[Enclosure]:
    for key in ("image", "banner_image"):
        if url := web(base, _text(told, key)):
            yield Enclosure(url, "image")
    for one in _list(told, "attachments")[:20]:
        if isinstance(one, dict):
            entry = cast("dict[str, Any]", one)
            url, kind = web(base, _text(entry, "url")), one_line(_text(entry, "mime_type"), 100).lower()
            if url:
                yield Enclosure(url, kind_of(kind, "", url), kind or None, one_line(_text(entry, "title"), LINE) or None)


def _json_person(told: dict[str, Any], base: str) -> tuple[str, str, str]:
    for one in [*_list(told, "authors"), told.get("author")]:
        if isinstance(one, dict):
            entry = cast("dict[str, Any]", one)
            page = web(base, _text(entry, "url"))
            if name := one_line(_text(entry, "name"), LINE) or page:
                return name, page, page
    return "", "", ""


def _text(told: dict[str, Any], key: str) -> str:
    value = told.get(key)
    return value if isinstance(value, str) else ""


def _list(told: dict[str, Any], key: str) -> list[object]:
    value = told.get(key)
    return cast("list[object]", value) if isinstance(value, list) else []
