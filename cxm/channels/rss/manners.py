"""How often a feed may be looked at, and how fast a host: seldom where little is new, never two at once."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock

from cxm.channels.kit.answers import header

#: (nothing new for, look every): a feed is asked about ten times as often as it speaks, from ten minutes to a day.
_RHYTHM = (
    (timedelta(days=1), timedelta(minutes=10)),
    (timedelta(days=3), timedelta(minutes=30)),
    (timedelta(days=14), timedelta(hours=2)),
    (timedelta(days=60), timedelta(hours=6)),
)
SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=1)
#: Between two requests to one host.
BETWEEN = timedelta(seconds=1)
_HOSTS = 20_000
_MAX_AGE = re.compile(r"max-age\s*=\s*(\d{1,9})", re.IGNORECASE)


def pause(address: str, newest: datetime | None, now: datetime, *, asked: int = 0, headers: Mapping[str, str] | None = None) -> timedelta:
    """How long to leave a feed alone whose newest entry is from ``newest``; ``asked``: minutes it asks for itself.

    What the feed asks for and what its server says by ``Cache-Control: max-age`` is honoured up to a day. A tenth, by the address,
    spreads feeds that were added together.
    """
    silent = max(now - newest, timedelta(0)) if newest is not None else timedelta(days=7)
    wait = next((every for since, every in _RHYTHM if silent < since), LONGEST)
    found = _MAX_AGE.search(header(headers or {}, "cache-control") or "")
    told = max(timedelta(minutes=asked), timedelta(seconds=int(found.group(1)) if found else 0))
    wait = min(max(wait, told, SHORTEST), LONGEST)
    return wait + wait * (hashlib.sha256(address.encode("utf-8", "replace")).digest()[0] / 2560)


def after_failures(count: int) -> timedelta:
    """How long to leave a feed alone that failed so often in a row: ten minutes, doubling, at most a day."""
    return min(SHORTEST * 2 ** min(max(count, 1) - 1, 8), LONGEST)


class Turns:
    """Requests to one host, one after the other, over all accounts of this process."""

    def __init__(self) -> None:
        self._next: OrderedDict[str, datetime] = OrderedDict()
        self._lock = Lock()

    def take(self, host: str, now: datetime) -> datetime:
        """The moment at which it is our turn; ``now`` where nobody else asks that host."""
        with self._lock:
            turn = max(self._next.pop(host, now), now)
            # A clock that was set back must not leave a host alone for long.
            turn = turn if turn - now < LONGEST else now
            self._next[host] = turn + BETWEEN
            while len(self._next) > _HOSTS:
                self._next.popitem(last=False)
            return turn

    def leave_alone(self, host: str, until: datetime) -> None:
        """The host asked for it: nobody of us before ``until``."""
        with self._lock:
            self._next[host] = max(self._next.get(host, until), until)

    def forget(self) -> None:
        """Nobody was asked yet."""
        with self._lock:
            self._next.clear()


#: The turns of this process.
turns = Turns()
