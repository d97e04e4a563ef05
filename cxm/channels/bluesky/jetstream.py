"""What of the network's posts concerns an account, told from a Jetstream's messages. Pure.

Source: github.com/bluesky-social/jetstream (``/subscribe``: JSON events; ``time_us`` is the cursor; one in the future means the present, one
too old the oldest there is; compressed only where asked for) and lexicon app.bsky.feed.post. Read again on 2026-11-22, after it was rewritten.
"""

from __future__ import annotations

import random
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from cxm.channels.bluesky import ids
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import entries, string, table, whole

_TIME = re.compile(rb'"time_us"\s*:\s*([0-9]{1,17})\b')
_OTHER = re.compile(rb'"operation"\s*:\s*"(?:delete|update)"')
_FACETS = 500
#: The hosts that Bluesky runs for everybody; and failures in a row after which the next of them is asked.
PUBLIC = tuple(f"jetstream{number}.us-{side}.bsky.network" for side in ("east", "west") for number in (1, 2))
PATIENCE = 3
#: Pauses before a line that could not be opened, or was cut at once, is opened again: the first, doubled each time; the longest.
FIRST, LONGEST = timedelta(seconds=5), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a post: ``record`` is what it says now, None where it was deleted. ``time``: microseconds since 1970;
    ``number``: its place in a stream that counts its messages, else 0."""

    address: str
    time: int
    cid: str
    record: dict[str, Any] | None
    changed: bool
    number: int = 0

    @property
    def key(self) -> str:
        """What the post is remembered by, as :func:`~cxm.channels.bluesky.looking.key_of` says it."""
        return "/".join(ids.post_parts(self.address) or (self.address,))


def address(base: str, since: int) -> str:
    """Where to listen: all posts, from ``since`` (microseconds) on. ``base`` may leave out the path."""
    parts = urlsplit(base)
    path = parts.path if parts.path.strip("/") else "/subscribe"
    return urlunsplit(parts._replace(path=path, query=urlencode({"wantedCollections": ids.POST, "cursor": since}), fragment=""))


def pause(fails: int) -> timedelta:
    """How long to wait after so many failures in a row; no two that were cut together for equally long."""
    return min(FIRST * 2 ** min(fails, 12), LONGEST) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads what comes back


def instead(base: str, fails: int) -> str:
    """Where to listen after so many failures in a row: one of the public hosts takes the place of another, whose clock is the same; a server
    of one's own has none."""
    host = urlsplit(base).hostname or ""
    if host not in PUBLIC or fails < PATIENCE:
        return base
    other = PUBLIC[(PUBLIC.index(host) + fails // PATIENCE) % len(PUBLIC)]
    return urlunsplit(urlsplit(base)._replace(netloc=other))


class Filter:
    """Tells what concerns us: posts that name us, answer or quote us, stand in a thread of ours or are ours (where ``own``), and what
    became of posts we know. Most messages are passed over without being read."""

    def __init__(self, me: str, *, own: bool) -> None:
        self._me, self.mark, self._own = me, me.encode(), own

    def events(self, message: bytes, known: Container[str]) -> list[Event]:
        """What ``message`` tells us, often nothing. ``known``: the posts we know. Nothing makes it raise."""
        if self.mark not in message and not _OTHER.search(message):
            return []
        try:
            told = table(jsons.load(message))
        except jsons.NotJson:
            return []
        commit, did = table(told.get("commit")), string(told.get("did"), 500)
        place = ids.post_parts(f"at://{did}/{string(commit.get('collection'), 200)}/{string(commit.get('rkey'), 300)}")
        if place is None:
            return []
        event = Event(
            address=ids.uri(*place),
            time=whole(told.get("time_us")) or 0,
            cid=string(commit.get("cid"), 200),
            record=None if commit.get("operation") == "delete" else table(commit.get("record")),
            changed=commit.get("operation") == "update",
        )
        return [event] if self.wanted(event, place[0], known) else []

    def place_of(self, message: bytes) -> tuple[int, int]:
        """When a message was made, in microseconds since 1970, and its number in the stream; 0 where it does not say, or has none."""
        found = _TIME.search(message)
        return (int(found[1]) if found else 0), 0

    def complaint(self, message: bytes) -> str:
        """What the server says of the place we asked to resume from, "" for any other message."""
        return ""

    def wanted(self, event: Event, did: str, known: Container[str]) -> bool:
        """Whether something that happened to a post of ``did`` concerns us."""
        if event.record is None or (event.changed and event.key in known):
            return event.key in known
        return self._own if did == self._me else self._concerns(event.record)

    def _concerns(self, record: dict[str, Any]) -> bool:
        reply = table(record.get("reply"))
        named = [table(reply.get("parent")), table(reply.get("root")), _quoted(table(record.get("embed")))]
        if any((ids.post_parts(string(one.get("uri"), 1000)) or ("",))[0] == self._me for one in named):
            return True
        features = (table(one) for facet in entries(record.get("facets"))[:_FACETS] for one in entries(table(facet).get("features"))[:10])
        return any(one.get("did") == self._me for one in features)


def _quoted(embed: dict[str, Any]) -> dict[str, Any]:
    """The post that a record quotes. A record with media wraps it once more."""
    record = table(embed.get("record"))
    return table(record.get("record")) if "record" in record else record
