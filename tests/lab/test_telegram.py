"""Telegram against a Bot API server and a whole installation: heard, answered so that the sender sees it, a server that dies in the middle
of a question loses nothing and repeats nothing, and a revoked token is told in words."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cxm.channels.telegram.tests.test_lab import BASE, Person, fresh_token, why_not
from tests.kit.waiting import until
from tests.lab.desk import Desk, desk
from tests.lab.telegram_gate import Gate

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(why_not() is not None, reason=f"no Bot API to speak to at {BASE}: {why_not()}"),
]


@dataclass
class Chats:
    """A desk whose organization has a bot."""

    desk: Desk
    gate: Gate
    account: str


@pytest.fixture(scope="module")
def chats() -> Iterator[Chats]:
    gate = Gate(BASE, fresh_token())
    gate.open()
    try:
        with desk(gate.port) as made:
            body = {"channel": "telegram", "name": "Care", "settings": {"server_url": gate.url}, "credentials": {"token": gate.token}}
            account = made.rest.post("/accounts", body, 201)["id"]
            made.heard_well(account, 60)
            yield Chats(made, gate, account)
    finally:
        gate.close()


def test_somebody_is_heard_and_answered_through_restarts_and_a_revoked_token(chats: Chats, capsys: pytest.CaptureFixture[str]) -> None:
    desk, gate = chats.desk, chats.gate
    ann = Person("Ann", gate.token)
    written = time.monotonic()
    ann.write("Where is my order?")
    conversation = desk.conversation_with(str(ann.id))
    with capsys.disabled():
        sys.stdout.write(f"\n  from the telephone to the inbox: {time.monotonic() - written:.2f} s ")
    assert conversation["kind"] == "private" and conversation["mentions"][0]["text"] == "Where is my order?"
    reply = desk.answer(conversation, "It leaves today.")
    desk.reply_is(reply, "sent")
    [seen] = ann.sees()
    assert seen["message"]["text"] == "It leaves today." and seen["message"]["reply_parameters"]["message_id"]

    until(lambda: gate.asking, "a question is open")
    gate.close()  # in the middle of it
    for number in range(5):
        ann.write(f"Meanwhile {number}")
    desk.ails(chats.account, 90)
    gate.open()
    texts = ["Where is my order?", *(f"Meanwhile {number}" for number in range(5))]
    assert _theirs(desk.conversation_with(str(ann.id), mentions=7, seconds=120)) == texts
    desk.heard_well(chats.account, 120)

    gate.revoked = True
    ailing = until(
        lambda: found if "token" in str((found := desk.account(chats.account))["health"]) else None, "it says that the token is gone", 120
    )
    with capsys.disabled():
        sys.stdout.write(f"\n  {ailing['health']} ")
    ann.write("Still there?")
    gate.revoked = False
    desk.rest.did("PATCH", f"/accounts/{chats.account}", {"credentials": {"token": gate.token}}, 200)
    assert _theirs(desk.conversation_with(str(ann.id), mentions=8, seconds=120)) == [*texts, "Still there?"]
    assert len(ann.sees()) == 1


def _theirs(conversation: dict[str, Any]) -> list[str]:
    """What was written to us. Telegram tells whole seconds, so our own answer may stand anywhere within its second."""
    said = [one["text"] for one in conversation["mentions"]]
    assert said.count("It leaves today.") == 1
    return [text for text in said if text != "It leaves today."]
