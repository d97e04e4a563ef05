"""Mentions as JSONL, CSV or Parquet, streamed. Spreadsheets open without running a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import Invalid, NotAllowed
from cxm.kernel.said import said
from cxm.listen import parquet

#: Formats, and what they are called on the way.
FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
_COLUMNS = (
    "id", "channel", "account", "native_id", "kind", "author.native_id", "author.handle", "author.name", "author.url", "author.followers", "title", "text", "published_at", "url",
    "reply_to", "thread", "media_type", "country", "location", "rating", "engagement.likes", "engagement.shares", "engagement.comments", "engagement.views", "tags", "language",
    "sentiment", "emotions", "assessed", "verdicts_by", "intents", "categories", "topics", "offensive", "spam", "state",
    "edited_at", "media", "private", "quoted",
)  # fmt: skip
#: After how many mentions it is looked at anew whether they may still be had.
_LOOK_AFTER = 1000
#: What stands between the entries of a list, and what says that it does not.
_SEPARATING = re.compile(r"[\\;]")


def export(mentions: Iterable[dict[str, Any]], kind: str) -> Iterator[bytes]:
    """Chunks of the file. Raises Invalid for an unknown format before the first."""
    if kind not in FORMATS:
        raise Invalid(
            "format_invalid", said("“{name}” is no format.", name=kind[:20]), said("Use one of {names}.", names=", ".join(FORMATS))
        )
    if kind == "parquet":
        return parquet.packed(_jsonl(mentions))
    return _to_the_last_word(_csv(mentions), _csv_end) if kind == "csv" else _to_the_last_word(_jsonl(mentions), _jsonl_end)


def watched(actor: Actor, mentions: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """``mentions``, as long as ``actor`` (of :func:`exporting`) may have them: it is looked at anew every thousand. Raises NotAllowed once they may not."""
    for number, mention in enumerate(mentions, 1):
        if number % _LOOK_AFTER == 0:
            now_may = exporting(govern.actor_again(actor.organization, actor.member, actor.token)).units("mentions:read")
            could = actor.units("mentions:read")
            if now_may is not None and (could is None or not could <= now_may):
                raise NotAllowed("not_allowed", "The right to export these mentions is gone.", "Export anew what you may.")
        yield mention


def _to_the_last_word(chunks: Iterator[bytes], end: Callable[[str, str], bytes]) -> Iterator[bytes]:
    """A file that had to end early says so in its last line, which no import takes; a Parquet file then has no index and cannot be read at all."""
    try:
        yield from chunks
    except NotAllowed as refused:
        yield end(refused.code, f"This export is not whole: it ended early. {refused.text}")


def _jsonl_end(code: str, text: str) -> bytes:
    return orjson.dumps({"error": code, "detail": text}) + b"\n"


def _csv_end(code: str, text: str) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([f"error {code}: {text}", *[""] * (len(_COLUMNS) - 1)])
    return line.getvalue().encode()


def _jsonl(mentions: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for mention in mentions:
        yield orjson.dumps(mention) + b"\n"


def _csv(mentions: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    rows = csv.writer(buffer)
    rows.writerow(_COLUMNS)
    for mention in mentions:
        rows.writerow([_cell(mention, column) for column in _COLUMNS])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue().encode()


def _cell(mention: dict[str, Any], column: str) -> str:
    value: Any = mention
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = (
            orjson.dumps(value).decode()
            if column == "media" and value
            else ";".join(_SEPARATING.sub(r"\\\g<0>", str(one)) for one in value)
        )
    text = str(value)
    # What an import reads back: one apostrophe before whatever a spreadsheet would run, and before an apostrophe.
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r", "'") else text


def exporting(actor: Actor) -> Actor:
    """``actor`` cut to the units in which both reading and exporting are held."""
    read, write = actor.units("mentions:read"), actor.units("mentions:export")
    both = write if read is None else read if write is None else read & write
    return replace(actor, grants={**actor.grants, "mentions:read": both})
