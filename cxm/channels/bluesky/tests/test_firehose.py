"""The protocol's own stream, from frames that a real server sent, and from frames that none would send."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from cxm.channels.bluesky import cbor
from cxm.channels.bluesky.firehose import METHOD, Firehose, address
from cxm.channels.bluesky.jetstream import Event

TOLD = json.loads((Path(__file__).parent / "recorded_firehose.json").read_text("utf-8"))
FRAMES = [base64.b64decode(one) for one in TOLD["frames"]]
NAMED, REPLY, OTHER = TOLD["posts"]


def read(frames: list[bytes], me: str = TOLD["me"], known: tuple[str, ...] = ()) -> list[Event]:
    return [event for frame in frames for event in Firehose(me, own=True).events(frame, known)]


def test_recorded_frames_tell_what_happened():
    first, reply, update = read(FRAMES)
    assert (first.address, reply.address, update.address) == (NAMED, REPLY, NAMED)
    assert (
        first.record is not None and first.record["text"].startswith("👋 @acme") and not first.changed and first.cid.startswith("bafyrei")
    )
    assert update.changed and update.record is not None and update.record["text"].endswith("Really?") and update.cid != first.cid
    assert first.time > 1_700_000_000_000_000 and first.record["facets"][0]["features"][0]["did"] == TOLD["me"]
    gone = read(FRAMES, known=(first.key,))[-1]
    assert (gone.address, gone.record) == (NAMED, None)
    assert {one.address for one in read(FRAMES, me=NAMED.split("/")[2])} == {NAMED, REPLY, OTHER}, "our own are ours"
    assert read(FRAMES, me="did:plc:nobody") == []


def test_each_frame_has_its_number_and_a_place_that_is_not_there_is_told():
    chosen = Firehose(TOLD["me"], own=True)
    places = [chosen.place_of(frame) for frame in FRAMES]
    assert all(number > 0 and time > 1_700_000_000_000_000 for time, number in places)
    assert {event.number for event in read(FRAMES)} <= {number for _, number in places}
    assert all(chosen.complaint(frame) == "" for frame in FRAMES)
    future = b"\xa1\x62op\x20" + b"\xa2\x65error\x6cFutureCursor\x67message\x64Cur."
    outdated = b"\xa2\x61t\x65#info\x62op\x01" + b"\xa1\x64name\x6eOutdatedCursor"
    assert (chosen.complaint(future), chosen.complaint(outdated)) == ("FutureCursor", "OutdatedCursor")
    assert [chosen.place_of(one) for one in (future, outdated, b"", future[:9])] == [(0, 0)] * 4
    assert read([future, outdated]) == []
    base = f"wss://pds.example/xrpc/{METHOD}"
    assert (address(base, 0), address(f"{base}?cursor=3&x=1", 7)) == (base, f"{base}?x=1&cursor=7")


def test_no_bytes_make_it_raise():
    chance = random.Random(7)
    for frame in FRAMES:
        for cut in range(0, len(frame), 7):
            read([frame[:cut], frame[cut:]])
        for _ in range(300):
            broken = bytearray(frame)
            for _ in range(chance.randint(1, 4)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            read([bytes(broken)])
    mark = TOLD["me"].encode()
    for odd in (
        b"",
        b"\xff",
        b"\x81" * 5000,
        b"\xa1" * 5000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        b"\xd8\x2a" * 100,
        b"\xfb",
        b"\x1f",
    ):
        assert read([odd + mark, mark + odd]) == []


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x18\x64", 100), (b"\x29", -10), (b"\x1b" + b"\xff" * 8, 2**64 - 1), (b"\xf4", False), (b"\xf5", True), (b"\xf6", None), (b"\x43abc", b"abc"), (b"\x62\xc3\xb6", "ö"),
        (b"\x82\x01\x80", [1, []]), (b"\xa2\x61a\x01\x61b\x02", {"a": 1, "b": 2}), (b"\xfb\x3f\xf8" + b"\0" * 6, 1.5), (b"\xd8\x2a\x43\x00\x01\x71", {"$link": "bafyq"}),
    ],
)  # fmt: skip
def test_values_are_read_as_they_are_written(data: bytes, value: object):
    assert cbor.load(data) == (value, len(data))
    for broken in (data[:-1], b"\x82" + data):
        with pytest.raises(ValueError, match="It "):
            cbor.load(broken)
