"""What the logs keep to themselves."""

from __future__ import annotations

import subprocess
import sys

#: In a process of its own: how logs are written is one setting of a process, and others here have theirs.
_BREAKS = """
import logging
import sys
import structlog
from cxm.platform import observability

def broken_send():
    recipient = "ann" + "@customer.example"
    words = "I want my " + "money back"
    raise RuntimeError(len(recipient) + len(words))

def log(how):
    try:
        broken_send()
    except RuntimeError as error:
        structlog.get_logger("ours").error("send.broke", exc_info=error)
        logging.getLogger("theirs").exception("broke")
    print(f"end of {how}", file=sys.stderr)

print("structlog writes here", file=sys.stdout)
log("unconfigured")
for style in ("text", "json", "auto"):
    observability.configure("INFO", style)
    log(style)
"""


def test_no_log_of_something_that_broke_prints_what_it_held_in_its_hands() -> None:
    done = subprocess.run([sys.executable, "-c", _BREAKS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    written = done.stdout + done.stderr
    assert written.count("in broken_send") >= 7, written  # each of them tells where it broke
    assert "end of auto" in written and "send.broke" in written
    assert "customer.example" not in written and "money back" not in written, written
