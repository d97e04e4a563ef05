"""Intents through the door: what is taken in, taken back, held, settled. Carrying them out is tried in tests/faults, with a provider."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cxm.channels.contracts import Outgoing, Sent
from cxm.connect import api as connect
from cxm.connect.contracts import SendRules
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, CxmError, Invalid, NotAllowed, NotFound
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.outbound.contracts import NewIntent
from cxm.outbound.models import Attempt, Intent
from cxm.platform import events
from tests.houses import House, house, other  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def intent(house: House, **more) -> NewIntent:
    """A reply on an account that can answer."""
    account, _ = connect.connect(house.owner, channel="webhook", name=uuid4().hex, settings={"reply_url": "https://example.com/in"})
    return replace(NewIntent(account=account.id, unit=account.unit, text="We look into it.", private=True, conversation=uuid4()), **more)


def told(house: House) -> list[tuple[str, str]]:
    """What the log says of replies: id and state."""
    found = events.since(house.organization, None, permissions=None, limit=500)
    return [(one.data["reply"], one.data["state"]) for one in found if one.name == "outbound.intent_changed"]


def test_an_intent_waits_as_long_as_it_may_be_taken_back(house: House):
    reply = outbound.propose(house.owner, intent(house, undo_seconds=10))
    assert (reply.state, reply.attempts, reply.sent_at) == ("waiting", (), None)
    assert reply.undo_until is not None
    assert outbound.take_back(house.owner, reply.id).state == "cancelled"
    assert outbound.reply(house.organization, reply.id).state == "cancelled"
    with pytest.raises(Conflict):
        outbound.take_back(house.owner, reply.id)


def test_without_undo_time_it_is_queued_and_once_it_is_being_sent_no_longer_taken_back(house: House):
    reply = outbound.propose(house.owner, intent(house))
    assert reply.state == "queued"
    Intent.everywhere.filter(pk=reply.id).update(state="claimed")  # everywhere: a test
    with pytest.raises(Conflict):
        outbound.take_back(house.owner, reply.id)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": "  "}, "text"),
        ({"text": "a" * 1_000_001}, "text"),
        ({"undo_seconds": -1}, "undo_seconds"),
        ({"undo_seconds": 601}, "undo_seconds"),
        ({"media": ({"url": "https://127.0.0.1/a.png"},)}, "media.0.url"),
        ({"media": ({"url": "http://example.com/a.png"},)}, "media.0.url"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_nothing_is_kept(house: House, change: dict, field: str):
    with pytest.raises(Invalid) as caught:
        outbound.propose(house.owner, intent(house, **change))
    assert [fault.path for fault in caught.value.errors] == [field]
    assert not told(house)


def test_an_account_that_only_listens_cannot_answer(house: House):
    account = house.account()
    with pytest.raises(Invalid, match="only listens"):
        outbound.propose(house.owner, NewIntent(account=account.id, unit=account.unit, text="Hello", private=True))


def test_only_an_unknown_outcome_is_settled_by_a_person(house: House):
    reply = outbound.propose(house.owner, intent(house))
    with pytest.raises(Conflict) as caught:
        outbound.settle(house.owner, reply.id, outcome="sent", native_id="n1")
    assert caught.value.code == "not_unknown"
    with pytest.raises(Invalid):
        outbound.settle(house.owner, reply.id, outcome="perhaps")


def test_somebody_elses_account_and_reply_are_not_there(house: House, other: House):
    mine = outbound.propose(house.owner, intent(house, undo_seconds=10))
    for act in (
        lambda: outbound.propose(other.owner, intent(house)),
        lambda: outbound.reply(other.organization, mine.id),
        lambda: outbound.take_back(other.owner, mine.id),
        lambda: outbound.settle(other.owner, mine.id, outcome="failed"),
    ):
        with pytest.raises(NotFound) as caught:
            act()
        assert caught.value.code == "not_found"
    assert outbound.reply(house.organization, mine.id).state == "waiting"


def test_without_the_right_in_the_unit_nothing_is_taken_in(house: House):
    elsewhere = house.unit("Berlin")
    few = Actor(house.organization, "member", "Ben", grants={"conversations:reply": frozenset({elsewhere})})
    with pytest.raises(NotAllowed):
        outbound.propose(few, intent(house))
    assert not told(house)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scope", ["organization", "account", "kind:reply"])
def test_under_a_stop_an_intent_is_held_until_it_is_reviewed(house: House, scope: str):
    new = intent(house)
    stop = govern.stop_on(house.owner, f"account:{new.account}" if scope == "account" else scope, "a test")
    first, second = outbound.propose(house.owner, new), outbound.propose(house.owner, replace(new, text="And again.", undo_seconds=10))
    assert (first.state, second.state) == ("held", "held")
    assert {item.id for item in govern.held(house.organization, stop.id)} == {first.id, second.id}
    receipt = govern.lift(house.owner, stop.id, release=[first.id])
    assert (receipt.released, receipt.cancelled) == ((first.id,), (second.id,))
    assert [outbound.reply(house.organization, one).state for one in (first.id, second.id)] == ["queued", "cancelled"]


@pytest.mark.django_db(transaction=True)
def test_a_stop_elsewhere_holds_nothing(house: House, other: House):
    new = intent(house)
    for who, scope in ((other, "organization"), (house, "kind:campaign"), (house, f"unit:{house.unit('Berlin')}")):
        govern.stop_on(who.owner, scope, "a test")
    assert outbound.propose(house.owner, new).state == "queued"


def test_each_state_is_told_by_an_event_without_words(house: House):
    reply = outbound.propose(house.owner, intent(house, undo_seconds=10, text="Secret words"))
    outbound.take_back(house.owner, reply.id)
    assert told(house) == [(str(reply.id), "waiting"), (str(reply.id), "cancelled")]
    assert all("Secret" not in str(one.data) for one in events.since(house.organization, None, permissions=None, limit=500))


def test_ids_nobody_has_are_not_found(house: House):
    for unknown in (uuid4(), UUID(int=0)):
        with pytest.raises(CxmError) as caught:
            outbound.reply(house.organization, unknown)
        assert caught.value.status == 404


def test_one_outcome_never_stands_for_two_intents_of_the_same_words(house: House, monkeypatch: pytest.MonkeyPatch):
    """Where a platform keeps no mark of ours, two unknown answers of the same words could both be taken for the one that arrived."""
    new, rows = intent(house, text="Thanks!"), []
    for _ in range(2):
        made = outbound.propose(house.owner, new)
        Intent.everywhere.filter(pk=made.id).update(state="unknown")  # everywhere: a test
        row = Intent.everywhere.get(pk=made.id)  # everywhere: a test
        Attempt.objects.add(house.organization, intent=row, at=now() - timedelta(minutes=5), outcome="unknown")
        rows.append(row)
    asked: list[tuple[str, ...]] = []

    def read_back(organization: object, account: object, outgoing: Outgoing) -> Sent | None:
        asked.append(outgoing.others)
        return None if "there" in outgoing.others else Sent("there")

    monkeypatch.setattr(gateway.connect, "read_back", read_back)
    rules = SendRules(True, True, True, True, reads_back=True, idempotent=False, text_limit=None, counted="bytes", window_hours=None)
    monkeypatch.setattr(gateway.connect, "rules", lambda *_: rules)
    gateway.carry_out(rows[0].id)
    gateway.carry_out(rows[1].id)
    assert asked == [(), ("there",)]
    assert [outbound.reply(house.organization, row.id).state for row in rows] == ["sent", "queued"], "the other is sent now, once"

    late = outbound.propose(house.owner, new)
    Intent.everywhere.filter(pk=late.id).update(state="unknown")  # everywhere: a test
    Attempt.objects.add(
        house.organization, intent=Intent.everywhere.get(pk=late.id), at=now() - timedelta(minutes=5), outcome="unknown"
    )  # everywhere: a test
    monkeypatch.setattr(gateway.connect, "read_back", lambda *_: Sent("there"))  # both were asked about before either was settled
    gateway.carry_out(late.id)
    assert outbound.reply(house.organization, late.id).state == "unknown"
