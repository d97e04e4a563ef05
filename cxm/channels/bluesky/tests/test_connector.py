"""Against a server in memory: nothing lost and nothing twice, whatever the lists, the sessions and the line do."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cxm.channels.bluesky import ids, looking
from cxm.channels.bluesky import server as servers
from cxm.channels.bluesky.connector import Delete, Poll, Publish, ReadBack, Reply, Test
from cxm.channels.bluesky.mapping import map_delivery
from cxm.channels.bluesky.tests.provider import ANN, BOB, ME, START, Network, refusal
from cxm.channels.contracts import (
    AuthExpired,
    ConnectorError,
    Deletion,
    Gone,
    Item,
    Media,
    Mention,
    Outgoing,
    Polled,
    RateLimited,
    Rejected,
    Session,
    Unavailable,
)
from cxm.channels.testing.web import Answer
from cxm.kernel.ids import new_id

LISTING = "app.bsky.notification.listNotifications"
SEARCH = "app.bsky.feed.searchPosts"
PUT = "com.atproto.repo.putRecord"


class Desk:
    """An account and what it has heard, look after look."""

    def __init__(self, network: Network, *searches: str, **settings: Any) -> None:
        self.network, self.searches, self.settings = network, searches, settings
        self.cursor: Any = None
        self.unheard: list[str] = []
        self.taken: set[str] = set()

    def session(self) -> Session:
        return self.network.session(self.network.now, *self.searches, **self.settings)

    def once(self) -> Polled:
        """One question; the cursor as the database would give it back."""
        polled = asyncio.run(Poll().poll(self.session(), self.cursor))
        self.cursor = json.loads(json.dumps(polled.cursor))
        self.unheard += [one.reason for one in polled.unheard]
        return polled

    def look(self, minutes: float = 2) -> list[Item]:
        """Everything there is by now, and then some time passes."""
        found: list[Item] = []
        for _ in range(50):
            polled = self.once()
            # The mailbox takes each delivery id once; so much may come again after a long time or a stepped clock.
            fresh = tuple(one for one in polled.deliveries if one.delivery_id not in self.taken)
            self.taken |= {one.delivery_id for one in fresh}
            found += items(replace(polled, deliveries=fresh), self.session())
            if not polled.more:
                self.network.now += timedelta(minutes=minutes)
                return found
        raise AssertionError("polling does not end")


def items(polled: Polled, session: Session) -> list[Item]:
    return [item for delivery in polled.deliveries for item in map_delivery(delivery, session.account)]


def texts_of(found: list[Item]) -> list[str]:
    assert all(isinstance(one, Mention) for one in found), found
    return [one.text for one in found if isinstance(one, Mention)]


def reply_to(address: str, text: str = "Hello", **more: Any) -> Outgoing:
    return Outgoing(new_id(), "reply", text, False, **{"in_reply_to": address, **more})


def send(desk: Desk, outgoing: Outgoing, sender: Any = None) -> str:
    return asyncio.run((sender or Reply()).send(desk.session(), outgoing)).native_id


@pytest.fixture
def network() -> Network:
    return Network()


# --- hearing ---------------------------------------------------------------------------------------------------------------


def test_what_is_new_comes_once_and_oldest_first(network: Network):
    for number in range(3):
        network.say(ANN, f"@acme.example {number}", f"a{number}", at=network.now - timedelta(minutes=3 - number))
    desk = Desk(network)
    assert texts_of(desk.look()) == ["@acme.example 0", "@acme.example 1", "@acme.example 2"]
    network.say(BOB, "@acme.example 3", "b")
    assert texts_of(desk.look()) == ["@acme.example 3"]
    for _ in range(40):  # an hour and more, the long look back among it
        assert desk.once().deliveries == ()
        network.now += timedelta(minutes=2)


def test_posts_of_one_moment_are_all_heard_however_they_fall_on_pages_and_looks(network: Network):
    network.page = 3
    for number in range(10):
        network.say(ANN, f"early {number}", f"a{number}")
    desk = Desk(network)
    assert len(desk.look(0)) == 10
    for number in range(10):
        network.say(BOB, f"late {number}", f"b{number}", at=START)  # the same moment, and sorted before and between the others
    assert sorted(texts_of(desk.look())) == [f"late {number}" for number in range(10)]


def test_more_pages_than_one_look_takes_and_a_cut_in_the_middle(network: Network):
    network.page = 2
    for number in range(31):
        network.say(ANN, f"n{number:02}", f"a{number:02}", at=network.now - timedelta(seconds=31 - number))
    desk = Desk(network, own_posts=False)
    first = desk.once()
    assert first.more and len(first.deliveries) == looking.PAGES * 2
    network.say(BOB, "while paging", "late")
    network.fail(LISTING, Unavailable("The line was cut."))
    with pytest.raises(Unavailable):
        desk.once()
    said = texts_of(items(first, desk.session())) + texts_of(desk.look()) + texts_of(desk.look())
    assert sorted(said) == sorted([f"n{number:02}" for number in range(31)] + ["while paging"])


def test_a_day_away_and_a_clock_that_is_stepped(network: Network):
    network.say(ANN, "before", "a")
    desk = Desk(network, "cups")
    assert texts_of(desk.look()) == ["before"]
    for number in range(700):
        network.say((ANN, BOB)[number % 2], f"n{number} cups", f"n{number}", at=network.now + timedelta(minutes=2 * number))
    network.now += timedelta(days=1)
    said = texts_of(desk.look())
    assert len(said) == len(set(said)) == 700
    network.now -= timedelta(hours=3)  # our clock was wrong and is set right
    network.say(ANN, "after", "b")
    network.say(BOB, "cups after", "c", reason="")
    assert sorted(texts_of(desk.look())) == ["after", "cups after"]
    network.now += timedelta(hours=5)
    assert desk.look() == []


def test_a_post_that_is_dated_earlier_than_it_came_is_heard(network: Network):
    network.say(ANN, "first", "a")
    desk = Desk(network)
    desk.look(10)
    network.say(BOB, "a slow clock", "b", at=START - timedelta(minutes=8))
    network.say(BOB, "some hours ago", "c", at=START - timedelta(hours=5))
    assert texts_of(desk.look(60)) == ["a slow clock"]
    assert texts_of(desk.look()) == ["some hours ago"]


def test_a_server_that_tells_of_likes_too_does_not_hide_what_was_said(network: Network):
    network.honours_reasons, network.page = False, 20
    network.say(ANN, "hello", "a", at=network.now - timedelta(minutes=1))
    for number in range(70):
        network.say(BOB, f"liked {number}", f"b{number}", reason="like")
    assert texts_of(Desk(network).look()) == ["hello"]


def test_a_server_whose_clock_is_wrong_does_not_make_us_deaf(network: Network):
    network.say(ANN, "from the future", "a", at=datetime(9999, 1, 1, tzinfo=UTC))
    desk = Desk(network)
    assert texts_of(desk.look()) == ["from the future"]
    network.happened.clear()
    network.say(ANN, "and now", "b")
    assert texts_of(desk.look()) == ["and now"]


def test_days_back(network: Network):
    for hours in (1, 30, 100):
        network.say(ANN, f"{hours} hours ago", f"a{hours}", at=network.now - timedelta(hours=hours))
    assert texts_of(Desk(network, history_days=0).look()) == []
    assert texts_of(Desk(network).look()) == ["1 hours ago"]
    assert len(Desk(network, history_days=30).look()) == 3


def test_our_own_posts_are_ours_and_what_we_pass_on_is_not(network: Network):
    network.say(ME, "We open at nine.", "o")
    (own,) = Desk(network).look()
    assert isinstance(own, Mention) and own.media_type == "owned" and not own.addressed
    reason = {"$type": "app.bsky.feed.defs#reasonRepost", "indexedAt": "2026-11-22T12:00:00Z"}
    network.fail("app.bsky.feed.getAuthorFeed", Answer(200, json.dumps({"feed": [{"post": {"uri": "x"}, "reason": reason}]}).encode()))
    assert Desk(network).look() == []
    assert Desk(network, own_posts=False).look() == []


def test_a_post_that_names_us_and_is_found_by_two_searches_is_one(network: Network):
    network.say(ANN, "@acme.example coffee cups", "a")
    network.say(BOB, "cups", "b", reason="")
    desk = Desk(network, "coffee", "cups")
    assert sorted(texts_of(desk.look())) == ["@acme.example coffee cups", "cups"]
    assert desk.look() == []


def test_a_search_that_fails_hides_nothing_and_catches_up(network: Network):
    desk = Desk(network, "cups", "coffee")
    desk.look()
    network.say(BOB, "cups", "b", reason="")
    network.say(BOB, "coffee", "c", reason="")
    network.say(ANN, "hello", "a")
    network.fail(SEARCH, refusal(502, "UpstreamFailure"))
    assert sorted(texts_of(desk.look())) == ["coffee", "hello"]
    assert desk.unheard == []
    assert texts_of(desk.look()) == ["cups"]
    network.fail(SEARCH, refusal(400, "BadQueryString", "What is that?"))
    desk.look()
    assert desk.unheard == ["The search “cups” cannot be asked: What is that?"]


def test_a_search_that_is_away_for_long_stands_in_the_ledger(network: Network):
    desk = Desk(network, "cups")
    desk.look(20)
    network.fail(SEARCH, refusal(503, "NotAvailable"))
    desk.look()
    assert len(desk.unheard) == 1 and "cups" in desk.unheard[0]


def test_many_searches_take_turns(network: Network):
    desk = Desk(network, *(f"word{number}" for number in range(25)))
    for number in range(25):
        network.say(BOB, f"word{number}.", f"b{number}", reason="")
    assert len(desk.look()) == 25
    assert len(network.calls(SEARCH)) == 25
    desk.look(0)
    assert len(network.calls(SEARCH)) == 50
    desk.look()
    assert len(network.calls(SEARCH)) == 50


def test_deletions_and_edits_are_noticed_when_their_turn_comes(network: Network):
    kept = network.say(ANN, "@acme.example one", "a")
    gone = network.say(BOB, "@acme.example two", "b")
    desk = Desk(network)
    assert len(desk.look()) == 2
    network.edit(kept, "@acme.example mended")
    network.delete(gone)
    told = desk.look()
    assert [one.native_id for one in told if isinstance(one, Deletion)] == [gone]
    (edit,) = [one for one in told if isinstance(one, Mention)]
    assert (edit.native_id, edit.text) == (kept, "@acme.example mended")
    assert edit.edited_at is not None and edit.edited_at > edit.published_at
    assert desk.look() == []


def test_what_we_may_not_see_is_not_deleted(network: Network):
    hidden = network.say(ANN, "@acme.example one", "a")
    ours = network.say(ME, "ours", "o")
    desk = Desk(network)
    assert len(desk.look()) == 2
    network.hidden = {hidden, ours}
    assert desk.look() == []
    network.fail("app.bsky.feed.getPostThread", Answer(404, b"<html>Not Found</html>"))
    assert desk.look() == []
    # The view has lost everything; at home our own still stands.
    missing = refusal(400, "NotFound", "Post not found")
    network.fail("app.bsky.feed.getPostThread", missing, missing)
    assert [one.native_id for one in desk.look()] == [hidden]


def test_all_known_posts_are_asked_about_in_turn(network: Network):
    network.page = 100
    posts = [network.say(ANN, f"n{number}", f"a{number:02}") for number in range(60)]
    desk = Desk(network, own_posts=False)
    assert len(desk.look()) == 60
    for one in posts:
        network.delete(one)
    told = [one for _ in range(4) for one in desk.look()]
    assert sorted(one.native_id for one in told) == sorted(posts)


def test_the_cursor_stays_small(network: Network):
    memory = looking.Memory()
    for number in range(20_000):
        moment = f"2026-11-{1 + number // 1000:02}T00:00:{number % 60:02}Z"
        memory.known[f"{ANN}/k{number}"] = (moment, "x" * 16)
    memory.forget_old(START)
    assert len(memory.known) == looking.REMEMBERED
    assert len(json.dumps(memory.plain())) < 60_000
    assert looking.Memory.of(json.loads(json.dumps(memory.plain()))) == memory
    assert looking.Memory.of({"tracks": [1], "known": {"a": 1, "b": [None]}, "checked": 3, "place": "x"}) == looking.Memory()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"notifications": null}', b'{"notifications": [null, 1, {}], "cursor": 7}', b"<html>"]
)
def test_a_server_that_answers_nonsense_costs_nothing(network: Network, body: bytes):
    network.say(ANN, "hello", "a")
    network.fail(LISTING, Answer(200, body), Answer(200, body))
    desk = Desk(network)
    desk.look()
    desk.look()
    assert texts_of(desk.look()) == ["hello"]


def test_a_page_that_leads_to_itself_ends(network: Network):
    item = {"reason": "like", "indexedAt": "2026-11-22T12:00:00Z"}
    endless = Answer(200, json.dumps({"notifications": [item], "cursor": "same"}).encode())
    network.fail(LISTING, *[endless] * 40)
    assert Desk(network).look() == []
    assert len(network.calls(LISTING)) < 10


# --- signing in ------------------------------------------------------------------------------------------------------------


def test_an_expired_session_is_renewed_once_for_all_who_wait(network: Network):
    desk = Desk(network)
    desk.look()
    assert (network.signed_in, network.renewed) == (1, 0)
    network.expire()

    async def many() -> None:
        session = desk.session()
        await asyncio.gather(*(servers.Server(session).get("app.bsky.feed.getPosts", {"uris": ["x"]}) for _ in range(10)))

    asyncio.run(many())
    assert (network.signed_in, network.renewed) == (1, 1)
    network.tokens.clear()
    asyncio.run(many())
    assert (network.signed_in, network.renewed) == (2, 2)


def test_a_password_taken_back_is_said_and_not_tried_again_and_again(network: Network):
    desk = Desk(network)
    desk.look()
    network.tokens.clear()
    network.password = "another"
    with pytest.raises(AuthExpired, match=r"acme\.example"):
        desk.once()
    assert network.signed_in == 2


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        (refusal(401, "AuthFactorTokenRequired", "A code was sent"), AuthExpired, "app password"),
        (refusal(401, "AccountTakedown", "Account has been taken down"), AuthExpired, "taken this account down"),
        (refusal(429, "RateLimitExceeded", "", **{"ratelimit-reset": str(int(START.timestamp()) + 90)}), RateLimited, "slow down"),
        (refusal(404, "XRPCNotSupported", ""), Rejected, "server's address"),
        (Answer(404, b"<html>"), Unavailable, "server's address"),
        (Answer(200, b"<html>Welcome</html>"), Unavailable, "not as one of the AT Protocol"),
        (Answer(200, b'{"did": "did:plc:x", "active": false, "status": "suspended"}'), AuthExpired, "suspended"),
        (Answer(503), Unavailable, "away"),
    ],
)
def test_what_can_be_wrong_with_signing_in_is_said_with_its_mend(network: Network, told: Answer, error: type[ConnectorError], says: str):
    network.fail("com.atproto.server.createSession", told)
    with pytest.raises(error) as raised:
        Desk(network).once()
    assert says in f"{raised.value.text} {raised.value.mend}"
    if isinstance(raised.value, RateLimited):
        assert raised.value.retry_after == 90


def test_the_button_says_which_step_fails(network: Network):
    desk = Desk(network, "cups")
    assert [one.ok for one in asyncio.run(Test().test(desk.session()))] == [True, True, True, True]
    network.fail(SEARCH, refusal(502, "UpstreamFailure", "No search here"))
    steps = asyncio.run(Test().test(desk.session()))
    assert [one.ok for one in steps] == [True, True, True, False] and "No search here" in steps[-1].text
    network.fail("com.atproto.server.describeServer", Answer(200, b"<html>"))
    assert [(one.name, one.ok) for one in asyncio.run(Test().test(desk.session()))] == [("Find the server", False)]
    servers.forget()
    network.password = "another"
    assert [one.ok for one in asyncio.run(Test().test(desk.session()))] == [True, False]
    assert not network.calls(PUT)


def test_another_view_of_the_network_is_asked_where_one_is_set(network: Network):
    Desk(network, appview="did:web:view.example#bsky_appview").look()
    assert {proxy for (name, _, _), proxy in zip(network.asked, network.proxies, strict=True) if name.startswith("app.bsky.")} == {
        "did:web:view.example#bsky_appview"
    }
    assert {proxy for (name, _, _), proxy in zip(network.asked, network.proxies, strict=True) if name.startswith("com.atproto.")} == {""}


# --- speaking --------------------------------------------------------------------------------------------------------------


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
