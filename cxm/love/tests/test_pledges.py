"""Promises as clocks: noted, come due, kept by a reply or by hand; by the door, REST and the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now, shifted_by
from cxm.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from cxm.love import api
from cxm.love.contracts import InboxFilter, LineItem
from cxm.love.models import Notification, Pledge
from cxm.love.services.pledges import came_due
from cxm.love.tests.conftest import World
from cxm.love.tests.test_answers import settled
from cxm.love.tests.test_pages import _quick_passwords, browser, page, part, toast  # noqa: F401 - fixtures
from cxm.love.tests.test_rest import Caller, call  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(world: World) -> UUID:
    world.hear(world.mention("m1", minutes=5))
    return world.only().conversation.id


def state_of(world: World, pledge: UUID) -> str:
    return Pledge.objects.for_organization(world.organization).get(id=pledge).state


def answered(world: World, conversation: UUID, text: str = "Here it is") -> None:
    settled(world, api.reply(world.actor, conversation, text).id, "sent")


def test_a_promise_is_a_clock_and_a_reply_in_time_keeps_it(world: World, conversation: UUID) -> None:
    due = now() + timedelta(hours=3)
    made = api.promise(world.actor, conversation, "I'll write at noon", due)
    later = api.promise(world.actor, conversation, "The refund", due + timedelta(hours=40))
    found = world.only()
    assert [one.id for one in found.pledges] == [made, later] and found.conversation.promise_due == due
    assert world.all(promised=True, sort="due")[0].id == conversation and api.counts(world.actor).promised == 1
    answered(world, conversation, "I'll write at noon")
    assert state_of(world, made) == "open", "the answer that gives a promise does not keep it"
    assert world.only().conversation.state == "waiting"
    with shifted_by(timedelta(hours=2, minutes=55)):
        came_due(world.organization, made)
        view = world.only().conversation
        assert view.state == "open" and view.promise_due == due
        assert Notification.objects.for_organization(world.organization).filter(what="promise_due", member=world.actor.member).count() == 1
        assert world.all(late=True) == []
    with shifted_by(timedelta(hours=3, minutes=5)):
        assert [one.id for one in world.all(late=True)] == [conversation] and api.counts(world.actor).late == 1
        assert api.pledge_counts(world.actor, now() - timedelta(days=7)).overdue == 1
    with shifted_by(timedelta(hours=2, minutes=58)):
        answered(world, conversation)
    assert state_of(world, made) == "kept" and state_of(world, later) == "kept"
    assert world.only().conversation.promise_due is None
    came_due(world.organization, later)  # settled: nothing happens
    assert [item.what for item in world.only().items if isinstance(item, LineItem)] == [
        "promised",
        "promised",
        "promise_due",
        "promise_settled",
        "promise_settled",
    ]
    with shifted_by(timedelta(hours=4)):
        counts = api.pledge_counts(world.actor, now() - timedelta(days=7))
        assert (counts.kept, counts.late, counts.overdue, counts.due) == (2, 0, 0, 2)


def test_kept_late_withdrawn_and_who_may(world: World, other: World, conversation: UUID, agent: Callable[..., Actor]) -> None:
    made = api.promise(world.actor, conversation, "Call back", now() + timedelta(minutes=30))
    gone = api.promise(world.actor, conversation, "Send flowers", now() + timedelta(days=2))
    api.settle_promise(world.actor, gone, "withdrawn")
    with pytest.raises(Conflict):
        api.settle_promise(world.actor, gone, "kept")
    with shifted_by(timedelta(hours=1)):
        api.settle_promise(world.actor, made, "kept")
        api.settle_promise(world.actor, made, "kept")
        assert state_of(world, made) == "late"
        assert api.pledge_counts(world.actor, now() - timedelta(days=7)).late == 1
    assert [(one.text, one.state) for one in api.pledges(world.actor).items] == [("Send flowers", "withdrawn"), ("Call back", "late")]
    told = [one.action for one in govern.entries(world.organization, limit=9)]
    assert {"promise.made", "promise.late", "promise.withdrawn"} <= set(told)
    reader = agent(world, "conversations:read")
    with pytest.raises(NotAllowed):
        api.promise(reader, conversation, "x", now() + timedelta(hours=1))
    with pytest.raises(NotAllowed):
        api.settle_promise(reader, made, "kept")
    spain = agent(world, "conversations:read", "conversations:note", unit=govern.create_unit(world.actor, "Spain").id)
    for actor in (spain, other.actor):
        assert api.pledges(actor).items == [] and api.pledge_counts(actor, now() - timedelta(days=9)).due == 0
        with pytest.raises(NotFound):
            api.settle_promise(actor, made, "kept")
    for due in (now() - timedelta(minutes=1), now() + timedelta(days=400)):
        with pytest.raises(Invalid):
            api.promise(world.actor, conversation, "x", due)


def test_a_closed_conversation_comes_back_for_its_promise_or_the_newer_one_does(world: World, conversation: UUID) -> None:
    made = api.promise(world.actor, conversation, "I'll write", now() + timedelta(hours=1))
    api.close(world.actor, conversation, "answered")
    with shifted_by(timedelta(minutes=50)):
        came_due(world.organization, made)
        assert world.only().conversation.state == "open"
    moved = api.promise(world.actor, conversation, "And again", now() + timedelta(days=20))
    api.settle_promise(world.actor, made, "kept")
    api.close(world.actor, conversation, "answered")
    with shifted_by(timedelta(days=19)):
        world.hear(world.mention("m2", "Hello again"))
        newer = api.conversations(world.actor, InboxFilter(states=frozenset({"open"}))).items[0].id
        assert newer != conversation
    with shifted_by(timedelta(days=20)):
        came_due(world.organization, moved)
    assert [one.id for one in api.conversation(world.actor, newer).pledges] == [moved]
    assert api.conversation(world.actor, conversation).conversation.promise_due is None


def test_promises_by_rest(world: World, conversation: UUID, call: Caller) -> None:
    due = format_instant((now() + timedelta(hours=1)).replace(microsecond=0))
    made = call("POST", f"/conversations/{conversation}/promises", {"text": "I'll write", "due": due}, status=201)["id"]
    whole = call("GET", f"/conversations/{conversation}", status=200)
    assert whole["promise_due"] == due and [(one["id"], one["state"], one["due"]) for one in whole["promises"]] == [(made, "open", due)]
    assert [one["id"] for one in call("GET", "/conversations?promised=true", status=200)["items"]] == [str(conversation)]
    call("PATCH", f"/promises/{made}", {"state": "kept"}, status=204)
    call("PATCH", f"/promises/{made}", {"state": "withdrawn"}, status=409)
    call("PATCH", f"/promises/{uuid4()}", {"state": "kept"}, status=404)
    call("POST", f"/conversations/{conversation}/promises", {"text": "x", "due": "2020-01-01T00:00:00Z"}, status=422)
    assert [one["state"] for one in call("GET", "/promises?state=kept", status=200)["items"]] == ["kept"]
    call("GET", "/promises?state=odd", status=422)


def test_promises_on_the_pages(world: World, conversation: UUID, browser: Client) -> None:
    api.save_hours(world.actor, world.unit, zone="Asia/Kolkata", days={"monday": ["09:00-17:00"]})
    shown = page(browser, f"/inbox/{conversation}")
    assert 'id="menu-promise"' in shown and "(Asia/Kolkata)" in shown and 'data-key="m"' in shown
    wall = now() + timedelta(hours=5, minutes=30 + 200)
    answer = part(
        browser,
        f"/inbox/{conversation}/promise",
        {"text": "I'll <b>write</b>", "own": wall.strftime("%Y-%m-%dT%H:%M")},
        at=f"/inbox/{conversation}",
    )
    assert answer.status_code == 200 and "Promised for" in toast(answer)["text"] and 'data-clock="promised"' in answer.content.decode()
    assert 'data-clock="within"' in page(browser, "/inbox")
    (one,) = world.only().pledges
    assert abs(one.due_at - (now() + timedelta(minutes=200))) < timedelta(minutes=3) and one.text == "I'll <b>write</b>"
    assert "I&#x27;ll &lt;b&gt;write&lt;/b&gt;" in page(browser, f"/inbox/{conversation}")
    assert 'data-clock="promised"' in page(browser, "/inbox?promised=1&state=all&assignee=all")
    listed = page(browser, "/inbox/promises?state=open")
    assert "&lt;b&gt;write" in listed and f"/inbox/{conversation}" in listed
    wrong = part(browser, f"/inbox/{conversation}/promise", {"own": "noon"}, at=f"/inbox/{conversation}")
    assert wrong.status_code == 422 and "That is no time" in toast(wrong)["text"]
    done = part(browser, f"/inbox/promises/{one.id}/settle", {"state": "kept"}, at=f"/inbox/{conversation}")
    assert toast(done)["text"] == "Kept." and 'data-clock="promised"' not in done.content.decode()
    with shifted_by(timedelta(hours=4)):
        home = page(browser, "/home")
        assert "What we promised this week" in home and "of 1 promise was kept in time" in home
