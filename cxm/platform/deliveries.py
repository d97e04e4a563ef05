"""Subscribers: each event of a lane (what one subscriber gets of one owner) once, in order, as many at a time as wait.

An event that waits is a row, written with the event itself and gone with the effect of its handler, in one transaction each: so it is handled
once, whatever dies when. One job at a time works off a lane. It hands over what waits together, because a job and a commit for each event
would cost more than most events; and it gives way after a turn, so that a long lane delays no other.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.db import connection, transaction

from cxm.kernel.clock import now
from cxm.kernel.events import Event
from cxm.platform import eventlog, jobs, observability, set_aside
from cxm.platform.models import WaitingEvent

E = TypeVar("E", bound=Event)
Condition = Callable[[Any], bool]
#: Events handed over in one transaction, at most: so many, and about so many bytes of them. And how often in one turn of a lane.
MOST, MOST_BYTES, TURN = 64, 2_000_000, 8
#: A lane whose events wait for longer than this is looked after: its job may be lost.
FORGOTTEN = timedelta(seconds=15)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One function that listens. ``lane``: the name under which it shares an order with others."""

    name: str
    handle: Callable[[Sequence[Any]], None]
    when: Condition | None
    lane: str


#: By the name of the event, then of the subscriber.
SUBSCRIBERS: dict[str, dict[str, Subscriber]] = {}


def on(
    *classes: type[E], when: Condition | None = None, together: str = "", many: bool = False
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Subscribe a function to events: it gets each once, in the owner's order, within a transaction that ends with it.

    ``when``: asked at publishing; where it says no, the event does not wait for this subscriber. ``together``: subscribers that give the
    same name get the owner's events one after another, in the order they were published, as if they were one. ``many``: the function takes
    a list of events of one class that wait together, instead of one.
    """

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        def each(found: Sequence[Any]) -> None:
            for event in found:
                function(event)

        name = f"{function.__module__}.{function.__qualname__}"
        eventlog.know(*classes)
        for kind in classes:
            SUBSCRIBERS.setdefault(kind.name, {})[name] = Subscriber(name, function if many else each, when, together or name)
        return function

    return register


def hand_over(identifier: int, event: Event) -> None:
    """Let a published event wait for its subscribers, in the publisher's transaction."""
    wanted = [one for one in SUBSCRIBERS.get(event.name, {}).values() if one.when is None or one.when(event)]
    lanes = [f"{one.lane}:{event.owner}" for one in wanted]
    WaitingEvent.objects.bulk_create(
        WaitingEvent(event_id=identifier, subscriber=one.name, lane=lane, at=now()) for one, lane in zip(wanted, lanes, strict=True)
    )
    for lane in dict.fromkeys(lanes):
        _wake(lane)


_here = threading.local()


@contextmanager
def at_once() -> Generator[None]:
    """What is published within is handed over right after it, by this thread, if no exception leaves it: a job for each step would cost more
    than the step, and whoever waits would wait for each. Only for what has committed when it ends, in a process that works.

    Where the process dies in between, :func:`wake_forgotten` finds what waits.
    """
    lanes: dict[str, None] = {}
    _here.lanes = lanes
    try:
        yield
    except BaseException:
        _here.lanes = None
        for lane in lanes:  # what went wrong may have done so after the commit
            with suppress(Exception):
                _wake(lane)
        raise
    finally:
        _here.lanes = None
    for lane in lanes:
        try:
            if _is_well(lane):
                deliver.run(lane)
                continue
        except Exception as error:
            _log.warning("events.not_at_once", lane=lane, error=type(error).__name__)
        _wake(lane)  # a job is patient: a lane in trouble is not tried with everything that comes in


def _is_well(lane: str) -> bool:
    """Whether the first that waits was not tried in vain before."""
    first = WaitingEvent.objects.filter(lane=lane, failed_at=None).order_by("id").values_list("tries", "cut_offs").first()
    return not first or not any(first)


def _wake(lane: str) -> None:
    lanes: dict[str, None] | None = getattr(_here, "lanes", None)
    if lanes is not None:
        lanes[lane] = None
        return
    deliver.defer(lock=f"deliver:{lane}", queueing_lock=f"deliver:{lane}", lane=lane)


@jobs.task("platform.deliver_events", queue="events")
def deliver(lane: str) -> None:
    """Hand over what waits in a lane, for one turn."""
    for _ in range(TURN):
        if not _some(lane):
            return
    _wake(lane)


@jobs.periodic("platform.forgotten_events", "* * * * *", queue="events")
def wake_forgotten() -> None:
    """See to it that no lane waits for a job that is no more."""
    wake_waiting(FORGOTTEN)


def wake_waiting(since: timedelta = timedelta(0)) -> None:
    """Wake every lane in which something waits for longer than that: a process that begins does not know who handed over what before it."""
    forgotten = WaitingEvent.objects.filter(failed_at=None, at__lte=now() - since).values_list("lane", flat=True).distinct()
    for lane in forgotten.order_by("lane")[:1000]:
        _wake(lane)


def _some(lane: str) -> bool:
    """Hand over what waits together; whether there may be more. Where that fails, the first alone: the one at fault is told from the rest."""
    counted = False
    try:
        return _hand(lane, MOST)
    except set_aside.CUT_OFF as error:
        counted = set_aside.others_go_on(lane, error)
        if not counted:
            raise  # nothing these events did
    except Exception as error:
        _log.warning("events.one_by_one", lane=lane, error=type(error).__name__)
    first = WaitingEvent.objects.filter(lane=lane, failed_at=None).order_by("id").first()
    try:
        return _hand(lane, 1)
    except Exception as error:
        if first is None or (isinstance(error, set_aside.CUT_OFF) and not counted) or not set_aside.note(first, error):
            raise
        observability.job_failures.labels("platform.deliver_events").inc()
        _log.error("events.set_aside", subscriber=first.subscriber, id=first.event_id, error=type(error).__name__)
    return True


def _hand(lane: str, most: int) -> bool:
    """Hand over at most so many; whether there may be more. Whoever publishes while this runs wakes the lane again."""
    with transaction.atomic():
        rows = list(WaitingEvent.objects.filter(lane=lane, failed_at=None).order_by("id").select_for_update()[:most])
        found = _read(list(dict.fromkeys(row.event_id for row in rows)))
        handed = list(itertools.takewhile(lambda row: row.event_id in found, rows))  # what is more than fits waits for the next time
        for subscriber, group in itertools.groupby(handed, key=lambda row: row.subscriber):
            _hand_to(subscriber, [event for row in group if (event := found[row.event_id]) is not None])
        WaitingEvent.objects.filter(pk__in=[row.pk for row in handed]).delete()
    if handed:
        set_aside.went_on(lane)
    return len(handed) == most or len(handed) < len(rows)


def _hand_to(subscriber: str, found: Iterable[Event]) -> None:
    for name, group in itertools.groupby(found, key=lambda event: event.name):
        one = SUBSCRIBERS.get(name, {}).get(subscriber)
        if one is not None:  # else a subscriber of a former version
            one.handle(list(group))


def _read(wanted: Sequence[int]) -> dict[int, Event | None]:
    """Events by id, the first of them, until they are too many bytes; None for one that is no more."""
    recent = eventlog.RECENT.all()
    with connection.cursor() as cursor:
        # What is in memory is not read; but only what was committed is real.
        cursor.execute(_READ, [[key for key in wanted if key in recent], list(wanted), MOST_BYTES])
        rows = cursor.fetchall()
    found: dict[int, Event | None] = {}
    for key, there, name, payload in rows:
        found[key] = None if not there else recent[key] if payload is None else eventlog.decode(name, payload)
    return found


_READ = """
select key, there, name, case when key = any(recent) then null else payload end from (
  select w.key, w.place, e.id is not null as there, e.name, e.payload, %s::bigint[] as recent,
         sum(coalesce(pg_column_size(e.payload), 0)) over (order by w.place) - coalesce(pg_column_size(e.payload), 0) as before
  from unnest(%s::bigint[]) with ordinality as w(key, place) left join platform_eventlog e on e.id = w.key
) as each where before < %s order by place
"""
