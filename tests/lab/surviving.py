"""A server that dies while somebody says one thing after another, and comes back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any, Protocol
from uuid import uuid4

from tests.kit.waiting import until
from tests.lab.desk import Desk

#: What is said; how much of it was heard when the server dies; and how much was said by then, at most: the rest, while it is away.
COUNT, DIES_AFTER, BEFORE = 60, 12, 45


class Mortal(Protocol):
    """A server that can be killed and started again."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


class Writer:
    """Somebody who says one thing after another, each again until the server took it: by its own name, so that it is one."""

    def __init__(self, tell: Callable[[int], object]) -> None:
        self._tell, self.said, self._over, self.died = tell, 0, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while self.said < COUNT and not self._over.is_set():
            if self.said == BEFORE and not self.died.wait(0.1):
                continue
            try:
                self._tell(self.said)
                self.said += 1
            except Exception:  # the server is away, or dies in this very moment
                self._over.wait(0.1)

    def close(self) -> None:
        self._over.set()
        self.thread.join(60)


def survives(made: Desk, account: str, server: Mortal, tell: Callable[[int, str], object], *, ails: bool = True) -> list[dict[str, Any]]:
    """Kill the server in the middle of what is told and start it again; what was heard, oldest first."""
    mark = f"m{uuid4().hex[:10]}"

    def heard() -> list[dict[str, Any]]:
        return made.rest.post("/mentions/search", {"query": mark, "sort": "oldest", "limit": 500}, 200)["items"]

    made.heard_well(account, 90)
    before = len(made.rest.get(f"/accounts/{account}/gaps")["items"])
    with closing(Writer(lambda number: tell(number, f"{mark} number {number}"))) as writer:
        until(lambda: len(heard()) >= DIES_AFTER, "the first are heard", 90, every=0.02)
        server.kill()
        writer.died.set()
        if ails:
            made.ails(account, 60)
        server.start()
        until(lambda: writer.said == COUNT, "all is said", 90)
    until(lambda: len(heard()) >= COUNT and made.nothing_waits(), "all is heard", 120)
    made.heard_well(account, 60)
    gaps = until(lambda: made.rest.get(f"/accounts/{account}/gaps")["items"][: -before or None], "the gap is shown", 60)
    assert all(gap["ended_at"] and gap["filled_at"] for gap in gaps), gaps
    found = heard()
    assert Counter(one["text"][one["text"].index(mark) :].strip() for one in found) == Counter(
        f"{mark} number {number}" for number in range(COUNT)
    )
    return found
