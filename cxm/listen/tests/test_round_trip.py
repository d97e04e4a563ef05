"""What goes out comes back: an export imported into an empty installation is what was exported, whatever stands in the cells."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxm.connect import api as connect
from cxm.connect import imports
from cxm.connect.contracts import Heard
from cxm.listen import api as listen
from cxm.listen import exports, sending
from tests.houses import House, _own_store, house, line, other, settle  # noqa: F401 - fixtures

RUN = ("=", "+", "-", "@", "\t", "\r")
TEXTS = st.text(st.sampled_from("'=+-@\t\r\n;\\,\" ab\u202eä"), max_size=8)
WORDS = TEXTS.map(lambda text: f"w{text}")
NAMES = st.none() | TEXTS
LISTS = st.lists(TEXTS.map(str.strip).filter(bool), max_size=3, unique=True)


@st.composite
def mentions(draw: Any) -> dict[str, Any]:
    """A mention as an export says it; one without words comes with a rating, a picture or a title."""
    made: dict[str, Any] = {
        "channel": "forum", "account": draw(NAMES), "native_id": draw(TEXTS | WORDS), "kind": draw(st.sampled_from(("post", "review", "message"))),
        "author": {"native_id": draw(WORDS | st.just("'tis")), "handle": draw(NAMES), "name": draw(NAMES), "url": None, "followers": draw(st.none() | st.integers(0, 9))},
        "title": draw(NAMES), "text": draw(TEXTS), "quoted": draw(NAMES), "published_at": "2026-01-01T00:00:00Z", "edited_at": draw(st.none() | st.just("2026-01-02T00:00:00.000001Z")),
        "reply_to": draw(NAMES), "rating": draw(st.none() | st.floats(0, 5)), "engagement": {"likes": draw(st.integers(0, 3))}, "location": draw(NAMES),
        "media": draw(st.lists(st.fixed_dictionaries({"kind": st.just("image"), "url": st.just("https://x.example/=1"), "alt": NAMES, "name": NAMES}), max_size=2)),
        "tags": draw(LISTS), "categories": draw(LISTS), "emotions": draw(st.sampled_from(([], ["joy", "anger"]))), "assessed": [], "intents": [], "verdicts_by": draw(st.none() | st.just("fast")),
        "spam": draw(st.booleans()), "private": draw(st.booleans()), "state": draw(st.sampled_from((None, "answered"))),
    }  # fmt: skip
    return made


@settings(deadline=None, max_examples=150)
@given(st.lists(mentions(), min_size=1, max_size=4))
def test_a_csv_says_what_json_lines_say_and_runs_nothing(known: list[dict[str, Any]]) -> None:
    table = b"".join(exports.export(known, "csv")).decode()
    for row in csv.reader(io.StringIO(table, newline="")):
        assert not [cell for cell in row if cell.startswith(RUN)]
    _heading, *back = connect.json_lines_of_csv(io.StringIO(table, newline=""))
    for one, again in zip(known, back, strict=True):
        first, second = imports.read_line(orjson.dumps(one), None), imports.read_line(again, None)
        if isinstance(first, Heard):
            assert isinstance(second, Heard), second
            assert second.item == first.item
        else:
            assert not isinstance(second, Heard)


@pytest.mark.django_db
def test_an_export_fills_an_empty_installation(house: House, other: House) -> None:
    picture = [{"kind": "image", "url": "https://shop.example/a.png", "alt": "=1+1", "name": "a;b.png"}]
    said = [
        line("1", "'tis nice", author={"native_id": "'tis", "name": "''Tis"}, tags=["=vip", "a;b", "back\\slash"]),
        line("=2", "", rating=4.5, kind="review") | {"text": ""},
        line("3", "", media=picture) | {"text": ""},
        line("4", "hello there", kind="message", private=False, quoted="> before\n=1", edited_at="2026-06-01T00:00:00Z"),
    ]
    assert house.read(b"\xef\xbb\xbf" + orjson.dumps(said[0]), *said[1:]).accepted == 4  # as some editors begin a file

    def exported(of: House, kind: str) -> bytes:
        return b"".join(listen.export(listen.scan(of.owner, ""), kind))

    def compared(of: House) -> list[dict[str, Any]]:
        rows = [orjson.loads(each) for each in exported(of, "jsonl").splitlines()]
        for row in rows:
            row["author"].pop("profile")
            for name in ("id", "heard_at", "verdicts_by"):
                row.pop(name)
        return sorted(rows, key=lambda row: row["native_id"])

    lines = connect.json_lines_of_csv(io.StringIO(exported(house, "csv").decode(), newline=""))
    report = connect.import_lines(other.organization, lines)
    settle()
    assert (report.read, report.accepted, report.lines) == (4, 4, [])
    assert compared(other) == compared(house)
    assert compared(other)[0]["tags"] == ["=vip", "a;b", "back\\slash"]
    assert (compared(other)[2]["private"], compared(other)[2]["quoted"]) == (False, "> before\n=1")


def test_a_file_is_sent_while_it_is_made() -> None:
    made: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(6):
            made.append(number)
            yield b"x" * 40_000

    async def read() -> list[tuple[int, int]]:
        return [(len(piece), len(made)) async for piece in sending.Sent(chunks())]

    assert asyncio.run(read()) == [(80_000, 2), (80_000, 4), (80_000, 6)]
