"""Replies: what the channel is told, and what being out does to the conversation."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from cxm.kernel.clock import format_instant, now, parse_instant, shifted_by
from cxm.kernel.errors import Conflict, Invalid, NotFound
from cxm.love import api, subscribers
from cxm.love.contracts import ReplyItem
from cxm.love.models import Answer
from cxm.love.tests.conftest import World
from cxm.outbound.events import IntentChanged
from cxm.outbound.models import Intent

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(world: World) -> UUID:
    world.hear(
        world.mention("m1", "first", minutes=9, thread="t1", title="Order 17"), world.mention("m2", "second", minutes=5, thread="t1")
    )
    return world.only().conversation.id


def settled(world: World, reply: UUID, state: str) -> None:
    """Outbound tells."""
    subscribers.on_intent_changed(
        IntentChanged(organization=world.organization, intent=reply, conversation=None, account=world.account, state=state, delivery=None)
    )


def states(world: World) -> list[str]:
    return [item.mention["state"] for item in world.only().mentions]


def test_outbound_gets_what_the_channel_needs(world: World, conversation: UUID) -> None:
    made = api.reply(world.actor, conversation, "We look into it", undo_seconds=10)
    intent = Intent.objects.for_organization(world.organization).get(id=made.id)
    assert (made.state, intent.kind, intent.private, intent.text) == ("waiting", "reply", True, "We look into it")
    assert (intent.in_reply_to, intent.thread, intent.to, intent.title) == ("m2", "t1", "lena", "Order 17")
    assert intent.context == {"secret": "for the channel alone"}
    assert (intent.account_id, intent.unit_id, intent.conversation_id) == (world.account, world.unit, conversation)
    shown = [item for item in world.only().items if isinstance(item, ReplyItem)]
    assert [(item.id, item.text, item.state) for item in shown] == [(made.id, "We look into it", "waiting")]
    assert world.only().conversation.state == "open", "what is not out answers nobody"


def test_the_answered_mention_can_be_named(world: World, conversation: UUID, other: World) -> None:
    first = UUID(world.said["m1"]["id"])
    made = api.reply(world.actor, conversation, "To the first", in_reply_to=first)
    assert Intent.objects.for_organization(world.organization).get(id=made.id).in_reply_to == "m1"
    other.hear(other.mention("o1"))
    for wrong in (uuid4(), UUID(other.said["o1"]["id"])):
        with pytest.raises(NotFound):
            api.reply(world.actor, conversation, "x", in_reply_to=wrong)
    with pytest.raises(NotFound):
        api.reply(other.actor, conversation, "x")


def test_nobody_answers_a_machine_or_what_was_taken_back(world: World, conversation: UUID) -> None:
    world.hear(world.mention("auto", thread="t1", automatic=True, state="no_answer_needed"))
    made = api.reply(world.actor, conversation, "Hello")
    assert Intent.objects.for_organization(world.organization).get(id=made.id).in_reply_to == "m2"
    with pytest.raises(Conflict):
        api.reply(world.actor, conversation, "x", in_reply_to=UUID(world.said["auto"]["id"]))
    world.delete("m2")
    with pytest.raises(Conflict):
        api.reply(world.actor, conversation, "x", in_reply_to=UUID(world.said["m2"]["id"]))


def test_what_cannot_be_sent_is_refused_and_leaves_no_trace(world: World, conversation: UUID) -> None:
    for wrong in (
        {"text": "  "},
        {"text": "x", "visibility": "secret"},
        {"text": "x", "undo_seconds": -1},
        {"text": "x", "media": [{}] * 11},
    ):
        with pytest.raises(Invalid):
            api.reply(world.actor, conversation, **wrong)
    assert not Answer.objects.for_organization(world.organization).exists()
    assert not Intent.objects.for_organization(world.organization).exists()


def test_once_out_it_answers_what_waited_up_to_it(world: World, conversation: UUID) -> None:
    made = api.reply(world.actor, conversation, "Coming")
    world.hear(world.mention("m3", "third", thread="t1"))
    settled(world, made.id, "queued")
    assert states(world) == ["waiting"] * 3
    settled(world, made.id, "sent")
    assert states(world) == ["answered", "answered", "waiting"]
    view = world.only().conversation
    assert view.state == "open" and view.answer_due is not None, "the third still waits"
    assert view.first_answered_at is not None
    again = api.reply(world.actor, conversation, "And that too")
    settled(world, again.id, "sent")
    view = world.only().conversation
    assert (states(world), view.state, view.answer_due) == (["answered"] * 3, "waiting", None)
    first = view.first_answered_at
    settled(world, again.id, "sent")
    assert world.only().conversation.first_answered_at == first


def test_after_a_partial_answer_the_clock_is_that_of_what_still_waits(world: World) -> None:
    def heard(minutes: int) -> dict[str, str]:
        return {"heard_at": format_instant(now() - timedelta(minutes=minutes)), "thread": "t1"}

    def due() -> datetime:
        found = world.only().conversation.answer_due
        assert found is not None
        return found

    world.hear(*(world.mention(f"p{n}", f"part {n}", minutes=n, **heard(n)) for n in (50, 30, 20, 10)))
    key, moments = world.only().conversation.id, {n: parse_instant(world.said[f"p{n}"]["heard_at"]) for n in (50, 30, 20, 10)}
    assert due() == moments[50] + timedelta(minutes=60)
    made = api.reply(world.actor, key, "To the first", in_reply_to=UUID(world.said["p50"]["id"]))
    settled(world, made.id, "sent")
    assert due() == moments[30] + timedelta(minutes=60), "the second is not late when the first would have been"
    world.change("p30", state="no_answer_needed")
    assert due() == moments[20] + timedelta(minutes=60)
    with shifted_by(timedelta(minutes=15)):
        api.close(world.actor, key)
    with shifted_by(timedelta(hours=5)):
        api.reopen(world.actor, key)
        taken_up = now()
        settled(world, api.reply(world.actor, key, "To the third", in_reply_to=UUID(world.said["p20"]["id"])).id, "sent")
        assert due() >= taken_up + timedelta(minutes=59), "taken up again by hand, clocks count from there"


def test_a_failed_reply_answers_nobody(world: World, conversation: UUID) -> None:
    made = api.reply(world.actor, conversation, "Coming")
    for state in ("held", "unknown", "failed"):
        settled(world, made.id, state)
    assert set(states(world)) == {"waiting"}
    assert world.only().conversation.state == "open"


def test_their_next_word_makes_it_our_turn_again_with_a_clock_of_its_own(world: World, conversation: UUID) -> None:
    settled(world, api.reply(world.actor, conversation, "Done").id, "sent")
    first_due = world.only().conversation.first_answer_due
    world.hear(world.mention("m3", "still broken", thread="t1"))
    view = world.only().conversation
    assert view.state == "open" and view.answer_due is not None
    assert view.first_answer_due == first_due and view.answer_due > first_due


def test_our_reply_comes_back_as_a_mention_and_is_shown_once(world: World, conversation: UUID) -> None:
    made = api.reply(world.actor, conversation, "Coming")
    Intent.objects.for_organization(world.organization).filter(id=made.id).update(state="sent")
    settled(world, made.id, "sent")
    assert [item.shape for item in world.only().items][-1] == "reply"
    ours = world.mention(
        "r1", "Coming", author="acme", media_type="owned", state="no_answer_needed", reply=str(made.id), thread="elsewhere"
    )
    world.hear(ours)
    detail = world.only()
    assert [item.shape for item in detail.items if item.shape in ("mention", "reply")] == ["mention"] * 3
    last = detail.mentions[-1]
    assert last.ours and last.mention["media_type"] == "owned" and last.mention["reply"] == str(made.id)
    assert detail.conversation.state == "waiting"


def test_taking_back_and_the_draft_that_became_it(world: World, conversation: UUID, other: World) -> None:
    api.save_draft(world.actor, conversation, "Coming")
    made = api.reply(world.actor, conversation, "Coming", undo_seconds=10)
    assert world.only().drafts == ()
    with pytest.raises(NotFound):
        api.take_back(other.actor, made.id)
    assert api.take_back(world.actor, made.id).state == "cancelled"
    with pytest.raises(Conflict):
        api.take_back(world.actor, made.id)
