"""The door of the demo: :func:`prepare` before the server starts, :func:`trickle` while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from cxm.channels.kit import webhooks
from cxm.demo import company, past, state, telling
from cxm.demo.customers import Customers
from cxm.demo.platforms import Platforms
from cxm.kernel.clock import now
from cxm.platform import egress
from cxm.platform.config import settings

__all__ = ["prepare", "trickle"]

T = TypeVar("T")
_HOST = "127.0.0.1"
_STAGES = {"history": past.import_history, "heard": past.hear, "answered": past.answer, "handled": past.handle}
_listening: socket.socket | None = None


def prepare() -> tuple[str, str]:
    """Make the demo company, or find it; returns the owner's address and password.

    Binds the simulated platforms' port and opens the egress guard for it, in this process alone. A start that was cut off goes on
    where it stopped. Raises Conflict where the data directory holds another organization.
    """
    known = state.read()
    company.check_directory(known)
    if known is None:
        secret_of = {key: webhooks.new_secret() for key in telling.company()["accounts"]}
        known = state.fresh(company.new_password(), secret_of, now())
        state.write(known)
    address = _bind(known)
    if "company" not in known.stages:
        company.build(known.password, {key: known.secret(key) for key in known.sealed_secrets}, address)
        _done(known, "company")
    where = company.organization()
    company.point(where, address)
    for name, stage in _STAGES.items():
        if name not in known.stages:
            stage(where, known.start)
            _done(known, name)
    return telling.company()["email"], known.password


async def trickle(door: tuple[str, int] | None = None) -> None:
    """Run the simulated platforms and their people until cancelled. ``door``: where ``serve`` listens; without it nobody speaks."""
    known = await asyncio.to_thread(state.read)
    if known is None or _listening is None:
        return
    where = await asyncio.to_thread(_in_thread, company.organization)
    accounts = await asyncio.to_thread(_in_thread, company.accounts, where)
    if "joined" not in known.stages:
        await asyncio.to_thread(_in_thread, company.join, where, known.password)
        await asyncio.to_thread(_done, known, "joined")
    platforms = Platforms(known.secret, settings().data / "demo-platforms.jsonl")
    server = _server(platforms)
    serving = asyncio.create_task(server.serve(sockets=[_listening]), name="demo-platforms")
    customers = Customers(where, known, platforms, _reachable(door)) if door else None
    try:
        if customers is not None:
            await customers.speak(accounts)
        await serving
    finally:
        if customers is not None:
            await customers.stop()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(serving, 3)


def _in_thread(work: Callable[..., T], *arguments: object) -> T:
    from django.db import close_old_connections

    close_old_connections()
    try:
        return work(*arguments)
    finally:
        close_old_connections()


def _server(platforms: Platforms) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """Signals belong to ``serve``."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(platforms, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=1)
    )


def _bind(known: state.State) -> str:
    """The simulated platforms' address: the port of the last start where it is free, else another one."""
    global _listening
    if _listening is None:
        _listening = _bound(known.port) or _bound(0)
        if _listening is None:
            raise OSError("No loopback port is free for the simulated platforms.")
    port = _listening.getsockname()[1]
    egress.allow_for_this_process(_HOST, port)
    if known.port != port:
        known.port = port
        state.write(known)
    return f"http://{_HOST}:{port}"


def _bound(port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((_HOST, port))
        sock.listen(128)  # what is sent before trickle() runs waits here instead of being refused
    except OSError:
        sock.close()
        return None
    return sock


def _done(known: state.State, stage: str) -> None:
    known.stages.append(stage)
    state.write(known)


def _reachable(door: tuple[str, int]) -> tuple[str, int]:
    host = {"0.0.0.0": _HOST, "::": "::1"}.get(door[0], door[0])  # noqa: S104 - a comparison
    return host, door[1]
