"""Looking: nothing lost and nothing twice, whatever the lists and the line do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from cxm.channels.bluesky import looking
from cxm.channels.bluesky.tests.desk import LISTING, SEARCH, Desk, items, texts_of
from cxm.channels.bluesky.tests.provider import ANN, BOB, ME, START, Network, refusal
from cxm.channels.contracts import (
    Deletion,
    Mention,
    Unavailable,
)
from cxm.channels.testing.web import Answer


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


@pytest.mark.parametrize("own_posts", [True, False])
def test_an_answer_the_network_never_told_us_of_is_found_in_its_thread(network: Network, own_posts: bool):
    """The reference AppView tells nobody of an answer that it came upon before the post it answers; it counts it all the same."""
    desk = Desk(network, own_posts=own_posts)
    ours = network.say(ME, "We open at nine.", "o1")
    first = network.say(ANN, "On Sundays too?", "a1", to=ours, reason="")
    assert "On Sundays too?" in texts_of(desk.look())
    network.say(BOB, "And on Mondays?", "b1", to=first, reason="")
    network.say(BOB, "On Tuesdays?", "b2", to=ours, reason="reply")  # of this one we are told, and hear it once
    network.fail("app.bsky.feed.getPostThread", Unavailable("It is away."))
    ours = network.say(ME, "And on holidays, too.", "o2")
    network.say(ANN, "Good.", "a3", to=ours, reason="")
    own = ["And on holidays, too."] if own_posts else []
    assert sorted(texts_of(desk.look())) == sorted(["And on Mondays?", "On Tuesdays?", *own]), (
        "a thread that cannot be read hides nothing else"
    )
    assert texts_of(desk.look()) == ["Good."]
    asked = len(network.calls("app.bsky.feed.getPostThread"))
    assert desk.look() == [] and len(network.calls("app.bsky.feed.getPostThread")) == asked
    network.say(ANN, "Old", "a2", to=ours, reason="", at=network.now - timedelta(days=3))
    assert desk.look() == []
