"""What large mails needed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import connection, transaction

from cxm.platform import memory

_PROGRAM = """
import sys
from pathlib import Path
from cxm.platform import memory

def resident():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")) // 1024

if sys.argv[1] == "yes" and not memory.give_back():
    sys.exit(3)
first = b"x" * 30_000_000
del first
before, kept = resident(), []
for _ in range(6):
    large = [b"x" * 20_000_000]
    kept.append(bytes(100_000))  # a small one behind it keeps the heap from shrinking
    del large
print(resident() - before)
"""


def _left(choice: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, choice], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 3:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_large_blocks_go_back_when_they_are_freed() -> None:
    assert _left("yes") < 15 < _left("no"), "megabytes left of 20 that were used six times"


@pytest.mark.django_db(transaction=True)
def test_a_line_to_the_database_that_carried_much_is_ended() -> None:
    def line() -> int:
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            return int(cursor.fetchone()[0])

    first = line()
    memory.moved(memory.SWOLLEN - 1)
    memory.let_go()
    assert line() == first, "an ordinary one stays"
    memory.moved(memory.SWOLLEN)
    with transaction.atomic():
        memory.let_go()
        assert line() == first, "never within a transaction"
    memory.let_go()
    second = line()
    memory.let_go()
    assert second != first and line() == second, "once"
