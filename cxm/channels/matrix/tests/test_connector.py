"""Reading and sending over a homeserver in memory: cursors, holes, faults, what may have been sent."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from cxm.channels.contracts import (
    AuthExpired,
    Deletion,
    Gone,
    Item,
    Media,
    Mention,
    Outgoing,
    Polled,
    RateLimited,
    Receipt,
    Rejected,
    Unavailable,
    Unmappable,
)
from cxm.channels.matrix.connector import INTENT, Delete, Edit, Poll, ReadBack, Reply, Stream, Test
from cxm.channels.matrix.homeserver import CLIENT
from cxm.channels.matrix.mapping import map_delivery
from cxm.channels.matrix.tests.provider import ANN, BASE, ME, OMAR, Server, refusal
from cxm.channels.testing.web import answer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
INTENT_ID = UUID("019aa000-0000-7000-8000-000000000000")
DM = "!dm:acme.example"


def look(server: Server, cursor: Mapping[str, Any] | None = None, **settings: Any) -> Polled:
    return asyncio.run(Poll().poll(server.session(NOW, settings=settings), cursor))


def everything(server: Server, cursor: Mapping[str, Any] | None = None, **settings: Any) -> tuple[list[Item], Mapping[str, Any]]:
    found: list[Item] = []
    for _ in range(50):
        polled = look(server, cursor, **settings)
        cursor = polled.cursor
        found += items(server, polled)
        if not polled.more:
            return found, cursor
    raise AssertionError("polling does not end")


def items(server: Server, polled: Polled) -> list[Item]:
    account = server.session(NOW).account
    return [item for delivery in polled.deliveries for item in map_delivery(delivery, account)]


def texts(found: list[Item]) -> list[str]:
    return [one.text for one in found if isinstance(one, Mention)]


def reply(text: str = "On its way.", **more: Any) -> Outgoing:
    told = {"in_reply_to": "$2", "thread": DM, "context": {"room": DM, "sender": ANN}} | more
    return Outgoing(INTENT_ID, more.pop("kind", "reply"), text, True, **{key: value for key, value in told.items() if key != "kind"})


def send(server: Server, outgoing: Outgoing, sender: Any = None) -> str:
    return asyncio.run((sender or Reply()).send(server.session(NOW), outgoing)).native_id


def test_what_is_new_comes_once() -> None:
    server = Server()
    room = server.room(DM, ANN)
    server.say(room, ANN, "Hello")
    found, cursor = everything(server)
    assert texts(found) == ["Hello"]
    server.say(room, ANN, "Are you there?")
    found, cursor = everything(server, cursor)
    assert texts(found) == ["Are you there?"]
    assert everything(server, cursor)[0] == []
    assert found[0].author.name == "Ann" and found[0].private  # type: ignore[union-attr]


def test_a_cursor_is_not_changed_by_a_look_that_fails() -> None:
    server = Server()
    server.room(DM, ANN)
    cursor = look(server).cursor
    before = json.dumps(cursor)
    server.say(DM, ANN, "", content={"m.new_content": {}, "m.relates_to": {"rel_type": "m.replace", "event_id": "$elsewhere"}})
    server.once("GET", f"{BASE}{CLIENT}/rooms/%21dm%3Aacme.example/event/%24elsewhere", Unavailable("Away."))
    with pytest.raises(Unavailable):
        look(server, cursor)
    assert json.dumps(cursor) == before


def test_a_hole_in_a_timeline_is_filled_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxm.channels.matrix.connector.LIMIT", 5)
    monkeypatch.setattr("cxm.channels.matrix.syncing.PAGE", 3)
    server = Server()
    room = server.room(DM, ANN)
    server.say(room, ANN, "before")
    cursor = everything(server)[1]
    for number in range(40):
        server.say(room, ANN, f"Message {number}")
    found, cursor = everything(server, cursor)
    assert sorted(texts(found)) == sorted(f"Message {number}" for number in range(40))
    assert cursor["fill"] == []


def test_who_is_in_many_rooms_asks_for_less_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxm.channels.matrix.connector.EVENTS", 40)
    server = Server()
    rooms = [server.room(f"!room{number}:acme.example", ANN, OMAR, name=f"Room {number}") for number in range(10)]
    cursor = everything(server)[1]
    for room in rooms:
        for number in range(9):
            server.say(room, ANN, f"{room} {number}")
    found, _ = everything(server, cursor)
    limits = [json.loads(one.params["filter"])["room"]["timeline"]["limit"] for one in server.asked("GET", f"{BASE}{CLIENT}/sync")]
    assert set(limits) == {4}
    assert len(set(texts(found))) == 90


def test_history_is_as_long_as_is_wished() -> None:
    server = Server()
    room = server.room(DM, ANN)
    for number in range(30):
        server.say(room, ANN, f"Message {number}")
    assert texts(everything(server, history_messages=3)[0]) == ["Message 27", "Message 28", "Message 29"]
    assert everything(server, history_messages=0)[0] == []


def test_an_encrypted_room_is_told_as_such() -> None:
    server = Server()
    room = server.room("!secret:acme.example", ANN, encrypted=True, name="Board")
    server.say(room, ANN, "", "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"})
    polled = look(server)
    assert polled.deliveries == ()
    assert {one.reason for one in polled.unheard} == {"The room “Board” is encrypted: what is said there cannot be read."}
    assert all(one.began_at <= one.ended_at <= NOW for one in polled.unheard)
    with pytest.raises(Rejected, match="encrypted"):
        send(server, reply(context={"room": room}))
    assert not any(one.method == "PUT" for one in server.requests)


def test_somebody_elses_edit_is_quarantined_and_ones_own_believed() -> None:
    server = Server()
    room = server.room("!all:acme.example", ANN, OMAR, name="Help")
    asked = server.say(room, ANN, "Refund me")
    for sender, text in ((OMAR, "Never mind"), (ANN, "Refund me 20 €")):
        server.say(
            room,
            sender,
            "",
            content={"body": "*", "m.new_content": {"body": text}, "m.relates_to": {"rel_type": "m.replace", "event_id": asked}},
        )
    created, refused, edited = everything(server)[0]
    assert isinstance(refused, Unmappable) and "Somebody else" in refused.reason
    assert isinstance(created, Mention) and isinstance(edited, Mention)
    assert (edited.native_id, edited.text, edited.published_at) == (asked, "Refund me 20 €", created.published_at)


def test_an_edit_of_something_older_asks_the_homeserver_for_it() -> None:
    server = Server()
    asked = server.say(server.room(DM, ANN), ANN, "Brokn")
    cursor = everything(server)[1]
    server.say(
        DM,
        ANN,
        "",
        content={"body": "*", "m.new_content": {"body": "Broken"}, "m.relates_to": {"rel_type": "m.replace", "event_id": asked}},
    )
    (edited,) = everything(server, cursor)[0]
    assert isinstance(edited, Mention) and edited.text == "Broken"


def test_files_come_along_and_what_is_too_large_is_named() -> None:
    server = Server()
    room = server.room(DM, ANN)
    server.files["customer.example/abc"] = b"\x00\x01"
    server.files["customer.example/big"] = b"x" * 2_000_000
    for name, size in (("abc", 2), ("big", 0), ("gone", 2), ("../../secret", 2)):
        server.say(
            room,
            ANN,
            "",
            content={
                "msgtype": "m.image",
                "body": name,
                "url": f"mxc://customer.example/{name}",
                "info": {"size": size, "mimetype": "image/png"},
            },
        )
    found = [one for one in everything(server, media_megabytes=1)[0] if isinstance(one, Mention)]
    assert [one.media[0].content for one in found] == [b"\x00\x01", None, None, None]
    assert [one.media[0].name for one in found] == ["abc", "big", "gone", "../../secret"]
    assert not any("secret" in one.url for one in server.requests)


def test_receipts_of_others_are_receipts() -> None:
    server = Server()
    asked = server.say(server.room(DM, ANN), ANN, "Hello")
    cursor = everything(server)[1]
    said = send(server, reply(in_reply_to=asked))
    server.read(DM, said, ANN)
    echo, receipt = everything(server, cursor)[0]
    assert isinstance(echo, Mention) and echo.media_type == "owned" and echo.native_id == said
    assert isinstance(receipt, Receipt) and (receipt.native_id, receipt.status) == (said, "read")
    server.read(DM, asked, OMAR)
    assert everything(server, cursor)[0][1:] == [], "what people read of one another is none of our business"
    server.read(DM, said, ME)
    assert everything(server, cursor)[0][1:] == []


def test_invitations_are_accepted_as_the_account_says() -> None:
    for rule, joined in (("direct", ["!one:x"]), ("all", ["!one:x", "!many:x"]), ("none", [])):
        server = Server()
        server.room(DM, ANN)
        cursor = everything(server)[1]
        server.invite("!one:x", direct=True)
        server.invite("!many:x", direct=False)
        cursor = everything(server, cursor, join=rule)[1]
        assert sorted(set(server.rooms) - {DM}) == sorted(joined), rule
        if rule == "direct":
            server.say("!one:x", ANN, "Hi")
            (mention,) = everything(server, cursor, join=rule)[0]
            assert isinstance(mention, Mention) and mention.private


def test_a_homeserver_that_forgot_begins_anew_and_the_gap_is_told() -> None:
    server = Server()
    server.say(server.room(DM, ANN), ANN, "Hello")
    cursor = everything(server)[1]
    server.forgotten = True
    polled = look(server, cursor)
    assert polled.more and "forgot" in polled.unheard[0].reason
    assert texts(everything(server, polled.cursor)[0]) == ["Hello"]


def test_one_intent_is_one_event() -> None:
    server = Server()
    asked = server.say(server.room(DM, ANN), ANN, "Hello")
    outgoing = reply(in_reply_to=asked)
    assert send(server, outgoing) == send(server, outgoing)
    said = [event for _, event in server.rooms[DM] if event["sender"] == ME and event["type"] == "m.room.message"]
    (event,) = said
    assert event["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": asked}}
    assert event["content"]["m.mentions"] == {"user_ids": [ANN]} and event["content"][INTENT] == str(INTENT_ID)
    assert any(one.url.endswith("/receipt/m.read/%242") for one in server.requests)


def test_a_thread_goes_on_as_a_thread_and_files_as_links() -> None:
    server = Server()
    server.room(DM, ANN)
    send(server, reply(context={"room": DM, "thread_root": "$root"}, media=(Media("image", "https://cdn.example/a.png"),)))
    content = server.rooms[DM][-1][1]["content"]
    assert content["m.relates_to"]["rel_type"] == "m.thread" and content["body"].endswith("\nhttps://cdn.example/a.png")


def test_an_unknown_outcome_is_read_back() -> None:
    server = Server()
    server.room(DM, ANN)
    outgoing = reply()
    assert asyncio.run(ReadBack().read_back(server.session(NOW), outgoing)) is None
    said = send(server, outgoing)
    for number in range(150):
        server.say(DM, ME, f"Another {number}")
    found = asyncio.run(ReadBack().read_back(server.session(NOW), outgoing))
    assert found is not None and found.native_id == said


def test_edit_and_delete() -> None:
    server = Server()
    said = server.say(server.room(DM, ANN), ME, "Sory")
    send(server, reply("Sorry", kind="edit", in_reply_to=said), Edit())
    assert server.rooms[DM][-1][1]["content"]["m.new_content"]["body"] == "Sorry"
    gone = Outgoing(UUID(int=7), "delete", "", True, in_reply_to=said, context={"room": DM})
    assert asyncio.run(ReadBack().read_back(server.session(NOW), gone)) is None
    redaction = send(server, gone, Delete())
    back = asyncio.run(ReadBack().read_back(server.session(NOW), gone))
    assert back is not None and back.native_id == redaction
    assert any(isinstance(one, Deletion) and one.native_id == said for one in everything(server)[0])


@pytest.mark.parametrize(
    ("told", "error", "text"),
    [
        (refusal(403, "M_FORBIDDEN"), Rejected, "M_FORBIDDEN"),
        (refusal(401, "M_UNKNOWN_TOKEN"), AuthExpired, "M_UNKNOWN_TOKEN"),
        (refusal(404, "M_NOT_FOUND"), Gone, "M_NOT_FOUND"),
        (refusal(429, "M_LIMIT_EXCEEDED"), RateLimited, "slow down"),
        (refusal(413, "M_TOO_LARGE"), Rejected, ""),
        (answer(502, content="<html>"), Unavailable, "failed"),
        (answer(200, json={}), Unavailable, "does not say"),
    ],
)
def test_what_a_homeserver_answers_is_put_into_words(told: Any, error: type[Exception], text: str) -> None:
    server = Server()
    server.room(DM, ANN)
    server.on("PUT", f"{BASE}{CLIENT}/rooms/%21dm%3Aacme.example/send/m.room.message/{INTENT_ID}", told)
    with pytest.raises(error, match=text or None) as caught:
        send(server, reply())
    if isinstance(caught.value, Unavailable):
        assert caught.value.effect_possible


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"retry_after_ms": 2500}, {}, 2.5),
        ({"retry_after_ms": 1}, {}, 1),
        ({}, {"retry-after": "7"}, 7),
        ({"retry_after_ms": 2**70}, {}, None),
    ],
)
def test_how_long_to_wait(body: dict[str, Any], headers: dict[str, str], seconds: float | None) -> None:
    server = Server()
    server.on("GET", f"{BASE}{CLIENT}/account/whoami", answer(429, json={"errcode": "M_LIMIT_EXCEEDED", **body}, headers=headers))
    with pytest.raises(RateLimited) as caught:
        look(server)
    assert caught.value.retry_after == seconds


def test_a_password_signs_in_once_and_again_when_the_token_is_gone() -> None:
    server = Server()
    server.room(DM, ANN)
    session = server.session(NOW, credentials={"user": "care", "password": "right"})
    for _ in range(3):
        asyncio.run(Poll().poll(session, None))
    assert len(server.asked("POST", f"{BASE}{CLIENT}/login")) == 1
    server.tokens.clear()
    asyncio.run(Poll().poll(session, None))
    assert len(server.asked("POST", f"{BASE}{CLIENT}/login")) == 2
    with pytest.raises(AuthExpired, match="refuses"):
        asyncio.run(Poll().poll(server.session(NOW, credentials={"user": "care", "password": "wrong"}), None))
    with pytest.raises(AuthExpired, match="neither"):
        asyncio.run(Poll().poll(server.session(NOW, credentials={"user": "care"}), None))


def test_the_test_button() -> None:
    server = Server()
    server.room(DM, ANN)
    assert [(one.name, one.ok) for one in asyncio.run(Test().test(server.session(NOW)))] == [
        ("Find the homeserver", True),
        ("Sign in", True),
        ("See rooms", True),
    ]
    wrong = asyncio.run(Test().test(server.session(NOW, credentials={"access_token": "old"})))
    assert [one.ok for one in wrong] == [True, False] and "token" in wrong[-1].text
    server.on("GET", f"{BASE}/_matrix/client/versions", status=404)
    server.on("GET", f"{BASE}/.well-known/matrix/client", json={"m.homeserver": {"base_url": "https://hs.acme.example"}})
    (step,) = asyncio.run(Test().test(server.session(NOW)))
    assert not step.ok and "https://hs.acme.example" in step.text


def test_the_stream_yields_and_asks_to_wait() -> None:
    server = Server()
    room = server.room(DM, ANN)

    async def listen() -> list[str]:
        stream = Stream().listen(server.session(NOW), None)
        await anext(stream)
        server.say(room, ANN, "Hello")
        polled = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        return texts(items(server, polled))

    assert asyncio.run(listen()) == ["Hello"]
    waits = [one.params["timeout"] for one in server.asked("GET", f"{BASE}{CLIENT}/sync")]
    assert waits == ["0", "30000"]


@pytest.mark.parametrize(
    "odd",
    [None, 1, "x", [], [1], {"a": 1}, {"join": {"!r": None}}, {"join": {"!r": {"timeline": {"events": [None, 1, {"event_id": 2**70}]}}}}],
)
def test_an_odd_answer_costs_at_most_its_odd_parts(odd: Any) -> None:
    server = Server()
    server.room(DM, ANN)
    server.on("GET", f"{BASE}{CLIENT}/sync", json={"next_batch": "s9", "rooms": odd, "account_data": odd})
    polled = look(server)
    assert polled.cursor["since"] == "s9"
    assert all(isinstance(one, Unmappable) for one in items(server, polled))


def test_a_file_that_is_no_base64_is_no_file() -> None:
    body = {
        "me": ME,
        "room": {"id": DM, "direct": True},
        "event": {
            "type": "m.room.message",
            "event_id": "$1",
            "sender": ANN,
            "origin_server_ts": 1,
            "content": {"msgtype": "m.file", "body": "a"},
        },
        "file": {"content": "not base64!"},
    }
    from cxm.channels.contracts import RawDelivery

    account = Server().session(NOW).account
    (item,) = map_delivery(RawDelivery("1", json.dumps(body).encode()), account)
    assert isinstance(item, Mention) and item.media[0].content is None
    body["file"] = {"content": base64.b64encode(b"ab").decode()}
    (item,) = map_delivery(RawDelivery("1", json.dumps(body).encode()), account)
    assert isinstance(item, Mention) and item.media[0].content == b"ab"
