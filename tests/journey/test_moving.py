"""An account that moves to another unit takes everything along, and a stop there holds at once what is written on it."""

from __future__ import annotations

from typing import Any

import pytest

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.listen import moving
from cxm.listen.models import Record
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import api as outbound
from cxm.outbound.contracts import NewIntent
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_all_that_was_heard_moves_with_its_account(house: House) -> None:
    leipzig, valencia = house.unit("Leipzig"), house.unit("Valencia")
    ours = house.join("lea@marlow.example", "manager", leipzig)
    theirs = house.join("vera@marlow.example", "manager", valencia)
    account = house.account("Reviews", leipzig)
    account = connect.change(house.owner, account.id, settings={"reply_url": "https://example.com/reply"})
    mention = house.hear(account, "m1", "The coffee was cold")
    gone = house.hear(account, "m2", "Never mind", author="otto")
    [row] = [one for one in love.conversations(house.owner, InboxFilter()).items if one.author["handle"] == "@lena"]
    page = f"/inbox/{row.id}"
    love.assign(house.owner, row.id, next(one.id for one in govern.members(house.organization) if one.email == "lea@marlow.example"))
    assert ours.get(page).status_code == 200 and theirs.get(page).status_code == 404

    connect.change(house.owner, account.id, unit=valencia)
    stop = govern.stop_on(house.owner, f"unit:{valencia}", "a test")
    written = outbound.propose(house.owner, _answer(account.id, row, mention))
    assert written.state == "held", "the stop covers what its account has become, before anything else has moved"
    assert [held.id for held in outbound.HeldReplies().list(house.organization, stop)] == [written.id]

    settle()
    moving.move(house.organization, account.id)
    settle()
    assert ours.get(page).status_code == 404 and theirs.get(page).status_code == 200
    assert {one.unit_id for one in Record.objects.filter(pk__in=[mention, gone])} == {valencia}
    assert "cold" in theirs.get("/explorer?q=cold").content.decode() and "was cold" not in ours.get("/explorer?q=cold").content.decode()
    house.hear(connect.account(house.organization, account.id), "m3", "And still is")
    whole = love.conversation(house.owner, row.id)
    assert len(whole.mentions) == 2, "what they say next continues it"
    assert whole.conversation.assignee is None, "it does not stay with whom it is out of reach for"
    before = Record.objects.get(pk=mention).version
    moving.move(house.organization, account.id)
    assert Record.objects.get(pk=mention).version == before, "done again it changes nothing"


def _answer(account: Any, row: Any, mention: Any) -> NewIntent:
    return NewIntent(
        kind="reply", account=account, conversation=row.id, unit=row.unit, text="Sorry!", private=True, in_reply_to_native="m1", in_reply_to_mention=mention,
        thread=None, to="lena", title=None, media=(), context={}, undo_seconds=0,
    )  # fmt: skip
