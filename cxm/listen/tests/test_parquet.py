"""A Parquet export is read again by its own index: every row, typed, in memory that does not grow."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from arro3.io import read_parquet
from typer.testing import CliRunner

from cxm.kernel.errors import BadInput
from cxm.listen import exports, parquet
from tests.houses import House, _own_store, house, line  # noqa: F401

pytestmark = pytest.mark.django_db


def table(content: bytes) -> Any:
    return read_parquet(io.BytesIO(content)).read_all()


def values(content: bytes, column: str) -> list[Any]:
    return [cell.as_py() for chunk in table(content).column(column).chunks for cell in chunk]


def test_the_file_of_the_explorer_and_the_one_of_the_api_hold_what_was_said(house: House):
    house.read(
        line(
            "1",
            "Grüße 🥐",
            author={"native_id": "lena", "handle": "@lena", "followers": 12},
            rating=4,
            tags=["a", "=b"],
            published_at="2026-11-21T10:00:00.5Z",
        ),
        line(
            "2", "milk", published_at="2026-11-20T10:00:00Z", media=[{"kind": "image", "url": "https://example.com/a.png", "alt": "a bun"}]
        ),
    )
    answer = house.browser().get("/explorer/export?format=parquet")
    content = b"".join(answer.streaming_content)
    assert answer["Content-Type"] == "application/vnd.apache.parquet"
    assert answer["Content-Disposition"] == 'attachment; filename="mentions.parquet"'
    assert values(content, "text") == ["milk", "Grüße 🥐"]
    assert values(content, "published_at") == [
        datetime(2026, 11, 20, 10, tzinfo=UTC),
        datetime(2026, 11, 21, 10, 0, 0, 500_000, tzinfo=UTC),
    ]
    assert values(content, "author")[1] | {"profile": None} == {
        "native_id": "lena",
        "handle": "@lena",
        "name": None,
        "url": None,
        "profile": None,
        "followers": 12,
    }
    assert values(content, "rating") == [None, 4.0] and values(content, "tags") == [[], ["a", "=b"]]
    assert values(content, "media")[0] == [{"kind": "image", "url": "https://example.com/a.png", "alt": "a bun", "name": None}]
    assert values(content, "state") == ["no_answer_needed"] * 2 and values(content, "channel") == ["forum"] * 2


def test_every_key_of_a_mention_has_a_column(house: House):
    house.read(line("1", "milk"))
    (mention,) = [orjson.loads(found) for found in b"".join(house.browser().get("/explorer/export").streaming_content).splitlines()]
    assert set(mention) <= set(parquet.schema().names), set(mention) - set(parquet.schema().names)


def test_nothing_found_is_a_file_without_rows():
    content = b"".join(exports.export([], "parquet"))
    assert table(content).num_rows == 0 and table(content).schema.names == parquet.schema().names


def test_a_refused_query_is_told_in_its_own_words():
    def refusing() -> Iterator[dict[str, Any]]:
        yield {"id": "1"}
        raise BadInput("query_invalid", "A parenthesis is open.")

    with pytest.raises(BadInput, match="A parenthesis is open"):
        b"".join(exports.export(refusing(), "parquet"))


def test_memory_of_ours_does_not_grow_with_the_rows():
    def peak(rows: int) -> int:
        tracemalloc.start()
        mentions = ({"id": str(number), "text": f"{number} " * 200, "published_at": "2026-11-20T10:00:00Z"} for number in range(rows))
        size = sum(map(len, exports.export(mentions, "parquet")))
        assert size > rows
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)  # what is loaded once
    assert peak(20_000) < 4 * peak(2000)


def test_a_terminal_is_no_place_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from cxm.run.cli import app, data

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(data.sys, "stdout", Terminal())
    with pytest.raises(Exception, match="name a file with --output"):
        data.export_mentions(format="parquet")
    assert "parquet" in CliRunner().invoke(app, ["export", "mentions", "--help"]).output
