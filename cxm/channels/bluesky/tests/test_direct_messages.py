"""Direct messages, against a service in memory: heard once, in order, however long one was away; answered once; not granted, said so."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from cxm.channels.bluesky.connector import Delete, ReadBack, Test
from cxm.channels.bluesky.mapping import map_delivery
from cxm.channels.bluesky.tests.chat import Chat
from cxm.channels.bluesky.tests.desk import Desk, items, reply_to, send
from cxm.channels.bluesky.tests.provider import ANN, BOB, ME, START, refusal
from cxm.channels.contracts import (
    Deletion,
    Gone,
    Item,
    Media,
    Mention,
    Outgoing,
    RateLimited,
    RawDelivery,
    Rejected,
    Unavailable,
    Unmappable,
)
from cxm.channels.testing.web import answer
from cxm.kernel.ids import new_id

SEND, LOG, LIST = "chat.bsky.convo.sendMessage", "chat.bsky.convo.getLog", "chat.bsky.convo.listConvos"


@pytest.fixture
def chat() -> Chat:
    return Chat()


def desk_of(chat: Chat) -> Desk:
    return Desk(chat, direct_messages=True)


def said(found: list[Item]) -> list[str]:
    return [
        one.text if isinstance(one, Mention) else f"gone {one.native_id.rpartition('chat:')[2]}"
        for one in found
        if not isinstance(one, Unmappable)
    ]  # type: ignore[union-attr]


def test_what_was_said_lately_and_what_happens_from_now_on_is_heard_once_and_in_order(chat: Chat):
    chat.page = 2
    chat.now = START - timedelta(days=3)
    one = chat.convo("c1", ANN)
    chat.write(one, ANN, "Long ago")
    chat.now = START
    other = chat.convo("c2", BOB, status="request")
    first = chat.write(one, ANN, "My cup is broken")
    chat.write(other, BOB, "Are you hiring?")
    chat.write(one, ME, "Which one?")
    chat.react(one, first, BOB, "👍")
    desk = desk_of(chat)
    found = desk.look()
    assert said(found) == ["My cup is broken", "👍", "Are you hiring?", "Which one?"]
    mention, sign, stranger, own = (each for each in found if isinstance(each, Mention))
    assert (mention.native_id, mention.thread, mention.kind, mention.private, mention.addressed) == (
        f"chat:c1/{first}",
        "chat:c1",
        "message",
        True,
        True,
    )
    assert (mention.author.native_id, mention.author.handle, mention.author.name) == (ANN, "@ann.example", "Ann")
    assert (sign.reply_to, sign.state, sign.addressed) == (mention.native_id, "no_answer_needed", False)
    assert stranger.context["requested"] is True and (own.media_type, own.addressed) == ("owned", False)
    assert desk.look() == []

    group = chat.convo("g1", ANN, BOB, name="Board")
    chat.announce(group)
    named = chat.write(group, ANN, "To all")
    ours = chat.write(group, ME, "Yes")
    chat.write(group, BOB, "Thanks", to=ours)
    quoted = {"$type": "app.bsky.embed.record#view", "record": {"uri": f"at://{BOB}/app.bsky.feed.post/x", "value": {"text": "Look"}}}
    chat.write(one, ANN, "", embed=quoted)
    chat.react(one, first, BOB, "👍", off=True)
    chat.take_away(group, named)
    found = desk.look()
    assert said(found) == ["To all", "Yes", "Thanks", "", f"gone c1/{first}/{BOB}/👍", f"gone g1/{named}"]
    told = {each.text: each for each in found if isinstance(each, Mention)}
    assert told["Thanks"].addressed and told["Thanks"].context["group_name"] == "Board" and told[""].media[0].alt == "Look"
    assert [each.native_id for each in found if isinstance(each, Deletion)] == [f"chat:c1/{first}/{BOB}/👍", f"chat:g1/{named}"]
    assert desk.look() == []


@pytest.mark.parametrize("away", [timedelta(minutes=10), timedelta(days=1)])
@pytest.mark.parametrize("kept", [True, False])
def test_whoever_was_away_hears_all_of_it_also_where_the_log_has_forgotten(chat: Chat, away: timedelta, kept: bool):
    convo = chat.convo("c1", ANN)
    chat.write(convo, ANN, "Before")
    desk = desk_of(chat)
    assert said(desk.look(minutes=0)) == ["Before"]
    chat.page = 3
    for number in range(8):
        chat.now += away / 8
        chat.write(convo, ANN, f"Meanwhile {number}")
    if not kept:
        chat.kept_from = len(chat.logs)
    chat.fail(LOG, Unavailable("The server restarts."))  # in the middle of it
    assert said(desk.look()) == []
    assert said(desk.look()) == [f"Meanwhile {number}" for number in range(8)]
    assert desk.look() == [] and desk.unheard == []


def test_what_is_not_granted_is_said_and_stands_in_the_ledger_while_all_else_is_heard(chat: Chat):
    convo = chat.convo("c1", ANN)
    chat.write(convo, ANN, "Can you hear me?")
    chat.granted = False
    desk = desk_of(chat)
    chat.say(ANN, "@acme.example in public", "a1")
    assert said(desk.look()) == ["@acme.example in public"]
    (reason,) = set(desk.unheard)
    assert "may not read direct messages" in reason and "Allow access" in reason
    assert chat.signed_in == 1 and chat.renewed == 0, "a sign-in that reaches less far is none that has ended"
    steps = {one.name: one for one in asyncio.run(Test().test(desk.session()))}
    assert not steps["Read direct messages"].ok and "Allow access to your direct messages" in steps["Read direct messages"].text
    assert steps["See what happens to us"].ok
    with pytest.raises(Rejected, match="may not read"):
        send(desk, reply_to(f"chat:{convo}/x", private=True))
    chat.fail(LIST, refusal(403, "ScopeMissingError", 'Missing required scope "rpc:chat.bsky.convo.listConvos"'))
    assert not {one.name: one for one in asyncio.run(Test().test(desk.session()))}["Read direct messages"].ok
    chat.granted = True
    assert said(desk.look()) == ["Can you hear me?"]
    assert all(one.ok for one in asyncio.run(Test().test(desk.session())))
    quiet = Desk(chat)
    quiet.look()
    assert "Read direct messages" not in [one.name for one in asyncio.run(Test().test(quiet.session()))]
    assert not any(name.startswith("chat.") for name, _, _ in chat.asked[-4:])


def test_a_service_that_asks_for_time_gets_it_and_one_that_is_away_for_long_is_a_gap(chat: Chat):
    convo = chat.convo("c1", ANN)
    desk = desk_of(chat)
    desk.look()
    chat.write(convo, ANN, "Hello")
    reset = str(int(chat.now.timestamp()) + 300)
    chat.fail(LOG, refusal(429, "RateLimitExceeded", **{"ratelimit-reset": reset}))
    assert desk.look() == []
    asked = len(chat.calls(LOG))
    assert desk.look() == [] and len(chat.calls(LOG)) == asked and desk.unheard == []
    chat.now += timedelta(minutes=5)
    chat.fail(LOG, *[Unavailable("It is away.")] * 8)
    for _ in range(8):
        assert desk.look() == []
    assert set(desk.unheard) == {"Direct messages cannot be heard: It is away."}
    assert said(desk.look()) == ["Hello"]


def test_an_answer_goes_where_it_was_asked_and_a_post_is_answered_in_private(chat: Chat):
    convo = chat.convo("c1", ANN)
    asked = chat.write(convo, ANN, "Where is it?")
    desk = desk_of(chat)
    (mention,) = [one for one in desk.look() if isinstance(one, Mention)]
    address = send(
        desk, reply_to(mention.native_id, "Here: https://acme.example/map", private=True, thread=mention.thread, context=mention.context)
    )
    said_there = chat.convos[convo]["messages"][-1]
    assert (address, said_there["text"]) == (f"chat:c1/{said_there['id']}", "Here: https://acme.example/map")
    (_, body) = chat.calls(SEND)[-1]
    assert body["message"]["facets"][0]["features"][0]["uri"] == "https://acme.example/map" and "replyTo" not in body["message"]
    (own,) = desk.look()
    assert isinstance(own, Mention) and (own.native_id, own.media_type) == (address, "owned")

    group = chat.convo("g1", ANN, BOB, name="Board")
    send(desk, reply_to(f"chat:{group}/{chat.write(group, BOB, 'And here?')}", "There", private=True, context={"group": True}))
    assert chat.convos[group]["messages"][-1]["replyTo"]["text"] == "And here?"
    post = chat.say(BOB, "@acme.example!", "b1")
    assert send(desk, reply_to(post, "In private, please.", private=True)) == f"chat:withbob/{chat.convos['withbob']['messages'][-1]['id']}"
    with pytest.raises(Rejected, match="cannot be taken back"):
        send(desk, Outgoing(new_id(), "delete", "", True, in_reply_to=f"chat:{convo}/{asked}"), Delete())


def test_an_unknown_outcome_is_read_back_and_nothing_is_sent_for_that(chat: Chat):
    convo = chat.convo("c1", ANN)
    asked = chat.write(convo, ANN, "?")
    desk = desk_of(chat)
    outgoing = replace(reply_to(f"chat:{convo}/{asked}", "Yes", private=True), id=_made_at(chat))
    assert asyncio.run(ReadBack().read_back(desk.session(), outgoing)) is None
    chat.fail(SEND, Unavailable("The line was cut.", effect_possible=True))
    with pytest.raises(Unavailable) as cut:
        send(desk, outgoing)
    assert cut.value.effect_possible
    address = send(desk, outgoing)
    chat.page = 2
    chat.now += timedelta(minutes=5)
    for number in range(5):
        chat.write(convo, ANN, str(number))
    found = asyncio.run(ReadBack().read_back(desk.session(), outgoing))
    assert found is not None and found.native_id == address and len(chat.calls(SEND)) == 2
    later = replace(outgoing, id=_made_at(chat))
    assert asyncio.run(ReadBack().read_back(desk.session(), later)) is None, "the same words of earlier are another's"
    known = replace(outgoing, others=(address,))
    assert asyncio.run(ReadBack().read_back(desk.session(), known)) is None, "and so are those that another intent said since"
    again = send(desk, outgoing)
    for others, expected in (((address,), again), ((again,), address)):
        found = asyncio.run(ReadBack().read_back(desk.session(), replace(outgoing, others=others)))
        assert found is not None and found.native_id == expected


def _made_at(chat: Chat) -> UUID:
    made = new_id().int & ((1 << 80) - 1)
    return UUID(int=int(chat.now.timestamp() * 1000) << 80 | made)


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        ("MessagesDisabled", Rejected, "take no direct messages"),
        ("NotFollowedBySender", Rejected, "accounts they follow"),
        ("BlockedActor", Rejected, "blocked this account"),
        ("InvalidConvo", Gone, "not there"),
        ("Whatever", Rejected, "Whatever"),
    ],
)
def test_whom_one_cannot_write_to_is_said(chat: Chat, code: str, error: type[Exception], says: str):
    desk, post = desk_of(chat), chat.say(ANN, "@acme.example?", "a")
    chat.refuses = code
    with pytest.raises(error, match=says):
        send(desk, reply_to(post, private=True))


@pytest.mark.parametrize(
    ("text", "media", "says"),
    [
        ("x" * 1001, (), "1001 signs"),
        ("👨‍👩‍👧" * 600, (), "bytes"),
        (" ", (), "nothing to say"),
        ("x", (Media("image", content=b"x"),), "Files do not go"),
    ],
)
def test_what_a_direct_message_does_not_take_is_said(chat: Chat, text: str, media: tuple[Media, ...], says: str):
    convo = chat.convo("c1", ANN)
    with pytest.raises(Rejected, match=says):
        send(desk_of(chat), reply_to(f"chat:{convo}/x", text, private=True, media=media))
    for nobody in ("", "nobody", f"at://{ME}/app.bsky.feed.post/x"):
        with pytest.raises(Rejected):
            send(desk_of(chat), reply_to(nobody, "x", private=True))
    assert chat.calls(SEND) == []


NOTHING: list[Any] = [None, 7, 2**60, "", " ", [], {}, "\x00", {"did": 7}, "x" * 200_000, [[[[]]]], True]


def test_odd_payloads_cost_only_themselves(chat: Chat):
    """Every field of a delivery, missing or odd: understood, or quarantined with its bytes."""
    convo = chat.convo("c1", ANN)
    chat.react(convo, chat.write(convo, ANN, "Hello"), BOB, "👍")
    session = desk_of(chat).session()
    desk = desk_of(chat)
    whole = [json.loads(one.body) for one in desk.once().deliveries]
    assert len(whole) == 2
    for told in whole:
        for path in _paths(told):
            for odd in [..., *NOTHING]:
                body = json.dumps(_with(told, path, odd)).encode()
                (found,) = map_delivery(RawDelivery("x", body, {}, chat.now), session.account)
                assert isinstance(found, Mention) or (isinstance(found, Unmappable) and found.raw == body), (path, odd, found)
    for body in ({}, {"convos": 7}, {"convos": [None, 7, {"id": 7}, {"id": "c1", "lastMessage": 7}]}, {"logs": [7]}, {"cursor": 7}, []):
        fresh = desk_of(chat)
        chat.fail(LIST, answer(json=body))
        chat.fail(LOG, answer(json=body), answer(json=body))
        assert items(fresh.once(), fresh.session()) == []


def _paths(told: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    return [path for key, value in below for path in [(*before, key), *_paths(value, (*before, key))]]


def _with(told: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if isinstance(told, list):
        return [_with(one, path[1:], odd) if number == path[0] and len(path) > 1 else odd if number == path[0] and odd is not ... else one for number, one in enumerate(told)]  # fmt: skip
    fresh = {key: _with(value, path[1:], odd) if key == path[0] and len(path) > 1 else value for key, value in told.items()}
    if len(path) == 1:
        fresh.pop(path[0])
        return fresh if odd is ... else {**fresh, path[0]: odd}
    return fresh


def test_too_many_requests_is_told_as_such(chat: Chat):
    convo = chat.convo("c1", ANN)
    chat.fail(SEND, refusal(429, "RateLimitExceeded", **{"retry-after": "7"}))
    with pytest.raises(RateLimited) as slow:
        send(desk_of(chat), reply_to(f"chat:{convo}/x", private=True))
    assert slow.value.retry_after == 7
