"""Files of mentions: JSONL and CSV, line by line into the mailbox and on, in constant memory."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
from django.db import transaction

from cxm.channels.contracts import Mention, Unmappable
from cxm.channels.kit.mentions import mention_from_json
from cxm.connect import accounts
from cxm.connect.contracts import Heard, ImportReport, LineFault, Taken
from cxm.connect.mailbox import accept_apart, fingerprint, prepared, quarantined_row
from cxm.connect.models import Account, Delivery, Quarantined
from cxm.kernel.clock import now
from cxm.kernel.errors import Invalid
from cxm.kernel.ids import new_id

CHUNK = 1000
LINE_LIMIT = 8_000_000
_CHANNEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
Numbered = tuple[int, bytes]


def import_lines(
    organization: UUID, lines: Iterable[bytes], *, channel: str | None = None, progress: Callable[[ImportReport], None] | None = None
) -> ImportReport:
    """Take in JSON lines; blank ones are not read. Each chunk of 1,000 is one transaction: after an interruption the same file
    may simply be imported again, what is in already counts as duplicate."""
    report = ImportReport()
    numbered = ((number, (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()) for number, line in enumerate(lines, 1))
    filled = ((number, line) for number, line in numbered if line)
    with contextlib.closing(_ahead(filled, channel)) as chunks:
        for chunk, read in chunks:
            with transaction.atomic():
                _import_chunk(organization, chunk, read, report)
            if progress:
                progress(report)
    return report


def _ahead(lines: Iterator[Numbered], channel: str | None) -> Generator[tuple[list[Numbered], list[Heard | Taken]]]:
    """Chunks with what stands in them, each read in a thread while the one before it is being written."""
    with ThreadPoolExecutor(1, thread_name_prefix="import-ahead") as pool:
        coming: tuple[list[Numbered], Future[list[Heard | Taken]]] | None = None
        while chunk := list(itertools.islice(lines, CHUNK)):
            following = chunk, pool.submit(copy_context().run, _read_chunk, chunk, channel, now())
            if coming is not None:
                yield coming[0], coming[1].result()
            coming = following
        if coming is not None:
            yield coming[0], coming[1].result()


def _read_chunk(chunk: list[Numbered], channel: str | None, at: datetime) -> list[Heard | Taken]:
    read = [read_line(line, channel, at) for _, line in chunk]
    good = [(place, found) for place, found in enumerate(read) if isinstance(found, Heard)]
    known = prepared([cast(Mention, found.item) for _, found in good])
    for (place, found), ahead in zip(good, known, strict=True):
        read[place] = replace(found, prepared=ahead)
    return read


def json_lines_of_csv(file: io.TextIOBase) -> Iterator[bytes]:
    """Rows of a CSV with a header as JSON lines; ``author.name``-like headings make nested objects, lists such as ``tags`` are split at
    ``;`` (``\\;`` stands for one), ``media`` is JSON, an apostrophe before another one or what a spreadsheet would run is taken off: as our exports write."""
    csv.field_size_limit(LINE_LIMIT)
    reader = csv.DictReader(file)
    if not reader.fieldnames:
        raise Invalid(
            "csv_empty", "The file has no heading line.", "The first line names the columns: channel,native_id,text,published_at,…"
        )
    yield b""  # the heading is line 1
    for row in reader:
        yield orjson.dumps(_nested(row))


def _nested(row: dict[str | Any, str | Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    empty: set[str] = set()
    for key, value in row.items():
        if key is None or value is None:
            continue
        name = str(key).strip()
        if value == "":
            empty.add(name)
            continue
        *path, last = name.split(".")
        place = result
        for part in path:
            inner = place.get(part)
            place[part] = place = inner if isinstance(inner, dict) else {}
        place[last] = _cell(last, value)
    # An empty cell says nothing, but here: a rating or a picture may come without words, and what was judged, or was not, may be without any.
    if "text" in empty:
        result["text"] = ""
    if "verdicts_by" in empty:
        result["verdicts_by"] = None
    if result.get("verdicts_by"):
        result |= {name: [] for name in _JUDGED & empty}
    return result


_NUMBERS = {"followers": int, "likes": int, "shares": int, "comments": int, "views": int, "rating": float}
_JUDGED = frozenset({"emotions", "assessed", "intents", "categories"})
_LISTS = _JUDGED | {"tags", "topics"}
_ENTRY, _ESCAPED = re.compile(r"(?:\\[\\;]|[^;])+"), re.compile(r"\\([\\;])")


def _cell(name: str, value: str) -> Any:
    # A leading apostrophe was put there by our own export, so that spreadsheets run no formula.
    if value[:1] == "'" and value[1:2] in ("=", "+", "-", "@", "\t", "\r", "'"):
        value = value[1:]
    if name in _LISTS:
        return [entry for part in _ENTRY.findall(value) if (entry := _ESCAPED.sub(r"\1", part).strip())]
    if name == "media":
        return _json(value)
    if name in ("offensive", "spam", "private"):
        return {"true": True, "false": False, "1": True, "0": False}.get(value.lower(), value)
    if name in _NUMBERS:
        try:
            return _NUMBERS[name](value)
        except ValueError:
            return value  # refused with its own reason further on
    return value


def _json(value: str) -> Any:
    try:
        return orjson.loads(value)
    except ValueError:
        return value  # as above


def _import_chunk(organization: UUID, chunk: list[Numbered], read: list[Heard | Taken], report: ImportReport) -> None:
    body = b"\n".join(line for _, line in chunk)
    row = Delivery.objects.add(
        organization,
        kind="import",
        delivery_id=f"import:{new_id()}",
        fingerprint=fingerprint(body),
        headers={"first_line": chunk[0][0]},
        body=body,
        done_at=now(),
    )
    results: list[tuple[int, bytes, Taken, str | None]] = []
    good: list[tuple[int, bytes, Heard]] = []
    for (number, line), found in zip(chunk, read, strict=True):
        if isinstance(found, Taken):
            results.append((number, line, found, None))
        else:
            good.append((number, line, found))
    for account, group in _by_account(organization, good):
        taken = accept_apart(organization, account, [entry[2] for entry in group], imported=True)
        results += [(number, line, outcome, heard.item.native_id) for (number, line, heard), outcome in zip(group, taken, strict=True)]
    _settle(row, results, report)


def _by_account(organization: UUID, good: list[tuple[int, bytes, Heard]]) -> Iterator[tuple[Any, list[tuple[int, bytes, Heard]]]]:
    """Lines grouped by our account they name (None: not ours), each group in file order."""
    names = {(heard.channel, heard.account_name) for _, _, heard in good if heard.account_name}
    ours: dict[tuple[str, str], Account] = {}
    if names:
        rows = Account.objects.for_organization(organization).filter(removed_at=None, name__in={name for _, name in names if name})
        ours = {(row.channel, row.name): row for row in rows}
    groups: dict[Any, list[tuple[int, bytes, Heard]]] = {}
    for entry in good:
        row = ours.get((entry[2].channel, entry[2].account_name or ""))
        groups.setdefault(row.id if row else None, []).append(entry)
    by_id = {row.id: row for row in ours.values()}
    for key, group in groups.items():
        yield (accounts.as_contract(by_id[key]) if key else None), group


def read_line(line: bytes, channel: str | None, at: datetime | None = None) -> Heard | Taken:
    """One line as something heard (``at``; now), or why it cannot be."""
    if len(line) > LINE_LIMIT:
        return Taken("quarantined", "line_too_long", f"The line is longer than {LINE_LIMIT:,} bytes.")
    try:
        value = orjson.loads(line)
    except ValueError as error:
        return Taken("quarantined", "not_json", f"The line is not JSON: {str(error)[:120]}.")
    if not isinstance(value, dict):
        return Taken("quarantined", "not_an_object", "The line is JSON, but no object.")
    name = value.get("channel", channel)
    if not isinstance(name, str) or not 0 < len(name) <= 40 or not _CHANNEL.issuperset(name):
        return Taken("quarantined", "channel_invalid", "“channel” is missing or not of a-z, 0-9 and _, at most 40.")
    value["channel"] = name
    item = mention_from_json(value, trusted=True)
    if isinstance(item, Unmappable):
        return Taken("quarantined", item.code, item.reason)
    if not isinstance(item, Mention):
        return Taken("quarantined", "not_a_mention", "Only mentions are imported.")
    account = value.get("account")
    return Heard(
        item=item,
        received_at=at or now(),
        position=0,
        order=0,
        channel=name,
        account_name=account if isinstance(account, str) and account else None,
    )


def _settle(row: Delivery, results: list[tuple[int, bytes, Taken, str | None]], report: ImportReport) -> None:
    quarantined: list[Quarantined] = []
    for number, line, taken, native_id in sorted(results, key=lambda entry: entry[0]):
        report.read += 1
        if taken.outcome == "quarantined":
            report.quarantined += 1
            report.lines.append(LineFault(number, taken.code, taken.reason))
            quarantined.append(quarantined_row(row, "", number, code=taken.code, reason=taken.reason, native_id=native_id, raw=line))
            row.quarantined += 1
        elif taken.outcome in ("duplicate", "deleted"):
            report.duplicate += 1
            row.duplicate += 1
        else:
            report.accepted += 1
            setattr(row, taken.outcome, getattr(row, taken.outcome) + 1)
    if quarantined:
        Quarantined.objects.add_all(quarantined)
    row.save(update_fields=["accepted", "changed", "duplicate", "quarantined"])
