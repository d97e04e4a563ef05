"""From mentions to conversations: one for each author, account and thread; in order; edits and deletions as such."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connection

from cxm.channels.contracts import Author, Deletion, Mention
from cxm.connect import api as connect
from cxm.connect.contracts import Heard
from cxm.kernel.clock import now, shifted_by
from cxm.listen import api as listen
from cxm.love import api
from cxm.love.models import Conversation, Entry
from cxm.love.tests.conftest import World, make_world
from cxm.people import api as people
from cxm.people.contracts import IdentityClaim
from cxm.platform import deliveries
from cxm.platform.models import EventLog, WaitingEvent

pytestmark = pytest.mark.django_db


def texts(world: World) -> list[str]:
    return [item.mention["text"] for item in world.only().mentions]


def test_a_message_opens_a_conversation_with_its_clocks(world: World) -> None:
    world.hear(world.mention("m1", minutes=3, title="Order 17"))
    detail = world.only()
    view = detail.conversation
    assert (view.state, view.kind, view.channel, view.account, view.subject) == ("open", "private", "webhook", "Support", "Order 17")
    assert view.first_answer_due is not None and view.resolution_due is not None
    assert timedelta(minutes=59) < view.first_answer_due - now() <= timedelta(minutes=60)
    assert view.answer_due == view.first_answer_due
    assert view.author["handle"] == "lena"
    assert view.last_mention is not None and view.last_mention["text"] == "Where is my order?"
    assert not {"context", "organization", "imported"} & set(view.last_mention), "what the channel needs is nobody else's business"
    assert EventLog.objects.filter(organization_id=world.organization, name="love.conversations_opened").count() == 1


def test_a_second_message_continues_it_and_a_repetition_changes_nothing(world: World) -> None:
    first, second = world.mention("m1", "one", minutes=2), world.mention("m2", "two", minutes=1)
    world.hear(first)
    world.hear(second)
    before = world.only().conversation
    world.hear(first, second)
    assert texts(world) == ["one", "two"]
    assert world.only().conversation == before


def test_each_author_and_thread_has_its_own(world: World) -> None:
    world.hear(
        world.mention("a"),
        world.mention("b", author="tom"),
        world.mention("c", thread="t1"),
        world.mention("d", thread="t1"),
        world.mention("e", thread=""),
    )
    assert sorted(len(api.conversation(world.actor, view.id).mentions) for view in world.all()) == [1, 1, 1, 2]


def test_order_is_when_it_was_said_then_the_providers(world: World) -> None:
    late, early = world.mention("late", "3", minutes=1), world.mention("early", "1", minutes=9)
    tie_a, tie_b = world.mention("a", "2b", minutes=5), world.mention("b", "2a", minutes=5)
    tie_b["published_at"] = tie_a["published_at"]
    tie_a["provider_order"], tie_b["provider_order"] = 8, 7
    world.hear(late, tie_a)
    world.hear(early, tie_b)
    assert texts(world) == ["1", "2a", "2b", "3"]
    assert world.only().conversation.last_mention == world.only().mentions[-1].mention


def test_what_nobody_must_answer_waits_for_nobody(world: World) -> None:
    world.hear(world.mention("auto", automatic=True, state="no_answer_needed"))
    view = world.only().conversation
    assert (view.state, view.close_reason, view.answer_due, view.first_answer_due) == ("closed", "no_answer_needed", None, None)
    world.hear(world.mention("post", kind="post", private=False, state="no_answer_needed", author="tom"))
    assert len(world.all()) == 1, "a public mention opens one only where it waits"
    world.hear(world.mention("asks", kind="post", private=False, state="waiting", author="tom"))
    assert world.all(states=frozenset({"open"}))[0].kind == "public"


def test_every_later_mention_of_theirs_joins_an_existing_conversation(world: World) -> None:
    world.hear(world.mention("m1", "help"))
    world.hear(world.mention("m2", "out of office", automatic=True, state="no_answer_needed"))
    assert texts(world) == ["help", "out of office"]
    assert world.only().conversation.state == "open"


def test_imported_history_starts_no_clocks_and_needs_an_account_of_ours(world: World) -> None:
    world.hear(world.mention("old", imported=True, minutes=60 * 24 * 90, state="no_answer_needed"))
    world.hear(world.mention("elsewhere", imported=True, account_id=None, unit=None, author="tom"))
    view = world.only().conversation
    assert (view.state, view.first_answer_due, view.answer_due, view.resolution_due) == ("closed", None, None, None)
    world.hear(world.mention("given", imported=True, state="waiting", author="ann"))
    given = next(entry for entry in world.all() if entry.author["handle"] == "ann")
    assert (given.state, given.first_answer_due, given.answer_due) == ("open", None, None)


def test_a_closed_conversation_goes_on_within_seven_days_and_later_a_new_one_begins(world: World) -> None:
    world.hear(world.mention("m1", "one"))
    first = world.only().conversation.id
    api.close(world.actor, first, "answered")
    with shifted_by(timedelta(days=6, hours=23)):
        world.hear(world.mention("m2", "two"))
        assert world.only().conversation.state == "open"
        assert world.only().conversation.first_answer_due is not None
        assert texts(world) == ["one", "two"]
        api.close(world.actor, first, "answered")
    with shifted_by(timedelta(days=14)):
        world.hear(world.mention("m3", "three"))
        newest = world.all()[0]
        assert newest.id != first and newest.state == "open"
        assert [item.mention["text"] for item in api.conversation(world.actor, newest.id).mentions] == ["three"]
        world.hear(world.mention("m4", "four"))
        assert len(world.all()) == 2


def test_edits_keep_what_was_said_before_and_a_late_one_changes_nothing(world: World) -> None:
    world.hear(world.mention("m1", "helo"))
    world.change("m1", text="hello", edited_at="2026-11-22T08:00:00Z")
    (item,) = world.only().mentions
    assert item.edited and item.mention["text"] == "hello"
    assert [(entry.text, entry.until) for entry in item.history] == [("helo", "2026-11-22T08:00:00Z")]
    world.change("m1", text="stale", version=1)
    assert texts(world) == ["hello"]


def test_a_deletion_keeps_the_place_without_a_word_of_it_and_wins_over_a_late_edit(world: World) -> None:
    world.hear(
        world.mention("m1", "my secret", title="secret title", media=[{"kind": "image", "url": "https://x.example/secret"}]),
        world.mention("m2", "and you?"),
    )
    world.change("m1", text="my secret, edited", version=2)
    world.delete("m1")
    world.change("m1", text="secret again", version=9)
    gone, stays = world.only().mentions
    assert gone.deleted_at is not None and gone.mention["text"] is None and gone.history == ()
    assert stays.mention["text"] == "and you?"
    row = Entry.objects.for_organization(world.organization).get(mention_id=gone.id)
    assert "secret" not in str({key: value for key, value in row.mention.items() if key != "context"}) + str(row.history)
    assert "secret" not in world.only().conversation.subject
    world.delete("m2")
    assert world.only().conversation.answer_due is None, "nobody is late with an answer to nothing"


def test_a_decision_about_the_last_waiting_mention_ends_the_wait(world: World) -> None:
    world.hear(world.mention("m1"), world.mention("m2"))
    world.change("m1", state="no_answer_needed")
    assert world.only().conversation.state == "open"
    world.change("m2", state="handed_over")
    view = world.only().conversation
    assert (view.state, view.close_reason, view.answer_due) == ("closed", "handed_over", None)


def test_a_partial_rewrite_keeps_the_rest(world: World) -> None:
    from cxm.listen.events import MentionsChanged
    from cxm.love import subscribers

    world.hear(world.mention("m1", "hello"))
    rewrite = {"id": world.said["m1"]["id"], "version": 2, "set": {"tags": ["vip"], "sentiment": "negative"}}
    subscribers.on_mentions_changed(MentionsChanged(organization=world.organization, mentions=(rewrite,), whole=False))
    (item,) = world.only().mentions
    assert (item.mention["text"], item.mention["tags"], item.edited) == ("hello", ["vip"], False)


def test_a_mention_that_comes_to_wait_later_opens_one(world: World) -> None:
    world.mention("p1", kind="post", private=False, state="no_answer_needed")
    assert world.all() == []
    world.change("p1", state="waiting")
    assert world.only().conversation.state == "open"


def test_our_own_words_join_what_they_answer_and_count_as_the_answer(world: World) -> None:
    world.hear(world.mention("m1", "hello?", minutes=5))
    world.hear(world.mention("ours", "Hi Lena", author="acme", media_type="owned", state="no_answer_needed", reply_to="m1", minutes=1))
    detail = world.only()
    assert [(item.ours, item.mention["text"]) for item in detail.mentions] == [(False, "hello?"), (True, "Hi Lena")]
    assert detail.conversation.state == "waiting"
    assert detail.conversation.first_answered_at is not None
    assert detail.conversation.author["handle"] == "lena"
    assert detail.mentions[0].mention["state"] == "answered"
    world.hear(world.mention("astray", "Buy now", author="acme", media_type="owned", state="no_answer_needed"))
    assert len(world.only().mentions) == 2


def test_conversations_follow_the_profile_of_their_author(world: World) -> None:
    claims = [IdentityClaim("webhook", None, "lena"), IdentityClaim("email", None, "lena@x.org")]
    old, new = people.resolve(world.organization, claims)
    author = {"native_id": "lena", "handle": "lena", "name": "Lena", "profile": str(old)}
    world.hear(world.mention("m1") | {"author": author})
    kept = people.merge(world.actor, [old, new], "She told us")
    _deliver(world, "people.identities_moved")
    assert world.only().conversation.profile == kept
    assert world.only().conversation.author["profile"] == str(kept)


def test_what_listen_accepts_becomes_a_conversation_with_a_profile(world: World) -> None:
    account, moment = connect.account(world.organization, world.account), now() - timedelta(minutes=9)
    said = [Mention(f"m{number}", "message", Author("lena", handle="lena"), f"word {number}", moment, private=True) for number in range(3)]
    listen.accept(
        world.organization, account, [Heard(item, now(), index, 100 - index, "webhook") for index, item in enumerate(said)], imported=False
    )
    _deliver(world, "listen.mentions_heard")
    detail = world.only()
    assert [item.mention["text"] for item in detail.mentions] == ["word 2", "word 1", "word 0"], "ties stand in the provider's order"
    assert detail.conversation.profile is not None
    assert [view.id for view in people.profiles(world.organization, "lena").items] == [detail.conversation.profile]
    api.close(world.actor, detail.conversation.id, "handed_over")
    told = EventLog.objects.filter(organization_id=world.organization, name="listen.mentions_changed").latest("id")
    assert {entry["id"] for entry in json.loads(told.payload)["mentions"]} == {str(item.id) for item in detail.mentions}
    _deliver(world, "listen.mentions_changed")
    view = world.only().conversation
    assert (view.state, view.close_reason) == ("closed", "handed_over")


def test_a_deletion_heard_on_another_account_does_not_overtake_the_mention(world: World) -> None:
    """Posts are the same on every account of a network; the lane of a busy account is longer than that of a quiet one."""
    busy = replace(connect.account(world.organization, world.account), channel="bluesky")
    quiet = replace(busy, id=uuid4(), name="quiet")
    address, moment = "at://did:plc:lena/app.bsky.feed.post/1", now() - timedelta(minutes=9)
    said = Mention(address, "message", Author("did:plc:lena"), "my number is 5550100", moment, private=True)
    listen.accept(world.organization, busy, [Heard(said, now(), 0, 1, "bluesky")], imported=False)
    edited = replace(said, text="never mind", edited_at=moment + timedelta(minutes=1))
    listen.accept(world.organization, quiet, [Heard(edited, now(), 0, 2, "bluesky")], imported=False)
    listen.accept(world.organization, quiet, [Heard(Deletion(address), now(), 0, 3, "bluesky")], imported=False)
    for lane in WaitingEvent.objects.filter(subscriber__startswith="cxm.love.").order_by("-id").values_list("lane", flat=True):
        deliveries.deliver.run(lane=lane)
    assert [(item.mention["text"], item.deleted_at is not None) for item in world.only().mentions] == [(None, True)]


def _deliver(world: World, name: str) -> None:
    """Hand the events of that name that wait for love over, as the worker would."""
    told = EventLog.objects.filter(organization_id=world.organization, name=name).values("id")
    lanes = set(WaitingEvent.objects.filter(event_id__in=told, subscriber__startswith="cxm.love.").values_list("lane", flat=True))
    assert lanes
    for lane in lanes:
        deliveries.deliver.run(lane=lane)


def test_another_organization_sees_and_gets_nothing(world: World, other: World) -> None:
    world.hear(world.mention("m1"))
    assert other.all() == []
    stolen = world.said["m1"]
    from cxm.listen.events import MentionsDeleted
    from cxm.love import subscribers

    subscribers.on_mentions_deleted(MentionsDeleted(organization=other.organization, ids=(stolen["id"],), at="2026-11-22T08:00:00Z"))
    assert texts(world) == ["Where is my order?"]


@pytest.mark.django_db(transaction=True)
def test_ten_messages_of_a_new_contact_at_once_are_one_conversation_in_order() -> None:
    world = make_world()
    mentions = [world.mention(f"m{number}", str(number), minutes=10 - number) for number in range(10)]
    _at_once([lambda mention=mention: world.hear(mention) for mention in mentions])
    assert texts(world) == [str(number) for number in range(10)]
    assert Conversation.objects.for_organization(world.organization).count() == 1
    assert EventLog.objects.filter(organization_id=world.organization, name="love.conversations_opened").count() == 1


@pytest.mark.django_db(transaction=True)
def test_crossing_batches_at_once_neither_lose_nor_repeat(world: World) -> None:
    authors = [f"a{number}" for number in range(8)]
    batches = [[world.mention(f"{author}-{batch}", author=author) for author in authors] for batch in range(6)]
    work = [
        lambda batch=batch, index=index: world.hear(*(batch if index % 2 else batch[::-1]), *batches[0])
        for index, batch in enumerate(batches)
    ]
    _at_once(work)
    views = world.all()
    assert len(views) == 8
    assert {len(api.conversation(world.actor, view.id).mentions) for view in views} == {6}


@pytest.mark.django_db(transaction=True)
def test_messages_at_once_reopen_a_closed_conversation_once() -> None:
    world = make_world()
    world.hear(world.mention("m0", "0", minutes=20))
    api.close(world.actor, world.only().conversation.id, "answered")
    mentions = [world.mention(f"m{number}", str(number), minutes=10 - number) for number in range(1, 7)]
    _at_once([lambda mention=mention: world.hear(mention) for mention in mentions])
    detail = world.only()
    assert [item.mention["text"] for item in detail.mentions] == [str(number) for number in range(7)]
    assert [item.what for item in detail.items if item.shape == "line"] == ["closed", "reopened"]  # type: ignore[union-attr]


def _at_once(work: list) -> None:
    barrier = Barrier(len(work))

    def run(one) -> None:  # type: ignore[no-untyped-def]
        try:
            barrier.wait(10)
            one()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(run, one) for one in work]:
            done.result(30)
