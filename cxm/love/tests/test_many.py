"""The same done to many conversations: at once or as a job, with progress, cancelled and undone; by REST and on the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cxm.govern import access
from cxm.govern import api as govern
from cxm.govern.services import tokens
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now, shifted_by
from cxm.kernel.errors import Conflict, Invalid, NotFound
from cxm.love import api, page_words
from cxm.love.contracts import InboxFilter
from cxm.love.services import many
from cxm.love.tests.conftest import World
from cxm.love.tests.test_pages import _quick_passwords, browser, page, part, toast  # noqa: F401 - fixtures
from cxm.love.tests.test_rest import Caller, call  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def seven(world: World) -> list[UUID]:
    """Seven open conversations."""
    world.hear(*[world.mention(f"m{n}", author=f"a{n}") for n in range(7)])
    return [view.id for view in world.all()]


def test_each_action_is_done_and_undone_where_nobody_changed_it_since(world: World, seven: list[UUID]) -> None:
    queue = api.save_queue(world.actor, name="Returns").id
    jonas = govern.invite(world.actor, "jonas@acme.example", "Jonas Weber", "agent").member.id
    api.assign(world.actor, seven[0], world.actor.member)
    api.tag(world.actor, seven[1], ["old"])
    api.snooze(world.actor, seven[2], now() + timedelta(days=2))
    before = {
        view.id: (view.assignee, view.tags, view.state, view.snoozed_until, view.queue, view.answer_due, view.resolution_due)
        for view in world.all()
    }
    until = (now() + timedelta(days=1)).replace(microsecond=0)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("assign", {"member": jonas}), ("tag", {"add": ["new", "old"]}), ("queue", {"queue": queue}), ("snooze", {"until": until}), ("close", {"reason": "handed_over"}),
    ]  # fmt: skip
    for action, values in asked:
        run = api.bulk(world.actor, action, values, conversations=[*seven, uuid4()])
        assert (run.state, run.total, run.done, run.refused) == ("done", 8, 7, 1) and run.undo_until is not None
        changed = {
            view.id: (view.assignee, view.tags, view.state, view.snoozed_until, view.queue, view.answer_due, view.resolution_due)
            for view in world.all()
        }
        assert all(changed[key] != before[key] for key in seven), action
        back = api.undo_bulk(world.actor, run.id)
        assert (back.state, back.undo_until) == ("undone", None)
        now_is = {
            view.id: (view.assignee, view.tags, view.state, view.snoozed_until, view.queue, view.answer_due, view.resolution_due)
            for view in world.all()
        }
        assert {key: (row[0], row[2], row[3], row[4], row[5], row[6], sorted(row[1])) for key, row in now_is.items()} == {
            key: (row[0], row[2], row[3], row[4], row[5], row[6], sorted(row[1])) for key, row in before.items()
        }, action
        with pytest.raises(Conflict):
            api.undo_bulk(world.actor, run.id)
    run = api.bulk(world.actor, "assign", {"member": jonas}, conversations=seven)
    api.assign(world.actor, seven[3], None)
    assert api.undo_bulk(world.actor, run.id).undone == 6 and api.conversation_row(world.actor, seven[3]).assignee is None
    run = api.bulk(world.actor, "tag", {"add": ["x"]}, conversations=seven)
    with shifted_by(timedelta(minutes=11)), pytest.raises(Conflict):
        api.undo_bulk(world.actor, run.id)
    assert {"conversations.assign_many", "conversations.many_undone"} <= {
        one.action for one in govern.entries(world.organization, limit=40)
    }


def test_many_are_put_under_a_case_and_taken_out_again(world: World, seven: list[UUID], browser: Client, call: Caller) -> None:
    outage = api.create_case(world.actor, "Outage", seven[:1])
    other = api.create_case(world.actor, "Parcel", [seven[1]])
    run = api.bulk(world.actor, "case", {"case": outage}, conversations=[*seven, uuid4()])
    assert (run.done, run.refused) == (7, 1)
    assert {view.case for view in world.all()} == {outage} and api.case(world.actor, other).state == "resolved"
    assert api.undo_bulk(world.actor, run.id).undone == 6, "the one that was there already was not moved"
    assert api.case(world.actor, other).state == "open"
    assert {view.id: view.case for view in world.all()} == {seven[0]: outage, seven[1]: other, **dict.fromkeys(seven[2:])}
    assert "Outage" in browser.get("/inbox").content.decode()
    done = browser.post(
        "/inbox/bulk", {"do": "case", "case": str(outage), "ids": [str(key) for key in seven[2:4]]}, headers={"HX-Request": "true"}
    )
    assert done.status_code == 200 and "2" in toast(done)["text"], done.content
    assert {view.case for view in world.all() if view.id in seven[2:4]} == {outage}
    assert call("POST", "/bulk", {"action": "case", "case": str(outage), "conversations": [str(seven[4])]}, status=202)["done"] == 1
    api.resolve_case(world.actor, outage)
    for wanted, status in ((None, 422), (str(outage), 409), (str(uuid4()), 404)):
        call("POST", "/bulk", {"action": "case", "case": wanted, "conversations": [str(seven[5])]}, status=status)


def test_only_who_may_answer_there_is_offered(world: World, seven: list[UUID], browser: Client) -> None:
    """The list of the assign menu is what would not be refused."""
    elsewhere = govern.create_unit(world.actor, "Elsewhere", govern.root_unit(world.organization)).id
    able = govern.invite(world.actor, "ada@acme.example", "Ada Able", "agent").member.id
    govern.invite(world.actor, "rita@acme.example", "Rita Reader", "analyst")
    govern.invite(world.actor, "noor@acme.example", "Noor Nextdoor", "agent", elsewhere)
    menu = browser.get(f"/inbox/{seven[0]}").content.decode().partition('id="menu-assign"')[2].partition('id="menu-case"')[0]
    assert "Ada Able" in menu and "Rita Reader" not in menu and "Noor Nextdoor" not in menu
    api.assign(world.actor, seven[0], able)


def test_more_than_a_request_takes_is_a_job_with_progress(world: World, seven: list[UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "AT_ONCE", 4)
    monkeypatch.setattr(many, "STEP", 3)
    run = api.bulk(world.actor, "tag", {"add": ["x"]}, wanted=InboxFilter(states=frozenset({"open"})))
    assert (run.state, run.total, run.done, run.busy) == ("running", 7, 0, True) and [one.id for one in api.bulk_going_on(world.actor)] == [
        run.id
    ]
    with pytest.raises(Conflict):
        api.undo_bulk(world.actor, run.id)
    many.step(world.organization, run.id)
    assert api.bulk_status(world.actor, run.id).done == 3 and len(world.all(tag="x")) == 3
    many.step(world.organization, run.id)
    assert api.cancel_bulk(world.actor, run.id).state == "cancelled"
    many.step(world.organization, run.id)
    assert len(world.all(tag="x")) == 6 and api.bulk_going_on(world.actor) == []
    assert api.undo_bulk(world.actor, run.id).state == "undoing"
    for _ in range(2):
        many.step(world.organization, run.id)
    assert api.bulk_status(world.actor, run.id).state == "undone" and world.all(tag="x") == []
    many.step(world.organization, run.id)
    many.step(world.organization, uuid4())
    # Who is gone does nothing any more.
    left = api.bulk(world.actor, "tag", {"add": ["y"]}, conversations=seven)
    from cxm.love.models import BulkRun

    BulkRun.objects.for_organization(world.organization).filter(id=left.id).update(member=uuid4())
    many.step(world.organization, left.id)
    assert world.all(tag="y") == [] and BulkRun.objects.for_organization(world.organization).get(id=left.id).state == "cancelled"
    # Nor does a token that was revoked, though its member works on; whoever began it is told why it ended.
    _, secret = govern.create_token(world.actor, "bulk")
    token = access.actor_of_token(secret)
    assert token is not None
    begun = api.bulk(token, "tag", {"add": ["z"]}, conversations=seven)
    many.step(world.organization, begun.id)
    tokens.revoke_token(world.actor, token.token)
    many.step(world.organization, begun.id)
    ended = api.bulk_status(world.actor, begun.id)
    assert (ended.state, ended.done, ended.ending, len(world.all(tag="z"))) == ("cancelled", 3, "right_gone", 3)
    assert "the right to it is gone" in page_words.run_said(ended)


def test_rights_and_what_is_refused(world: World, other: World, seven: list[UUID], agent: Callable[..., Actor]) -> None:
    spain = govern.create_unit(world.actor, "Spain").id
    world.hear(world.mention("es1", author="sofia", unit=str(spain)))
    clerk = agent(world, "conversations:read", "conversations:manage", unit=spain)
    run = api.bulk(clerk, "tag", {"add": ["x"]}, conversations=[*seven, *[view.id for view in world.all(unit=spain)]])
    assert (run.done, run.refused) == (1, 7) and [view.unit for view in world.all(tag="x")] == [spain]
    for actor in (world.actor, other.actor):
        for act in (api.bulk_status, api.cancel_bulk, api.undo_bulk):
            with pytest.raises(NotFound):
                act(actor, run.id)
    wrong: list[tuple[str, dict[str, Any], type[Exception]]] = [
        ("delete", {}, Invalid), ("tag", {}, Invalid), ("tag", {"add": ["x" * 61]}, Invalid), ("snooze", {}, Invalid), ("snooze", {"until": now() - timedelta(1)}, Invalid),
        ("close", {"reason": "x" * 201}, Invalid), ("assign", {"member": uuid4()}, NotFound), ("queue", {"queue": uuid4()}, NotFound),
    ]  # fmt: skip
    for action, values, error in wrong:
        with pytest.raises(error):
            api.bulk(world.actor, action, values, conversations=seven)
    with pytest.raises(Invalid):
        api.bulk(world.actor, "close", {}, wanted=InboxFilter(tag="nothing has it"))
    assert {view.state for view in world.all()} == {"open"}


def test_many_by_rest(world: World, seven: list[UUID], call: Caller) -> None:
    ids = [str(key) for key in seven]
    run = call("POST", "/bulk", {"action": "assign", "member": "me", "conversations": ids[:3]}, status=202)
    assert (run["state"], run["done"], run["refused"]) == ("done", 3, 0) and len(world.all(assignee="me")) == 3
    closed = call("POST", "/bulk", {"action": "close", "filter": {"assignee": "me"}}, status=202)
    assert closed["total"] == 3 and call("GET", f"/bulk/{closed['id']}", status=200) == closed
    assert call("POST", f"/bulk/{closed['id']}/cancel", status=200)["state"] == "done"
    assert call("POST", f"/bulk/{closed['id']}/undo", status=200)["undone"] == 3
    call("POST", f"/bulk/{closed['id']}/undo", status=409)
    call("POST", "/bulk", {"action": "snooze", "conversations": ids, "until": format_instant(now() + timedelta(hours=1))}, status=202)
    assert {view.state for view in world.all()} == {"snoozed"}
    for body in ({"action": "close"}, {"action": "close", "filter": {"colour": "red"}}, {"action": "paint", "conversations": ids}):
        call("POST", "/bulk", body, status=422)
    call("GET", f"/bulk/{uuid4()}", status=404)


def test_many_on_the_page(world: World, seven: list[UUID], browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = page(browser, "/inbox")
    assert 'id="inbox-many"' in shown and 'data-key="b"' in shown and "Everything in this list" in shown
    ids = [str(key) for key in seven]
    done = part(browser, "/inbox/bulk", {"ids": ids[:2], "do": "tag", "add": "late, <b>"})
    assert "2 conversations changed" in toast(done)["text"] and len(world.all(tag="<b>")) == 2 and "&lt;b&gt;" in done.content.decode()
    undone = part(browser, toast(done)["undo"], {})
    assert "Undone: 2 conversations" in toast(undone)["text"] and world.all(tag="late") == []
    monkeypatch.setattr(many, "AT_ONCE", 4)
    api.tag(world.actor, seven[0], ["other"])
    started = part(browser, "/inbox/bulk", {"ids": ids[:1], "all": "1", "do": "close", "reason": "expired"}, at="/inbox?assignee=nobody")
    assert "Changing conversations" in started.content.decode() and "0 / 7" in started.content.decode()
    (run,) = api.bulk_going_on(world.actor)
    assert f"/inbox/bulk/{run.id}/cancel" in page(browser, "/inbox")
    many.step(world.organization, run.id)
    fragment = page(browser, f"/inbox/bulk/{run.id}")
    assert "7 conversations changed" in fragment and f"/inbox/bulk/{run.id}/undo" in fragment and "hx-trigger" not in fragment
    assert {view.close_reason for view in world.all()} == {"expired"}
    assert part(browser, f"/inbox/bulk/{run.id}/cancel", {}).status_code == 200
    page(browser, f"/inbox/bulk/{uuid4()}", 404)
    assert part(browser, "/inbox/bulk", {"ids": ids, "do": "snooze"}).status_code == 422
