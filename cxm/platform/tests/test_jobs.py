"""Who works off what, and how a job that failed is tried again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from cxm.kernel.errors import NotNow
from cxm.platform import jobs
from cxm.platform.models import EventCursor


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


@jobs.task("tests.nothing")
def _nothing() -> None: ...


@pytest.mark.django_db(transaction=True)
def test_a_server_that_goes_away_while_a_job_is_enqueued_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _nothing.defer(queueing_lock="tests.one")
    monkeypatch.setattr(jobs, "_one_waits", lambda _: False)  # another enqueues one in the very moment

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
