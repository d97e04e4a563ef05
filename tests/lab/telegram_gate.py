"""What the lab's Bot API server lacks of Telegram, in front of it: updates kept until they are confirmed, questions that stay open, tokens
that are revoked, and a line that can be cut at any moment."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from tests.kit.serving import free_port


class Gate:
    """One bot's way in. ``revoked``: Telegram no longer knows its token. ``asking``: questions for updates that are open now."""

    def __init__(self, base: str, token: str) -> None:
        self.base, self.token, self.port = base, token, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.revoked = False
        self.asking = 0
        self._waiting: list[dict[str, Any]] = []
        self._number = 870_000_000
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._server: ThreadingHTTPServer | None = None

    def open(self) -> None:
        """Serve from now on; what was not confirmed is still there."""
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
                status, body = gate.answer(self.path.rpartition("/")[2], told)
                if gate._closed.is_set():  # killed in the middle of a question: the line ends without a word
                    self.close_connection = True
                    return
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._closed.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """As a killed server: open questions end without an answer."""
        self._closed.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, method: str, told: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        if self.revoked:
            return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
        if method != "getUpdates":
            return 200, self._behind(method, told)
        with self._lock:
            self.asking += 1
        try:
            return 200, {"ok": True, "result": self._updates(told)}
        finally:
            with self._lock:
                self.asking -= 1

    def _updates(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        # Ten looks a second behind, for as long as the question may stay open.
        for turn in range(int(told.get("timeout", 0)) * 10 + 1):
            if turn and self._closed.wait(0.1):
                return []
            with self._lock:
                for update in self._behind("getUpdates", {})["result"]:
                    self._number += 1
                    self._waiting.append({**update, "update_id": self._number})
                self._waiting = [one for one in self._waiting if one["update_id"] >= told.get("offset", 0)]
                if self._waiting:
                    return self._waiting[: told["limit"]]
        return []

    def _behind(self, method: str, told: dict[str, Any]) -> dict[str, Any]:
        asked = Request(
            f"{self.base}/bot{self.token}/{method}", json.dumps(told).encode(), {"content-type": "application/json"}, method="POST"
        )
        with urlopen(asked, timeout=30) as response:
            return json.loads(response.read())
