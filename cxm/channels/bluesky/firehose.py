"""The same from the protocol's own stream, which each home server (PDS) and relay gives: frames of DAG-CBOR. Pure.

Source: lexicon com.atproto.sync.subscribeRepos and atproto.com/specs/event-stream. Signatures are not checked: the server one names is
believed, as it is with everything else that it says.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from cxm.channels.bluesky import cbor, ids
from cxm.channels.bluesky.jetstream import Event, Filter
from cxm.channels.kit.fields import entries, string, table, whole

METHOD = "com.atproto.sync.subscribeRepos"
#: Words in a frame without which it changes nothing that is known: as CBOR writes them.
_OTHER = (b"fdelete", b"fupdate")


class Firehose(Filter):
    """As :class:`~cxm.channels.bluesky.jetstream.Filter`, for frames."""

    def events(self, message: bytes, known: Container[str]) -> list[Event]:
        """What a frame tells us. Nothing makes it raise; what cannot be read is passed over, and found by looking."""
        if self.mark not in message and not any(word in message for word in _OTHER):
            return []
        try:
            header, place = cbor.load(message)
            payload = table(cbor.load(message, place)[0])
            if table(header).get("t") != "#commit":
                return []
            return [event for event, did in _told(payload) if self.wanted(event, did, known)]
        except ValueError:
            return []

    def place_of(self, message: bytes) -> tuple[int, int]:
        """As the server dates and counts it."""
        try:
            header, place = cbor.load(message)
            payload = table(cbor.load(message, place)[0]) if table(header).get("op") == 1 else {}
        except ValueError:
            return 0, 0
        return _time(payload), max(whole(payload.get("seq")) or 0, 0)

    def complaint(self, message: bytes) -> str:
        """``FutureCursor``: it has never been as far as that, and hangs up. ``OutdatedCursor``: it no longer has all of it, and begins later."""
        if b"Cursor" not in message[:400]:
            return ""
        try:
            header, place = cbor.load(message)
            told, payload = table(header), table(cbor.load(message, place)[0])
        except ValueError:
            return ""
        if told.get("op") == -1:
            return string(payload.get("error"), 100)
        return string(payload.get("name"), 100) if told.get("t") == "#info" else ""


def address(base: str, number: int) -> str:
    """Where to listen: from the message after ``number`` on; at the present for 0."""
    parts = urlsplit(base)
    kept = [one for one in parse_qsl(parts.query) if one[0] != "cursor"]
    return urlunsplit(parts._replace(query=urlencode([*kept, ("cursor", number)] if number else kept), fragment=""))


def _time(payload: dict[str, Any]) -> int:
    moment = ids.moment(string(payload.get("time"), 40))
    return int(moment.timestamp() * 1_000_000) if moment is not None else 0


def _told(payload: dict[str, Any]) -> Iterator[tuple[Event, str]]:
    did = string(payload.get("repo"), 500)
    time, number = _time(payload), max(whole(payload.get("seq")) or 0, 0)
    packed = payload.get("blocks")
    records: dict[str, bytes] | None = None
    for one in map(table, entries(payload.get("ops"))[:500]):
        place = ids.post_parts(f"at://{did}/{string(one.get('path'), 500)}")
        action, cid = one.get("action"), string(table(one.get("cid")).get("$link"), 200)
        if place is None or action not in ("create", "update", "delete"):
            continue
        if action == "delete":
            yield Event(ids.uri(*place), time, "", None, False, number), did
            continue
        if records is None:
            records = dict(cbor.blocks(packed)) if isinstance(packed, bytes) else {}
        if cid in records:
            yield Event(ids.uri(*place), time, cid, table(cbor.load(records[cid])[0]), action == "update", number), did
