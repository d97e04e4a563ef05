"""Followers: read the log in commit order from where they stopped, many events at once, where a commit for each event would cost more than
the event."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from cxm.kernel.clock import now
from cxm.kernel.errors import NotNow
from cxm.kernel.events import Event
from cxm.platform import eventlog, jobs
from cxm.platform.models import EventCursor

Function = Callable[[Sequence[Any]], None]
#: Events a follower is given at once, at most; and how long it waits before it tries again where its engine is away.
BATCH = 16
AGAIN = timedelta(seconds=5)
#: A follower that was woken lets so many seconds pass: what people wait for is done first, and what comes meanwhile costs one commit.
LINGER = 0.15
FOLLOWERS: dict[str, tuple[Function, frozenset[str]]] = {}
_NEXT = (
    "select transaction, id, name, case when id = any(%s) then null else payload end from platform_eventlog where (transaction, id) > (%s, %s) and "
    + eventlog.SETTLED
    + " and name = any(%s) order by transaction, id limit %s"
)


class StartOver(Exception):
    """Raised by a follower that has lost what it keeps: it is given every event again, from the first."""


def follow(name: str, *classes: type[Event]) -> Callable[[Function], Function]:
    """Register a follower under a stable ``name``: it gets lists of events in commit order and must be idempotent.

    Where it raises NotNow it is given the same events again five seconds later, for as long as it takes; where it raises
    :class:`StartOver`, everything from the first event on.
    """

    def register(function: Function) -> Function:
        eventlog.know(*classes)
        FOLLOWERS[name] = (function, frozenset(kind.name for kind in classes))
        return function

    return register


def wake_for(event: Event) -> None:
    """Wake those that follow such events."""
    for follower, (_, names) in FOLLOWERS.items():
        if event.name in names:
            wake(follower)


def wake(follower: str, *, after: timedelta | None = None) -> None:
    """See to it that ``follower`` reads on: one waiting job at most."""
    follow_on.defer(
        lock=f"follow:{follower}", queueing_lock=f"follow:{follower}", schedule_at=now() + after if after else None, follower=follower
    )


@jobs.periodic("platform.forgotten_followers", "* * * * *", queue="events")
def wake_forgotten() -> None:
    """A process that died right after it wrote an event may have woken nobody."""
    for follower in FOLLOWERS:
        wake(follower)


@jobs.task("platform.follow_events", queue="events")
def follow_on(follower: str) -> None:
    """Give a follower what it has not seen, until it has seen everything."""
    if follower not in FOLLOWERS:
        return
    if jobs.in_worker():
        time.sleep(LINGER)
    try:
        while _follow(follower) == BATCH:
            pass
    except NotNow:
        wake(follower, after=AGAIN)
        return
    if _unfinished(follower):  # a transaction is still open that may write earlier events: come back for them
        wake(follower, after=timedelta(milliseconds=100))


def _follow(follower: str) -> int:
    """One batch of events for ``follower``, its cursor moved in the same transaction; how many there were."""
    try:
        return _follow_batch(follower)
    except StartOver:
        start_over(follower)
        return BATCH


def start_over(follower: str) -> None:
    """Give ``follower`` every event again."""
    EventCursor.objects.filter(follower=follower).update(transaction=0, event=0)
    wake(follower)


def _follow_batch(follower: str) -> int:
    function, names = FOLLOWERS[follower]
    recent = eventlog.RECENT.all()
    with transaction.atomic():
        cursor_row = EventCursor.objects.select_for_update().filter(follower=follower).first()
        if cursor_row is None:
            EventCursor.objects.get_or_create(follower=follower)
            cursor_row = EventCursor.objects.select_for_update().get(follower=follower)
        with connection.cursor() as cursor:
            cursor.execute(_NEXT, [list(recent), cursor_row.transaction, cursor_row.event, sorted(names), BATCH])
            rows = cursor.fetchall()
        if not rows:
            return 0
        function([recent[row[1]] if row[3] is None else eventlog.decode(row[2], row[3]) for row in rows])
        cursor_row.transaction, cursor_row.event, cursor_row.at = rows[-1][0], rows[-1][1], now()
        cursor_row.save()
    return len(rows)


def catch_up(follower: str, *classes: type[Event]) -> None:
    """Give ``follower`` what it has not seen, now and here. Raises NotNow while an event of these classes cannot be given to it, because a
    transaction is open that may write earlier ones."""
    while _follow(follower) == BATCH:
        pass
    if _unfinished(follower, frozenset(kind.name for kind in classes)):
        raise NotNow("follower_behind", f"{follower} has not seen everything yet.", "It goes on by itself.")


def _unfinished(follower: str, only: frozenset[str] | None = None) -> bool:
    names = sorted(FOLLOWERS[follower][1] if only is None else only)
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists(select 1 from platform_eventlog e, platform_eventcursor c where c.follower = %s and (e.transaction, e.id) > (c.transaction, c.event) and e.name = any(%s))",
            [follower, names],
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def lag(follower: str) -> int:
    """How many events ``follower`` has not seen yet."""
    names = sorted(FOLLOWERS[follower][1])
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from platform_eventlog e where e.name = any(%s) and (e.transaction, e.id) > "
            "(select coalesce(max(transaction), 0), coalesce(max(event), 0) from platform_eventcursor where follower = %s)",
            [names, follower],
        )
        row = cursor.fetchone()
    return row[0] if row else 0
