"""Files kept by their content: ``<data>/blobs/<organization>/<ab>/<sha256>``. What is there is whole, and never changes.

An organization reads only its own folder: the same file of two organizations is kept twice, so that neither can learn of the other's.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

from cxm.kernel.errors import NotFound, NotNow, TooLarge
from cxm.platform import memory
from cxm.platform.config import settings

#: Bytes of one file.
LIMIT = 30_000_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


def keep(organization: UUID, content: bytes) -> str:
    """Write ``content`` (once) and return its SHA-256 in hex; durable when this returns.

    Raises TooLarge over :data:`LIMIT`, NotNow where the disk takes nothing (full, broken): the caller's job is to be tried again.
    """
    if len(content) > LIMIT:
        raise TooLarge("file_too_large", f"The file is larger than {LIMIT // 1_000_000} MB.", "Send a smaller one.")
    memory.moved(len(content))  # it was a part of something larger
    digest = hashlib.sha256(content).hexdigest()
    path = _path(organization, digest)
    try:
        if not (path.exists() and path.stat().st_size == len(content)):
            _write(path, content)
    except OSError as error:
        raise NotNow(
            "disk_refuses", f"A file cannot be written ({error.strerror}).", "Make room on the data disk; it goes on by itself."
        ) from error
    return digest


def opened(organization: UUID, digest: str) -> BinaryIO:
    """The file for reading, from its beginning; raises NotFound."""
    try:
        return _path(organization, digest).open("rb")
    except FileNotFoundError as error:
        raise NotFound("file") from error


def drop(organization: UUID, digest: str) -> None:
    """Forget a file for good; one that is gone already is fine."""
    _path(organization, digest).unlink(missing_ok=True)


def _path(organization: UUID, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise NotFound("file")
    return settings().data / "blobs" / str(organization) / digest[:2] / digest


def _write(path: Path, content: bytes) -> None:
    """Beside its place first, then moved there: a file under its own name is always whole, also after the power failed."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
