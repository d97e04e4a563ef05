"""Matrix against a real homeserver and a whole installation: heard, answered so that the sender sees it, nothing lost and nothing twice."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from cxm.channels.matrix.homeserver import part
from cxm.channels.matrix.tests.test_lab import BASE, Person, why_not
from tests.kit.waiting import until
from tests.lab.desk import Desk, desk

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(why_not() is not None, reason=f"no homeserver to speak to at {BASE}: {why_not()}"),
]


@dataclass
class Rooms:
    """A desk whose organization has a user on the homeserver."""

    desk: Desk
    care: Person
    account: str


@pytest.fixture(scope="module")
def rooms() -> Iterator[Rooms]:
    care = Person("care")
    port = urlsplit(BASE).port or 443
    with desk(port) as made:
        settings = {"server_url": BASE}
        body = {"channel": "matrix", "name": "Care", "settings": settings, "credentials": {"access_token": care.token}}
        account = made.rest.post("/accounts", body, 201)["id"]
        made.heard_well(account, 60)
        yield Rooms(made, care, account)


def test_a_message_is_answered_and_what_happens_meanwhile_is_not_lost(rooms: Rooms, capsys: pytest.CaptureFixture[str]) -> None:
    ann = Person("ann")
    room = ann.room(rooms.care.id, is_direct=True, preset="trusted_private_chat")
    until(
        lambda: any(one["state_key"] == rooms.care.id and one["content"]["membership"] == "join" for one in _members(ann, room)), "we join"
    )
    written = time.monotonic()
    asked = ann.say(room, "Where is my order?")
    conversation = rooms.desk.conversation_with(ann.id)
    heard = time.monotonic() - written
    with capsys.disabled():
        sys.stdout.write(f"\n  from the room to the inbox: {heard:.2f} s ")
    assert conversation["kind"] == "private" and conversation["mentions"][0]["text"] == "Where is my order?"

    reply = rooms.desk.answer(conversation, "It leaves today.")
    sent = rooms.desk.reply_is(reply, "sent")
    said = [event for event in ann.hears(room) if event["sender"] == rooms.care.id and event["type"] == "m.room.message"]
    assert [(event["event_id"], event["content"]["body"]) for event in said] == [(sent["native_id"], "It leaves today.")]
    ann.do("POST", f"/rooms/{part(room)}/receipt/m.read/{part(sent['native_id'])}")
    rooms.desk.reply_is(reply, "sent", delivery="read")

    rooms.desk.serve.stop()
    for number in range(7):
        ann.say(room, f"Meanwhile {number}")
    ann.do("PUT", f"/rooms/{part(room)}/redact/{part(asked)}/gone")
    rooms.desk.serve.start()
    conversation = rooms.desk.conversation_with(ann.id, mentions=9, seconds=90)
    texts = [one["text"] for one in conversation["mentions"]]
    assert texts[1:] == ["It leaves today.", *(f"Meanwhile {number}" for number in range(7))]
    until(lambda: not rooms.desk.conversation_with(ann.id)["mentions"][0]["text"], "what was taken back is gone")
    assert len(ann.hears(room)) == len({event["event_id"] for event in ann.hears(room)})


def _members(person: Person, room: str) -> list[dict[str, object]]:
    return person.do("GET", f"/rooms/{part(room)}/members")["chunk"]
