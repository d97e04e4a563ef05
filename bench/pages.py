"""Pages with 200,000 mentions and 20,000 conversations: the time of a whole answer, one reader. Goal: p95 <= 150 ms server time."""

from __future__ import annotations

import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.browser import signed_in
from bench.delivering import Sender
from bench.installation import Installation, installation
from bench.texts import mentions

#: ``{word}`` is another one each time, so that nothing is answered from memory.
PAGES = (
    "/home", "/inbox", "/explorer", "/explorer?q=coffee", "/explorer?q={word}", "/topics", "/people", "/coverage", "/channels", "/inbox/cases", "/inbox/promises",
    "/settings/members", "/settings/queues",
)  # fmt: skip


def run(count: int = 200_000, conversations: int = 20_000, rounds: int = 40) -> dict[str, object]:
    """p50 and p95 in milliseconds for each page, a warm-up of three before."""
    with tempfile.TemporaryDirectory() as folder, installation() as made:
        file = Path(folder) / "mentions.jsonl"
        with file.open("w") as out:
            out.writelines(json.dumps(entry) + "\n" for entry in mentions(count - conversations))
        made.cxm("import", str(file))
        made.serve()
        _converse(made, conversations)
        client = signed_in(made)
        inbox = made.call("GET", "/conversations?limit=1")["items"][0]["id"]
        return {
            "mentions": made.call("GET", "/coverage")["heard"],
            **{page: _timed(client, page, rounds) for page in (*PAGES, f"/inbox/{inbox}")},
        }


def _converse(made: Installation, count: int) -> None:
    account = made.call("POST", "/accounts", {"channel": "webhook", "name": "bench"})
    sender, began = Sender(account["url"], account["secret"]), datetime.now(UTC) - timedelta(days=30)
    for first in range(0, count, 200):
        sender.send([
            {"native_id": f"c{number}", "kind": "message", "text": f"My order {number} has not come, what happened to the coffee?", "author": {"native_id": f"p{number}", "name": f"Person {number}"},
             "published_at": (began + timedelta(minutes=number * 2)).isoformat()}
            for number in range(first, min(first + 200, count))
        ])  # fmt: skip
    while made.call("GET", "/coverage")["waiting_deliveries"]:
        time.sleep(0.5)
    while len(made.call("GET", "/conversations?limit=1")["items"]) == 0:
        time.sleep(0.5)
    time.sleep(20)  # the last conversations, and PostgreSQL's statistics


def _timed(client: object, page: str, rounds: int) -> list[float]:
    times: list[float] = []
    for number in range(rounds + 3):
        began = time.perf_counter()
        answer = client.get(page.format(word=f"coffee OR order OR word{number}"))  # type: ignore[attr-defined]
        if number >= 3:
            times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (page, answer.status_code)
    times.sort()
    return [round(times[len(times) // 2], 1), round(times[int(len(times) * 0.95)], 1)]
