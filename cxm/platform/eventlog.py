"""The log of events: appended in the writer's transaction, read in commit order, never skipped."""

from __future__ import annotations

import dataclasses
import threading
import types
import typing
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import connection

from cxm.kernel.clock import now, parse_instant
from cxm.kernel.errors import BadInput
from cxm.kernel.events import Event
from cxm.platform.models import EventLog

#: What a reader may see: all older transactions are over, or it is the reader's own.
SETTLED = (
    "(transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint or transaction = pg_current_xact_id_if_assigned()::text::bigint)"
)
_CLASSES: dict[str, type[Event]] = {}


class Recent:
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

    def all(self) -> dict[int, Event]:
        with self._lock:
            return {identifier: event for identifier, (event, _) in self._events.items()}

    def clear(self) -> None:
        with self._lock:
            self._events.clear()
            self._size = 0


RECENT = Recent()


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One row of the log as a reader of ``GET /events`` sees it."""

    position: str
    name: str
    at: datetime
    data: Mapping[str, Any]


def know(*classes: type[Event]) -> None:
    """Events of these classes can be read back."""
    _CLASSES.update({kind.name: kind for kind in classes})


def append(event: Event) -> int:
    """Write ``event`` down; its id."""
    know(type(event))
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
    RECENT.put(identifier, event, len(payload))
    return identifier


def forget_recent() -> None:
    """After the database was away: an id that was given and never committed may be given again, to another event."""
    RECENT.clear()


def since(organization: UUID, position: str | None, *, permissions: set[str] | None, limit: int) -> list[LoggedEvent]:
    """Events after ``position``, in commit order; those still being written are not shown, so none is ever skipped.

    ``permissions``: only events readable with one of them (None: all).
    """
    transaction_id, row_id = _position(position)
    where = f"organization_id = %s and (transaction, id) > (%s, %s) and {SETTLED}"
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
            f"where organization_id = o.id and {SETTLED} order by transaction desc, id desc limit 1) as e",
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
