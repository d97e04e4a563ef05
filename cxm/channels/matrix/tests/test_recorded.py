"""An answer of ``/sync`` as Synapse gave it, replayed; and the same with every field of its frame spoilt."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cxm.channels.contracts import ConnectorError, Deletion, Item, Mention, Polled, Receipt, Unmappable
from cxm.channels.matrix.connector import Poll
from cxm.channels.matrix.homeserver import CLIENT
from cxm.channels.matrix.mapping import map_delivery
from cxm.channels.testing.fuzz import fields
from cxm.channels.testing.web import Web, session_over

RECORDED = Path(__file__).with_name("recorded") / "sync.json"
BASE = "https://matrix.acme.example"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def look(body: bytes) -> tuple[Polled, list[Item]]:
    web = Web()
    web.on("GET", f"{BASE}{CLIENT}/account/whoami", json={"user_id": "@care:localhost"})
    web.on("GET", f"{BASE}{CLIENT}/joined_rooms", json={"joined_rooms": ["!dm:localhost"]})
    web.on("GET", f"{BASE}{CLIENT}/sync", content=body)
    web.on("GET", f"{BASE}/_matrix/client/v1/media/download/localhost/cup", content=b"\x89PNG")
    session = session_over(web, "matrix", now=NOW, name="Care", settings={"server_url": BASE}, credentials={"access_token": "t"})
    polled = asyncio.run(Poll().poll(session, None))
    return polled, [item for delivery in polled.deliveries for item in map_delivery(delivery, session.account)]


def told(item: Item) -> tuple[Any, ...]:
    if isinstance(item, Mention):
        return item.kind, item.text, item.author.name, item.private, item.addressed, item.media_type
    return (type(item).__name__,)


def test_what_a_real_homeserver_said() -> None:
    polled, items = look(RECORDED.read_bytes())
    assert not [one for one in items if isinstance(one, Unmappable)]
    by_room: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
    for item in items:
        by_room[not isinstance(item, Mention) or item.private].append(told(item))
    assert by_room[False] == [
        ("post", "Is somebody here?", "ann", False, True, "earned"),
        ("post", "I like tea", "ann", False, False, "earned"),
    ]
    assert by_room[True] == [
        ("message", "My cup is brokn", "ann", True, True, "earned"),
        ("message", "My cup is broken", "ann", True, True, "earned"),
        ("message", "", "ann", True, True, "earned"),
        ("comment", "💔", "ann", True, False, "earned"),
        ("message", "We send another.", "care", True, False, "owned"),
        ("message", "Thank you!", "ann", True, True, "earned"),
        ("Deletion",),
        ("Deletion",),
        ("Receipt",),
    ]
    assert len({one.native_id for one in items if isinstance(one, Deletion)}) == 1, "a redacted event and its redaction are one deletion"
    (receipt,) = [one for one in items if isinstance(one, Receipt)]
    assert receipt.native_id in {one.native_id for one in items if isinstance(one, Mention) and one.media_type == "owned"}
    (picture,) = [one.media[0] for one in items if isinstance(one, Mention) and one.media]
    assert (picture.name, picture.content) == ("cup.png", b"\x89PNG")
    assert {one.reason for one in polled.unheard} == {"The room “Board” is encrypted: what is said there cannot be read."}


def test_a_frame_with_any_field_spoilt_is_read_as_far_as_it_can_be() -> None:
    spoilt = [body for _, body in fields(RECORDED.read_bytes())][::5]
    read = 0
    for body in spoilt:
        try:
            polled, _ = look(body)
        except ConnectorError:
            continue
        json.dumps(polled.cursor)
        read += 1
    assert read > len(spoilt) * 0.9
