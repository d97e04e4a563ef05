"""Our own answers as their platform tells of them: one message each, whoever tells of it first, and whatever becomes of it there."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest

from cxm.channels.contracts import Author, Deletion, Mention, Outgoing, Sent
from cxm.connect import api as connect
from cxm.connect.contracts import Account, Heard
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now
from cxm.listen import accept as listen
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.outbound import gateway
from tests.houses import House, _own_store, assert_safe, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def told(house: House, account: Account, item: Mention | Deletion) -> None:
    """The platform tells of something of ours."""
    entry = Heard(item=item, received_at=now(), position=0, order=1, channel=account.channel)
    listen.accept(house.organization, account, [entry], imported=False)


@pytest.mark.parametrize("first", ["we", "the platform"])
def test_an_answer_edited_and_deleted_on_its_platform_stays_one_message_of_the_member(
    house: House, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    def send(organization: UUID, account: UUID, outgoing: Outgoing, *_: Any) -> Future[Sent]:
        call: Future[Sent] = Future()
        call.set_result(Sent(f"there-{outgoing.text}"))
        return call

    monkeypatch.setattr(connect, "send", send)
    account, call = house.account(), rest(house)
    connect.change(house.owner, account.id, settings={"reply_url": "https://answers.example/"})
    asked = house.hear(account, "asked", "Where is my order?", thread="t")
    (conversation,) = love.conversations(house.owner, InboxFilter()).items
    ours = Mention("there-Sory", "message", Author("acme", name="Acme"), "Sory", now(), reply_to="asked", thread="t", private=True, media_type="owned")  # fmt: skip

    since = now() - timedelta(minutes=1)
    made = love.reply(house.owner, conversation.id, "Sory")
    gateway.carry_out(made.id)
    if first == "we":
        settle()
    told(house, account, ours)
    if first == "the platform":  # its events come after those of the reply; nobody has heard of either yet
        assert len(call("GET", f"/conversations/{conversation.id}").json()["mentions"]) == 1
    settle()

    def shown() -> tuple[list[dict[str, Any]], str]:
        found = [one for one in call("GET", f"/conversations/{conversation.id}").json()["mentions"] if one["id"] != str(asked)]
        return found, unescape(assert_safe(house.browser().get(f"/inbox/{conversation.id}")))

    (one,), page = shown()
    assert (one["text"], one["reply"]) == ("Sory", str(made.id)) and page.count("message message-ours") == 1
    assert love.answered_meanwhile(house.owner, conversation.id, since) == [], "nobody else answered"

    told(house, account, replace(ours, text="Sorry", edited_at=now() + timedelta(seconds=1)))
    settle()
    (one,), page = shown()
    assert (one["text"], one["reply"], [former["text"] for former in one["edits"]]) == ("Sorry", str(made.id), ["Sory"])
    assert page.count("message message-ours") == 1 and "edited" in page

    told(house, account, Deletion("there-Sory", now()))
    settle()
    (one,), page = shown()
    assert one["deleted_at"] and not one["text"] and one["reply"] == str(made.id)
    assert page.count("message message-ours") == 1 and "Deleted where it was said." in page and "Sorry" not in page
