"""Against a Bot API server that none of us wrote (``telegram-test-api``), at ``CXM_LAB_TELEGRAM`` or port 19000; skipped, saying so, where
none answers. It knows neither offsets nor revoked tokens; those are tested in memory, and behind a gate in ``tests/lab/test_telegram.py``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from cxm.channels.contracts import AccountView, AuthExpired, ConnectorError, Mention, Outgoing, Session
from cxm.channels.telegram.connector import Delete, Edit, Poll, Reply, Stream, Test
from cxm.channels.telegram.ids import parts
from cxm.channels.telegram.mapping import map_delivery
from cxm.channels.testing.live import LoopbackHttp
from cxm.kernel.clock import now
from cxm.kernel.ids import new_id

BASE = os.environ.get("CXM_LAB_TELEGRAM", "http://127.0.0.1:19000")
HTTP = LoopbackHttp()


def why_not() -> str | None:
    try:
        answer = asyncio.run(HTTP.request("GET", f"{BASE}/bot1:a/getMe", timeout=5))
    except ConnectorError as error:
        return error.text
    return None if answer.status_code == 200 else f"it answered {answer.status_code}"


pytestmark = [pytest.mark.lab, pytest.mark.skipif(why_not() is not None, reason=f"no Bot API to speak to at {BASE}: {why_not()}")]


class Person:
    """Somebody with Telegram on their telephone, and the bot they write to."""

    def __init__(self, first_name: str, token: str) -> None:
        self.id, self.token = uuid4().int % 2**40, token
        self.user = {"id": self.id, "is_bot": False, "first_name": first_name}
        self.room = {"id": self.id, "type": "private", "first_name": first_name}

    def write(self, text: str, chat: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Write to the bot, or where it hears."""
        said = {"botToken": self.token, "from": self.user, "chat": chat or self.room, "date": int(now().timestamp()), "text": text, **more}
        self._ask("sendMessage", said)

    def sees(self) -> list[dict[str, Any]]:
        """What the bot said to this person, as it stands now."""
        history = self._ask("getUpdatesHistory", {"token": self.token})
        return [one for one in history if str(one["message"].get("chat_id")) == str(self.id)]

    def _ask(self, path: str, body: Any) -> Any:
        answer = asyncio.run(HTTP.request("POST", f"{BASE}/{path}", json=body, timeout=30))
        assert answer.status_code == 200, (path, answer.status_code, answer.content)
        return answer.json()["result"]


def fresh_token() -> str:
    """A bot nobody else writes to."""
    return f"{uuid4().int % 10**10}:lab"


def our(token: str) -> Session:
    account = AccountView(UUID(int=uuid4().int), "telegram", "Care", {"server_url": BASE})
    return Session(account, {"token": token}, HTTP, dial=None, now=now())  # type: ignore[arg-type]


def hears(session: Session) -> list[Mention]:
    polled = asyncio.run(Poll().poll(session, None))
    items = [item for delivery in polled.deliveries for item in map_delivery(delivery, session.account)]
    return [item for item in items if isinstance(item, Mention)]


def speak(session: Session, sender: Any, kind: str, text: str, to: str, context: Mapping[str, Any] | None = None) -> str:
    return asyncio.run(sender.send(session, Outgoing(new_id(), kind, text, True, in_reply_to=to, context=context or {}))).native_id


def test_what_somebody_writes_is_answered_changed_and_taken_back() -> None:
    token = fresh_token()
    session, ann = our(token), Person("Ann", token)
    ann.write("Are you open on Sunday? 🥐")
    [asked] = hears(session)
    assert (asked.text, asked.private, asked.author.native_id, asked.author.name) == (
        "Are you open on Sunday? 🥐",
        True,
        str(ann.id),
        "Ann",
    )
    sent = speak(session, Reply(), "reply", "From eight.", asked.native_id, asked.context)
    [seen] = ann.sees()
    number = parts(asked.native_id)
    assert number and seen["message"]["text"] == "From eight." and seen["message"]["reply_parameters"] == {"message_id": number[1]}
    assert parts(sent) == (ann.id, seen["messageId"])
    speak(session, Edit(), "edit", "From nine.", sent)
    assert [one["message"]["text"] for one in ann.sees()] == ["From nine."]
    speak(session, Delete(), "delete", "", sent)
    assert ann.sees() == []
    speak(session, Delete(), "delete", "", asked.native_id)


def test_a_group_is_heard_and_files_it_cannot_give_are_named() -> None:
    token = fresh_token()
    session, bo = our(token), Person("Bo", token)
    group = {"id": -1002000000001, "type": "supergroup", "title": "Bakery friends"}
    bo.write("@TestNameBot rye?", group)
    bo.write("Nice rolls", group)
    bo.write("", caption="The bill", document={"file_id": "x", "file_name": "bill.pdf", "file_size": 10})
    named, overheard, filed = hears(session)
    assert (named.addressed, overheard.addressed, filed.addressed) == (True, False, True)
    assert [(one.name, one.content) for one in filed.media] == [("bill.pdf", None)] and filed.text == "The bill"


def test_the_stream_hears_and_the_button_tells_who_we_are() -> None:
    token = fresh_token()
    session, ann = our(token), Person("Ann", token)
    steps = asyncio.run(Test().test(session))
    assert [step.ok for step in steps] == [True, True, True] and "@TestNameBot" in steps[1].text

    async def first() -> list[str]:
        stream = Stream().listen(session, None)
        try:
            async for batch in stream:
                if batch.deliveries:
                    return [delivery.body.decode() for delivery in batch.deliveries]
        finally:
            await stream.aclose()  # type: ignore[attr-defined]
        raise AssertionError("the stream ended")

    ann.write("Hello")
    [body] = asyncio.run(first())
    assert '"Hello"' in body
    with pytest.raises(AuthExpired):
        asyncio.run(Poll().poll(our("no token"), None))
