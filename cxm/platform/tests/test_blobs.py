"""Files kept by their content."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from cxm.kernel.errors import NotFound, NotNow, TooLarge
from cxm.platform import blobs
from cxm.platform.config import settings

ONE, OTHER = uuid4(), uuid4()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(blobs, "settings", lambda: settings().model_copy(update={"data": tmp_path}))
    return tmp_path / "blobs"


def read(organization: UUID, digest: str) -> bytes:
    with blobs.opened(organization, digest) as file:
        return file.read()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_is_read_back_and_kept_once(folder: Path) -> None:
    digest = blobs.keep(ONE, b"content")
    assert blobs.keep(ONE, b"content") == digest
    assert read(ONE, digest) == b"content"
    assert len(files(folder)) == 1


def test_another_organization_finds_nothing() -> None:
    digest = blobs.keep(ONE, b"content")
    with pytest.raises(NotFound):
        blobs.opened(OTHER, digest)


@pytest.mark.parametrize("name", ["", "..", "../../secret.key", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_name_that_is_no_digest_opens_nothing(name: str) -> None:
    with pytest.raises(NotFound):
        blobs.opened(ONE, name)


def test_a_file_cut_short_by_a_crash_is_written_again(folder: Path) -> None:
    digest = blobs.keep(ONE, b"content")
    files(folder)[0].write_bytes(b"con")
    assert blobs.keep(ONE, b"content") == digest
    assert read(ONE, digest) == b"content"


def test_a_full_disk_is_told_and_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotNow) as refused:
        blobs.keep(ONE, b"content")
    assert "No space left" in refused.value.text
    assert files(folder) == []


def test_a_file_over_the_limit_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "LIMIT", 3)
    assert blobs.keep(ONE, b"123")
    with pytest.raises(TooLarge):
        blobs.keep(ONE, b"1234")
    assert len(files(folder)) == 1
