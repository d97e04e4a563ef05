"""A platform of our own that misbehaves as told, with a ledger of its own: whatever had an effect is in it, once for each effect."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.kit.deliveries import verified


@dataclass(frozen=True)
class Behaviour:
    """What one call meets: ``effect`` before the answer or not; then an answer, a delay, a cut line."""

    status: int = 200
    effect: bool = True
    cut: bool = False
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


OK = Behaviour()
Choose = Callable[[dict[str, Any], int], Behaviour]


@dataclass(frozen=True)
class Effect:
    """One line of the provider's ledger."""

    intent: str
    text: str
    at: float
    native_id: str
    in_reply_to: str | None


@dataclass(frozen=True)
class Call:
    """One call as it began, whatever became of it."""

    intent: str
    method: str
    at: float
    signed: bool


class Provider:
    """An HTTP server on a port of its own; ``choose(body, nth call of this intent)`` says how each POST is met."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.calls: list[Call] = []
        self.known: dict[str, str] = {}
        self.lines: set[socket.socket] = set()
        self.idempotent = False
        self.readable = True
        self.choose: Choose = lambda body, nth: OK
        self.secret_of: dict[str, str] = {}
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.come_back()

    @property
    def address(self) -> str:
        """host:port, for the list of what may be reached."""
        return f"127.0.0.1:{self.port}"

    def url(self, name: str = "a") -> str:
        """The reply address of one account."""
        return f"http://{self.address}/reply/{name}"

    def go_away(self) -> None:
        """The port closes, and every line that is still open with it: nobody answers there."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for line in list(self.lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """The port opens again."""
        provider = self

        class Handler(_Handler):
            owner = provider

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Cut lines are what this provider is for."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """End it; calls that are still held back end too."""
        self._released.set()
        if self._server is not None:
            self.go_away()

    def of(self, intent: str) -> list[Effect]:
        """What one intent did."""
        with self._lock:
            return [effect for effect in self.effects if effect.intent == intent]

    def began(self, intent: str) -> int:
        """How many POSTs of one intent arrived."""
        with self._lock:
            return sum(call.intent == intent and call.method == "POST" for call in self.calls)

    def take(self, path: str, headers: Any, raw: bytes) -> tuple[Behaviour, bytes]:
        """One POST: the ledger first, then what is answered."""
        body = json.loads(raw)
        intent = str(body["id"])
        secret = self.secret_of.get(path.rsplit("/", 1)[-1])
        good = secret is None or (verified(secret, headers, raw) and headers.get("webhook-id") == intent)
        with self._lock:
            nth = sum(call.intent == intent and call.method == "POST" for call in self.calls)
            self.calls.append(Call(intent, "POST", time.time(), good))
        if not good:
            return Behaviour(401, effect=False), b'{"detail": "not signed as agreed"}'
        how = self.choose(body, nth)
        with self._lock:
            if self.idempotent and intent in self.known and how.effect:
                return Behaviour(409, effect=False, delay=how.delay, cut=how.cut), json.dumps({"native_id": self.known[intent]}).encode()
            if how.effect:
                native = f"p-{len(self.effects) + 1}"
                self.effects.append(Effect(intent, body["text"], time.time(), native, body.get("in_reply_to")))
                self.known.setdefault(intent, native)
        if how.body is not None:
            return how, how.body
        return how, json.dumps({"native_id": self.known[intent]} if how.effect else {"detail": "No, for a reason of ours."}).encode()

    def look_up(self, path: str, headers: Any) -> tuple[int, bytes]:
        """GET ?id=: what became of an intent, from the ledger."""
        parts = urlsplit(path)
        intent = parse_qs(parts.query).get("id", [""])[0]
        secret = self.secret_of.get(parts.path.rsplit("/", 1)[-1])
        good = secret is None or verified(secret, headers, b"")
        with self._lock:
            self.calls.append(Call(intent, "GET", time.time(), good))
        if not good:
            return 401, b"{}"
        if not self.readable:
            return 500, b"{}"
        native = self.known.get(intent)
        return (200, json.dumps({"native_id": native}).encode()) if native else (404, b'{"detail": "never heard of it"}')

    def hold(self, seconds: float) -> None:
        """Answer later, but not after the end of the test."""
        self._released.wait(seconds)


class _Handler(BaseHTTPRequestHandler):
    owner: Provider
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.owner.lines.add(self.connection)

    def finish(self) -> None:
        self.owner.lines.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        how, body = self.owner.take(self.path, self.headers, raw)
        if how.delay:
            self.owner.hold(how.delay)
        if how.cut:
            self.close_connection = True
            self.connection.close()
            return
        self._say(how.status, body, how.headers)

    def do_GET(self) -> None:
        self._say(*self.owner.look_up(self.path, self.headers), {})

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""
