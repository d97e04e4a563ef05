"""Jobs: rows in the same transaction as what they follow from. The only module that knows the job library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import psycopg
from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connection, connections, transaction
from procrastinate import BaseRetryStrategy, PsycopgConnector, RetryDecision, exceptions
from procrastinate.contrib.django import app, connector_params
from procrastinate.jobs import Job, Status

from cxm.kernel.clock import now
from cxm.kernel.errors import NotNow
from cxm.platform import observability
from cxm.platform.rescue import DEAD_AFTER, HEARTBEAT, Rescue

QUEUES = ("intake", "events", "outbound", "default")
#: Workers look for jobs this often although nobody told them of any. Seconds.
LOOK_EVERY = 2.0
#: First key of the advisory locks of those who enqueue; the second is derived from the queueing lock.
_LOCK_SPACE = 40_963


class Patience(BaseRetryStrategy):
    """A failing job is tried again after 2, 4, 8 ... seconds, at most 5 minutes, for about a day; /metrics counts it, the log says why.

    What it was cut off by (the database went, the process died) is nothing it did: the next try is then in seconds, however often
    that was, because everything behind its lock waits for it.
    """

    longest = 300
    most = 288

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to try again; None: never."""
        observability.job_failures.labels(job.task_name).inc()
        if isinstance(exception, InterfaceError | OperationalError | NotNow):
            return RetryDecision(retry_in={"seconds": 2})
        if job.attempts >= self.most:
            return None
        return RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 10), self.longest)})


_RETRY = Patience()


class Task:
    """A job that can be deferred."""

    def __init__(self, task: Any, function: Callable[..., None]) -> None:
        self._task = task
        self.name: str = task.name
        self.run = function

    def defer(
        self,
        *,
        lock: str | None = None,
        queueing_lock: str | None = None,
        schedule_at: datetime | None = None,
        priority: int = 0,
        **arguments: Any,
    ) -> bool:
        """Enqueue within the running transaction. Arguments are JSON values.

        ``lock``: jobs of one lock run one after another, in order. ``queueing_lock``: at most one *waiting* job of it; False is
        returned where one waits already. ``schedule_at``: not before this instant.
        """
        configured = self._task.configure(lock=lock, queueing_lock=queueing_lock, schedule_at=schedule_at, priority=priority)
        if schedule_at is not None:
            _worker.look_at(schedule_at, self._task.queue)
        if queueing_lock is None:
            _enqueue(configured, arguments)
            return True
        if _enqueue_one(configured, arguments, queueing_lock, patient=False, soon=schedule_at is None):
            return True
        # The one that waits may begin and end before this transaction commits, and would not see what it wrote.
        transaction.on_commit(lambda: _enqueue_one(configured, arguments, queueing_lock, patient=True, soon=schedule_at is None))
        return False

    def hasten(self, lock: str, **arguments: Any) -> None:
        """What of ``lock`` was put off runs as soon as it can, in its order, and one more job with it, which wakes whoever works them off."""
        with connection.cursor() as cursor:
            late = "update procrastinate_jobs set scheduled_at = null where task_name = %s and lock = %s and status = 'todo' and scheduled_at > now()"
            cursor.execute(late, [self.name, lock])
        self.defer(lock=lock, **arguments)


def _enqueue(configured: Any, arguments: dict[str, Any]) -> None:
    try:
        configured.defer(**arguments)
    except exceptions.ConnectorException as error:
        if not isinstance(error.__cause__, psycopg.Error):
            raise
        with connection.wrap_database_errors:  # the library's own error would pass for a fault of ours
            raise error.__cause__ from None


def _enqueue_one(configured: Any, arguments: dict[str, Any], queueing_lock: str, *, patient: bool, soon: bool) -> bool:
    """Enqueue; False where one of its kind waits already, or (unless ``patient``) may be enqueued by another transaction that is still open.
    ``soon``: it is to run as soon as it can."""
    if not _may_enqueue(queueing_lock, patient=patient, soon=soon):
        return False
    try:
        with transaction.atomic():  # the library tells of a waiting one by a failed insert
            _enqueue(configured, arguments)
    except exceptions.AlreadyEnqueued as error:
        if connection.needs_rollback or connection.closed_in_transaction:
            # The server went away right then. Nothing of the transaction around this will be kept, and Django would end it without a word.
            raise OperationalError("The connection was lost while a job was enqueued.") from error
        return False
    return True


def _may_enqueue(queueing_lock: str, *, patient: bool, soon: bool) -> bool:
    """Whether none of this kind waits (most often one does: a failed insert costs more, and a page in the server's log) and, unless
    ``patient``, no other open transaction enqueues one: our insert would wait for its end, and it perhaps for ours.

    Of the locks there are few, so that no transaction can use up the server's; two kinds that share one cost a look after the commit.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MAY, [_FAR, patient, _LOCK_SPACE, queueing_lock, queueing_lock])
        row = cursor.fetchone()
        assert row is not None
        if row[0] and soon:
            cursor.execute(
                "update procrastinate_jobs set scheduled_at = null where queueing_lock = %s and status = 'todo'", [queueing_lock]
            )
    return bool(row[1])


#: Nobody who is tried again waits longer than Patience lets them. What does was put off by a clock that was set back since.
_FAR = f"{Patience.longest + 60} seconds"
_MAY = (
    "select coalesce(j.scheduled_at > now() + %s::interval, false), case when j.id is not null then false when %s then true "
    "else pg_try_advisory_xact_lock(%s, hashtext(%s) %% 1024) end "
    "from (select 1) as one left join procrastinate_jobs j on j.queueing_lock = %s and j.status = 'todo'"
)


def task(name: str, *, queue: str = "default", retry: bool = True, pace: float = 0) -> Callable[[Callable[..., None]], Task]:
    """Register a synchronous function as a job. ``name`` is stable: it stands in stored rows.

    ``pace``: in a worker, jobs of one lock that follow one another begin no more often than once in so many seconds, but for the first
    few. What comes meanwhile is done with the next: whoever is busy costs less, and delays others less.
    """

    def register(function: Callable[..., None]) -> Task:
        if not pace:
            return Task(app.task(name=name, queue=queue, retry=_RETRY if retry else False)(function), function)

        def paced(context: Any, **arguments: Any) -> None:
            job = context.job
            if (rest := _worker.rest(job.lock)) > 0:
                made.defer(lock=job.lock, queueing_lock=job.queueing_lock, schedule_at=_in(rest), **arguments)
                return
            function(**arguments)
            _worker.ended(job.lock, pace)

        made = Task(app.task(name=name, queue=queue, retry=_RETRY if retry else False, pass_context=True)(paced), function)
        return made

    return register


def _in(seconds: float) -> datetime:
    """In so many seconds, on the clock by which jobs become due: the database's."""
    with connection.cursor() as cursor:
        cursor.execute("select now() + make_interval(secs => %s)", [seconds])
        row = cursor.fetchone()
    assert row is not None
    return row[0]


def periodic(name: str, cron: str, *, queue: str = "default") -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Run a function by a cron line (minute hour day month weekday, UTC); one process of all runs it."""

    def register(function: Callable[[], None]) -> Callable[[], None]:
        def run(timestamp: int) -> None:
            function()

        app.periodic(cron=cron)(app.task(name=name, queue=queue, queueing_lock=name, lock=name)(run))
        return function

    return register


async def work(
    *, queues: list[str] | None = None, concurrency: int = 4, senders: int = 0, wait: bool = True, listen: bool = True, alone: bool = False
) -> None:
    """Run jobs until cancelled (``wait``) or until none is left. Cancelling drains for at most 25 s.

    ``senders``: so many jobs of the queue ``outbound`` besides, in threads of their own: a slow platform must not hold up intake.
    Jobs of workers that died go on here: within ``rescue.DEAD_AFTER`` seconds, or at once where this is known to be the only worker
    (``alone``).
    """
    groups = _groups(queues, concurrency, senders)
    # What is due by the clock is enqueued over a line of this thread's, which nobody else would open again after the database was away.
    await sync_to_async(connections.close_all)()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(concurrency + senders + 8, thread_name_prefix="job"))
    worker_app = app.with_connector(PsycopgConnector(kwargs=connector_params(), configure=_one_statement_each))
    _worker.works(worker_app.job_manager, wait)
    _leave_it_to_one_that_waits(worker_app.job_manager)
    async with worker_app.open_async():
        if alone:
            await Rescue(worker_app).at_once()
        async with asyncio.TaskGroup() as together:  # where the database cuts one off, the other ends too and both begin again
            for names, most in groups:
                together.create_task(_work_group(worker_app, names, most, wait=wait, listen=listen))


async def _one_statement_each(line: psycopg.AsyncConnection) -> None:
    """The library never asks two things in one transaction: to begin and end one each time is twice its way to the server."""
    await line.set_autocommit(True)


class _Worker:
    """This process as one that works: when it looks for jobs, besides when one is enqueued and every two seconds, and who rests."""

    #: Locks whose rest is remembered, at most; and how many jobs of one lock may follow one another before it rests.
    most, in_a_row = 10_000, 3

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakes: list[tuple[frozenset[str] | None, Callable[..., Any]]] = []
        self._rests: dict[str, float] = {}
        self._told = 0
        self._soon: dict[str, asyncio.TimerHandle] = {}

    def works(self, manager: Any, wait: bool) -> None:
        """From now on, with this manager of jobs; where it does not ``wait`` for jobs, nobody rests."""
        self._loop = asyncio.get_running_loop() if wait else None
        self._rests.clear()
        self._soon.clear()
        listen, finish = manager.listen_for_jobs, manager.finish_job_by_id_async

        async def listen_for_jobs(*, on_notification: Callable[..., Any], queues: list[str] | None = None) -> None:
            async def told(**what: Any) -> None:
                self._told += 1
                await on_notification(**what)

            self._wakes.append(wake := (frozenset(queues) if queues else None, on_notification))
            try:
                await listen(on_notification=told, queues=queues)
            finally:
                self._wakes.remove(wake)

        async def finish_job(job: Job, status: Status, delete_job: bool) -> None:
            if not job.lock:
                await finish(job_id=job.id, status=status, delete_job=delete_job)
                return
            # A job that ends frees the next one of its lock: a row of jobs of one lock would go on at one in two seconds. Of one enqueued
            # while this one ends we are told, but whoever looked then found the lock taken.
            told = self._told
            row = await manager.connector.execute_query_one_async(
                _FINISH, job_id=job.id, status=status.value, delete_job=delete_job, lock=job.lock
            )
            if row["waits"] or told != self._told:
                await self._look(job.queue)
                # Whoever was looking at this very moment forgets that it was woken.
                self._look_in(0.05, job.queue)

        manager.listen_for_jobs, manager.finish_job = listen_for_jobs, finish_job

    @property
    def lives(self) -> bool:
        """Whether this process works for as long as it lives."""
        return self._loop is not None and not self._loop.is_closed()

    def look_at(self, at: datetime, queue: str) -> None:
        """Look for jobs of this queue at this instant, if it is soon."""
        seconds = max((at - now()).total_seconds(), 0)
        if self._loop is not None and not self._loop.is_closed() and seconds < _SOON:
            for later in (0.005, 0.055):  # whoever is looking at the first moment forgets that it was woken
                self._loop.call_soon_threadsafe(self._look_in, seconds + later, queue)

    def rest(self, lock: str) -> float:
        """Seconds for which a lock still rests."""
        return self._rests.get(lock, 0) - time.monotonic()

    def ended(self, lock: str, pace: float) -> None:
        """A job of this lock ended: it rests, if it was not the first for a while."""
        if self._loop is None:
            return
        if len(self._rests) >= self.most:
            self._rests.clear()
        tolerated = (self.in_a_row - 1) * pace
        self._rests[lock] = max(self._rests.get(lock, 0), time.monotonic() - tolerated) + pace

    def _look_in(self, seconds: float, queue: str) -> None:
        if self._loop is None:
            return
        at, pending = self._loop.time() + seconds, self._soon.get(queue)
        if pending is None or pending.when() < at or pending.when() > at + 0.05:
            self._soon[queue] = self._loop.call_at(at, lambda: asyncio.ensure_future(self._look(queue)))

    async def _look(self, queue: str) -> None:
        for queues, wake in list(self._wakes):
            if queues is None or queue in queues:
                await wake(channel="finished", notification={"type": "job_inserted", "job_id": 0})


_worker = _Worker()
#: Jobs that are due later than in so many seconds are found by looking every two.
_SOON = 60.0
_FINISH = (
    "with ended as (select procrastinate_finish_job_v1(%(job_id)s, %(status)s, %(delete_job)s)) "
    "select exists(select 1 from procrastinate_jobs where lock = %(lock)s and status = 'todo' and (scheduled_at is null or scheduled_at <= now())) as waits from ended"
)


def _leave_it_to_one_that_waits(manager: Any) -> None:
    """A job that failed is tried again as the one of its queueing lock that was enqueued while it ran, no sooner than it would have been itself.
    The library would leave it behind as “running”, and everything behind its lock would wait."""
    retry = manager.retry_job

    async def retry_job(job: Job, retry_at: datetime | None = None, **named: Any) -> None:
        try:
            await retry(job, retry_at=retry_at, **named)
        except exceptions.UniqueViolation:
            await manager.connector.execute_query_async(_LATER, queueing_lock=job.queueing_lock, at=retry_at, attempts=job.attempts + 1)
            await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)

    manager.retry_job = retry_job


_LATER = (
    "update procrastinate_jobs set scheduled_at = greatest(scheduled_at, %(at)s), attempts = greatest(attempts, %(attempts)s) "
    "where queueing_lock = %(queueing_lock)s and status = 'todo'"
)


def _groups(queues: list[str] | None, concurrency: int, senders: int) -> list[tuple[list[str] | None, int]]:
    """Which queues are worked off together, and how many of their jobs at once."""
    wanted = queues or list(QUEUES)
    if not senders or "outbound" not in wanted:
        return [(queues, concurrency)]
    others = [name for name in wanted if name != "outbound"]
    return [(["outbound"], senders), *([(others, concurrency)] if others else [])]


async def _work_group(worker_app: Any, queues: list[str] | None, concurrency: int, *, wait: bool, listen: bool) -> None:
    rescue = Rescue(worker_app)
    watching = asyncio.create_task(rescue.watch()) if wait else None
    try:
        await worker_app.run_worker_async(
            queues=queues,
            concurrency=concurrency,
            wait=wait,
            listen_notify=listen,
            fetch_job_polling_interval=LOOK_EVERY,
            shutdown_graceful_timeout=25,
            install_signal_handlers=False,
            delete_jobs="successful",
            update_heartbeat_interval=HEARTBEAT,
            stalled_worker_timeout=DEAD_AFTER,
            worker_middleware=[rescue.note],
        )
    finally:
        if watching is not None:
            watching.cancel()


def work_off(queues: list[str] | None = None) -> None:
    """Run every due job now, in this process, until none is left (commands without a running server, tests)."""
    asyncio.run(work(queues=queues, concurrency=1, wait=False, listen=False))


def in_worker() -> bool:
    """Whether this process works for as long as it lives, and not only until nothing waits."""
    return _worker.lives


def waiting_count() -> dict[str, int]:
    """Jobs that wait or run, by queue."""
    from procrastinate.contrib.django.models import ProcrastinateJob

    counts: dict[str, int] = {}
    for queue in ProcrastinateJob.objects.filter(status__in=("todo", "doing")).values_list("queue_name", flat=True):
        counts[queue] = counts.get(queue, 0) + 1
    return counts
