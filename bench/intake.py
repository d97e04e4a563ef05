"""Webhook intake: signed deliveries at a fixed rate; the answer's time as its sender sees it, and that nothing is lost.

The generator is a process of its own that sends at planned instants (so a slow answer does not slow the load); its own cost is told
by the same run against a bare ASGI application that only reads the body.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import multiprocessing
import time
import uuid
from urllib.parse import urlsplit

from bench.installation import installation


def requests_of(url: str, secret: str, count: int, prefix: str = "m") -> list[bytes]:
    """Signed requests, whole, each with a message of its own."""
    key, parts = base64.b64decode(secret.removeprefix("whsec_")), urlsplit(url)
    made: list[bytes] = []
    for number in range(count):
        body = json.dumps(
            {
                "native_id": f"{prefix}{number}",
                "kind": "message",
                "text": f"Where is my order {number}? I wait since Tuesday.",
                "published_at": "2026-11-20T10:00:00Z",
                "author": {"native_id": f"u{number % 500}"},
            }
        ).encode()
        identifier, stamp = uuid.uuid4().hex, str(int(time.time()))
        mark = base64.b64encode(hmac.new(key, f"{identifier}.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\nwebhook-id: {identifier}\r\nwebhook-timestamp: {stamp}\r\nwebhook-signature: v1,{mark}\r\nContent-Length: {len(body)}\r\n\r\n"
        made.append(head.encode() + body)
    return made


async def send_at(host: str, port: int, requests: list[bytes], rate: float, connections: int = 64) -> tuple[list[float], int]:
    """Send each at its planned instant; the answers' times and how many were 2xx."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection(host, port))
    times: list[float] = []
    good = 0
    began = time.perf_counter()

    async def one(number: int, request: bytes) -> None:
        nonlocal good
        planned = began + number / rate
        await asyncio.sleep(max(0, planned - time.perf_counter()))
        reader, writer = await free.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - planned)
        good += head[9:12] in (b"200", b"202")
        free.put_nowait((reader, writer))

    await asyncio.gather(*(one(number, request) for number, request in enumerate(requests)))
    return times, good


def _generator(
    host: str, port: int, requests: list[bytes], rate: float, answer: multiprocessing.Queue[tuple[list[float], int, float]]
) -> None:
    times, good = asyncio.run(send_at(host, port, requests, rate))
    answer.put((times, good, time.process_time()))


def _measure(url: str, secret: str, rate: float, seconds: int) -> tuple[dict[str, float], int]:
    parts = urlsplit(url)
    requests = requests_of(url, secret, int(rate * seconds))
    answer: multiprocessing.Queue[tuple[list[float], int, float]] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_generator, args=(parts.hostname, parts.port, requests, rate, answer))
    process.start()
    times, good, cpu = answer.get()
    process.join()
    times.sort()
    figures = {
        name: round(times[int(len(times) * share)] * 1000, 1) for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))
    }
    return {**figures, "max_ms": round(times[-1] * 1000, 1), "generator_cpu_s": round(cpu, 2)}, good


def run(rate: float = 500, seconds: int = 20) -> dict[str, object]:
    """The answer's time, what was lost (0), and how long until everything stands in the inbox."""
    with installation() as made:
        made.serve()
        account = made.call("POST", "/accounts", {"channel": "webhook", "name": "bench"})
        _measure(account["url"], account["secret"], 50, 2)
        before = made.call("GET", "/coverage")["heard"]
        figures, good = _measure(account["url"], account["secret"], rate, seconds)
        ended = time.perf_counter()
        expected = int(rate * seconds)
        while time.perf_counter() - ended < 120:
            heard = made.call("GET", "/coverage")
            if heard["waiting_deliveries"] == 0:
                break
            time.sleep(0.2)
        caught_up = time.perf_counter() - ended
        found = made.call("POST", "/mentions/search", {"query": "", "limit": 1})["count"]
    return {
        "rate": rate,
        "deliveries": expected,
        "answered_2xx": good,
        "heard_in_all": heard["heard"],
        "before": before,
        "searchable": found,
        "caught_up_s": round(caught_up, 2),
        **figures,
    }
