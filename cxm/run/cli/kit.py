"""What commands share: the data directory, engines for the length of a command, the organization, output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from cxm.kernel.errors import NotFound

if TYPE_CHECKING:
    from cxm.platform.postgres import EmbeddedPostgres

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="The data directory of the installation (or CXM_DATA).", show_default=False)
]
Organization = Annotated[
    str | None,
    typer.Option("--organization", metavar="NAME", help="Which organization; needed where there are several.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def choose(data: Path | None) -> None:
    """Make ``data`` the data directory of this process, before anything is configured."""
    if data is not None:
        os.environ["CXM_DATA"] = str(data.resolve())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cxm.run.settings")


@contextlib.contextmanager
def engines(data: Path | None, *, quiet: bool = True) -> Iterator[EmbeddedPostgres | None]:
    """PostgreSQL up (the embedded one is yielded), Django ready, the schema current, within the block; works beside a running serve."""
    choose(data)
    from cxm.platform import observability
    from cxm.platform.config import master_keys, settings
    from cxm.platform.postgres import engine

    observability.configure("ERROR" if quiet else settings().log_level, settings().log_format)
    master_keys()
    with engine() as postgres:
        import django

        django.setup()
        migrate()
        try:
            yield postgres
        finally:
            from cxm.connect.api import runtime
            from cxm.listen import engine as mentions

            runtime.stop()
            mentions.close()
            close_connections()


def migrate() -> None:
    """Bring the schema up to this version; two processes at once wait for one another."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(20260101)")
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, skip_checks=True, interactive=False)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock(20260101)")


def close_connections() -> None:
    """Close this process's database connections and their pool."""
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()


def organization_of(name: str | None) -> UUID:
    """The organization by name, or the only one."""
    from cxm.govern import api as govern

    return govern.organization_named(name).id


def actor_of(organization: UUID) -> Any:
    """Whoever has the shell of the installation acts as the system."""
    from cxm.kernel.actor import system

    return system(organization, "cxm command line")


def show(value: Any, as_json: bool, lines: list[str]) -> None:
    """Print ``value`` as JSON, or ``lines``."""
    if as_json:
        print(json.dumps(value, ensure_ascii=False, default=str))
    else:
        for line in lines:
            print(line)


def serving(data: Path | None) -> bool:
    """Whether a ``cxm serve`` (or worker) holds this data directory."""
    import fcntl

    choose(data)
    from cxm.platform.config import settings

    path = settings().data / "serve.lock"
    if not path.exists():
        return False
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def secret(prompt: str, from_stdin: bool) -> str:
    """A secret from standard input or asked for; never from the command line, where every process could read it."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("Give the secret on standard input.")
    return typer.prompt(prompt, hide_input=True)


__all__ = [
    "AsJson",
    "Data",
    "NotFound",
    "Organization",
    "actor_of",
    "choose",
    "close_connections",
    "engines",
    "migrate",
    "organization_of",
    "secret",
    "serving",
    "show",
]
