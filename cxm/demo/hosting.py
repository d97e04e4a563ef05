"""Where the simulated platforms live: one loopback port, bound before the server starts and served beside it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import uvicorn
from django.db import close_old_connections

from cxm.platform import egress

T = TypeVar("T")
HOST = "127.0.0.1"
_listening: socket.socket | None = None


class Server(uvicorn.Server):
    """Signals belong to ``serve``."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave them alone."""
        yield


def bind(wanted: int) -> int:
    """The port the platforms have in this process: ``wanted`` where it is free, else another one. The egress guard lets it be reached."""
    global _listening
    if _listening is None:
        _listening = _bound(wanted) or _bound(0)
    if _listening is None:
        raise OSError("No loopback port is free for the simulated platforms.")
    port = int(_listening.getsockname()[1])
    egress.allow_for_this_process(HOST, port)
    return port


def address() -> str | None:
    """The root of the simulated platforms in this process; None where none is bound."""
    return f"http://{HOST}:{_listening.getsockname()[1]}" if _listening is not None else None


def release() -> None:
    """Give the port back; what was bound can be bound anew."""
    global _listening
    if _listening is not None:
        _listening.close()
        _listening = None


async def serve(server: Server) -> None:
    """Serve on the bound port until ``server.should_exit``."""
    if _listening is not None:
        await server.serve(sockets=[_listening])


def server_of(application: Any) -> Server:
    """A server for an ASGI application."""
    return Server(
        uvicorn.Config(
            application, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False, timeout_graceful_shutdown=1
        )
    )


def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """``work`` in this thread, with a database connection that is given back; for ``asyncio.to_thread``."""
    close_old_connections()
    try:
        return work(*arguments)
    finally:
        close_old_connections()


def _bound(port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen(128)  # what is sent before anybody serves waits here instead of being refused
    except OSError:
        sock.close()
        return None
    return sock
