"""The stop: what it covers, that nothing begins once it is acknowledged, that lifting is reviewed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection

from cxm.govern import api, models
from cxm.govern.contracts import HeldItem, Stop
from cxm.govern.services import stops
from cxm.kernel.clock import format_instant, now
from cxm.platform.models import EventLog

pytestmark = pytest.mark.urls("cxm.govern.tests.urls")


class Shelf:
    """Held items in memory, as ``outbound`` keeps them in its rows."""

    def __init__(self) -> None:
        self.items: dict[UUID, HeldItem] = {}
        self.gone: list[UUID] = []
        self.cancelled: list[UUID] = []

    def hold(self, *, ago: int = 0, account: UUID | None = None) -> UUID:
        item = HeldItem(uuid4(), "reply", account, "We are on it.", now() - timedelta(seconds=ago))
        self.items[item.id] = item
        return item.id

    def list(self, organization: UUID, stop: Stop) -> Sequence[HeldItem]:
        return list(self.items.values())

    def release(self, organization: UUID, stop: Stop, ids: Sequence[UUID]) -> Sequence[UUID]:
        free = [one for one in ids if not api.covering_stops(organization, unit=None, account=self.items[one].account, kind="reply")]
        for one in free:
            self.gone.append(one)
            del self.items[one]
        return free

    def cancel(self, organization: UUID, stop: Stop, ids: Sequence[UUID]) -> Sequence[UUID]:
        for one in ids:
            self.cancelled.append(one)
            del self.items[one]
        return ids


@pytest.fixture
def shelf(monkeypatch) -> Shelf:
    made = Shelf()
    monkeypatch.setattr(stops, "_held", made)
    monkeypatch.setattr(stops, "_unit_of_account", None)
    return made


def covered(house, **what) -> list[str]:
    return [one.scope for one in api.covering_stops(house.organization, **{"unit": None, "account": None, "kind": "reply", **what})]


@pytest.mark.django_db
def test_a_stop_covers_its_scope_and_what_is_below(house, other, shelf):
    germany = api.create_unit(house.owner, "Germany").id
    berlin = api.create_unit(house.owner, "Berlin", germany).id
    spain = api.create_unit(house.owner, "Spain").id
    account = uuid4()
    for scope in (f"unit:{germany}", f"account:{account}", "kind:post"):
        assert house.call("POST", "/stops", {"scope": scope, "reason": "r"}).status_code == 201
    assert covered(house, unit=berlin) == covered(house, unit=germany) == [f"unit:{germany}"]
    assert covered(house, unit=spain) == covered(house, unit=api.root_unit(house.organization)) == []
    assert covered(house, unit=spain, account=account) == [f"account:{account}"]
    assert covered(house, unit=spain, kind="post") == ["kind:post"]
    assert covered(other, kind="post") == []
    # A unit nobody knows fails closed.
    assert covered(house, unit=uuid4()) == [f"unit:{germany}"]
    assert house.call("POST", "/stops", {"scope": "organization"}).status_code == 201
    assert "organization" in covered(house, unit=spain)
    assert covered(other) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "scope", ["", "everything", "kind:", "kind:mail", "unit:", "unit:x", "organization:", "organization:x", "account", "unit:organization"]
)
def test_what_no_stop_can_cover_is_refused(house, shelf, scope):
    assert house.call("POST", "/stops", {"scope": scope}).status_code == 422
    assert house.call("GET", "/stops").json()["items"] == []


@pytest.mark.django_db
def test_unreadable_state_raises(house, monkeypatch):
    def unreadable(*_arguments, **_named):
        raise OperationalError("gone")

    monkeypatch.setattr(type(models.Stop.objects), "for_organization", unreadable)
    with pytest.raises(OperationalError):
        covered(house)


@pytest.mark.django_db
def test_lifting_is_reviewed_item_by_item(house, shelf):
    stop = house.call("POST", "/stops", {"scope": "organization", "reason": "crisis"}).json()
    assert (stop["on"], stop["scope"], stop["reason"], stop["by"]) == (True, "organization", "crisis", str(house.owner.member))
    first, second, third = (shelf.hold(ago=ago) for ago in (30, 20, 10))
    listed = house.call("GET", f"/stops/{stop['id']}/held").json()
    assert [one["id"] for one in listed["items"]] == [str(first), str(second), str(third)]
    assert set(listed["items"][0]) == {"id", "kind", "account", "text", "since"}
    page = house.call("GET", f"/stops/{stop['id']}/held?limit=2").json()
    rest = house.call("GET", f"/stops/{stop['id']}/held?limit=2&cursor={page['next']}").json()
    assert [one["id"] for one in page["items"] + rest["items"]] == [str(first), str(second), str(third)]
    lift = f"/stops/{stop['id']}/lift"
    assert house.call("POST", lift, {}).status_code == 422
    assert house.call("POST", lift, {"release": None}).status_code == 422
    assert house.call("POST", lift, {"release": "some"}).status_code == 422
    assert house.call("POST", lift, {"release": "all"}).json()["code"] == "seen_until_missing"
    assert house.call("POST", lift, {"release": [str(uuid4())]}).json()["code"] == "release_unknown"
    assert house.call("GET", f"/stops/{stop['id']}").json()["on"] is True
    receipt = house.call("POST", lift, {"release": [str(second)]}).json()
    assert receipt["stop"] == stop["id"]
    assert receipt["held"] == [str(first), str(second), str(third)]
    assert receipt["released"] == [str(second)]
    assert sorted(receipt["cancelled"]) == sorted([str(first), str(third)])
    assert (receipt["lifted_by"], shelf.gone, set(shelf.cancelled)) == (str(house.owner.member), [second], {first, third})
    assert house.call("GET", f"/stops/{stop['id']}").json()["receipts"] == [receipt]
    assert house.call("POST", lift, {"release": "none"}).json()["code"] == "stop_lifted"
    assert covered(house) == []


@pytest.mark.django_db
def test_what_came_after_the_review_stays_held(house, shelf):
    stop = house.call("POST", "/stops", {"scope": "organization"}).json()["id"]
    seen, late = shelf.hold(ago=30), shelf.hold(ago=0)
    until = format_instant(now() - timedelta(seconds=10))
    receipt = house.call("POST", f"/stops/{stop}/lift", {"release": "all", "seen_until": until}).json()
    assert (receipt["released"], receipt["cancelled"], receipt["still_held"]) == ([str(seen)], [], [str(late)])
    # It is reviewed by lifting once more.
    assert [one["id"] for one in house.call("GET", f"/stops/{stop}/held").json()["items"]] == [str(late)]
    again = house.call("POST", f"/stops/{stop}/lift", {"release": [str(late)]}).json()
    assert again["released"] == [str(late)]
    assert len(house.call("GET", f"/stops/{stop}").json()["receipts"]) == 2


@pytest.mark.django_db
def test_an_item_leaves_only_when_no_stop_covers_it(house, shelf):
    account = uuid4()
    whole, part = (house.call("POST", "/stops", {"scope": scope}).json()["id"] for scope in ("organization", f"account:{account}"))
    item = shelf.hold(ago=5, account=account)
    receipt = house.call("POST", f"/stops/{whole}/lift", {"release": [str(item)]}).json()
    assert (receipt["released"], receipt["still_held"], receipt["cancelled"]) == ([], [str(item)], [])
    assert shelf.gone == []
    receipt = house.call("POST", f"/stops/{part}/lift", {"release": "all", "seen_until": format_instant(now())}).json()
    assert (receipt["released"], shelf.gone) == ([str(item)], [item])


@pytest.mark.django_db
def test_on_and_off_are_events_and_audited(house, shelf):
    stop = house.call("POST", "/stops", {"scope": "kind:post", "reason": "why"}).json()["id"]
    house.call("POST", f"/stops/{stop}/lift", {"release": "none"})
    public = [row.public for row in EventLog.objects.filter(organization_id=house.organization, name="govern.stop_changed").order_by("id")]
    assert public == [{"stop": stop, "scope": "kind:post", "on": True}, {"stop": stop, "scope": "kind:post", "on": False}]
    actions = [one.action for one in api.entries(house.organization)]
    assert actions[:2] == ["stop.lifted", "stop.turned_on"]
    assert api.verify_audit(house.organization).whole


@pytest.mark.django_db
def test_texts_held_elsewhere_are_not_shown_to_a_units_agent(house, shelf):
    germany = api.create_unit(house.owner, "Germany").id
    agent = house.join("de@marlow.example", "agent", germany)
    _, secret = api.create_token(agent, "de")
    shelf.hold()
    whole = house.call("POST", "/stops", {"scope": "organization"}).json()["id"]
    part = house.call("POST", "/stops", {"scope": f"unit:{germany}"}).json()["id"]
    assert house.call("GET", f"/stops/{whole}", secret=secret).status_code == 200
    assert house.call("GET", f"/stops/{whole}/held", secret=secret).status_code == 403
    assert house.call("GET", f"/stops/{part}/held", secret=secret).status_code == 200
    assert house.call("POST", f"/stops/{part}/lift", {"release": "none"}, secret=secret).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_once_acknowledged_nothing_begins(house, shelf):
    """Sixteen senders begin as fast as they can; none marks a beginning after the acknowledgement."""
    begun: list[float] = []
    refused = threading.Semaphore(0)
    under_way = threading.Semaphore(0)

    def sender() -> None:
        try:
            while True:
                with api.beginning(house.organization):
                    if api.covering_stops(house.organization, unit=None, account=None, kind="reply"):
                        refused.release()
                        return
                    begun.append(time.monotonic())
                    under_way.release()
        finally:
            connection.close()

    threads = [threading.Thread(target=sender) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        assert under_way.acquire(timeout=20)
    asked = time.monotonic()
    answer = house.call("POST", "/stops", {"scope": "organization"})
    acknowledged = time.monotonic()
    for thread in threads:
        thread.join(timeout=20)
    assert answer.status_code == 201
    assert len(begun) >= 30
    assert all(refused.acquire(timeout=1) for _ in threads)
    assert max(begun) < acknowledged
    assert acknowledged - asked < 5


@pytest.mark.django_db(transaction=True)
def test_the_acknowledgement_waits_for_a_send_that_is_beginning(house, shelf):
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def sender() -> None:
        try:
            with api.beginning(house.organization):
                assert not api.covering_stops(house.organization, unit=None, account=None, kind="reply")
                inside.set()
                assert go_on.wait(20)
                order.append("begun")
        finally:
            connection.close()

    def stopper() -> None:
        try:
            house.call("POST", "/stops", {"scope": "organization"})
            order.append("acknowledged")
        finally:
            done.set()
            connection.close()

    first, second = threading.Thread(target=sender), threading.Thread(target=stopper)
    first.start()
    assert inside.wait(20)
    second.start()
    # The row is there before the acknowledgement: whoever asks now is refused already.
    deadline = time.monotonic() + 20
    while not covered(house) and time.monotonic() < deadline:
        connection.close()
    assert covered(house) == ["organization"]
    assert not done.is_set()
    go_on.set()
    assert done.wait(20)
    first.join()
    second.join()
    assert order == ["begun", "acknowledged"]


@pytest.mark.django_db(transaction=True)
def test_one_organizations_beginning_delays_no_others_stop(house, other, shelf):
    with api.beginning(house.organization):
        answers: list[int] = []

        def run() -> None:
            answers.append(other.call("POST", "/stops", {"scope": "organization"}).status_code)
            connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(timeout=8)
        assert answers == [201]
