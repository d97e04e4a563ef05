"""One noisy account, in the same organization or in another: how much it delays a quiet one, from its 2xx to its conversation.

Promise: less than twice the quiet one's own p95. The noise is a steady 20 deliveries a second; then 1,000 at once. The quiet account says 40
things, one after another.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bench.delivering import Sender
from bench.installation import Installation, installation
from bench.intake import requests_of, send_at

#: Seconds after which one no longer waits.
PATIENCE = 60
RATE, ROUNDS, BURST = 20, 40, 1000


def run() -> dict[str, Any]:
    """p50, p95 and the longest in ms: alone, and beside each kind of noise; with the ratio of the p95 to that of being alone."""
    with installation() as made:
        other = _other(made)
        made.serve()
        quiet, near = (made.call("POST", "/accounts", {"channel": "webhook", "name": name}) for name in ("Quiet", "Noisy"))
        own, made.token = made.token, other
        far = made.call("POST", "/accounts", {"channel": "webhook", "name": "Noisy"})
        made.token = own
        _round(made, quiet, 10)
        alone = _round(made, quiet, ROUNDS)
        found: dict[str, Any] = {"alone": alone}
        for name, account, rate in (
            ("same_organization", near, RATE),
            ("other_organization", far, RATE),
            ("same_organization_at_once", near, 0),
            ("other_organization_at_once", far, 0),
        ):
            with _noise(account, rate):
                figures = _round(made, quiet, ROUNDS)
            found[name] = {**figures, "ratio_p95": round(figures["p95_ms"] / alone["p95_ms"], 2)}
            _rested(made, own, other)
    return found


def _other(made: Installation) -> str:
    made.cxm("setup", "--organization", "Other", "--email", "other@example.com", "--password-stdin", stdin="a password for benches\n")
    return made.cxm("token", "create", "--organization", "Other", "--email", "other@example.com", "--name", "bench").strip()


def _round(made: Installation, account: dict[str, Any], count: int) -> dict[str, float]:
    sender = Sender(account["url"], account["secret"])
    times: list[float] = []
    for number in range(count):
        mark, at = uuid.uuid4().hex[:12], datetime.now(UTC).isoformat()
        author = {"native_id": f"quiet-{mark}", "name": f"Person {number}"}
        sender.send({"native_id": mark, "kind": "message", "text": f"Where is {mark}?", "published_at": at, "author": author})
        answered = time.perf_counter()
        try:
            _until(lambda mark=mark: mark in str(made.call("GET", f"/conversations?account={account['id']}&limit=1")), PATIENCE)
        except RuntimeError:  # it counts for as long as it was waited for, and nothing better is to be expected of the rest
            return {"p50_ms": _ms(PATIENCE), "p95_ms": _ms(PATIENCE), "max_ms": _ms(PATIENCE)}
        times.append(time.perf_counter() - answered)
        time.sleep(0.1)
    times.sort()
    return {"p50_ms": _ms(times[count // 2]), "p95_ms": _ms(times[int(count * 0.95)]), "max_ms": _ms(times[-1])}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _until(there: Callable[[], bool], seconds: float = 120) -> None:
    ends = time.perf_counter() + seconds
    while not there():
        if time.perf_counter() > ends:
            raise RuntimeError("it never came")
        time.sleep(0.02)


@contextmanager
def _noise(account: dict[str, Any], rate: float) -> Iterator[None]:
    """Deliveries in a process of their own: at ``rate`` for as long as the block takes, or (0) a burst as fast as they are answered."""
    process = multiprocessing.Process(target=_make_noise, args=(account["url"], account["secret"], rate), daemon=True)
    process.start()
    time.sleep(2)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _make_noise(url: str, secret: str, rate: float) -> None:
    parts = urlsplit(url)
    count = int(rate * 60) if rate else BURST
    requests = requests_of(url, secret, count, uuid.uuid4().hex[:8])
    asyncio.run(send_at(str(parts.hostname), int(parts.port or 80), requests, rate or 100_000, 16))


def _rested(made: Installation, *tokens: str) -> None:
    for token in tokens:
        made.token = token
        _until(lambda: made.call("GET", "/coverage")["waiting_deliveries"] == 0)
    made.token = tokens[0]
