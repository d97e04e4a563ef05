"""What a restore refuses and says; the round trip itself is in tests/journey/test_backup.py."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from cxm.kernel.errors import CxmError
from cxm.platform import dumps
from cxm.platform.config import settings as options
from cxm.platform.secrets import fingerprint
from cxm.run import backup
from cxm.run.cli import backups
from cxm.run.erasures import Applied


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backup with one file."""
    content = b"a picture"
    name = f"org/{digest(content)[:2]}/{digest(content)}"
    (tmp_path / "blobs" / name).parent.mkdir(parents=True)
    (tmp_path / "blobs" / name).write_bytes(content)
    (tmp_path / "blobs.txt").write_text(f"{name}\n")
    (tmp_path / "database.dump.gz").write_bytes(b"rows")
    described(tmp_path)
    return tmp_path


def described(folder: Path, **more: Any) -> None:
    sums = {name: digest((folder / name).read_bytes()) for name in ("database.dump.gz", "blobs.txt")}
    manifest = {"format": 1, "sha256": sums, "blobs": {"files": 1, "bytes": 9}, "migrations": [], "rows": {}, "transaction": 1, **more}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refusal(folder: Path) -> str:
    with pytest.raises(CxmError) as told:
        backup.read(folder)
    return str(told.value)


def test_a_whole_backup_is_read(folder: Path):
    assert backup.read(folder)["blobs"]["files"] == 1


@pytest.mark.parametrize("name", ["database.dump.gz", "blobs.txt", "blobs"])
def test_a_changed_or_missing_file_is_named(folder: Path, name: str):
    path = folder / name if (folder / name).is_file() else next(path for path in (folder / name).rglob("*") if path.is_file())
    path.write_bytes(path.read_bytes() + b"x")
    assert f"{path} is not what was written: its SHA-256 is another." in refusal(folder)
    path.unlink()
    assert f"{path} is missing." in refusal(folder)


def test_a_backup_without_its_last_file_is_none(folder: Path):
    (folder / "manifest.json").write_text("{}")
    assert "cannot be read" in refusal(folder)
    (folder / "manifest.json").unlink()
    assert "never came to its end" in refusal(folder)


def test_a_list_that_leaves_the_folder_is_refused(folder: Path):
    (folder / "blobs.txt").write_text("../../outside\n")
    described(folder)
    assert "outside the backup" in refusal(folder)


def test_another_format_and_a_newer_schema_are_refused(folder: Path):
    described(folder, format=2)
    assert "of format 2" in refusal(folder)
    backup.refuse_newer({"migrations": ["govern.0001_initial"], "version": "0.1.0"})
    with pytest.raises(CxmError, match=r"version 9\.0\.0, which this one .* does not understand \(love\.0099_future\)"):
        backup.refuse_newer({"migrations": ["govern.0001_initial", "love.0099_future"], "version": "9.0.0"})


def test_a_place_that_holds_something_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path_factory.mktemp("data")
    monkeypatch.setattr(options(), "data", data)
    (data / "secret.key").write_text("a key may be there already")
    backup.refuse_full(folder)
    (data / "mentions").mkdir()
    backup.refuse_full(folder)
    (data / "mentions" / "meta.json").write_text("{}")
    with pytest.raises(CxmError, match="is not empty"):
        backup.refuse_full(folder)
    with pytest.raises(CxmError, match="is not empty"):
        backup.write(folder)
    with pytest.raises(CxmError, match="within what is backed up"):
        backup.write(data / "blobs" / "backup")


def test_a_failed_backup_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(dumps, "snapshot", full)
    with pytest.raises(OSError, match="disk full"):
        backup.write(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_another_key_is_said(capsys: pytest.CaptureFixture[str]):
    ours = fingerprint("a key for tests alone, forty characters long")
    assert backup.key_state({"key_fingerprints": [ours]}) == "here"
    manifest = {"key_fingerprints": ["0badf00d"], "made_at": "2026-11-22T10:00:00Z", "counts": {}, "blobs": {"files": 0}}
    assert backup.key_state(manifest) == "other"
    backups._say(manifest, "other", ("Marlow Coffee",), 0, False, Applied(0, 0))
    said = capsys.readouterr().err
    assert "another than the backup's (fingerprint 0badf00d)" in said and "A stop is on for Marlow Coffee" in said


@pytest.mark.django_db(transaction=True)
def test_on_a_server_of_ones_own_the_log_comes_before_what_follows(monkeypatch: pytest.MonkeyPatch):
    """Its counter began anew: without this, readers at the end of the log would never see anything again."""
    monkeypatch.setattr(dumps, "connection_parameters", _parameters)
    with connection.cursor() as cursor:
        for transaction in (2**40 + 2, 2**40 + 1, 2**40 + 3):
            cursor.execute(
                "insert into platform_eventlog (organization_id, name, owner, at, payload, public, permission, transaction) "
                "values (gen_random_uuid(), 'x', 'x', now(), '{}', '{}', 'x', %s) returning id",
                [transaction],
            )
        first = cursor.fetchone()[0] - 2
        cursor.execute(
            "insert into platform_eventcursor values ('half', %s, %s, now()), ('end', %s, %s, now())",
            [2**40 + 1, first + 1, 2**40 + 3, first + 2],
        )
    assert dumps.renumber((("connect_webhook", "position"),))
    with connection.cursor() as cursor:
        cursor.execute("select follower, transaction, event from platform_eventcursor order by 1")
        assert cursor.fetchall() == [("end", 0, first + 2), ("half", 0, first - 1)]
        cursor.execute("select distinct transaction from platform_eventlog")
        assert cursor.fetchall() == [(0,)]
    assert not dumps.renumber()


def _parameters() -> dict[str, str]:
    return {name: str(value) for name, value in connection.get_connection_params().items() if name in ("dbname", "host", "user", "port")}
