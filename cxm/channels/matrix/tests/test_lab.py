"""Against a real homeserver on loopback (Synapse), at ``CXM_LAB_MATRIX`` or port 8008; skipped, saying so, where none answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from cxm.channels.contracts import (
    AccountView,
    AuthExpired,
    ConnectorError,
    Deletion,
    Item,
    Mention,
    Outgoing,
    Polled,
    Receipt,
    Rejected,
    Session,
)
from cxm.channels.matrix.connector import Delete, Edit, Poll, ReadBack, Reply, Stream, Test
from cxm.channels.matrix.homeserver import CLIENT, part
from cxm.channels.matrix.mapping import map_delivery
from cxm.channels.testing.live import LoopbackHttp
from cxm.kernel.clock import now
from cxm.kernel.ids import new_id

BASE = os.environ.get("CXM_LAB_MATRIX", "http://127.0.0.1:8008")
HTTP = LoopbackHttp()
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


async def api(token: str, method: str, path: str, body: Any = None, *, prefix: str = CLIENT) -> dict[str, Any]:
    """What a person's own program would ask."""
    answer = await HTTP.request(
        method, BASE + prefix + path, headers={"authorization": f"Bearer {token}"} if token else {}, json=body, timeout=60
    )
    assert answer.status_code < 300, (method, path, answer.status_code, answer.content)
    return answer.json()


def why_not() -> str | None:
    try:
        answer = asyncio.run(HTTP.request("GET", f"{BASE}/_matrix/client/versions", timeout=5))
    except ConnectorError as error:
        return error.text
    return None if answer.status_code == 200 else f"it answered {answer.status_code}"


pytestmark = [pytest.mark.lab, pytest.mark.skipif(why_not() is not None, reason=f"no homeserver to speak to at {BASE}: {why_not()}")]


class Person:
    """Somebody with an account of their own there."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}{uuid4().hex[:10]}"
        told = asyncio.run(api("", "POST", "/register", {"username": self.name, "password": "pw", "auth": {"type": "m.login.dummy"}}))
        self.token, self.id = str(told["access_token"]), str(told["user_id"])

    def do(self, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        return asyncio.run(api(self.token, method, path, body if body is not None or method == "GET" else {}, **more))

    def room(self, *others: str, **more: Any) -> str:
        return str(self.do("POST", "/createRoom", {"invite": list(others), **more})["room_id"])

    def say(self, room: str, body: str = "", kind: str = "m.room.message", **content: Any) -> str:
        told = {"msgtype": "m.text", "body": body, **content} if kind == "m.room.message" else content
        return str(self.do("PUT", f"/rooms/{part(room)}/send/{kind}/{uuid4().hex}", told)["event_id"])

    def hears(self, room: str) -> list[dict[str, Any]]:
        """What stands in a room, newest first."""
        return self.do("GET", f"/rooms/{part(room)}/messages?dir=b&limit=100")["chunk"]


class Desk:
    """Our account, and what it has heard."""

    def __init__(self, person: Person, settings: Mapping[str, Any] | None = None, credentials: Mapping[str, str] | None = None) -> None:
        account = AccountView(UUID(int=uuid4().int), "matrix", "Care", {"server_url": BASE, **(settings or {})})
        self.session = Session(account, dict(credentials or {"access_token": person.token}), HTTP, dial=None, now=now())  # type: ignore[arg-type]
        self.cursor: Mapping[str, Any] | None = None
        self.unheard: list[str] = []

    def look(self) -> list[Item]:
        """Everything there is by now."""
        found: list[Item] = []
        for _ in range(50):
            polled = asyncio.run(Poll().poll(replace(self.session, now=now()), self.cursor))
            found += self.take(polled)
            if not polled.more:
                return found
        raise AssertionError("polling does not end")

    def take(self, polled: Polled) -> list[Item]:
        self.cursor = polled.cursor
        self.unheard += [one.reason for one in polled.unheard]
        return [item for delivery in polled.deliveries for item in map_delivery(delivery, self.session.account)]

    def send(self, sender: Any, outgoing: Outgoing) -> str:
        return asyncio.run(sender.send(replace(self.session, now=now()), outgoing)).native_id


def answer_to(mention: Item, text: str, kind: str = "reply", **more: Any) -> Outgoing:
    assert isinstance(mention, Mention)
    told = {"in_reply_to": mention.native_id, "thread": mention.thread, "context": mention.context} | more
    return Outgoing(new_id(), kind, text, True, **told)


@pytest.fixture
def care() -> Person:
    return Person("care")


@pytest.fixture
def ann() -> Person:
    return Person("ann")


def direct(ann: Person, care: Person) -> tuple[Desk, str]:
    """A desk in a direct room that Ann opened."""
    desk = Desk(care)
    assert desk.look() == []
    room = ann.room(care.id, is_direct=True, preset="trusted_private_chat")
    desk.look()
    return desk, room


def test_a_direct_message_is_answered_and_the_answer_seen(care: Person, ann: Person) -> None:
    desk, room = direct(ann, care)
    asked = ann.say(room, "Where is my order?")
    (mention,) = desk.look()
    assert isinstance(mention, Mention)
    assert (mention.native_id, mention.text, mention.kind, mention.private, mention.addressed) == (
        asked,
        "Where is my order?",
        "message",
        True,
        True,
    )
    assert mention.author.native_id == ann.id and mention.author.name == ann.name

    outgoing = answer_to(mention, "On its way. ☕")
    said = desk.send(Reply(), outgoing)
    assert desk.send(Reply(), outgoing) == said, "the same transaction is the same event"
    heard = [event for event in ann.hears(room) if event["sender"] == care.id and event["type"] == "m.room.message"]
    assert [event["content"]["body"] for event in heard] == ["On its way. ☕"]
    assert heard[0]["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == asked
    back = asyncio.run(ReadBack().read_back(desk.session, outgoing))
    assert back is not None and back.native_id == said
    assert asyncio.run(ReadBack().read_back(desk.session, replace(outgoing, id=new_id()))) is None
    (echo,) = desk.look()
    assert isinstance(echo, Mention) and (echo.native_id, echo.media_type) == (said, "owned")

    ann.do("POST", f"/rooms/{part(room)}/receipt/m.read/{part(said)}")
    (receipt,) = desk.look()
    assert isinstance(receipt, Receipt) and (receipt.native_id, receipt.status) == (said, "read")
    assert desk.look() == []


def test_edits_reactions_redactions_threads_and_files(care: Person, ann: Person) -> None:
    desk, room = direct(ann, care)
    asked = ann.say(room, "Brokn cup")
    ann.say(
        room,
        "* Broken cup",
        **{"m.new_content": {"msgtype": "m.text", "body": "Broken cup"}, "m.relates_to": {"rel_type": "m.replace", "event_id": asked}},
    )
    ann.say(room, kind="m.reaction", **{"m.relates_to": {"rel_type": "m.annotation", "event_id": asked, "key": "💔"}})
    ann.say(room, "See below", **{"m.relates_to": {"rel_type": "m.thread", "event_id": asked}})
    created, edited, reaction, inside = desk.look()
    assert isinstance(created, Mention) and isinstance(edited, Mention) and isinstance(reaction, Mention) and isinstance(inside, Mention)
    assert (edited.native_id, edited.text) == (asked, "Broken cup") and edited.edited_at is not None
    assert edited.published_at == created.published_at
    assert (reaction.text, reaction.reply_to, reaction.state) == ("💔", asked, "no_answer_needed")
    assert inside.thread == asked

    said = desk.send(Reply(), answer_to(inside, "We are sory"))
    assert next(event for event in ann.hears(room) if event["event_id"] == said)["content"]["m.relates_to"]["rel_type"] == "m.thread"
    desk.send(Edit(), answer_to(inside, "We are sorry", "edit", in_reply_to=said))
    newest = ann.hears(room)[0]
    assert newest["content"]["m.new_content"]["body"] == "We are sorry"
    desk.send(Delete(), answer_to(inside, "", "delete", in_reply_to=said))
    assert next(event for event in ann.hears(room) if event["event_id"] == said)["content"] == {}

    upload = asyncio.run(
        HTTP.request(
            "POST",
            f"{BASE}/_matrix/media/v3/upload",
            headers={"authorization": f"Bearer {ann.token}", "content-type": "image/png"},
            content=PIXEL,
        )
    ).json()["content_uri"]
    ann.say(room, "cup.png", msgtype="m.image", url=upload, info={"mimetype": "image/png", "size": len(PIXEL)})
    ann.do("PUT", f"/rooms/{part(room)}/redact/{part(asked)}/{uuid4().hex}")
    found = desk.look()
    picture = next(one for one in found if isinstance(one, Mention) and one.media)
    assert picture.media[0].content == PIXEL and picture.media[0].name == "cup.png"
    assert asked in [one.native_id for one in found if isinstance(one, Deletion)]


def test_a_room_of_many_is_public_and_only_who_names_us_speaks_to_us(care: Person, ann: Person) -> None:
    desk, omar = Desk(care, {"join": "all"}), Person("omar")
    desk.look()
    room = ann.room(care.id, omar.id, name="Help", preset="public_chat")
    omar.do("POST", f"/join/{part(room)}")
    desk.look()
    omar.say(room, "I like tea")
    ann.say(room, "Is somebody here?", **{"m.mentions": {"user_ids": [care.id]}})
    talk, named = desk.look()
    assert isinstance(talk, Mention) and isinstance(named, Mention)
    assert (talk.kind, talk.private, talk.addressed, named.addressed) == ("post", False, False, True)
    assert talk.context["room_name"] == "Help"


def test_an_encrypted_room_is_a_gap_and_nothing_is_written_there(care: Person, ann: Person) -> None:
    desk = Desk(care)
    desk.look()
    state = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
    room = ann.room(care.id, is_direct=True, preset="trusted_private_chat", initial_state=state)
    ann.say(room, kind="m.room.encrypted", algorithm="m.megolm.v1.aes-sha2", ciphertext="AwgAEnAC", session_id="x")
    assert desk.look() == []
    assert desk.unheard and all("is encrypted" in reason for reason in desk.unheard)
    with pytest.raises(Rejected, match="encrypted"):
        desk.send(Reply(), Outgoing(new_id(), "reply", "Hello", True, context={"room": room}))


def test_what_was_said_while_nobody_listened_is_fetched_whole_and_in_order(
    care: Person, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxm.channels.matrix.connector.LIMIT", 5)
    monkeypatch.setattr("cxm.channels.matrix.syncing.PAGE", 4)
    desk, room = direct(ann, care)
    for number in range(25):
        ann.say(room, f"Message {number}")
    found = [one for one in desk.look() if isinstance(one, Mention)]
    assert len(found) == len({one.native_id for one in found}) == 25
    assert [one.text for one in sorted(found, key=lambda one: one.published_at)] == [f"Message {number}" for number in range(25)]
    assert desk.look() == []


def test_the_stream_hears_at_once_and_ends_when_it_is_closed(care: Person, ann: Person) -> None:
    desk, room = direct(ann, care)

    async def listen() -> list[Item]:
        stream = Stream().listen(desk.session, desk.cursor)
        desk.take(await anext(stream))
        waiting = asyncio.ensure_future(anext(stream))
        await api(ann.token, "PUT", f"/rooms/{part(room)}/send/m.room.message/{uuid4().hex}", {"msgtype": "m.text", "body": "Hello?"})
        items = desk.take(await asyncio.wait_for(waiting, 60))
        await stream.aclose()  # type: ignore[attr-defined]
        return items

    (mention,) = asyncio.run(listen())
    assert isinstance(mention, Mention) and mention.text == "Hello?"


def test_a_password_signs_in_and_a_revoked_token_says_so(care: Person, ann: Person) -> None:
    desk = Desk(care, credentials={"user": care.name, "password": "pw"})
    assert desk.look() == []
    assert all(step.ok for step in asyncio.run(Test().test(desk.session)))
    assert len(care.do("GET", "/devices")["devices"]) == 3
    with pytest.raises(AuthExpired):
        Desk(care, credentials={"user": care.name, "password": "wrong"}).look()
    other = Desk(care)
    other.look()
    care.do("POST", "/logout")
    with pytest.raises(AuthExpired):
        other.look()
    steps = asyncio.run(Test().test(other.session))
    assert [step.ok for step in steps] == [True, False]
