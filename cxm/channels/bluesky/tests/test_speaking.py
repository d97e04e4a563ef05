"""Answers, posts and deletions: one intent, one effect."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from cxm.channels.bluesky import ids
from cxm.channels.bluesky.connector import Delete, Publish, ReadBack
from cxm.channels.bluesky.tests.desk import PUT, Desk, reply_to, send
from cxm.channels.bluesky.tests.provider import ANN, BOB, ME, Network, refusal
from cxm.channels.contracts import (
    AuthExpired,
    ConnectorError,
    Gone,
    Media,
    Outgoing,
    RateLimited,
    Rejected,
    Unavailable,
)
from cxm.channels.testing.web import Answer
from cxm.kernel.ids import new_id


def test_an_answer_stands_in_the_thread_with_what_it_names(network: Network):
    root = network.say(BOB, "root", "r", reason="")
    asked = network.say(ANN, "@acme.example?", "a", to=root)
    answered = send(Desk(network), reply_to(asked, "Ö 👍🏽 @ann.example, @no.one.example: see https://acme.example/a(b). #cups 🇩🇪"))
    record = network.records[answered]
    assert (record["reply"]["root"]["uri"], record["reply"]["parent"]["uri"]) == (root, asked)
    text = record["text"].encode()
    assert [
        (text[one["index"]["byteStart"] : one["index"]["byteEnd"]].decode(), next(iter(one["features"])).copy()) for one in record["facets"]
    ] == [
        ("@ann.example", {"$type": "app.bsky.richtext.facet#mention", "did": ANN}),
        ("https://acme.example/a(b)", {"$type": "app.bsky.richtext.facet#link", "uri": "https://acme.example/a(b)"}),
        ("#cups", {"$type": "app.bsky.richtext.facet#tag", "tag": "cups"}),
    ]
    top = network.say(ANN, "@acme.example!", "b")
    again = network.records[send(Desk(network), reply_to(top))]["reply"]
    assert again["root"] == again["parent"] and again["root"]["uri"] == top


def test_an_intent_has_one_effect_whatever_the_line_does(network: Network):
    asked = network.say(ANN, "@acme.example?", "a")
    desk, outgoing = Desk(network), reply_to(asked)
    assert asyncio.run(ReadBack().read_back(desk.session(), outgoing)) is None
    network.fail(PUT, Unavailable("The line was cut.", effect_possible=True))
    with pytest.raises(Unavailable) as cut:
        send(desk, outgoing)
    assert cut.value.effect_possible
    address = send(desk, outgoing)
    network.now += timedelta(hours=1)
    network.delete(asked)  # what is answered may go meanwhile: the answer was given
    assert send(desk, outgoing) == address
    found = asyncio.run(ReadBack().read_back(desk.session(), outgoing))
    assert found is not None and found.native_id == address and found.url
    assert len([one for one in network.records if f"/{ME.removeprefix('at://')}/" in one]) == 1


def test_a_second_worker_that_writes_at_the_same_time_changes_nothing(network: Network):
    asked = network.say(ANN, "@acme.example?", "a")
    desk, outgoing = Desk(network), reply_to(asked)
    address = send(desk, outgoing)
    network.fail("com.atproto.repo.getRecord", refusal(400, "RecordNotFound", "a moment before"))
    network.now += timedelta(seconds=5)
    before = dict(network.records)
    assert send(desk, outgoing) == address and network.records == before


def test_whom_we_cannot_answer_is_said_before_anything_is_written(network: Network):
    asked = network.say(ANN, "@acme.example?", "a")
    desk = Desk(network)
    network.viewers[ANN] = {"blockedBy": True}
    with pytest.raises(Rejected, match="has blocked this account"):
        send(desk, reply_to(asked))
    network.viewers[ANN] = {"blocking": "at://did:plc:acme/app.bsky.graph.block/1"}
    with pytest.raises(Rejected, match="has blocked the author"):
        send(desk, reply_to(asked))
    network.viewers = {asked: {}}
    with pytest.raises(Rejected, match="only some people answer"):
        send(desk, reply_to(asked))
    network.viewers = {}
    network.hidden = {asked}
    with pytest.raises(Rejected, match="kept from us"):
        send(desk, reply_to(asked))
    network.delete(asked)
    with pytest.raises(Gone):
        send(desk, reply_to(asked))
    with pytest.raises(Rejected):
        send(desk, reply_to("https://web.example/profile/ann/post/1"))
    with pytest.raises(Rejected, match="Direct messages"):
        send(desk, Outgoing(new_id(), "reply", "Hello", True, in_reply_to=asked))
    assert not network.calls(PUT)


@pytest.mark.parametrize(
    ("text", "media", "says"),
    [
        ("é" * 301, (), "301 signs"),
        ("👨‍👩‍👧‍👦" * 150, (), "bytes"),
        ("  ", (), "nothing to say"),
        ("x", tuple(Media("image", content=b"x") for _ in range(5)), "takes 4"),
        ("x", (Media("image", name="big.png", content=b"x" * 2_000_001),), "larger than 2 MB"),
        ("x", (Media("video", name="film.mp4", content=b"x"),), "only pictures"),
    ],
)
def test_what_bluesky_does_not_take_is_said(network: Network, text: str, media: tuple[Media, ...], says: str):
    with pytest.raises(Rejected, match=says):
        send(Desk(network), Outgoing(new_id(), "post", text, False, media=media), Publish())
    assert not network.calls(PUT)


def test_pictures_go_with_a_post(network: Network):
    media = (Media("image", alt="A cup", content_type="image/png", content=b"PNG"), Media("image", url="https://acme.example/a.png"))
    record = network.records[send(Desk(network), Outgoing(new_id(), "post", "é" * 250, False, media=media), Publish())]
    (shown,) = record["embed"]["images"]
    assert shown["alt"] == "A cup" and shown["image"]["size"] == 3
    assert record["text"].endswith("\nhttps://acme.example/a.png") and "reply" not in record


def test_only_our_own_posts_are_deleted_and_twice_is_once(network: Network):
    ours, theirs = network.say(ME, "ours", "o"), network.say(ANN, "theirs", "a")
    desk = Desk(network)
    deletion = Outgoing(new_id(), "delete", "", False, in_reply_to=ours)
    assert asyncio.run(ReadBack().read_back(desk.session(), deletion)) is None
    assert send(desk, deletion, Delete()) == send(desk, deletion, Delete()) == ours
    assert asyncio.run(ReadBack().read_back(desk.session(), deletion)) is not None
    with pytest.raises(Rejected):
        send(desk, Outgoing(new_id(), "delete", "", False, in_reply_to=theirs), Delete())
    assert theirs in network.records


@pytest.mark.parametrize(
    ("told", "error", "effect"),
    [
        (refusal(429, "RateLimitExceeded"), RateLimited, False),
        (refusal(400, "InvalidRequest", "Invalid app.bsky.feed.post record"), Rejected, False),
        (refusal(403, "Forbidden", "No"), Rejected, False),
        (refusal(400, "AccountDeactivated", ""), AuthExpired, False),
        (Answer(502), Unavailable, True),
        (Answer(503), Unavailable, False),
    ],
)
def test_errors_of_writing(network: Network, told: Answer, error: type[ConnectorError], effect: bool):
    network.fail(PUT, told)
    with pytest.raises(error) as raised:
        send(Desk(network), Outgoing(new_id(), "post", "x", False), Publish())
    assert raised.value.text
    assert getattr(raised.value, "effect_possible", False) is effect


def test_the_keys_of_an_intent_are_tids_and_stay_the_same():
    intents = [new_id() for _ in range(200)] + [UUID(int=number) for number in range(5)]
    told = [ids.record_keys(one) for one in intents]
    assert told == [ids.record_keys(one) for one in intents] and all(first != second for first, second in told)
    assert all(re.fullmatch("[234567a-j][234567a-z]{12}", key) for keys in told for key in keys)
    first, later = UUID("01976f00-0000-7000-8000-000000000000"), UUID("01976f00-0010-7000-8000-000000000000")
    assert max(ids.record_keys(first)) < min(ids.record_keys(later))


def test_two_intents_with_one_key_are_both_said_and_each_once(network: Network, monkeypatch: pytest.MonkeyPatch):
    """A key has room for a million intents of one millisecond: two can share it, and neither may be taken for the other."""
    own = {one: f"3kaaaaaaaaaa{letter}" for one, letter in ((UUID(int=1), "b"), (UUID(int=2), "c"))}
    monkeypatch.setattr(ids, "record_keys", lambda intent: ("3kaaaaaaaaaaa", own[intent]))
    asked, desk = network.say(ANN, "@acme.example?", "a"), Desk(network)
    intents = [Outgoing(number, "reply", "Yes", False, in_reply_to=asked) for number in own]
    other = network.say(ANN, "@acme.example, and you?", "b")
    intents[1] = replace(intents[1], in_reply_to=other)
    assert asyncio.run(ReadBack().read_back(desk.session(), intents[0])) is None
    told = [send(desk, one) for one in intents]
    assert [one.rsplit("/", 1)[1] for one in told] == ["3kaaaaaaaaaaa", "3kaaaaaaaaaac"]
    found = [asyncio.run(ReadBack().read_back(desk.session(), one)) for one in intents]
    assert [send(desk, one) for one in intents] == told == [one.native_id for one in found if one]
    assert len(network.calls(PUT)) == 2
    third = Outgoing(UUID(int=2), "post", "Something else", False)
    with pytest.raises(Rejected, match="Other posts"):
        send(desk, third, Publish())
    assert asyncio.run(ReadBack().read_back(desk.session(), third)) is None and len(network.calls(PUT)) == 2
