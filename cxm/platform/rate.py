"""How often somebody may call: a sliding window of one minute for each caller.

Counted in this process alone: with several web processes each counts by itself, so the installation as a whole lets through at most
the limit times their number. That protects what it is for (one runaway client drowning the others) without a write for each call.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

from cxm.kernel.clock import now

WINDOW = 60.0
#: Callers remembered; the one unseen for longest is forgotten first.
_CALLERS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left: ``remaining`` of ``limit`` calls, ``reset`` seconds until there is room again (or the window is empty)."""

    allowed: bool
    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={int(WINDOW)}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset}',
        }


class SlidingWindow:
    """At most ``limit`` calls of one caller within any minute."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str, limit: int) -> Allowance:
        """Count one call, unless there is no room."""
        moment = now().timestamp()
        with self._lock:
            calls = self._calls.setdefault(caller, deque())
            self._calls.move_to_end(caller)
            if len(self._calls) > _CALLERS:
                self._calls.popitem(last=False)
            while calls and calls[0] <= moment - WINDOW:
                calls.popleft()
            if len(calls) >= limit:
                return Allowance(False, limit, 0, max(1, math.ceil(calls[len(calls) - limit] + WINDOW - moment)))
            calls.append(moment)
            return Allowance(True, limit, limit - len(calls), max(1, math.ceil(calls[0] + WINDOW - moment)))

    def clear(self) -> None:
        """Forget everybody (tests)."""
        with self._lock:
            self._calls.clear()


window = SlidingWindow()
