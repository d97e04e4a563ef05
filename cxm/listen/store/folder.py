"""The folder of the embedded engine: what says its format, who may write it, and a copy of it at one moment."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

import orjson

from cxm.kernel.errors import NotNow
from cxm.listen.store.document import FORMAT

#: Says which shape the documents have.
MANIFEST = "store.json"


def damaged(path: Path, error: BaseException) -> NotNow:
    """What is raised for an index that cannot be read."""
    return NotNow(
        "mention_store_damaged",
        f"The mention store in {path.name} cannot be read ({str(error)[:120]}).",
        "Stop OpenCXM and run “cxm reindex”; until then intake goes on, and it catches up.",
        retry_after=60,
    )


def check(path: Path) -> None:
    """Raise NotNow where documents have another shape than this version's, or where the folder does not say."""
    try:
        found = orjson.loads((path / MANIFEST).read_bytes())["format"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise damaged(path, error) from error
    if found != FORMAT:
        raise NotNow("mention_store_outdated", f"The mention store has format {found}; this version reads {FORMAT}.", "Run “cxm reindex”.")


def take_lock(path: Path) -> IO[str]:
    """The right to write, for as long as the file returned is open. Raises NotNow where another process has it."""
    held = (path / "writer.lock").open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise NotNow(
            "mention_store_busy",
            "Another process writes to this mention store.",
            "Use that one (“cxm serve”), or stop it first.",
        ) from error
    return held


def copy(path: Path, target: Path) -> None:
    """Put what is committed in ``path`` into ``target``, by links where that is possible: files of an index never change. Raises
    FileNotFoundError where a merge replaced one meanwhile; then simply again."""
    meta = (path / "meta.json").read_bytes()
    segments = [segment["segment_id"].replace("-", "") for segment in orjson.loads(meta)["segments"]]
    for source in [*path.iterdir()]:
        name = source.name
        if name.split(".")[0] in segments or name == MANIFEST:
            _link(source, target / name)
    missing = [each for each in segments if not any(found.name.startswith(each) for found in target.iterdir())]
    if missing:
        raise FileNotFoundError(missing[0])
    (target / ".managed.json").write_bytes(orjson.dumps(sorted(found.name for found in target.iterdir()) + ["meta.json"]))
    (target / "meta.json").write_bytes(meta)


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        if not source.exists():
            raise
        shutil.copy2(source, target)
