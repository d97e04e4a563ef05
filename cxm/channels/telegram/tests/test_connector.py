"""Hearing and answering over the Bot API in memory: nothing lost, nothing twice, and refusals in words a member can act on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cxm.channels.contracts import (
    AuthExpired,
    ConnectorError,
    Deletion,
    Gone,
    Item,
    Mention,
    Outgoing,
    Polled,
    RateLimited,
    Rejected,
    Sent,
    Session,
    Unavailable,
)
from cxm.channels.telegram import connector
from cxm.channels.telegram.connector import Delete, Edit, Poll, Reply, Stream, Test
from cxm.channels.telegram.mapping import map_delivery
from cxm.channels.telegram.tests.provider import BASE, TOKEN, BotApi, session_of
from cxm.channels.testing.web import answer
from cxm.kernel.ids import new_id

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GROUP = {"id": -1002000000001, "type": "supergroup", "title": "Bakery friends"}
SIGNED = "7000000001:5000000001"


@pytest.fixture
def api() -> BotApi:
    return BotApi()


def look(session: Session, cursor: Mapping[str, Any] | None = None) -> Polled:
    return asyncio.run(Poll().poll(session, cursor))


def heard(polled: Polled, session: Session) -> list[Item]:
    return [item for delivery in polled.deliveries for item in map_delivery(delivery, session.account)]


def texts(polled: Polled, session: Session) -> list[str]:
    return [item.text for item in heard(polled, session) if isinstance(item, Mention)]


def say(session: Session, text: str, kind: str = "reply", sender: Any = None, **more: Any) -> Sent:
    told: dict[str, Any] = {"in_reply_to": f"{SIGNED}:101", "context": {"chat": 5000000001}} | more
    return asyncio.run((sender or Reply()).send(session, Outgoing(new_id(), kind, text, True, **told)))


def test_what_is_not_durable_is_told_again_under_the_same_id_and_what_is_durable_is_confirmed(api: BotApi) -> None:
    session = session_of(api, NOW)
    api.hears("One")
    first = look(session)
    api.hears("Two")
    again = look(session)  # the first look was lost before it was durable
    assert texts(again, session) == ["One", "Two"]
    assert [one.delivery_id for one in again.deliveries][:1] == [one.delivery_id for one in first.deliveries]
    after = look(session, again.cursor)
    assert not after.deliveries and not api.updates, "what is durable is confirmed, and forgotten there"
    assert len(api.calls("getMe")) == 2, "who we are is kept in the cursor"
    look(replace(session, now=NOW + timedelta(days=2)), after.cursor)
    assert len(api.calls("getMe")) == 3, "and asked for again after a day: a username may change"


def test_a_server_that_goes_away_in_the_middle_of_a_question_costs_nothing(api: BotApi) -> None:
    session = session_of(api, NOW)
    api.hears("Before")
    cursor = look(session).cursor
    api.web.once("POST", f"{BASE}/bot{TOKEN}/getUpdates", Unavailable("The line was cut.", effect_possible=True))
    api.hears("While it was away")

    async def listen() -> list[Polled]:
        async with aclosing(Stream().listen(session, cursor)) as news:
            return [await anext(news), await anext(news)]

    with pytest.raises(Unavailable):
        asyncio.run(listen())
    found = asyncio.run(listen())
    assert [texts(one, session) for one in found] == [["While it was away"], []], "heard once, and then it is confirmed"
    assert [one.get("timeout") for one in api.calls("getUpdates")][-2:] == [0, 25], "first at once, then patiently"


def test_numbers_that_begin_anew_after_a_week_of_silence_hide_nothing(api: BotApi) -> None:
    session = session_of(api, NOW)
    api.hears("Before")
    before = look(session)
    api._number -= 1  # chance may choose the same number
    api.updates.clear()
    api.hears("After")
    after = look(session)
    assert texts(after, session) == ["After"] and after.deliveries[0].delivery_id != before.deliveries[0].delivery_id


def test_files_come_along_until_the_limit_and_a_file_that_cannot_be_had_is_named(api: BotApi) -> None:
    session = session_of(api, NOW, media_megabytes=1)
    api.files = {"bill": b"%PDF-", "huge": b"x" * 1_000_001}
    for name in ("bill", "huge", "gone"):
        api.hears(document={"file_id": name, "file_name": f"{name}.pdf", "mime_type": "application/pdf"})
    api.hears(document={"file_id": "told", "file_name": "told.pdf", "file_size": 2_000_000})
    media = [item.media[0] for item in heard(look(session), session) if isinstance(item, Mention)]
    assert [(one.name, one.content) for one in media] == [
        ("bill.pdf", b"%PDF-"),
        ("huge.pdf", None),
        ("gone.pdf", None),
        ("told.pdf", None),
    ]
    assert len(api.calls("getFile")) == 3, "what says that it is too large is not asked for"
    assert not any(TOKEN in delivery.body.decode() for delivery in look(session).deliveries), "no token in what is kept"


def test_a_batch_of_large_files_is_cut_and_goes_on(api: BotApi) -> None:
    session = session_of(api, NOW)
    api.files = {"film": b"x" * 7_000_000}
    for _ in range(5):
        api.hears(video={"file_id": "film"})
    first = look(session)
    rest = look(session, first.cursor)
    assert first.more and not rest.more and len(first.deliveries) + len(rest.deliveries) == 5


def test_files_that_take_long_do_not_hold_up_what_is_there(api: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(api, NOW)
    for number in range(3):
        api.hears(f"Number {number}")
    monkeypatch.setattr(connector, "PATIENCE", timedelta(seconds=-1))
    batches = [look(session)]
    while batches[-1].more:
        batches.append(look(session, batches[-1].cursor))
    assert [texts(one, session) for one in batches] == [["Number 0"], ["Number 1"], ["Number 2"]]


def test_a_reaction_that_is_taken_back_is_gone_and_another_stays(api: BotApi) -> None:
    session = session_of(api, NOW)
    common = {"chat": GROUP, "message_id": 7, "user": {"id": 5, "first_name": "Bo"}, "date": 1_763_805_600}
    like, love = {"type": "emoji", "emoji": "👍"}, {"type": "emoji", "emoji": "❤"}
    api.update(message_reaction={**common, "old_reaction": [], "new_reaction": [like, love]})
    api.update(message_reaction={**common, "old_reaction": [like, love], "new_reaction": [love]})
    first, second, gone = heard(look(session), session)
    assert isinstance(first, Mention) and isinstance(second, Mention) and isinstance(gone, Deletion)
    assert (first.text, second.text, gone.native_id) == ("👍", "❤", first.native_id)
    assert api.calls("getUpdates")[0]["allowed_updates"] == ["message", "edited_message", "message_reaction"]


def test_answers_stand_under_what_they_answer_and_are_changed_and_taken_back(api: BotApi) -> None:
    session = session_of(api, NOW)
    number = api.hears("Open on Sunday?")
    [asked] = heard(look(session), session)
    assert isinstance(asked, Mention)
    sent = say(session, "From eight.", in_reply_to=asked.native_id, thread=asked.thread, context=asked.context)
    [said] = api.said.values()
    assert said == {"chat_id": 5000000001, "text": "From eight.", "reply_parameters": {"message_id": number}}
    for _ in range(2):  # the same edit again, after an outcome that was unknown
        assert say(session, "From nine.", "edit", Edit(), in_reply_to=sent.native_id) == Sent(sent.native_id)
    assert said["text"] == "From nine."
    for _ in range(2):
        assert say(session, "", "delete", Delete(), in_reply_to=sent.native_id) == Sent(sent.native_id)
    assert not api.said
    with pytest.raises(Gone):
        say(session, "Too late.", "edit", Edit(), in_reply_to=sent.native_id)


def test_in_a_group_the_topic_is_kept_and_a_group_that_moved_is_followed(api: BotApi) -> None:
    session = session_of(api, NOW)
    api.hears("@acme_care_bot?", chat=GROUP, is_topic_message=True, message_thread_id=9)
    [asked] = heard(look(session), session)
    assert isinstance(asked, Mention) and asked.addressed
    api.refuse(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1009)
    sent = say(session, "Yes.", in_reply_to=asked.native_id, context=asked.context)
    [((chat, number), said)] = api.said.items()
    assert (chat, said.get("message_thread_id"), said.get("reply_parameters")) == (-1009, 9, None)
    assert sent.native_id == f"-1009:{number}"


@pytest.mark.parametrize(
    ("code", "description", "parameters", "kind", "says"),
    [
        (401, "Unauthorized", {}, AuthExpired, "@BotFather"),
        (404, "Not Found", {}, AuthExpired, "@BotFather"),
        (403, "Forbidden: bot was blocked by the user", {}, Rejected, "blocked"),
        (403, "Forbidden: bot was kicked from the supergroup chat", {}, Rejected, "added again"),
        (403, "Forbidden: bot can't initiate conversation with a user", {}, Rejected, "write first"),
        (400, "Bad Request: message to be replied not found", {}, Gone, "replied"),
        (400, "Bad Request: chat not found", {}, Gone, "chat"),
        (400, "Bad Request: message is too long", {}, Rejected, "Shorten"),
        (409, "Conflict: terminated by other getUpdates request", {}, Unavailable, "one listener"),
        (409, "Conflict: can't use getUpdates method while webhook is active", {}, Rejected, "webhook"),
        (429, "Too Many Requests: retry after 34", {"retry_after": 34}, RateLimited, "slow"),
        (500, "Internal Server Error", {}, Unavailable, ""),
    ],
)
def test_each_refusal_says_what_to_do(
    api: BotApi, code: int, description: str, parameters: dict[str, int], kind: type[ConnectorError], says: str
) -> None:
    session = session_of(api, NOW)
    api.refuse(code, description, **parameters)
    with pytest.raises(kind) as caught:
        say(session, "Hello")
    assert says in f"{caught.value.text} {getattr(caught.value, 'mend', '')}" and TOKEN not in str(caught.value)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 34
    if isinstance(caught.value, Unavailable):
        assert caught.value.effect_possible is (code == 500)


def test_an_answer_whose_line_was_cut_may_be_out(api: BotApi) -> None:
    session = session_of(api, NOW)
    for told in (answer(json={"ok": True, "result": {}}), answer(content="<html>", status=200), answer(content="", status=502)):
        api.refuses.append(told)
        with pytest.raises(Unavailable) as caught:
            say(session, "Hello")
        assert caught.value.effect_possible, told


def test_the_button_says_what_it_hears_and_takes_nothing(api: BotApi) -> None:
    session = session_of(api, NOW)
    api.hears("Waits")
    steps = asyncio.run(Test().test(session))
    assert [(step.name, step.ok) for step in steps] == [("Find the server", True), ("Sign in", True), ("Listen", True)]
    assert "@acme_care_bot" in steps[1].text
    assert texts(look(session), session) == ["Waits"]
    api.refuse(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
    assert [(step.ok, "webhook" in step.text) for step in asyncio.run(Test().test(session))] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    api.token = None  # revoked
    _, refused = asyncio.run(Test().test(session))
    assert not refused.ok and "does not know this bot token" in refused.text and "/mybots" in refused.text
    _, never = asyncio.run(Test().test(session_of(api, NOW, token="../../getMe")))
    assert not never.ok and "no bot token" in never.text and not any("getMe/" in one.url for one in api.web.requests)
    api.web.otherwise(lambda asked: answer(content="<h1>Hello</h1>"))
    [elsewhere] = asyncio.run(Test().test(session))
    assert not elsewhere.ok and "not as a Bot API" in elsewhere.text
