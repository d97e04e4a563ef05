"""The embedded PostgreSQL."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psycopg
import pytest

from cxm.platform import postgres


def test_a_number_that_is_another_programs_by_now_is_no_server(tmp_path: Path) -> None:
    server = postgres.EmbeddedPostgres(tmp_path / os.urandom(3).hex(), durable=False)
    server.start()
    file = server.cluster / "postmaster.pid"
    left = file.read_text().splitlines()
    server.stop()
    file.write_text("\n".join([str(os.getpid()), *left[1:], ""]))  # as a machine that lost its power leaves it
    shutil.chown(file, file.parent.owner())
    assert not server.running()
    server.start()
    assert server.running() and server.answers()
    server.stop()


def test_its_log_holds_nothing_that_people_wrote_and_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_LOG_BYTES", 10)
    server = postgres.EmbeddedPostgres(tmp_path / os.urandom(3).hex(), durable=False)
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
    server.start()
    server.stop()
    assert server.log.with_suffix(".log.old").read_text().startswith(written) and "said_text_key" not in server.log.read_text()
