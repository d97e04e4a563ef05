"""From the 2xx of a delivery to the open inbox: until the page, told by the live stream, has fetched the row. Goal: p95 <= 2 s."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime

from bench.browser import follow, signed_in
from bench.delivering import Sender
from bench.installation import installation


def run(count: int = 60) -> dict[str, object]:
    """Deliveries one after another, a second apart at most, each a new person."""
    times: list[float] = []
    with installation() as made:
        made.serve()
        account = made.call("POST", "/accounts", {"channel": "webhook", "name": "bench"})
        sender, client = Sender(account["url"], account["secret"]), signed_in(made)
        told = threading.Event()
        follow(client, lambda name, at: told.set() if name == "inbox" else None)
        reader = signed_in(made)
        for number in range(count):
            mark = uuid.uuid4().hex[:12]
            told.clear()
            now = datetime.now(UTC).isoformat()
            sender.send(
                {
                    "native_id": mark,
                    "kind": "message",
                    "text": f"Where is order {mark}?",
                    "published_at": now,
                    "author": {"native_id": f"p{number}", "name": f"Person {number}"},
                }
            )
            answered = time.perf_counter()
            while mark not in reader.get("/inbox").text:
                told.wait(5)
                told.clear()
                if time.perf_counter() - answered > 20:
                    raise RuntimeError("it never came")
            times.append(time.perf_counter() - answered)
    times.sort()
    return {
        "deliveries": count,
        "p50_ms": round(times[len(times) // 2] * 1000),
        "p95_ms": round(times[int(len(times) * 0.95)] * 1000),
        "max_ms": round(times[-1] * 1000),
    }
