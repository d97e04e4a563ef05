"""What serves: web, jobs, streams and the embedded engines, started in order and stopped in reverse.

``cxm serve`` answers in this process and works in one beside it (:mod:`cxm.run.beside`); ``web``, ``worker`` and ``streams`` are the
same parts apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import structlog

from cxm.kernel.errors import CxmError
from cxm.platform import egress, memory, observability
from cxm.platform.config import NotConfigured, master_keys, settings
from cxm.platform.postgres import EmbeddedPostgres, engine
from cxm.run.beside import Beside, say_ready

DRAIN_SECONDS = 25
LOCK_SECONDS = 5
#: Where mentions come by the thousand, Python looks for garbage after so many new objects: a batch makes tens of thousands, and all are needed.
GARBAGE_FROM = 50_000
WHOLE = frozenset({"web", "worker", "streams"})
_log = structlog.get_logger(__name__)


class CannotServe(CxmError):
    """It cannot start as asked."""

    title = "Cannot serve"


def serve(host: str, port: int, *, demo: bool, parts: frozenset[str], queues: list[str] | None = None) -> None:
    """Start and run until a signal; afterwards everything that was started here is stopped."""
    _prepare()
    # Until the loop takes over, a signal must still pass through every finally: PostgreSQL would be left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        master_keys()
    except NotConfigured as error:
        raise CannotServe(
            error.code, error.text, "Run “cxm setup --organization NAME --email ADDRESS --password-stdin” first, or “cxm serve --demo”."
        ) from error
    listening = _bind(host, port) if "web" in parts else None
    with _own(exclusive=parts == WHOLE) as lock, _beside(lock) as beside, engine() as postgres:
        import django

        django.setup()
        from cxm.run.cli import kit

        if beside is not None:
            beside.begin([file.fileno() for file in (listening, postgres) if file is not None])
        kit.migrate()
        signed_in = _demo() if demo else None
        if beside is not None:
            beside.go(egress.allowed_for_this_process())
            parts = frozenset({"web"})
        try:
            asyncio.run(_run(Serving(listening, parts, queues, signed_in, postgres, beside)))
        finally:
            _close()
            if beside is not None:
                beside.end(DRAIN_SECONDS)


def load_beside() -> None:
    """In the process beside: everything that needs no data."""
    _prepare()
    import django

    django.setup()
    from cxm.understanding import api as understanding

    understanding.warm()


def work_beside(allowed: list[tuple[str, int]]) -> None:
    """In the process beside: jobs and streams until a signal. The engines are up, and nobody else works on this data."""
    for host, port in allowed:
        egress.allow_for_this_process(host, port)
    try:
        asyncio.run(_run(Serving(None, frozenset({"worker", "streams"}), alone=True)))
    finally:
        _close()


def work_for_a_command() -> None:
    """In the process beside a command: jobs until a signal. The engines are up."""
    _prepare()
    gc.freeze()
    gc.set_threshold(GARBAGE_FROM, 10, 10)
    import django

    django.setup()
    try:
        asyncio.run(_run(Serving(None, frozenset({"worker"}))))
    finally:
        _close()


def _prepare() -> None:
    observability.configure(settings().log_level, settings().log_format)
    # Jobs compute in threads beside the event loop; at the default of 5 ms each request would wait for them again and again.
    sys.setswitchinterval(0.0005)
    memory.give_back()


@dataclass(frozen=True)
class Serving:
    """What one process serves. ``alone``: nobody else works on this data."""

    listening: socket.socket | None
    parts: frozenset[str]
    queues: list[str] | None = None
    signed_in: tuple[str, str] | None = None
    postgres: EmbeddedPostgres | None = None
    beside: Beside | None = None
    alone: bool = False


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio switches off Nagle's delay; without, each answer of two writes waits 40 ms for an ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise CannotServe("port_taken", f"{host}:{port} cannot be listened on: {error.strerror}.", "Choose another with --port.") from error
    listening.set_inheritable(True)
    return listening


@contextlib.contextmanager
def _own(*, exclusive: bool) -> Iterator[int | None]:
    """One serve for each data directory; a web or worker apart needs no lock of its own. The lock's descriptor."""
    if not exclusive:
        yield None
        return
    path = settings().data / "serve.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        _take(lock)
        yield lock.fileno()


def _take(lock: IO[Any]) -> None:
    # The worker of a serve that was killed holds it until it has noticed.
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise CannotServe(
                "already_serving", f"A cxm serve is running on {settings().data} already.", "Stop it, or choose another --data directory."
            ) from error
        return


@contextlib.contextmanager
def _beside(lock: int | None) -> Iterator[Beside | None]:
    """The process beside, not begun yet; ended whatever happens."""
    if lock is None:
        yield None
        return
    beside = Beside(lock)
    try:
        yield beside
    finally:
        beside.end(1)


def _demo() -> tuple[str, str]:
    from cxm.demo import api as demo
    from cxm.listen import engine as mentions

    try:
        return demo.prepare()
    finally:
        mentions.close()  # the process beside writes it from now on


async def _run(what: Serving) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    tasks: list[asyncio.Task[Any]] = []
    server = None
    if what.postgres is not None:
        tasks.append(asyncio.create_task(_keep_up(what.postgres), name="postgres"))
    if what.beside is not None:
        await asyncio.to_thread(what.beside.wait_until_ready)
        tasks.append(asyncio.create_task(what.beside.keep(), name="beside"))
    if "worker" in what.parts:
        await asyncio.to_thread(_open_store)
        tasks.append(asyncio.create_task(_work(what.queues, alone=what.alone), name="worker"))
    if "streams" in what.parts:
        from cxm.connect.api import runtime

        await asyncio.to_thread(runtime.listen, alone=what.alone and settings().embedded)
    if what.listening is not None:
        _spare_garbage()
        server = _server()
        tasks += await _answer(server, what.listening)
        _announce(what.listening, what.signed_in)
    elif what.alone:
        say_ready()
    if what.signed_in is not None:
        tasks.append(asyncio.create_task(_trickle(what.listening), name="demo"))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            _log.error("serve.broke", part=task.get_name(), exc_info=task.exception())
    await _drain(server, tasks, what.beside)


def _spare_garbage() -> None:
    """What was loaded at the start stays; looking through it again and again would cost a page a tenth of its time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _answer(server: Any, listening: socket.socket) -> list[asyncio.Task[Any]]:
    from cxm.platform.realtime import hub

    tasks = [
        asyncio.create_task(hub.run(), name="realtime"),
        asyncio.create_task(server.serve(sockets=[listening]), name="web"),
    ]
    for _ in range(600):
        if server.started:
            break
        await asyncio.sleep(0.05)
    return tasks


async def _trickle(listening: socket.socket | None) -> None:
    from cxm.demo import api as demo

    await demo.trickle(listening.getsockname()[:2] if listening is not None else None)


def _server() -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """Signals are ours: uvicorn would raise them again after its own end, before PostgreSQL is stopped."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        "cxm.run.asgi:application", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3, timeout_keep_alive=30,
        proxy_headers=False, lifespan="off", backlog=2048, ws="none",
    )  # fmt: skip
    return Server(config)


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
    from cxm.platform import events, jobs

    while True:
        try:
            options = settings()
            await asyncio.to_thread(_wake_waiting)
            await jobs.work(queues=queues, concurrency=options.workers, senders=options.senders, alone=alone and options.embedded)
            _log.warning("worker.ended")  # only a cancelled one may end
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.warning("worker.cut", error=type(error).__name__)
            events.forget_recent()
        await asyncio.sleep(1)


def _wake_waiting() -> None:
    from django.db import connections

    from cxm.platform import events

    try:
        events.wake_waiting()
    finally:
        connections.close_all()  # this thread is not seen again


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


def _open_store() -> None:
    """The mention store, now: the first mention need not wait. Where it cannot be opened, everything else works."""
    from cxm.listen import engine as mentions
    from cxm.listen.subscribers import STORE
    from cxm.platform import events
    from cxm.understanding import api as understanding

    with contextlib.suppress(CxmError):
        mentions.writer()
        if mentions.made_anew():
            events.start_over(STORE)
    understanding.warm()


async def _drain(server: Any, tasks: list[asyncio.Task[Any]], beside: Beside | None) -> None:
    """Requests and jobs under way come to their end, at most 25 s."""
    if server is not None:
        from cxm.platform.realtime import hub

        server.should_exit = True
        hub.end()
    by_name = {task.get_name(): task for task in tasks}
    for name in ("beside", "demo", "realtime", "worker", "postgres"):
        if name in by_name:
            by_name[name].cancel()
    from cxm.connect.api import runtime

    ending = [asyncio.to_thread(runtime.stop)]
    if beside is not None:
        ending.append(asyncio.to_thread(beside.end, DRAIN_SECONDS))
    await asyncio.gather(*ending)
    if tasks:
        await asyncio.wait(tasks, timeout=DRAIN_SECONDS)


def _close() -> None:
    from cxm.connect.api import runtime
    from cxm.listen import engine as mentions
    from cxm.run.cli.kit import close_connections

    runtime.stop()
    mentions.close()
    close_connections()
