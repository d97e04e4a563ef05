"""Events that wait in lanes: once each, in order, together; one that fails is told from the rest and set aside after a day."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from django.db import OperationalError, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from cxm.kernel.clock import now
from cxm.kernel.errors import NotFound, NotNow
from cxm.kernel.events import Event
from cxm.platform import deliveries, eventlog, events, followers, set_aside
from cxm.platform.models import EventLog, WaitingEvent

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang(Event):
    """Somebody rang."""

    name: ClassVar[str] = "tests.rang"

    number: int
    door: str = "front"
    weight: str = ""

    @property
    def owner(self) -> str:
        return self.door


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Rang):
    """Somebody left."""

    name: ClassVar[str] = "tests.left"


class Porter:
    """Listens, and fails where it is told to."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.poison: dict[int, Exception] = {}

    def note(self, found: Sequence[Rang]) -> None:
        self.seen.append([event.number for event in found])
        for event in found:
            if event.number in self.poison:
                raise self.poison[event.number]

    @property
    def numbers(self) -> list[int]:
        return [number for numbers in self.seen for number in numbers]


@pytest.fixture
def porter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Porter]:
    porter = Porter()
    monkeypatch.setattr(deliveries, "SUBSCRIBERS", {})
    monkeypatch.setattr(set_aside, "_stood", {})

    def on_rang(found: Sequence[Rang]) -> None:
        porter.note(found)

    def on_left(event: Left) -> None:
        porter.note([event])

    events.on(Rang, together="porter", many=True, when=lambda event: event.number >= 0)(on_rang)
    events.on(Left, together="porter")(on_left)
    yield porter
    eventlog.forget_recent()


def ring(*numbers: int, organization: UUID | None = None, kind: type[Rang] = Rang, **more: str) -> None:
    for number in numbers:
        with transaction.atomic():
            events.publish(kind(organization=organization or uuid.uuid4(), number=number, **more))


def jobs_of(lane: str) -> int:
    return ProcrastinateJob.objects.filter(task_name="platform.deliver_events", status="todo", args__lane=lane).count()


def deliver(lane: str = "porter:front") -> None:
    deliveries.deliver.run(lane=lane)


@pytest.mark.parametrize("from_memory", [True, False])
def test_what_waits_together_is_handed_over_together_and_once(porter: Porter, from_memory: bool) -> None:
    ring(1, 2, 3, -1)
    ring(4, kind=Left)
    ring(5, 6)
    ring(9, door="back")
    assert jobs_of("porter:front") == 1 == jobs_of("porter:back"), "one waiting job for a lane"
    if not from_memory:
        eventlog.forget_recent()
    deliver()
    assert porter.seen == [[1, 2, 3], [4], [5, 6]], "in order; nobody waits for what nobody wanted"
    deliver()
    deliver("porter:back")
    assert porter.seen == [[1, 2, 3], [4], [5, 6], [9]], "a second time changes nothing, and lanes do not see one another's"
    assert not WaitingEvent.objects.exists() and EventLog.objects.filter(name__startswith="tests.").count() == 8


def test_one_at_fault_is_told_from_the_rest_and_those_behind_it_wait(porter: Porter) -> None:
    ring(1, 2, 3)
    porter.poison[2] = ValueError("poison")
    with pytest.raises(ValueError, match="poison"):
        deliver()
    assert porter.seen == [[1, 2, 3], [1], [2, 3], [2]], "together, then the first alone, for as long as that helps"
    assert list(WaitingEvent.objects.order_by("id").values_list("tries", flat=True)) == [1, 0]
    porter.poison.clear()
    deliver()
    assert porter.seen[-1] == [2, 3] and not WaitingEvent.objects.exists()


def test_after_a_day_it_is_set_aside_and_kept(porter: Porter, monkeypatch: pytest.MonkeyPatch) -> None:
    ring(1, 2)
    porter.poison[1] = ValueError("poison")
    WaitingEvent.objects.update(tries=set_aside.TRIES - 1)
    deliver()
    kept = WaitingEvent.objects.get()
    assert porter.seen == [[1, 2], [1], [2]] and kept.failed_at is not None and kept.tries == set_aside.TRIES
    porter.poison.clear()
    deliver()
    assert porter.seen[-1] == [2], "it waits for a person"


def test_the_database_gone_is_nobodys_fault(porter: Porter) -> None:
    ring(1, 2)
    porter.poison[1] = OperationalError("gone")
    with pytest.raises(OperationalError):
        deliver()
    assert porter.seen == [[1, 2]] and set(WaitingEvent.objects.values_list("tries", flat=True)) == {0}


def test_a_long_lane_gives_way_after_a_turn(porter: Porter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MOST", 2)
    monkeypatch.setattr(deliveries, "TURN", 2)
    ring(*range(7))
    ProcrastinateJob.objects.all().delete()  # the one that runs now
    deliver()
    assert porter.numbers == [0, 1, 2, 3] and jobs_of("porter:front") == 1, "it comes again, behind whoever else waits"
    deliver()
    assert porter.numbers == list(range(7))


@pytest.mark.parametrize("from_memory", [True, False])
def test_large_events_are_handed_over_a_few_at_a_time(porter: Porter, monkeypatch: pytest.MonkeyPatch, from_memory: bool) -> None:
    monkeypatch.setattr(deliveries, "MOST_BYTES", 5_000)
    ring(1, 2, 3, weight="x" * 3_000)
    if not from_memory:
        eventlog.forget_recent()
    deliver()
    assert porter.seen == [[1, 2], [3]]


def test_a_lane_whose_job_was_lost_is_woken(porter: Porter) -> None:
    ring(1)
    ProcrastinateJob.objects.all().delete()
    deliveries.wake_forgotten()
    assert not jobs_of("porter:front"), "a moment ago"
    WaitingEvent.objects.update(at=now() - timedelta(minutes=2))
    deliveries.wake_forgotten()
    deliveries.wake_forgotten()
    assert jobs_of("porter:front") == 1


def test_what_one_job_leads_to_is_done_by_that_job(porter: Porter) -> None:
    with events.at_once():
        ring(1, 2)
        assert porter.seen == [], "only what has committed"
    assert porter.seen == [[1, 2]] and not WaitingEvent.objects.exists() and not jobs_of("porter:front")
    ring(3)
    assert jobs_of("porter:front") == 1, "elsewhere, by a job"


def test_where_it_cannot_be_done_at_once_a_job_is_patient(porter: Porter) -> None:
    porter.poison[1] = ValueError("poison")
    with events.at_once():
        ring(1)
    assert jobs_of("porter:front") == 1 and WaitingEvent.objects.get().tries == 1
    with pytest.raises(LookupError), events.at_once():
        raise LookupError
    ring(2, door="back")
    assert jobs_of("porter:back") == 1, "and nobody goes on collecting"


def test_a_lane_in_trouble_is_not_tried_with_everything_that_comes_in(porter: Porter) -> None:
    porter.poison[1] = ValueError("poison")
    for number in range(1, 6):
        with events.at_once():
            ring(number)
    assert WaitingEvent.objects.order_by("id").values_list("tries", flat=True)[0] == 1 and jobs_of("porter:front") == 1
    porter.poison.clear()
    deliver()
    assert porter.seen[-1] == [1, 2, 3, 4, 5] and not WaitingEvent.objects.exists()


def test_what_goes_wrong_after_the_commit_leaves_a_job(porter: Porter) -> None:
    with pytest.raises(LookupError), events.at_once():
        ring(1)
        raise LookupError
    assert jobs_of("porter:front") == 1


def test_who_must_not_be_behind_is_caught_up(porter: Porter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "FOLLOWERS", {})
    seen: list[int] = []
    events.follow("tests.reader", Rang)(lambda found: seen.extend(event.number for event in found))
    ring(*range(40))
    events.catch_up("tests.reader", Rang)
    assert seen == list(range(40))
    monkeypatch.setattr(followers, "_follow", lambda _: 0)  # an older transaction is open
    ring(40)
    events.catch_up("tests.reader", Left)
    with pytest.raises(NotNow):
        events.catch_up("tests.reader", Rang)


def test_an_event_that_is_no_more_and_a_subscriber_that_is_no_more_hold_up_nobody(porter: Porter) -> None:
    ring(1, 2)
    second, first = EventLog.objects.order_by("-id").values_list("pk", flat=True)[:2]
    EventLog.objects.filter(pk=first).delete()
    WaitingEvent.objects.filter(event_id=second).update(subscriber="one.of.yesterday")
    ring(3)
    deliver()
    assert porter.seen == [[3]] and not WaitingEvent.objects.exists()


def test_what_is_set_aside_is_listed_without_its_words_and_given_one_more_try(porter: Porter) -> None:
    ours, theirs = uuid.uuid4(), uuid.uuid4()
    ring(1, 2, organization=ours)
    ring(7, organization=theirs, door="back")
    porter.poison = {1: ValueError("what a customer said"), 7: ValueError("poison")}
    WaitingEvent.objects.update(tries=set_aside.TRIES - 1)
    deliver()
    deliver("porter:back")
    (one,) = set_aside.listed(ours, permissions=None).items
    assert (one.event, one.lane, one.tries) == ("tests.rang", "porter:front", set_aside.TRIES)
    assert one.error.startswith("ValueError") and "customer" not in repr(one) and one.since <= one.failed_at
    assert set_aside.count(ours) == 1 and set_aside.count() == 2
    assert set_aside.listed(ours, permissions={"nothing:read"}).items == []
    (foreign,) = set_aside.listed(theirs, permissions=None).items
    for call in ([foreign.id], [one.id, foreign.id], [one.id, 10**15]):
        with pytest.raises(NotFound):
            set_aside.again(ours, call, permissions=None)

    assert set_aside.again(ours, [one.id], permissions=None) == 1 and jobs_of("porter:front") == 1
    deliver()
    assert set_aside.count(ours) == 1, "one try, and those behind it do not wait another day"
    porter.poison.clear()
    assert set_aside.again(ours, None, permissions=None) == 1
    deliver()
    assert porter.seen[-1] == [1] and set_aside.count() == 1 == set_aside.count(theirs)


@pytest.mark.parametrize("fault", [OperationalError("gone"), NotNow("store_away", "Away.", "Wait.")])
def test_a_fault_that_says_that_something_else_is_away_is_set_aside_while_others_go_on(
    porter: Porter, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(set_aside, "CUT_OFFS", 3)
    ring(1, 2)
    porter.poison[1] = fault
    for number in range(3):
        with pytest.raises(type(fault)):
            deliver()
        assert not WaitingEvent.objects.filter(tries__gt=0).exists(), "others did nothing meanwhile, so it may be so for all"
        if number:
            ring(100 + number, door="back")
            deliver("porter:back")
    with pytest.raises(type(fault)):
        deliver()
    assert WaitingEvent.objects.get(subscriber__contains="on_rang", lane="porter:front", cut_offs=2).failed_at is None
    ring(103, door="back")
    deliver("porter:back")
    deliver()
    assert porter.seen[-1] == [2] and WaitingEvent.objects.get().failed_at is not None
