"""A large file by the command line: two processes, one of them a copy of the other, and neither outlives the other's end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cxm.run.cli.data import BESIDE_BYTES
from tests.kit.serving import CXM, installation
from tests.kit.waiting import until

COUNT = 2500
_WORDS = "Where is my order? It was to come on Friday, and nobody says a word. "


def _line(number: int) -> str:
    said = {"channel": "forum", "native_id": f"n{number}", "text": f"{_WORDS * 7} {number}", "published_at": "2026-06-01T10:00:00Z"}
    return json.dumps({**said, "author": {"handle": f"user{number % 90}"}}) + "\n"


def _children(process: int) -> list[str]:
    """The ids of the Python processes that this one has under it."""
    found = Path(f"/proc/{process}/task/{process}/children")
    below = found.read_text().split() if found.exists() else []
    return [child for child in below if b"import" in _command(child)]


def _command(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def _alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux shows them, and copies are made there alone")
def test_an_import_that_is_killed_leaves_nobody_behind_and_may_be_run_again(tmp_path: Path) -> None:
    file = tmp_path / "mentions.jsonl"
    file.write_text("".join(_line(number) for number in range(COUNT)) + '{"channel": "forum", "text": "has no id"}\n')
    assert file.stat().st_size > BESIDE_BYTES, "large enough for a worker beside"
    with installation(start=False) as (serve, _, _):
        first = subprocess.Popen([CXM, "import", str(file)], env=serve.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        copies = until(lambda: _children(first.pid), "there is a worker beside", 60)
        first.kill()
        first.wait(30)
        until(lambda: not any(map(_alive, copies)), "the copy ends with what it was copied from")
        again = json.loads(serve.cxm("import", str(file), "--json").stdout)
        assert again["accepted"] + again["duplicate"] == COUNT
        assert [(fault["line"], fault["code"]) for fault in again["lines"]] == [(COUNT + 1, "native_id_missing")]
        assert json.loads(serve.cxm("query", "order", "--limit", "1", "--json").stdout)["count"] == COUNT
