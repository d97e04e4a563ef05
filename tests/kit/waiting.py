"""Waiting for something to become true, with a deadline; never for a length of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")
#: Who waits long looks less often, up to this many seconds apart: looking costs those who are waited for.
SELDOM = 0.4


def until(look: Callable[[], T], what: str, seconds: float = 30, every: float = 0.05) -> T:
    """The first true value of ``look``; AssertionError that says ``what`` was waited for and what was seen last."""
    deadline = time.monotonic() + seconds
    tick = Event()
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {seconds:g} s: {what}; seen last: {seen!r}")
        tick.wait(every)
        every = max(every, min(every * 1.25, SELDOM))
