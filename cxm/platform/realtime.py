"""Realtime: PostgreSQL NOTIFY carries names only, SSE passes them to browsers; what is behind a name is fetched with permission.

One of the two files where asynchronous network code meets the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from uuid import UUID

import structlog
from django.db import connection, transaction

from cxm.platform.postgres import connection_parameters

CHANNEL = "cxm_realtime"
_log = structlog.get_logger(__name__)


def tell(organization: UUID, *names: str) -> None:
    """When the running transaction commits, tell every open page of ``organization`` that ``names`` changed."""
    if not names:
        return
    payload = json.dumps([str(organization), *names])[:7900]

    def notify() -> None:
        with connection.cursor() as cursor:
            cursor.execute("select pg_notify(%s, %s)", [CHANNEL, payload])

    transaction.on_commit(notify)


class Hub:
    """Spreads notifications of one database connection over the open streams of this process."""

    def __init__(self) -> None:
        self._streams: dict[UUID, set[asyncio.Queue[str]]] = {}
        #: What was told of late: a page that opens its stream missed what came since it was rendered.
        self._recent: deque[tuple[float, UUID, str]] = deque(maxlen=500)
        self._ended = False

    def end(self) -> None:
        """The process stops: every stream ends now, so that open pages do not hold it up; they open theirs again by themselves."""
        self._ended = True
        self._everyone("resync")

    async def run(self) -> None:
        """Listen until cancelled; after a cut it connects again and tells every page to look anew."""
        import psycopg

        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**connection_parameters(), autocommit=True) as listener:  # type: ignore[arg-type]
                    await listener.execute(f"listen {CHANNEL}")
                    self._everyone("resync")
                    async for notification in listener.notifies():
                        self._spread(notification.payload)
            except (psycopg.Error, OSError) as error:
                _log.warning("realtime.cut", error=type(error).__name__)
                await asyncio.sleep(1)

    async def stream(self, organization: UUID, since: float | None = None) -> AsyncIterator[str]:
        """Names for one page, as they come; an empty name every 15 s so that a dead line is noticed.

        ``since`` (seconds since 1970): when the page was rendered; names told from then on come first.
        """
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=200)
        self._streams.setdefault(organization, set()).add(queue)
        if since is not None:
            for name in dict.fromkeys(name for at, whose, name in self._recent if whose == organization and at >= since):
                self._put(queue, name)
        try:
            while not self._ended:
                try:
                    yield await asyncio.wait_for(queue.get(), timeout=15)
                except TimeoutError:
                    yield ""
        finally:
            self._streams[organization].discard(queue)

    @property
    def open_streams(self) -> int:
        """How many pages listen."""
        return sum(len(queues) for queues in self._streams.values())

    def _spread(self, payload: str) -> None:
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            told, *names = json.loads(payload)
            organization, at = UUID(told), time.time()
            self._recent.extend((at, organization, name) for name in names)
            for queue in self._streams.get(organization, ()):
                for name in names:
                    self._put(queue, name)

    def _everyone(self, name: str) -> None:
        for queues in self._streams.values():
            for queue in queues:
                self._put(queue, name)

    @staticmethod
    def _put(queue: asyncio.Queue[str], name: str) -> None:
        if queue.full():  # a page that does not read: one "look anew" stands for all it missed
            while not queue.empty():
                queue.get_nowait()
            name = "resync"
        queue.put_nowait(name)


hub = Hub()
