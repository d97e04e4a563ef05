"""Events: appended in the writer's transaction, handed to each subscriber by a job, once, in the owner's order."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.events import Event
from cxm.platform import jobs
from cxm.platform.models import EventDelivery, EventLog

E = TypeVar("E", bound=Event)
_CLASSES: dict[str, type[Event]] = {}
_SUBSCRIBERS: dict[str, dict[str, Callable[[Any], None]]] = {}


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One row of the log as a reader of ``GET /events`` sees it."""

    position: str
    name: str
    at: datetime
    data: Mapping[str, Any]


def on(*classes: type[E]) -> Callable[[Callable[[E], None]], Callable[[E], None]]:
    """Subscribe a function to events. It runs in a transaction of its own, once for each event, in the owner's order."""

    def register(function: Callable[[E], None]) -> Callable[[E], None]:
        for kind in classes:
            _CLASSES[kind.name] = kind
            _SUBSCRIBERS.setdefault(kind.name, {})[f"{function.__module__}.{function.__qualname__}"] = function
        return function

    return register


def publish(event: Event) -> int:
    """Append ``event`` to the log and defer a job for each subscriber, all within the caller's transaction. Returns its id."""
    if not connection.in_atomic_block:
        raise RuntimeError(f"{event.name} was published outside a transaction; the row and the event must stand or fall together.")
    _CLASSES.setdefault(event.name, type(event))
    row = EventLog.objects.create(
        organization_id=event.organization,
        name=event.name,
        owner=event.owner,
        payload=_encode(event),
        public=event.public(),
        permission=event.permission,
        at=now(),
    )
    for subscriber in _SUBSCRIBERS.get(event.name, {}):
        deliver.defer(lock=f"{subscriber}:{event.owner}", event=row.pk, subscriber=subscriber)
    return row.pk


@jobs.task("platform.deliver_event", queue="events")
def deliver(event: int, subscriber: str) -> None:
    """Hand one event to one subscriber; a second time changes nothing."""
    row = EventLog.objects.filter(pk=event).first()
    if row is None:
        return
    handler = _SUBSCRIBERS.get(row.name, {}).get(subscriber)
    if handler is None:
        return  # a subscriber of a former version
    with transaction.atomic():
        try:
            with transaction.atomic():
                EventDelivery.objects.create(event=row, subscriber=subscriber)
        except IntegrityError:
            return
        handler(decode(row.name, row.payload))


def since(organization: UUID, position: str | None, *, permissions: set[str] | None, limit: int) -> list[LoggedEvent]:
    """Events after ``position``, in commit order; those still being written are not shown, so none is ever skipped.

    ``permissions``: only events readable with one of them (None: all).
    """
    transaction_id, row_id = _position(position)
    where = "organization_id = %s and (transaction, id) > (%s, %s) and transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    parameters: list[Any] = [organization, transaction_id, row_id]
    if permissions is not None:
        where += " and permission = any(%s)"
        parameters.append(sorted(permissions))
    rows = EventLog.objects.raw(f"select * from platform_eventlog where {where} order by transaction, id limit %s", [*parameters, limit])  # noqa: S608 - fixed text
    return [LoggedEvent(f"{row.transaction}-{row.pk}", row.name, row.at, row.public) for row in rows]


def replay(*names: str) -> Iterator[Event]:
    """Every logged event of these names, oldest first, in constant memory (rebuilding what is derived)."""
    for row in EventLog.objects.filter(name__in=names).order_by("id").iterator(chunk_size=100):
        yield decode(row.name, row.payload)


def _position(text: str | None) -> tuple[int, int]:
    from cxm.kernel.errors import BadInput

    if not text:
        return 0, 0
    first, _, second = text.partition("-")
    if not (first.isdigit() and second.isdigit() and len(text) < 40):
        raise BadInput(
            "position_invalid", "“after” is not a position in the event log.", "Use the “next” of the page before, or leave it out."
        )
    return int(first), int(second)


def decode(name: str, payload: Mapping[str, Any]) -> Event:
    """The event that was published, from its stored form. Unknown members (of a later version) are left out."""
    kind = _CLASSES[name]
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{key: _typed(hints[key], value) for key, value in payload.items() if key in known})


def _encode(event: Event) -> dict[str, Any]:
    return {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(item) for item in value]
    return value


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _typed(next(part for part in typing.get_args(hint) if part is not type(None)), value)
    if origin is tuple:
        return tuple(_typed(typing.get_args(hint)[0], item) for item in value)
    if hint is UUID:
        return UUID(value)
    if hint is datetime:
        return parse_instant(value)
    return value
