"""The copy that works beside ``serve`` never goes back into what it was copied from."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PARENT = """
import os
from cxm.run.beside import _Copy

told = os.dup(1)

def work():
    {work}

try:
    status = _Copy(work, ()).wait(60)
    os.write(told, b"status %d, " % status)
finally:
    os.write(told, b"unwound")
"""


@pytest.mark.parametrize(("work", "status"), [("pass", 0), ("raise ValueError", 1), ("raise SystemExit(0)", 1)])
def test_a_copy_ends_where_it_is_even_with_nowhere_to_say_what_went_wrong(work: str, status: int):
    shell = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, _PARENT.format(work=work)]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, f"status {status}, unwound"), "said by the parent alone"
