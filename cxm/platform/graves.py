"""The ledger of what must stay gone: ``<data>/erasures.jsonl``, appended to and never rewritten, beside what a restore replaces.

A line names nobody: ids alone, and those of mentions and identities are digests. ``{"kind": "deleted", "organization", "at",
"mentions": [...]}`` for whatever was deleted; ``{"kind": "person", "organization", "at", "erasure", "profile", "identities": [...],
"profiles": [...], "by", "member", "reason", "asked_at"}`` for each person erased. A line may stand there twice; it means the same.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from cxm.kernel.errors import NotNow
from cxm.platform.config import settings

NAME = "erasures.jsonl"
#: Ids in one line.
MOST = 500


def path() -> Path:
    """Where the ledger of this installation lies."""
    return settings().data / NAME


def append(*lines: dict[str, Any]) -> None:
    """Add lines; durable when this returns. Raises NotNow where the disk takes nothing: whoever deletes is to try again."""
    add(path(), lines)


def add(target: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Add lines to a ledger anywhere; see :func:`append`."""
    body = b"".join(orjson.dumps(line, default=str) + b"\n" for line in lines)
    if not body:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = not target.exists()
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            left = memoryview(body if _ends_whole(target) else b"\n" + body)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        if fresh:
            _sync(target.parent)
    except OSError as error:
        raise NotNow(
            "erasures_unwritable",
            f"{target.name} cannot be written ({error.strerror}).",
            "Make room on the data disk; it goes on by itself.",
        ) from error


def deleted(organization: Any, mentions: Iterable[Any], at: str) -> Iterator[dict[str, Any]]:
    """The lines that say that these mentions are gone."""
    ids = [str(each) for each in mentions]
    for start in range(0, len(ids), MOST):
        yield {"kind": "deleted", "organization": str(organization), "at": at, "mentions": ids[start : start + MOST]}


def read(source: Path) -> Iterator[dict[str, Any]]:
    """The lines of a ledger, in order; one that was cut off while it was written is passed over."""
    with source.open("rb") as lines:
        for line in lines:
            with contextlib.suppress(orjson.JSONDecodeError):
                found = orjson.loads(line)
                if isinstance(found, dict):
                    yield found


def _ends_whole(target: Path) -> bool:
    """Whether the last line came to its end: a power cut may have left half of one."""
    with target.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
