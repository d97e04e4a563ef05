"""A feed's entries as articles. Pure: no clock, no network, and no bytes may make it raise."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cxm.channels.contracts import TEXT_LIMIT, AccountView, Author, Deletion, Engagement, Item, Media, Mention, RawDelivery, Unmappable
from cxm.channels.kit import answers, jsons
from cxm.channels.kit.text import one_line
from cxm.channels.rss import dates, feeds
from cxm.channels.rss.feeds import Entry, Feed
from cxm.channels.rss.verify import feed_of

#: A clock that is wrong by less is no clock that is wrong.
_AHEAD = timedelta(minutes=5)
_NOBODY = "feed:"


def map_delivery(delivery: RawDelivery, account: AccountView) -> Iterable[Item]:
    """Each entry on its own; deleted entries (RFC 6721) as deletions. A document that is no feed is one :class:`Unmappable`."""
    origin = answers.header(delivery.headers, "x-feed") or feed_of(delivery.headers.get(":query", ""))
    try:
        feed = feeds.read(delivery.body, origin, answers.header(delivery.headers, "content-type") or "")
    except feeds.NotAFeed as error:
        return [Unmappable(str(error), delivery.body, None, error.code)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        return [Unmappable(f"The feed cannot be read ({type(error).__name__}).", delivery.body, None, "feed_unreadable")]
    if not feed.entries:
        return [Unmappable("There is no entry in it.", delivery.body, None, "feed_empty")]
    return [_item(feed, entry, origin, delivery, account) for entry in feed.entries]


def key_of(entry: Entry, origin: str) -> str | None:
    """The id of an entry, the same whenever it is read: what the feed calls it, else where it links to, else what it says.

    An id that is an address on the feed's own host stands for itself, so that one article in two feeds of a site is one article; any
    other is only believed within its feed, since every feed can claim another's ids. None where there is nothing to go by.
    """
    named = entry.own_id or entry.link or next((medium.url for medium in entry.media), "")
    if not named:
        said = f"{entry.title}\x1f{entry.published}" if entry.title or entry.published else entry.text
        if not said.strip("\x1f "):
            return None
        named = f"sha256:{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()}"
    return _scoped(named, origin)


def _scoped(named: str, origin: str) -> str:
    return named if _host(named) and _host(named) == _host(origin) else f"{origin}#{named}"[:1000]


def _item(feed: Feed, entry: Entry, origin: str, delivery: RawDelivery, account: AccountView) -> Item:
    known = answers.header(delivery.headers, "x-native-id")
    native_id = (one_line(known, 1000) if known else None) or key_of(entry, origin)
    raw = jsons.dump(entry.raw) if feed.json is not None else feed.data[entry.place[0] : entry.place[1]]
    if native_id is None:
        return Unmappable("The entry has no id, no link, no title and no text.", raw or b" ", None, "entry_empty")
    moment = dates.read(entry.published) or dates.read(entry.updated)
    updated = dates.read(entry.updated)
    received = delivery.received_at
    if entry.deleted:
        return Deletion(native_id, moment)
    if len(entry.text) > TEXT_LIMIT:
        return Unmappable(f"The text is longer than {TEXT_LIMIT:,} characters.", raw, native_id, "text_too_long")
    if not (entry.title or entry.text or entry.media):
        return Unmappable("The entry has neither title nor text.", raw, native_id, "text_missing")
    published = _sane(moment, received)
    if published is None:
        return Unmappable("The entry has no usable date and nobody noted when it came.", raw, native_id, "published_at_invalid")
    return _mention(feed, entry, native_id, origin, published, _edited(delivery, published, updated), account)


def _mention(
    feed: Feed, entry: Entry, native_id: str, origin: str, published: datetime, edited: datetime | None, account: AccountView
) -> Mention:
    context: dict[str, Any] = {"feed": feed.title or None, "feed_url": origin or None, "comments_url": entry.comments_url or None}
    if (told := dates.read(entry.published)) is not None and told != published:
        context["dated"] = one_line(entry.published, 100)
    return Mention(
        native_id=native_id,
        kind="article",
        author=_author(feed, entry, origin),
        text=entry.text,
        published_at=published,
        title=entry.title or None,
        url=entry.link or None,
        reply_to=_scoped(entry.reply_to, origin) if entry.reply_to else None,
        media_type="owned" if account.settings.get("owned") is True else "earned",
        engagement=Engagement(comments=entry.comments),
        media=tuple(Media(medium.kind, medium.url, medium.alt, content_type=medium.content_type) for medium in entry.media),
        tags=entry.tags,
        edited_at=edited,
        context={key: value for key, value in context.items() if value},
    )


def _author(feed: Feed, entry: Entry, origin: str) -> Author:
    """Whom the feed names. Nothing of that is proven, and a name means somebody only within its site."""
    site = _host(feed.link) or _host(origin)
    if not entry.author:
        return Author(f"{_NOBODY}{site or origin}", name=feed.title or site or None, url=feed.link or None)
    mark = entry.author_mark or entry.author.casefold()
    return Author(f"{site}:{mark}"[:1000], name=entry.author, url=entry.author_url or None)


def _sane(moment: datetime | None, received: datetime | None) -> datetime | None:
    """The date told, unless it lies ahead: then when it came."""
    if moment is None or (received is not None and moment > received + _AHEAD):
        return received
    return moment


def _edited(delivery: RawDelivery, published: datetime, updated: datetime | None) -> datetime | None:
    """When it was changed: noticed by whoever fetched it, or told by the feed."""
    noticed = dates.read(answers.header(delivery.headers, "x-changed"))
    if noticed is not None:
        return noticed
    if updated is None or updated <= published or (delivery.received_at is not None and updated > delivery.received_at + _AHEAD):
        return None
    return updated


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
