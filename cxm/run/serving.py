"""One process that serves: web, jobs, streams and the embedded engines, started in order and stopped in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
import socket
import sys
from collections.abc import Iterator
from typing import IO, Any

import structlog

from cxm.kernel.errors import CxmError
from cxm.platform import observability
from cxm.platform.config import NotConfigured, master_keys, settings
from cxm.platform.postgres import EmbeddedPostgres, engine

DRAIN_SECONDS = 25
WHOLE = frozenset({"web", "worker", "streams"})
_log = structlog.get_logger(__name__)


class CannotServe(CxmError):
    """It cannot start as asked."""

    title = "Cannot serve"


def serve(host: str, port: int, *, demo: bool, parts: frozenset[str], queues: list[str] | None = None) -> None:
    """Start and run until a signal; afterwards everything that was started here is stopped."""
    options = settings()
    observability.configure(options.log_level, options.log_format)
    # Jobs compute in threads beside the event loop; at the default of 5 ms each request would wait for them again and again.
    sys.setswitchinterval(0.0005)
    # Until the loop takes over, a signal must still pass through every finally: PostgreSQL would be left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        master_keys()
    except NotConfigured as error:
        raise CannotServe(
            error.code, error.text, "Run “cxm setup --organization NAME --email ADDRESS --password-stdin” first, or “cxm serve --demo”."
        ) from error
    listening = _bind(host, port) if "web" in parts else None
    with _own(exclusive=parts == WHOLE), engine() as postgres:
        import django

        django.setup()
        from cxm.run.cli import kit

        kit.migrate()
        signed_in = _demo() if demo else None
        try:
            asyncio.run(_run(listening, parts, queues, signed_in, postgres))
        finally:
            _close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise CannotServe("port_taken", f"{host}:{port} cannot be listened on: {error.strerror}.", "Choose another with --port.") from error
    listening.set_inheritable(True)
    return listening


@contextlib.contextmanager
def _own(*, exclusive: bool) -> Iterator[None]:
    """One serve for each data directory; a web or worker apart needs no lock of its own."""
    if not exclusive:
        yield
        return
    path = settings().data / "serve.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock: IO[Any]
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotServe(
                "already_serving", f"A cxm serve is running on {settings().data} already.", "Stop it, or choose another --data directory."
            ) from error
        yield


def _demo() -> tuple[str, str]:
    from cxm.demo import api as demo

    return demo.prepare()


async def _run(
    listening: socket.socket | None,
    parts: frozenset[str],
    queues: list[str] | None,
    signed_in: tuple[str, str] | None,
    postgres: EmbeddedPostgres | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await asyncio.to_thread(_warm, parts)
    tasks: list[asyncio.Task[Any]] = []
    if postgres is not None:
        tasks.append(asyncio.create_task(_keep_up(postgres), name="postgres"))
    if "worker" in parts:
        tasks.append(asyncio.create_task(_work(queues, alone=parts == WHOLE), name="worker"))
    server = _server() if listening is not None else None
    if server is not None and listening is not None:
        from cxm.platform.realtime import hub

        tasks.append(asyncio.create_task(hub.run(), name="realtime"))
        tasks.append(asyncio.create_task(server.serve(sockets=[listening]), name="web"))
        await _answers(server)
        _announce(listening, signed_in)
    if "streams" in parts:
        from cxm.connect.api import runtime

        await asyncio.to_thread(runtime.listen, alone=parts == WHOLE and settings().embedded)
    if signed_in is not None:
        from cxm.demo import api as demo

        door = listening.getsockname()[:2] if listening is not None else None
        tasks.append(asyncio.create_task(demo.trickle(door), name="demo"))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            _log.error("serve.broke", part=task.get_name(), exc_info=task.exception())
    await _drain(server, tasks)


def _server() -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """Signals are ours: uvicorn would raise them again after its own end, before PostgreSQL is stopped."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        "cxm.run.asgi:application", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3, timeout_keep_alive=30,
        proxy_headers=False, lifespan="off", backlog=2048,
    )  # fmt: skip
    return Server(config)


async def _answers(server: Any) -> None:
    for _ in range(600):
        if server.started:
            return
        await asyncio.sleep(0.05)


def _announce(listening: socket.socket, signed_in: tuple[str, str] | None) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"url: {settings().public_url or f'http://{shown}:{port}'}")
    if signed_in:
        print(f"email: {signed_in[0]}")
        print(f"password: {signed_in[1]}")
    sys.stdout.flush()


async def _work(queues: list[str] | None, *, alone: bool) -> None:
    """The worker, started again where the database cut it off. ``alone``: its database has no other worker."""
    from cxm.platform import jobs

    while True:
        try:
            await jobs.work(queues=queues, concurrency=settings().workers, alone=alone and settings().embedded)
            _log.warning("worker.ended")  # only a cancelled one may end
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.warning("worker.cut", error=type(error).__name__)
        await asyncio.sleep(1)


async def _keep_up(postgres: EmbeddedPostgres) -> None:
    """The embedded PostgreSQL is started again where it died; until then deliveries get 503 and pages say so."""
    while True:
        await asyncio.sleep(1)
        if postgres.answers():
            continue
        try:
            await asyncio.to_thread(postgres.start)
            _log.warning("postgres.started_again")
        except Exception as error:
            _log.error("postgres.cannot_start", error=type(error).__name__)


def _warm(parts: frozenset[str]) -> None:
    """Open the store and load the models now, so that the first mention and the first page need not wait."""
    if "worker" in parts:
        from cxm.listen import engine as mentions
        from cxm.understanding import api as understanding

        with contextlib.suppress(CxmError):
            mentions.writer()
        understanding.warm()


async def _drain(server: Any, tasks: list[asyncio.Task[Any]]) -> None:
    """Requests and jobs under way come to their end, at most 25 s."""
    if server is not None:
        from cxm.platform.realtime import hub

        server.should_exit = True
        hub.end()
    by_name = {task.get_name(): task for task in tasks}
    for name in ("demo", "realtime", "worker", "postgres"):
        if name in by_name:
            by_name[name].cancel()
    from cxm.connect.api import runtime

    await asyncio.to_thread(runtime.stop)
    if tasks:
        await asyncio.wait(tasks, timeout=DRAIN_SECONDS)


def _close() -> None:
    from cxm.connect.api import runtime
    from cxm.listen import engine as mentions
    from cxm.run.cli.kit import close_connections

    runtime.stop()
    mentions.close()
    close_connections()
