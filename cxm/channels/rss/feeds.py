"""What a feed says, the same for every kind of feed: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, JSON Feed 1.x.

Sources: RSS 2.0 (rssboard.org), RSS 1.0 and its modules, RFC 4287 (Atom), RFC 4685 (threads), RFC 6721 (deleted entries), JSON Feed 1.1.
"""

from __future__ import annotations

from cxm.channels.kit import jsons
from cxm.channels.rss import characters, jsonfeeds, xmlfeeds
from cxm.channels.rss.entries import ENTRY_LIMIT as ENTRY_LIMIT
from cxm.channels.rss.entries import Entry as Entry
from cxm.channels.rss.entries import Feed as Feed
from cxm.channels.rss.entries import NotAFeed as NotAFeed

#: Bytes of the feed itself that are kept with each entry.
_AROUND = 20_000


def read(body: bytes, address: str = "", content_type: str = "") -> Feed:
    """The feed in ``body``, which was found at ``address``. Raises :class:`NotAFeed`."""
    if not body.strip():
        raise NotAFeed("empty", "The answer is empty.")
    text = characters.decode(body, content_type)
    return jsonfeeds.read(text, address) if text.lstrip()[:1] == "{" else xmlfeeds.read(text, address)


def slice_of(feed: Feed, entry: Entry) -> bytes:
    """A whole feed that holds this entry alone, in the bytes of the document: what is kept of it, and can be read again."""
    if feed.json is not None:
        return jsons.dump({**feed.json, "items": [entry.raw]})
    before = feed.data[: min(other.place[0] for other in feed.entries)]
    after = feed.data[max(other.place[1] for other in feed.entries) :]
    if len(before) + len(after) > _AROUND:
        # A head of megabytes, kept with each of its entries, would be a bomb: the outermost tag tells enough.
        start = feed.data.find(b"<")
        before, after = feed.data[: feed.data.find(b">", start) + 1][:_AROUND], b""
    return before + feed.data[entry.place[0] : entry.place[1]] + after
