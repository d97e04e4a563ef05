"""Events: appended in the writer's transaction, then handed on in one of two ways.

A *subscriber* gets each event in a job of its own, once, in the owner's order: what love, outbound and the like do. A *follower*
reads the log in commit order from where it stopped, many events at once: what keeps a derived store, where a commit for each
event would cost more than the event.
"""

from __future__ import annotations

import dataclasses
import threading
import types
import typing
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import orjson
import psycopg
from django.db import IntegrityError, connection, transaction

from cxm.kernel.clock import now, parse_instant
from cxm.kernel.errors import BadInput, NotNow
from cxm.kernel.events import Event
from cxm.platform import jobs
from cxm.platform.models import EventCursor, EventDelivery, EventLog


class _Recent:
    """Events published by this very process, so that its own handlers need not read them back; at most some 8 MB of them."""

    limit = 8_000_000

    def __init__(self) -> None:
        self._events: OrderedDict[int, tuple[Event, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    def put(self, identifier: int, event: Event, size: int) -> None:
        with self._lock:
            self._events[identifier] = (event, size)
            self._size += size
            while self._size > self.limit and self._events:
                self._size -= self._events.popitem(last=False)[1][1]

    def get(self, identifier: int) -> Event | None:
        found = self._events.get(identifier)
        return found[0] if found else None

    def ids(self) -> list[int]:
        with self._lock:
            return list(self._events)

    def clear(self) -> None:
        with self._lock:
            self._events.clear()
            self._size = 0


class StartOver(Exception):
    """Raised by a follower that has lost what it keeps: it is given every event again, from the first."""


E = TypeVar("E", bound=Event)
Handler = Callable[[Any], None]
Condition = Callable[[Any], bool]
#: Events a follower is given at once, at most; and how long it waits before it tries again where its engine is away.
FOLLOW_BATCH = 16
FOLLOW_AGAIN = timedelta(seconds=5)
_CLASSES: dict[str, type[Event]] = {}
_SUBSCRIBERS: dict[str, dict[str, tuple[Handler, Condition | None]]] = {}
#: Subscribers that wait for one another, owner by owner: the name of what they keep in order.
_TOGETHER: dict[str, str] = {}
_FOLLOWERS: dict[str, tuple[Callable[[Sequence[Any]], None], frozenset[str]]] = {}
#: What a reader may see: all older transactions are over, or it is the reader's own.
_SETTLED = (
    "(transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint or transaction = pg_current_xact_id_if_assigned()::text::bigint)"
)


_RECENT = _Recent()
_NEXT = (
    "select transaction, id, name, case when id = any(%s) then null else payload end from platform_eventlog where (transaction, id) > (%s, %s) and "
    + _SETTLED
    + " and name = any(%s) order by transaction, id limit %s"
)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One row of the log as a reader of ``GET /events`` sees it."""

    position: str
    name: str
    at: datetime
    data: Mapping[str, Any]


def on(*classes: type[E], when: Condition | None = None, together: str = "") -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Subscribe a function to events. It runs in a transaction of its own, once for each event, in the owner's order.

    ``when``: asked at publishing; where it says no, no job is made for this subscriber. ``together``: subscribers that give the same
    name get the owner's events one after another, in the order they were published, as if they were one.
    """

    def register(function: Callable[[E], None]) -> Callable[[E], None]:
        for kind in classes:
            _CLASSES[kind.name] = kind
            name = f"{function.__module__}.{function.__qualname__}"
            _SUBSCRIBERS.setdefault(kind.name, {})[name] = (function, when)
            if together:
                _TOGETHER[name] = together
        return function

    return register


def follow(name: str, *classes: type[Event]) -> Callable[[Callable[[Sequence[Any]], None]], Callable[[Sequence[Any]], None]]:
    """Register a follower under a stable ``name``: it gets lists of events in commit order and must be idempotent.

    Where it raises NotNow it is given the same events again five seconds later, for as long as it takes; where it raises
    :class:`StartOver`, everything from the first event on.
    """

    def register(function: Callable[[Sequence[Any]], None]) -> Callable[[Sequence[Any]], None]:
        _CLASSES.update({kind.name: kind for kind in classes})
        _FOLLOWERS[name] = (function, frozenset(kind.name for kind in classes))
        return function

    return register


def publish(event: Event) -> int:
    """Append ``event`` to the log and wake whoever listens, all within the caller's transaction. Returns its id."""
    if not connection.in_atomic_block:
        raise RuntimeError(f"{event.name} was published outside a transaction; the row and the event must stand or fall together.")
    _CLASSES.setdefault(event.name, type(event))
    identifier = _append(event)
    for subscriber, (_, when) in _SUBSCRIBERS.get(event.name, {}).items():
        if when is None or when(event):
            deliver.defer(lock=f"{_TOGETHER.get(subscriber, subscriber)}:{event.owner}", event=identifier, subscriber=subscriber)
    for follower, (_, names) in _FOLLOWERS.items():
        if event.name in names:
            wake(follower)
    return identifier


def _append(event: Event) -> int:
    payload = orjson.dumps({field.name: getattr(event, field.name) for field in dataclasses.fields(event)}, default=_plain).decode()
    connection.ensure_connection()
    # Bound by the server: a batch of mentions as a literal would be escaped here and read letter by letter there.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            "insert into platform_eventlog (organization_id, name, owner, at, payload, public, permission) values (%s, %s, %s, %s, %s, %s::jsonb, %s) returning id",
            [
                event.organization,
                event.name,
                event.owner,
                now(),
                payload,
                orjson.dumps(event.public(), default=_plain).decode(),
                event.permission,
            ],
        )
        row = cursor.fetchone()
    assert row is not None
    identifier: int = row[0]
    _RECENT.put(identifier, event, len(payload))
    return identifier


@jobs.task("platform.deliver_event", queue="events")
def deliver(event: int, subscriber: str) -> None:
    """Hand one event to one subscriber; a second time changes nothing."""
    found = _read(event)
    handler, _ = _SUBSCRIBERS.get(found.name, {}).get(subscriber, (None, None)) if found else (None, None)
    if found is None or handler is None:
        return  # rolled back, pruned, or a subscriber of a former version
    with transaction.atomic():
        try:
            with transaction.atomic():
                EventDelivery.objects.create(event_id=event, subscriber=subscriber)
        except IntegrityError:
            return
        handler(found)


def _read(identifier: int) -> Event | None:
    with connection.cursor() as cursor:
        if (recent := _RECENT.get(identifier)) is not None:  # in memory; but only what was committed is real
            cursor.execute("select 1 from platform_eventlog where id = %s", [identifier])
            return recent if cursor.fetchone() else None
        cursor.execute("select name, payload from platform_eventlog where id = %s", [identifier])
        row = cursor.fetchone()
    return decode(row[0], row[1]) if row else None


def wake(follower: str, *, after: timedelta | None = None) -> None:
    """See to it that ``follower`` reads on: one waiting job at most."""
    follow_on.defer(
        lock=f"follow:{follower}", queueing_lock=f"follow:{follower}", schedule_at=now() + after if after else None, follower=follower
    )


@jobs.task("platform.follow_events", queue="events")
def follow_on(follower: str) -> None:
    """Give a follower what it has not seen, until it has seen everything."""
    if follower not in _FOLLOWERS:
        return
    try:
        while follow_batch(follower):
            pass
    except NotNow:
        wake(follower, after=FOLLOW_AGAIN)
        return
    if _unfinished(follower):  # a transaction is still open that may write earlier events: come back for them
        wake(follower, after=timedelta(milliseconds=100))


def follow_batch(follower: str) -> int:
    """One batch of events for ``follower``, its cursor moved in the same transaction; how many there were."""
    try:
        return _follow_batch(follower)
    except StartOver:
        start_over(follower)
        return 1


def start_over(follower: str) -> None:
    """Give ``follower`` every event again."""
    EventCursor.objects.filter(follower=follower).update(transaction=0, event=0)
    wake(follower)


def forget_recent() -> None:
    """After the database was away: an id that was given and never committed may be given again, to another event."""
    _RECENT.clear()


def _follow_batch(follower: str) -> int:
    function, names = _FOLLOWERS[follower]
    recent = {identifier: event for identifier in _RECENT.ids() if (event := _RECENT.get(identifier)) is not None}
    with transaction.atomic():
        EventCursor.objects.get_or_create(follower=follower)
        cursor_row = EventCursor.objects.select_for_update().get(follower=follower)
        with connection.cursor() as cursor:
            cursor.execute(_NEXT, [list(recent), cursor_row.transaction, cursor_row.event, sorted(names), FOLLOW_BATCH])
            rows = cursor.fetchall()
        if not rows:
            return 0
        function([recent[row[1]] if row[3] is None else decode(row[2], row[3]) for row in rows])
        cursor_row.transaction, cursor_row.event, cursor_row.at = rows[-1][0], rows[-1][1], now()
        cursor_row.save()
    return len(rows)


def _unfinished(follower: str) -> bool:
    names = sorted(_FOLLOWERS[follower][1])
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists(select 1 from platform_eventlog e, platform_eventcursor c where c.follower = %s and (e.transaction, e.id) > (c.transaction, c.event) and e.name = any(%s))",
            [follower, names],
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def lag(follower: str) -> int:
    """How many events ``follower`` has not seen yet."""
    names = sorted(_FOLLOWERS[follower][1])
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from platform_eventlog e where e.name = any(%s) and (e.transaction, e.id) > "
            "(select coalesce(max(transaction), 0), coalesce(max(event), 0) from platform_eventcursor where follower = %s)",
            [names, follower],
        )
        row = cursor.fetchone()
    return row[0] if row else 0


def since(organization: UUID, position: str | None, *, permissions: set[str] | None, limit: int) -> list[LoggedEvent]:
    """Events after ``position``, in commit order; those still being written are not shown, so none is ever skipped.

    ``permissions``: only events readable with one of them (None: all).
    """
    transaction_id, row_id = _position(position)
    where = f"organization_id = %s and (transaction, id) > (%s, %s) and {_SETTLED}"
    parameters: list[Any] = [organization, transaction_id, row_id]
    if permissions is not None:
        where += " and permission = any(%s)"
        parameters.append(sorted(permissions))
    rows = EventLog.objects.raw(
        f"select id, transaction, name, at, public from platform_eventlog where {where} order by transaction, id limit %s",
        [*parameters, limit],
    )
    return [LoggedEvent(f"{row.transaction}-{row.pk}", row.name, row.at, row.public) for row in rows]


def ends(organizations: Collection[UUID]) -> dict[UUID, str]:
    """The position of the last event that may be read, of each organization that has one: what is after it is new."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select o.id, e.transaction, e.id from unnest(%s::uuid[]) as o(id) cross join lateral (select transaction, id from platform_eventlog "
            f"where organization_id = o.id and {_SETTLED} order by transaction desc, id desc limit 1) as e",
            [list(organizations)],
        )
        return {row[0]: f"{row[1]}-{row[2]}" for row in cursor.fetchall()}


def replay(*names: str) -> Iterator[Event]:
    """Every logged event of these names, in commit order, in constant memory (rebuilding what is derived)."""
    for row in EventLog.objects.filter(name__in=names).order_by("transaction", "id").iterator(chunk_size=100):
        yield decode(row.name, row.payload)


def _position(text: str | None) -> tuple[int, int]:
    if not text:
        return 0, 0
    first, _, second = text.partition("-")
    if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit() and len(text) < 36):
        raise BadInput(
            "position_invalid", "“after” is not a position in the event log.", "Use the “next” of the page before, or leave it out."
        )
    return min(int(first), 2**62), min(int(second), 2**62)


def decode(name: str, payload: str) -> Event:
    """The event that was published, from its stored form. Unknown members (of a later version) are left out."""
    kind = _CLASSES[name]
    hints = _hints(kind)
    return kind(**{key: _typed(hints[key], value) for key, value in orjson.loads(payload).items() if key in hints})


_HINTS: dict[type[Event], dict[str, Any]] = {}


def _hints(kind: type[Event]) -> dict[str, Any]:
    if kind not in _HINTS:
        known = {field.name for field in dataclasses.fields(kind)}
        _HINTS[kind] = {key: hint for key, hint in typing.get_type_hints(kind).items() if key in known}
    return _HINTS[kind]


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot stand in an event")


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _typed(next(part for part in typing.get_args(hint) if part is not type(None)), value)
    if origin is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(value) if typing.get_origin(inner) is dict or inner is str else tuple(_typed(inner, item) for item in value)
    if hint is UUID:
        return UUID(value)
    if hint is datetime:
        return parse_instant(value)
    return value
