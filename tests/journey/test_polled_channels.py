"""Feeds and Matrix all the way inside: what a look finds is heard once, changed, deleted, answered to; what cannot be heard is a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from cxm.channels import registry
from cxm.channels.contracts import Session
from cxm.channels.matrix.tests.provider import ANN, BASE, ME, TOKEN, Server
from cxm.channels.rss.manners import turns
from cxm.channels.rss.tests.provider import FEED, SITE, Site, item
from cxm.connect import api as connect
from cxm.connect import mailbox, runtime
from cxm.connect.models import Account
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


class Ear:
    """An account, and a web in memory that its connector is handed instead of the real one."""

    def __init__(
        self,
        house: House,
        web: Any,
        channel: str,
        settings: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
        account: UUID | None = None,
    ) -> None:
        self.house, self.web, self.channel = house, web, channel
        if account is None:
            account = connect.connect(house.owner, channel=channel, name="Ours", settings=settings or {}, credentials=credentials)[0].id
        self.account: UUID = account
        self.call = rest(house)

    def session(self) -> Session:
        row = Account.everywhere.get(pk=self.account)  # everywhere: a test
        return replace(runtime.session_of(row, self.web), now=now())

    def listen(self) -> None:
        """Look, keep, take in, and let everybody hear of it, until nothing is left."""
        for _ in range(20):
            row = Account.everywhere.get(pk=self.account)  # everywhere: a test
            found = asyncio.run(registry.channel(self.channel).poll().poll(self.session(), row.cursor))
            runtime.keep(self.account, found, "poll")
            if not found.more:
                break
        mailbox.take_in_all(self.account)
        settle()

    def mentions(self) -> list[dict[str, Any]]:
        """What is found in the Explorer, oldest first."""
        answer = self.call("POST", "/mentions/search", {"query": "", "sort": "oldest"})
        assert answer.status_code == 200, answer.content
        return answer.json()["items"]

    def conversation(self) -> dict[str, Any]:
        """The one conversation there is, whole."""
        (found,) = self.call("GET", "/conversations").json()["items"]
        return self.call("GET", f"/conversations/{found['id']}").json()


@pytest.fixture(autouse=True)
def nobody_was_asked_yet() -> None:
    turns.forget()


def test_an_article_is_heard_once_and_its_change_is_an_edit(house: House):
    site = Site([item(1, "The new blend is fine.")])
    ear = Ear(house, site, "rss", {"feeds": [FEED]})
    ear.listen()
    (article,) = ear.mentions()
    assert (article["kind"], article["title"], article["text"], article["media_type"]) == (
        "article",
        "Number 1",
        "The new blend is fine.",
        "earned",
    )
    assert article["state"] == "no_answer_needed" and article["url"] == f"{SITE}/1"
    site.items = [item(2, "Another"), item(1, "The new blend is bitter.")]
    row = Account.everywhere.get(pk=ear.account)  # everywhere: a test
    row.cursor["feeds"][FEED]["due"] = ""
    row.save(update_fields=["cursor"])
    turns.forget()
    ear.listen()
    assert [one["text"] for one in ear.mentions()] == ["The new blend is bitter.", "Another"]
    assert ear.mentions()[0]["id"] == article["id"]
    counted = connect.mailbox_sum(house.organization, ear.account)
    assert (counted.accepted, counted.changed, counted.duplicate, counted.quarantined) == (2, 1, 0, 0)


def test_a_list_of_feeds_becomes_sources_once(house: House):
    site = Site([item(1)])
    ear = Ear(house, site, "rss", {})
    listed = (
        f'<opml version="2.0"><body><outline text="Coffee"><outline text="Roast" type="rss" xmlUrl="{FEED}"/></outline>'
        f'<outline text="Twice" xmlUrl="{FEED}"/><outline text="Inside" xmlUrl="http://127.0.0.1/feed"/></body></opml>'
    ).encode()
    done = connect.take_list(house.owner, ear.account, listed)
    assert (done.added, done.known + done.added + len(done.refused)) == (1, done.read)
    assert [name for name, _ in done.refused] == ["https://127.0.0.1/feed"]
    assert connect.take_list(house.owner, ear.account, listed).added == 0
    (source,) = ear.session().sources
    assert source.settings == {"url": FEED, "title": "Roast", "folder": "Coffee"}
    ear.listen()
    assert [one["title"] for one in ear.mentions()] == ["Number 1"]


def test_a_direct_message_opens_a_conversation_that_follows_what_happens_there(house: House):
    server = Server()
    room = server.room("!dm:acme.example", ANN)
    ear = Ear(house, server, "matrix", {"server_url": BASE}, {"access_token": TOKEN})
    server.files["customer.example/cup"] = b"\x89PNG"
    asked = server.say(room, ANN, "My cup is brokn")
    server.say(
        room,
        ANN,
        "",
        content={"msgtype": "m.image", "body": "cup.png", "url": "mxc://customer.example/cup", "info": {"mimetype": "image/png"}},
    )
    ear.listen()
    conversation = ear.conversation()
    assert (conversation["kind"], conversation["state"], len(conversation["mentions"])) == ("private", "open", 2)
    picture = conversation["mentions"][1]["media"][0]
    assert (picture["name"], picture["size"]) == ("cup.png", 4) and "content" not in picture

    server.say(
        room,
        ANN,
        "",
        content={"body": "*", "m.new_content": {"body": "My cup is broken"}, "m.relates_to": {"rel_type": "m.replace", "event_id": asked}},
    )
    server.say(room, ME, "We send another.")
    server.say(room, ANN, "", "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": asked, "key": "👍"}})
    ear.listen()
    conversation = ear.conversation()
    assert [one["text"] for one in conversation["mentions"]] == ["My cup is broken", "", "We send another.", "👍"]
    assert conversation["mentions"][2]["media_type"] == "owned"
    assert conversation["mentions"][3]["state"] == "no_answer_needed"

    server.say(room, ANN, "", "m.room.redaction", {"redacts": asked})
    ear.listen()
    assert not ear.conversation()["mentions"][0]["text"]


def test_an_encrypted_room_stands_in_the_ledger_unfilled(house: House):
    server = Server()
    room = server.room("!secret:acme.example", ANN, encrypted=True, name="Board")
    ear = Ear(house, server, "matrix", {"server_url": BASE}, {"access_token": TOKEN})
    for _ in range(2):
        server.say(room, ANN, "", "m.room.encrypted", {"ciphertext": "x"})
        ear.listen()
    runtime.note_well(ear.account, now())
    (gap,) = connect.gaps(house.organization, since=now().replace(year=2020))
    assert "“Board” is encrypted" in str(gap["reason"]) and gap["filled_at"] is None
    assert ear.mentions() == []
