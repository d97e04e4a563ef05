"""The embedded PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cxm.kernel.errors import NotNow
from cxm.platform import postgres


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.EmbeddedPostgres]:
    """Of a cluster of its own, not running. Its socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="cxm-") as folder:
        yield postgres.EmbeddedPostgres(Path(folder), durable=False)


def test_a_number_that_is_another_programs_by_now_is_no_server(server: postgres.EmbeddedPostgres) -> None:
    server.start()
    file = server.cluster / "postmaster.pid"
    left = file.read_text().splitlines()
    line = (lock := server.sockets / ".s.PGSQL.5432.lock").read_text().splitlines()
    server.stop()
    lock.write_text("\n".join([str(os.getpid()), *line[1:], ""]))
    shutil.chown(lock, lock.parent.owner())
    file.write_text("\n".join([str(os.getpid()), *left[1:], ""]))  # as a machine that lost its power leaves it
    shutil.chown(file, file.parent.owner())
    assert not server.running()
    server.start()
    assert server.running() and server.answers()
    server.stop()


def test_one_that_still_recovers_is_waited_for(server: postgres.EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    sound, refused = psycopg.connect, [1, 2]

    def starting(**options: Any) -> Any:
        if refused and refused.pop():
            raise psycopg.OperationalError("FATAL:  the database system is starting up")
        return sound(**options)

    monkeypatch.setattr(psycopg, "connect", starting)
    server.start()
    server.stop()
    assert not refused
    refused[:] = [1]
    monkeypatch.setattr(postgres, "_RECOVERY_SECONDS", -1)
    with pytest.raises(NotNow, match="starting up"):
        server.start()
    server.stop()
    server._pg_ctl("stop", "-m", "fast", "-w")


def test_its_log_holds_nothing_that_people_wrote_and_does_not_grow_for_ever(
    server: postgres.EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    try:
        with psycopg.connect(host=str(server.sockets), user=postgres.USER, dbname=postgres.DATABASE, autocommit=True) as line:
            line.execute("create table said (text text unique)")
            line.execute("insert into said values ('secret words')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                line.execute("insert into said values ('secret words')")
        written = server.log.read_text()
        assert "said_text_key" in written and "secret words" not in written
    finally:
        server.stop()
    monkeypatch.setattr(postgres, "_LOG_BYTES", 10)
    server.start()
    server.stop()
    assert server.log.with_suffix(".log.old").read_text().startswith(written) and "said_text_key" not in server.log.read_text()
