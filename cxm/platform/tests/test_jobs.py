"""Who works off what, and how a job that failed is tried again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from cxm.kernel.errors import NotNow
from cxm.platform import jobs
from cxm.platform.models import EventCursor
from tests.kit.waiting import until


def _wait(error: Exception, attempts: int) -> float | None:
    job: Any = SimpleNamespace(attempts=attempts, task_name="tests.some")
    decision = jobs.Patience().get_retry_decision(exception=error, job=job)
    return None if decision is None or decision.retry_at is None else (decision.retry_at - timezone.now()).total_seconds()


def test_replies_on_their_way_hold_up_nobody_else() -> None:
    assert jobs._groups(None, 6, 16) == [(["outbound"], 16), (["intake", "events", "default"], 6)]
    assert jobs._groups(["outbound"], 6, 16) == [(["outbound"], 16)]
    assert jobs._groups(["intake"], 6, 16) == [(["intake"], 6)]
    assert jobs._groups(None, 1, 0) == [(None, 1)]


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed"), NotNow("engine_away", "It is away.", "Wait.")])
def test_cut_off_is_tried_again_in_seconds_however_often_it_was(error: Exception) -> None:
    for attempts in (0, 7, 100_000):
        wait = _wait(error, attempts)
        assert wait is not None and wait < 3


def test_a_fault_of_its_own_is_tried_ever_later_and_not_for_ever() -> None:
    waits = [_wait(ValueError("poison"), attempts) for attempts in range(jobs.Patience.most + 1)]
    known = [wait for wait in waits if wait is not None]
    assert len(known) == jobs.Patience.most and waits[-1] is None
    assert known[0] < 3 and max(known) <= jobs.Patience.longest
    assert 20 * 3600 < sum(known) < 28 * 3600, "about a day"


@pytest.fixture
def no_jobs_left(transactional_db: None) -> Iterator[None]:
    """The library's tables are not emptied between tests."""
    yield
    ProcrastinateJob.objects.all().delete()


@jobs.task("tests.nothing")
def _nothing() -> None: ...


@pytest.mark.usefixtures("no_jobs_left")
def test_a_server_that_goes_away_while_a_job_is_enqueued_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _nothing.defer(queueing_lock="tests.one")
    monkeypatch.setattr(jobs, "_may_enqueue", lambda *_, **__: True)  # another enqueues one in the very moment

    def cut(_: str) -> None:
        connection.connection.close()  # type: ignore[union-attr]
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as away:
        away.setattr(connection, "savepoint_rollback", cut)
        with pytest.raises(OperationalError), transaction.atomic():  # without a word, whoever wrote would take it for kept
            EventCursor.objects.create(follower="tests.kept")
            _nothing.defer(queueing_lock="tests.one")
    assert not EventCursor.objects.filter(follower="tests.kept").exists()
    with transaction.atomic():
        EventCursor.objects.create(follower="tests.kept")
        assert _nothing.defer(queueing_lock="tests.one") is False
    assert EventCursor.objects.filter(follower="tests.kept").exists(), "one that waits already is no fault"


@pytest.mark.usefixtures("no_jobs_left")
def test_two_who_enqueue_the_same_in_opposite_order_do_not_wait_for_each_other() -> None:
    """What is told of many accounts in one transaction crosses what comes in on each of them."""
    both, told = threading.Barrier(2, timeout=60), list[BaseException]()

    def enqueue(*names: str) -> None:
        try:
            with transaction.atomic():
                _nothing.defer(queueing_lock=f"tests.{names[0]}")
                both.wait()
                _nothing.defer(queueing_lock=f"tests.{names[1]}")
                both.wait()  # both are still open, and neither waits
        except BaseException as error:
            told.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=enqueue, args=names) for names in (("here", "there"), ("there", "here"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not told
    waiting = ProcrastinateJob.objects.filter(queueing_lock__in=("tests.here", "tests.there"), status="todo")
    assert sorted(waiting.values_list("queueing_lock", flat=True)) == ["tests.here", "tests.there"]


@pytest.mark.usefixtures("no_jobs_left")
def test_what_a_clock_that_was_set_back_put_off_does_not_wait_for_it() -> None:
    _nothing.defer(queueing_lock="tests.one", schedule_at=timezone.now() + timedelta(hours=1))
    assert _nothing.defer(queueing_lock="tests.one", schedule_at=timezone.now() + timedelta(hours=2)) is False
    waiting = ProcrastinateJob.objects.filter(queueing_lock="tests.one")
    assert waiting.get().scheduled_at is not None, "who wishes it later changes nothing"
    assert _nothing.defer(queueing_lock="tests.one") is False
    assert waiting.get().scheduled_at is None
    waiting.update(scheduled_at=timezone.now() + timedelta(minutes=5))
    _nothing.defer(queueing_lock="tests.one")
    assert waiting.get().scheduled_at is not None, "who failed is patient"


@jobs.task("tests.fails_while_another_waits")
def _fails_while_another_waits() -> None:
    try:
        _fails_while_another_waits.defer(lock="tests.row", queueing_lock="tests.row")
        raise ValueError("poison")
    finally:
        connection.close()  # of the worker's thread


@pytest.mark.usefixtures("no_jobs_left")
def test_a_job_that_fails_while_another_of_its_kind_waits_is_left_to_that_one() -> None:
    began = timezone.now()
    _fails_while_another_waits.defer(lock="tests.row", queueing_lock="tests.row")
    ProcrastinateJob.objects.filter(queueing_lock="tests.row").update(attempts=5)
    jobs.work_off(["default"])
    job = ProcrastinateJob.objects.get(queueing_lock="tests.row")
    assert job.status == "todo" and job.attempts == 6, "none stays behind as running, and its patience is kept"
    assert job.scheduled_at > began + timedelta(seconds=60)


class Bell:
    """Notes when its jobs begin and end; each of the first ones lets more of them wait while it runs."""

    def __init__(self, busy: int) -> None:
        self.busy, self.began, self.ended, self.last = busy, list[float](), list[float](), threading.Event()

    def ring(self) -> None:
        try:
            self.began.append(time.monotonic())
            if len(self.began) <= self.busy:
                for _ in range(3):
                    _paced.defer(lock="tests.bell", queueing_lock="tests.bell")
        finally:
            connection.close()  # of the worker's thread
            self.ended.append(time.monotonic())
            if len(self.began) > self.busy:
                self.last.set()


_bell: list[Bell] = []
_row: list[int] = []


@jobs.task("tests.paced", pace=0.6)
def _paced() -> None:
    _bell[-1].ring()


@jobs.task("tests.in_a_row")
def _in_a_row() -> None:
    threading.Event().wait(0.05)  # so long that whoever looks meanwhile finds the lock taken
    _row.append(len(_row))
    connection.close()


async def _work_until(last: threading.Event, done: int) -> None:
    working = asyncio.create_task(jobs.work(queues=["default"], concurrency=2))
    try:
        assert await asyncio.to_thread(last.wait, 60)
        await asyncio.to_thread(until, lambda: len(_row) == done, "the row is done")
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


@pytest.mark.usefixtures("no_jobs_left")
def test_who_is_busy_rests_and_nobody_waits_for_a_look_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK_EVERY", 3600.0)  # so whatever goes on here was told of, was due, or was freed by the one before it
    _bell.append(bell := Bell(busy=jobs._worker.in_a_row))
    _row.clear()
    _paced.defer(lock="tests.bell", queueing_lock="tests.bell")
    for _ in range(8):
        _in_a_row.defer(lock="tests.in_a_row")
    asyncio.run(_work_until(bell.last, 8))
    assert len(bell.began) == jobs._worker.in_a_row + 1, "what comes while it runs and rests is done once"
    assert bell.began[-1] - bell.ended[0] >= 0.59, "after a few in a row"


@pytest.mark.usefixtures("no_jobs_left")
def test_where_nobody_waits_for_more_nobody_rests() -> None:
    _bell.append(bell := Bell(busy=1))
    _paced.defer(lock="tests.bell", queueing_lock="tests.bell")
    jobs.work_off(["default"])
    assert len(bell.began) == 2 and not ProcrastinateJob.objects.filter(task_name="tests.paced").exists()
