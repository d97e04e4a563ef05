"""``cxm backup`` and ``cxm restore``: everything that cannot be made anew, and never the secret key.

A backup is a folder: ``database.dump.gz``, ``blobs/<organization>/<ab>/<sha256>`` with their list in ``blobs.txt``, and
``erasures.jsonl`` (what must stay gone, also when an
older backup is restored), and ``manifest.json``, which is written last: a folder without it is no backup. The mention store is not in it, since it is made anew
from the events.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from cxm import __version__
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import Conflict, CxmError
from cxm.platform import dumps, graves
from cxm.platform.config import NotConfigured, master_keys, settings
from cxm.platform.postgres import EmbeddedPostgres
from cxm.platform.secrets import fingerprint
from cxm.run import erasures

FORMAT = 1
MANIFEST, DATABASE, BLOBS, LIST, ERASURES = "manifest.json", "database.dump.gz", "blobs", "blobs.txt", graves.NAME
_CHUNK = 1 << 20
#: What people count in, and the table that has one row for each.
_COUNTS = {
    "organizations": "govern_organization",
    "members": "govern_member",
    "mentions": "listen_record",
    "conversations": "love_conversation",
    "replies": "outbound_intent",
    "events": "platform_eventlog",
}
#: Readers of the event log that keep their position in a column of their own.
_READERS = (("connect_webhook", "position"),)
Progress = Callable[[str], object]


class Damaged(CxmError):
    """The folder is no whole backup; nothing was written."""

    title = "The backup is damaged"

    def __init__(self, text: str) -> None:
        super().__init__("backup_damaged", text, "Nothing was written. Take another backup, or copy this one again from where it came.")


# --- backup --------------------------------------------------------------------------------------------------------------


def write(folder: Path, progress: Progress = lambda text: None) -> dict[str, Any]:
    """A backup of this installation in ``folder``, which is made or empty; returns the manifest. PostgreSQL must be up.

    Where it fails or is interrupted, what it wrote is removed again. Raises Conflict where the folder holds something already.
    """
    _refuse_place(folder)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with dumps.snapshot() as snapshot:
            progress("database")
            with _private(folder / DATABASE) as file:
                dumps.write(snapshot, file)
        erasures.write(folder / ERASURES, snapshot.migrations)
        progress("files")
        # After the snapshot: what it names was kept before its row was, so it is here unless it was deleted meanwhile.
        files, size = _copy_blobs(folder)
        manifest = _manifest(folder, snapshot, files, size)
        with _private(folder / f".{MANIFEST}") as file:
            file.write(json.dumps(manifest, indent=1).encode() + b"\n")
        (folder / f".{MANIFEST}").replace(folder / MANIFEST)
        _sync(folder)
    except BaseException:
        _clear(folder, whole=made)
        raise
    return manifest


def refuse_nothing() -> None:
    """Raises Conflict where there is no installation: asking must not make one."""
    if settings().embedded and not (settings().data / "postgres" / "PG_VERSION").exists():
        raise dumps.nothing_here()


def _refuse_place(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict("backup_folder_not_empty", f"{folder} is not empty.", "Name a folder that is empty or not there yet.")
    own = settings().data.resolve()
    for name in ("blobs", "mentions", "postgres"):
        if folder.resolve().is_relative_to(own / name):
            raise Conflict(
                "backup_folder_inside", f"{folder} lies within what is backed up.", "Name a folder elsewhere, best on another disk."
            )


def _copy_blobs(folder: Path) -> tuple[int, int]:
    """Copy every kept file, whole by its name; how many, and their bytes."""
    count = size = 0
    with _private(folder / LIST) as names:
        for source in blob_files(settings().data / BLOBS):
            target = folder / BLOBS / source.relative_to(settings().data / BLOBS)
            try:
                digest, length = _copied(source, target)
            except FileNotFoundError:
                continue  # deleted meanwhile, for good
            if digest != source.name:
                raise CxmError(
                    "blob_damaged", f"The file {source} is not what it was when it was kept.", "Take it from an older backup, or delete it."
                )
            names.write(f"{target.relative_to(folder / BLOBS).as_posix()}\n".encode())
            count, size = count + 1, size + length
    return count, size


def _manifest(folder: Path, snapshot: dumps.Snapshot, files: int, size: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "program": "opencxm",
        "version": __version__,
        "made_at": format_instant(now()),
        "postgres": snapshot.server,
        "transaction": snapshot.transaction,
        "migrations": list(snapshot.migrations),
        "key_fingerprints": list(_fingerprints()),
        "counts": {name: snapshot.rows.get(table, 0) for name, table in _COUNTS.items()},
        "rows": snapshot.rows,
        "blobs": {"files": files, "bytes": size},
        "sha256": {name: _digest(folder / name) for name in (DATABASE, LIST, ERASURES)},
    }


def _fingerprints() -> tuple[str, ...]:
    """Which keys are here, newest first; a fingerprint says nothing of the key, and every sealed text begins with one."""
    try:
        return tuple(fingerprint(key) for key in master_keys())
    except NotConfigured:
        return ()


# --- restore -------------------------------------------------------------------------------------------------------------


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a backup whose every file was found whole. Raises Damaged; writes nothing."""
    path = folder / MANIFEST
    if not path.is_file():
        raise Damaged(f"There is no {MANIFEST} in {folder}: it is no backup, or one that never came to its end.")
    try:
        manifest = json.loads(path.read_bytes())
        known = (
            manifest["format"],
            manifest["sha256"],
            manifest["blobs"]["files"],
            manifest["migrations"],
            manifest["rows"],
            manifest["transaction"],
        )
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"The {MANIFEST} of {folder} cannot be read.") from error
    if known[0] != FORMAT:
        raise Conflict(
            "backup_format_unknown",
            f"The backup is of format {known[0]}, this program reads {FORMAT}.",
            "Install the version that made it.",
        )
    for name in (DATABASE, LIST, *([ERASURES] if ERASURES in manifest["sha256"] else [])):
        if not (folder / name).is_file():
            raise Damaged(f"{folder / name} is missing.")
        if _digest(folder / name) != manifest["sha256"].get(name):
            raise Damaged(f"{folder / name} is not what was written: its SHA-256 is another.")
    if (found := _check_blobs(folder)) != manifest["blobs"]["files"]:
        raise Damaged(f"{folder / LIST} names {found} files, the manifest {manifest['blobs']['files']}.")
    return manifest


def _check_blobs(folder: Path) -> int:
    count = 0
    for path in _listed(folder):
        count += 1
        if not path.is_file():
            raise Damaged(f"{path} is missing.")
        if _digest(path) != path.name:
            raise Damaged(f"{path} is not what was written: its SHA-256 is another.")
    return count


def refuse_full(folder: Path) -> None:
    """Raises Conflict where the installation holds something already; asked before and, for the database, after it is up."""
    data = settings().data
    for name in (BLOBS, "mentions"):
        if any((data / name).glob("*")):
            raise _full(f"{data / name} holds something")
    if folder.resolve() == data.resolve():
        raise _full("the backup lies in it")


def refuse_full_database() -> None:
    """Raises Conflict where the database has tables."""
    if dumps.rows():
        raise _full("its database has tables")


def _full(why: str) -> Conflict:
    return Conflict(
        "installation_not_empty",
        f"The installation {settings().data} is not empty: {why}.",
        "Restore into an empty data directory (or an empty database), named with --data. Nothing was changed.",
    )


def refuse_newer(manifest: dict[str, Any]) -> None:
    """Raises Conflict where the backup has a schema this program does not know. Django must be ready; the database is not asked."""
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    if foreign := sorted(set(manifest["migrations"]) - known):
        raise Conflict(
            "backup_newer",
            f"The backup was made by version {manifest.get('version')}, which this one ({__version__}) does not understand ({foreign[0]}).",
            "Install the version that made it, or a newer one. Nothing was changed.",
        )


def load(folder: Path, manifest: dict[str, Any], server: EmbeddedPostgres | None, progress: Progress = lambda text: None) -> None:
    """The backup into the empty installation. The files first, under another name: until the database is in, nothing is there."""
    data = settings().data
    aside = data / f"{BLOBS}.restoring"
    shutil.rmtree(aside, ignore_errors=True)
    progress("files")
    for source in _listed(folder):
        _copied(source, aside / source.relative_to(folder / BLOBS))
    progress("database")
    dumps.begin_after(server, manifest["transaction"])
    dumps.load(folder / DATABASE)
    if aside.exists():
        with contextlib.suppress(FileNotFoundError):
            (data / BLOBS).rmdir()
        aside.rename(data / BLOBS)
    dumps.renumber(_READERS)
    if (found := dumps.rows()) != manifest["rows"]:
        wrong = sorted(name for name in found.keys() | manifest["rows"].keys() if found.get(name) != manifest["rows"].get(name))
        raise CxmError(
            "restore_incomplete",
            f"After restoring, {', '.join(wrong[:5])} hold other numbers of rows than the backup says.",
            "Empty the data directory and restore again.",
        )


def erase_again(folder: Path, more: Sequence[Path], progress: Progress = lambda text: None) -> erasures.Applied:
    """Take out of what was restored whoever was erased, and whatever was deleted, after the backup was made: by the ledger found in the
    data directory, the backup's own, and ``more``. Before anything serves."""
    known = [path for path in (graves.path(), folder / ERASURES) if path.exists()]
    return erasures.apply([*known, *more], progress)


def hold_replies(made_at: str) -> tuple[str, ...]:
    """A stop over every organization in which something waits to be sent: it may have been, after the backup. Their names."""
    from cxm.govern import api as govern
    from cxm.kernel.actor import system
    from cxm.outbound import api as outbound

    names: list[str] = []
    for organization in govern.organizations():
        if outbound.open_count(organization.id):
            reason = f"Restored from the backup of {made_at}: what waits here may have been sent since. Look at each before it goes."
            govern.stop_on(system(organization.id, "cxm restore"), "organization", reason)
            names.append(organization.name)
    return tuple(names)


def key_state(manifest: dict[str, Any]) -> str:
    """here, other or missing: whether what the backup's accounts are sealed with can be opened here."""
    here = _fingerprints()
    if not here:
        return "missing"
    wanted = manifest.get("key_fingerprints") or []
    return "here" if not wanted or set(wanted[:1]) <= set(here) else "other"


# --- files ---------------------------------------------------------------------------------------------------------------


def blob_files(folder: Path) -> Iterator[Path]:
    """Every kept file below ``folder``, whole ones only (one that is just being written begins with a dot)."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(parent) / name


def _listed(folder: Path) -> Iterator[Path]:
    root = (folder / BLOBS).resolve()
    with (folder / LIST).open(encoding="utf-8") as lines:
        for line in lines:
            path = root / line.rstrip("\n")
            if not path.resolve().is_relative_to(root):
                raise Damaged(f"{folder / LIST} names something outside the backup.")
            yield path


def _copied(source: Path, target: Path) -> tuple[str, int]:
    """Copy and sum at once; the sum and the bytes."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as origin:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _private(target) as file:
            while chunk := origin.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
    return digest.hexdigest(), size


@contextlib.contextmanager
def _private(path: Path) -> Iterator[BinaryIO]:
    """A new file that only we can read; on the disk when the block ends."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _clear(folder: Path, *, whole: bool) -> None:
    shutil.rmtree(folder / BLOBS, ignore_errors=True)
    for name in (DATABASE, LIST, ERASURES, MANIFEST, f".{MANIFEST}"):
        (folder / name).unlink(missing_ok=True)
    if whole:
        with contextlib.suppress(OSError):
            folder.rmdir()
