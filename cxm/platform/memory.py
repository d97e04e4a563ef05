"""Memory that is no longer used goes back to the system.

The C library keeps a large block for later once one of its size was freed (its threshold for blocks of their own grows to 32 MB): a mail of 20 MB,
mapped in six threads, left 366 MB resident where 80 were in use. With the threshold set, it stays as it is: large blocks go back when they are
freed. And few arenas, because there are many threads. Source: mallopt(3). The database driver keeps the buffers of the largest statement and
row for as long as a line lives: a line that carried a large mail is ended.
"""

from __future__ import annotations

import ctypes
import threading

from django.db import connection

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
#: Bytes from which a block is one of its own.
LARGE = 256 * 1024


#: Bytes in one piece from which a line to the database has swollen: what the driver took to send or read them, it keeps while the line lives.
SWOLLEN = 2_000_000
_here = threading.local()


def moved(size: int) -> None:
    """So many bytes are sent to the database, or were read from it, in one piece by this thread."""
    if size >= SWOLLEN:
        _here.swollen = True


def let_go() -> None:
    """End this thread's line to the database where it has swollen; the next statement opens another. Not within a transaction."""
    if getattr(_here, "swollen", False) and not connection.in_atomic_block:
        _here.swollen = False
        if connection.connection is not None:
            connection.connection.close()
            connection.close()


def give_back() -> bool:
    """Have this process give large blocks back at once; whether its C library can (glibc)."""
    try:
        choose = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(choose(_MMAP_THRESHOLD, LARGE) and choose(_ARENA_MAX, 4))
