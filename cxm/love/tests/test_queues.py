"""Queues: the first rule that fits the opening mention takes a conversation; moved by hand; counted; by REST and on the pages."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import BadInput, Conflict, Invalid, NotAllowed, NotFound
from cxm.love import api
from cxm.love.contracts import LineItem
from cxm.love.tests.conftest import World
from cxm.love.tests.test_pages import _quick_passwords, browser, page, part, toast  # noqa: F401 - fixtures
from cxm.love.tests.test_rest import Caller, call  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def queued(world: World) -> dict[str, UUID | None]:
    """The queue of each author's conversation."""
    return {str(view.author["handle"]): view.queue for view in world.all()}


def test_the_first_rule_that_fits_takes_it_and_the_rest_goes_to_the_default(world: World) -> None:
    spain = govern.create_unit(world.actor, "Spain").id
    returns = api.save_queue(world.actor, name="Returns", query="refund OR (send NEAR/5 back)").id
    spanish = api.save_queue(world.actor, name="Spanish", language="es").id
    account = api.save_queue(world.actor, name="This account", channel="webhook", account=world.account, query="urgent").id
    unit = api.save_queue(world.actor, name="Unit", query="unit:Spain").id
    rest = api.save_queue(world.actor, name="Everything else", default=True).id
    api.save_queue(world.actor, name="By hand alone")
    world.hear(
        world.mention("a", "I want to send this back", author="ann", language="es-MX"),
        world.mention("b", "Buenos dias", author="bea", language="es-MX"),
        world.mention("c", "urgent!", author="cat"),
        world.mention("d", "hello", author="dan"),
        world.mention("e", "estonian", author="eve", language="est"),
        world.mention("f", "hello", author="fay", unit=str(spain)),
    )
    assert queued(world) == {"ann": returns, "bea": spanish, "cat": account, "dan": rest, "eve": rest, "fay": unit}
    world.hear(world.mention("d2", "a refund please", author="dan"))
    assert queued(world)["dan"] == rest, "what continues stays where it is"
    assert api.queue_counts(world.actor) == {returns: 1, spanish: 1, account: 1, rest: 2, unit: 1}
    assert (
        [view.author["handle"] for view in world.all(queue=returns)]
        == ["ann"]
        == [view.author["handle"] for view in world.all(queue="Returns")]
    )
    # Spanish is asked first now; a default that moves on leaves its place.
    assert [one.name for one in api.queues(world.organization)][:2] == ["Returns", "Spanish"]
    assert api.save_queue(world.actor, spanish, position=1).position == 1
    api.save_queue(world.actor, returns, default=True)
    assert [one.id for one in api.queues(world.organization) if one.default] == [returns]
    world.hear(world.mention("g", "refund", author="gil", language="es"), world.mention("h", "hi", author="hal"))
    assert (queued(world)["gil"], queued(world)["hal"]) == (spanish, returns)
    api.delete_queue(world.actor, spanish)
    assert queued(world)["gil"] is None and [view.author["handle"] for view in world.all(queue="none")] == ["gil", "bea"]


def test_moving_by_hand_rights_and_what_is_refused(world: World, other: World, agent: Callable[..., Actor]) -> None:
    world.hear(world.mention("m1"))
    conversation = world.only().conversation.id
    made = api.save_queue(world.actor, name=" Returns  desk ", query="refund")
    assert made.name == "Returns desk"
    api.move_to_queue(world.actor, conversation, made.id)
    api.move_to_queue(world.actor, conversation, made.id)
    assert [(item.what, item.detail["queue"]) for item in world.only().items if isinstance(item, LineItem)] == [("queued", "Returns desk")]
    for key in (uuid4(), api.save_queue(other.actor, name="Theirs").id):
        with pytest.raises(NotFound):
            api.move_to_queue(world.actor, conversation, key)
        with pytest.raises(NotFound):
            api.save_queue(world.actor, key, name="Ours")
    clerk = agent(world, "conversations:read", "conversations:manage")
    branch = agent(world, "conversations:read", "desk:write", unit=govern.create_unit(world.actor, "Spain").id)
    for actor in (clerk, branch):
        with pytest.raises(NotAllowed):
            api.save_queue(actor, name="Mine")
        with pytest.raises(NotAllowed):
            api.delete_queue(actor, made.id)
    assert api.queue_counts(branch) == {}, "counts are those of the units one may read"
    with pytest.raises(Conflict):
        api.save_queue(world.actor, name="Returns desk")
    with pytest.raises(Invalid):
        api.save_queue(world.actor, name=" ")
    with pytest.raises(BadInput):
        api.save_queue(world.actor, name="Broken", query="(refund")
    with pytest.raises(NotFound):
        api.save_queue(world.actor, name="Foreign", account=other.account)
    assert [one.name for one in api.queues(world.organization)] == ["Returns desk"]
    api.move_to_queue(world.actor, conversation, None)
    assert world.only().conversation.queue is None
    assert {"queue.saved"} <= {one.action for one in govern.entries(world.organization, limit=9)}


def test_queues_by_rest(world: World, call: Caller) -> None:
    made = call("POST", "/queues", {"name": "Returns", "query": "refund", "default": True}, status=201)
    assert (made["position"], made["default"], made["broken"], made["waiting"]) == (1, True, False, 0)
    world.hear(world.mention("m1", "hello"))
    (listed,) = call("GET", f"/conversations?queue={made['id']}", status=200)["items"]
    assert listed["queue"] == made["id"] and call("GET", "/conversations?queue=Returns", status=200)["items"] == [listed]
    assert call("GET", "/conversations?queue=none", status=200)["items"] == []
    assert call("GET", f"/conversations?queue={uuid4()}", status=200)["items"] == []
    assert call("GET", f"/queues/{made['id']}", status=200)["waiting"] == 1
    changed = call("PATCH", f"/queues/{made['id']}", {"name": "Refunds", "default": False}, status=200)
    assert (changed["name"], changed["query"], changed["default"]) == ("Refunds", "refund", False)
    refused = call("PATCH", f"/queues/{made['id']}", {"query": "a NEAR/x b"}, status=400)
    assert refused["code"] == "query_invalid"
    assert call("POST", f"/conversations/{listed['id']}/queue", {"queue": None}, status=200)["queue"] is None
    call("POST", f"/conversations/{listed['id']}/queue", {"queue": str(uuid4())}, status=404)
    assert [one["name"] for one in call("GET", "/queues", status=200)["items"]] == ["Refunds"]
    call("DELETE", f"/queues/{made['id']}", status=204)
    call("GET", f"/queues/{made['id']}", status=404)


def test_queues_on_the_pages(world: World, browser: Client) -> None:
    world.hear(world.mention("m1"))
    conversation = world.only().conversation.id
    assert "menu-queue" not in page(browser, f"/inbox/{conversation}") and "No queues yet" in page(browser, "/settings/queues")
    refused = browser.post("/settings/queues", {"name": "Returns <b>", "query": "(refund <i>"})
    assert (
        refused.status_code == 400 and "Returns &lt;b&gt;" in refused.content.decode() and "(refund &lt;i&gt;" in refused.content.decode()
    )
    for name in ("Returns <b>", "Praise"):
        assert (
            browser.post("/settings/queues", {"name": name, "query": "refund", "account": str(world.account), "default": "1"}).status_code
            == 302
        )
    first, second = api.queues(world.organization)
    assert browser.post(f"/settings/queues?queue={second.id}", {"action": "up"}).status_code == 302
    assert [one.id for one in api.queues(world.organization)] == [second.id, first.id] and api.queue(world.organization, second.id).default
    shown = page(browser, f"/settings/queues?queue={first.id}")
    assert "Returns &lt;b&gt;" in shown and "Save the queue" in shown and "Returns <b>" not in shown
    answer = part(browser, f"/inbox/{conversation}/queue", {"queue": str(first.id)}, at=f"/inbox/{conversation}")
    assert answer.status_code == 200 and "moved it to Returns &lt;b&gt;" in answer.content.decode()
    opened = page(browser, f"/inbox/{conversation}?queue={first.id}&assignee=all")
    assert 'id="menu-queue"' in opened and f"queue={first.id}" in opened
    assert part(browser, f"/inbox/{conversation}/queue", {"queue": str(uuid4())}, at=f"/inbox/{conversation}").status_code == 404
    assert browser.post(f"/settings/queues?queue={first.id}", {"action": "delete"}).status_code == 302
    assert [one.id for one in api.queues(world.organization)] == [second.id]
