"""Mentions as one Parquet file: columns with types, for notebooks and warehouses.

The columns are the mention's own keys, nested as in its JSON. The lines of a JSON export are read by this schema batch by batch and
written in row groups, so memory does not grow with the file; the file itself waits on the disk, since its index is written last.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from typing import Any

#: Rows read, and written, at once.
BATCH, GROUP = 1000, 20_000
_CHUNK = 1 << 20
_TEXTS = ("id", "channel", "account", "account_id", "native_id", "kind")
_LATER_TEXTS = ("quoted", "url", "reply_to", "thread", "media_type", "country", "location", "unit", "reply")
_MOMENTS = ("published_at", "edited_at", "heard_at")
_LISTS = ("emotions", "assessed", "intents", "categories", "topics")


def packed(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Chunks of the Parquet file of these JSON lines, zstd-compressed. Keys without a column are left out."""
    from arro3.io import read_json, write_parquet

    with tempfile.TemporaryFile() as file:
        source = _Lines(lines)
        try:
            write_parquet(read_json(source, schema(), batch_size=BATCH), file, compression="zstd(3)", max_row_group_size=GROUP)
        except Exception as error:
            raise source.fault or error from None
        file.seek(0)
        while chunk := file.read(_CHUNK):
            yield chunk


def schema() -> Any:
    """The columns: texts, lists of texts, whole numbers, booleans; moments in microseconds, UTC."""
    from arro3.core import DataType, Field, Schema

    text, number, truth = DataType.string(), DataType.int64(), DataType.bool()

    def many(kind: Any) -> Any:
        return DataType.list(Field("item", kind))

    author = DataType.struct(
        [*(Field(name, text) for name in ("native_id", "handle", "name", "url", "profile")), Field("followers", number)]
    )
    engagement = DataType.struct([Field(name, number) for name in ("likes", "shares", "comments", "views")])
    media = DataType.struct([Field(name, text) for name in ("kind", "url", "alt", "name")])
    return Schema(
        [
            *(Field(name, text) for name in _TEXTS),
            Field("author", author),
            Field("title", text),
            Field("text", text),
            *(Field(name, DataType.timestamp("us", tz="UTC")) for name in _MOMENTS),
            *(Field(name, text) for name in _LATER_TEXTS),
            Field("rating", DataType.float64()),
            Field("engagement", engagement),
            Field("media", many(media)),
            Field("tags", many(text)),
            Field("language", text),
            Field("sentiment", text),
            Field("verdicts_by", text),
            *(Field(name, many(text)) for name in _LISTS),
            *(Field(name, truth) for name in ("offensive", "spam", "private")),
            Field("state", text),
            Field("version", number),
        ]
    )


class _Lines(io.RawIOBase):
    """Lines as a file that is read as far as somebody asks. ``fault``: what making them ended with, which readers would reword."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""
        self.fault: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._rest:
            try:
                line = next(self._lines, None)
            except Exception as error:
                self.fault = error
                raise
            if line is None:
                return 0
            self._rest = line
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
