"""Stop, under load: from the request to its acknowledgement, and whether anything reached the platform afterwards. Goal: p99 <= 1 s, nothing."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.delivering import Sender
from bench.installation import Installation, installation

PEOPLE = 20
#: How long the platform takes for one reply, seconds: calls are under way whenever a stop comes.
SLOW = 0.2


class _Platform(ThreadingHTTPServer):
    """Takes replies slowly and notes when each began to arrive."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: list[float] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: _Platform
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.arrived.append(time.perf_counter())
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        time.sleep(SLOW)
        body = json.dumps({"native_id": f"p-{told['id']}"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def run(rounds: int = 25) -> dict[str, object]:
    """``late``: replies that began to arrive after an acknowledged stop and before its lifting began; must be 0."""
    platform = _Platform()
    with installation(CXM_EGRESS_ALLOW=f"127.0.0.1:{platform.server_address[1]}") as made:
        made.serve()
        conversations = _people(made, platform)
        ended = threading.Event()
        with ThreadPoolExecutor(4) as pool:
            for number in range(4):
                pool.submit(_answer, made, conversations[number::4], ended)
            times, quiet = [], []
            for _ in range(rounds):
                time.sleep(0.3)
                asked = time.perf_counter()
                stop = made.call("POST", "/stops", {"scope": "organization", "reason": "bench"})
                acknowledged = time.perf_counter()
                times.append(acknowledged - asked)
                time.sleep(0.3)
                quiet.append((acknowledged, time.perf_counter()))
                made.call("POST", f"/stops/{stop['id']}/lift", {"release": "all", "seen_until": _now()})
            ended.set()
        late = sum(from_ < at < to for at in platform.arrived for from_, to in quiet)
    times.sort()
    figures = {name: round(times[int(len(times) * share)] * 1000) for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))}
    return {"stops": rounds, **figures, "arrived": len(platform.arrived), "late": late}


def _people(made: Installation, platform: _Platform) -> list[str]:
    settings = {"reply_url": f"http://127.0.0.1:{platform.server_address[1]}/reply"}
    account = made.call("POST", "/accounts", {"channel": "webhook", "name": "bench", "settings": settings})
    Sender(account["url"], account["secret"]).send(
        [
            {"native_id": f"m{n}", "kind": "message", "text": "Where is it?", "published_at": _now(), "author": {"native_id": f"p{n}"}}
            for n in range(PEOPLE)
        ]
    )
    while len(found := made.call("GET", "/conversations?limit=100")["items"]) < PEOPLE:
        time.sleep(0.2)
    return [entry["id"] for entry in found]


def _answer(made: Installation, conversations: list[str], ended: threading.Event) -> None:
    while not ended.is_set():
        for conversation in conversations:
            request = urllib.request.Request(
                f"{made.url}/api/v1/conversations/{conversation}/replies", json.dumps({"text": "On its way."}).encode(), method="POST"
            )
            request.add_header("Authorization", f"Bearer {made.token}")
            request.add_header("Content-Type", "application/json")
            urllib.request.urlopen(request, timeout=60).read()
            if ended.wait(0.1):
                return


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
