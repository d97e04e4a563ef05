"""Outbound webhooks: within whose rights, paused and resumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from cxm.connect import hooks_post
from cxm.connect.events import ItemsQuarantined
from cxm.connect.models import Webhook
from cxm.connect.tests.hooks_kit import DAY, Receiver, Rest, happened, receiver, rest, stopped, turn  # noqa: F401
from cxm.govern import api as govern
from cxm.govern.services import members
from cxm.platform import events
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_only_what_the_token_that_made_it_may_read_is_told(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house, "webhooks:write", "stops:read")
    call.hook(receiver.url())
    happened(house, "hidden")
    with transaction.atomic():
        events.publish(ItemsQuarantined(organization=house.organization, account=None, count=1))
    stopped(house)
    assert (turn(), turn()) == (1, 0)
    assert receiver.names() == ["govern.stop_changed"]
    answer = call("POST", "/webhooks", {"url": receiver.url(), "events": ["connect.account_changed"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "events_not_readable")
    assert "connect.account_changed" in answer.json()["detail"]


def test_who_points_it_elsewhere_answers_for_it(house: House, receiver: Receiver, turn: Callable[[], int]):
    made = rest(house).hook(receiver.url())
    narrow = rest(house, "webhooks:write", "stops:read")
    assert narrow("PATCH", f"/webhooks/{made['id']}", {"url": receiver.url("/mine")}).status_code == 200
    happened(house, "hidden")
    stopped(house)
    turn()
    assert [path for path, _, _ in receiver.got] == ["/mine"]
    assert receiver.names("/mine") == ["govern.stop_changed"]
    wide = rest(house).hook(receiver.url(), "connect.account_changed")
    assert narrow("PATCH", f"/webhooks/{wide['id']}", {"url": receiver.url("/mine")}).status_code == 422


def test_it_is_paused_where_its_member_left_or_lost_the_right(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    for email in ("leaves@marlow.example", "falls@marlow.example"):
        invited = govern.invite(house.owner, email, "Someone", "manager", None)
        members.accept(invited.link.rsplit("/", 1)[1], "", "a long enough pass phrase")
        actor = govern.actor_for(house.organization, invited.member.id)
        made = Rest(govern.create_token(actor, "tests", None)[1]).hook(receiver.url())
        happened(house, "before")
        assert turn() == 1
        receiver.got.clear()
        if email.startswith("leaves"):
            members.remove(house.owner, invited.member.id)
        else:
            members.change(house.owner, invited.member.id, role="agent")
        happened(house, "after")
        assert turn() == 1
        shown = call.one(made)
        assert (receiver.got, shown["active"]) == ([], False)
        assert "may no longer have it called" in shown["reason"]
        assert call("PATCH", f"/webhooks/{made['id']}", {"active": True}).json()["active"] is True
        assert turn() == 1
        assert receiver.names() == ["govern.rights_changed", "connect.account_changed"]
        assert receiver.data()[-1]["change"] == "after"
        receiver.got.clear()
        assert call("DELETE", f"/webhooks/{made['id']}").status_code == 204


def test_a_paused_one_keeps_its_place_and_a_removed_one_hears_nothing(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    assert call("PATCH", f"/webhooks/{made['id']}", {"active": False}).json()["reason"] == "A member paused it."
    happened(house, "one")
    assert turn() == 0
    call("PATCH", f"/webhooks/{made['id']}", {"active": True})
    assert turn() == 1
    assert receiver.data()[0]["change"] == "one"
    call("DELETE", f"/webhooks/{made['id']}")
    happened(house, "two")
    assert turn() == 0
    assert len(receiver.got) == 1


def test_paused_in_the_middle_of_a_turn_it_hears_no_more(house: House, receiver: Receiver, turn: Callable[[], int]):
    call = rest(house)
    made = call.hook(receiver.url())
    row = Webhook.objects.for_organization(house.organization)
    happened(house, "one", "two")
    real = hooks_post.note_taken

    def note(*given: Any, **named: Any) -> bool:
        row.update(state="paused", reason="A member paused it.", revision=99)  # while the first one was under way
        return real(*given, **named)

    hooks_post.note_taken = note  # type: ignore[assignment]
    try:
        turn()
    finally:
        hooks_post.note_taken = real  # type: ignore[assignment]
    assert [entry["change"] for entry in receiver.data()] == ["one"]
    assert call.one(made)["reason"] == "A member paused it."
    call("PATCH", f"/webhooks/{made['id']}", {"active": True})
    turn()
    assert [entry["change"] for entry in receiver.data()] == ["one", "two"]
