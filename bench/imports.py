"""File import through the whole pipeline: read, map, judge, people, ledger, events, store. Goal: 5,000 mentions/s on two cores."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from bench.installation import installation
from bench.texts import mentions


def run(count: int = 50_000) -> dict[str, float]:
    """Seconds until the command is done and everything is searchable, without a running serve."""
    with tempfile.TemporaryDirectory() as folder, installation() as made:
        file = Path(folder) / "mentions.jsonl"
        file.write_text("".join(json.dumps(entry) + "\n" for entry in mentions(count)))
        began = time.perf_counter()
        report = json.loads(made.cxm("import", str(file), "--json"))
        seconds = time.perf_counter() - began
        found = json.loads(made.cxm("query", "", "--limit", "1", "--json"))["count"]
        assert report["accepted"] == found == count, (report, found)
    return {"mentions": count, "seconds": round(seconds, 2), "mentions_per_second": round(count / seconds)}
