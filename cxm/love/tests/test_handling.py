"""What members do with conversations, and what units and rights let them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cxm.govern import api as govern
from cxm.kernel.clock import now, shifted_by
from cxm.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from cxm.love import api
from cxm.love.contracts import InboxFilter, LineItem, NoteItem
from cxm.love.services.handling import wake_up
from cxm.love.tests.conftest import World
from cxm.platform.models import EventLog
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
ALL = ("conversations:read", "conversations:reply", "conversations:note", "conversations:manage")


@pytest.fixture
def conversation(world: World) -> UUID:
    world.hear(world.mention("m1", minutes=5))
    return world.only().conversation.id


def lines(world: World) -> list[str]:
    return [item.what for item in world.only().items if isinstance(item, LineItem)]


def mention_state(world: World) -> str:
    return world.only().mentions[0].mention["state"]


def test_assigning_tells_the_member_and_leaves_a_line(world: World, conversation: UUID) -> None:
    jonas = govern.invite(world.actor, "jonas@acme.example", "Jonas Weber", "agent").member.id
    api.assign(world.actor, conversation, jonas)
    assert world.only().conversation.assignee == jonas
    assert lines(world) == ["assigned"]
    api.assign(world.actor, conversation, jonas)
    assert lines(world) == ["assigned"], "the same again is nothing new"
    api.assign(world.actor, conversation, None)
    assert world.all(assignee="nobody")[0].id == conversation
    with pytest.raises(NotFound):
        api.assign(world.actor, conversation, uuid4())


def test_only_who_may_answer_in_its_unit_is_given_it(world: World, conversation: UUID) -> None:
    spain = govern.create_unit(world.actor, "Spain").id

    def invited(name: str, role: str, unit: UUID | None = None) -> UUID:
        return govern.invite(world.actor, f"{name}@acme.example", name.title(), role, unit).member.id

    for member in (invited("sofia", "agent", spain), invited("pia", "privacy_officer"), invited("paul", "publisher")):
        with pytest.raises(Invalid) as told:
            api.assign(world.actor, conversation, member)
        assert told.value.code == "assignee_without_rights" and "may not answer in this unit" in told.value.text
        assert [fault.path for fault in told.value.errors] == ["member"]
    assert world.only().conversation.assignee is None
    world.hear(world.mention("es1", author="sofia", unit=str(spain)))
    theirs = next(view.id for view in world.all() if view.id != conversation)
    for member in (invited("luis", "agent", spain), invited("jonas", "agent")):
        api.assign(world.actor, theirs, member)
        assert api.conversation(world.actor, theirs).conversation.assignee == member


def test_a_note_tells_whom_it_names(world: World, conversation: UUID) -> None:
    from cxm.love.models import Notification

    jonas = govern.invite(world.actor, "jonas@acme.example", "Jonas Weber", "agent").member.id
    ines = govern.invite(world.actor, "ines@acme.example", "Ines Marín", "agent").member.id
    api.note(world.actor, conversation, "Balance is safe. @Jonas she is one of 41; mail ines@acme.example; @Inesita no")
    note = next(item for item in world.only().items if isinstance(item, NoteItem))
    assert note.mentions == (jonas,)
    told = Notification.objects.for_organization(world.organization).filter(what="named").values_list("member", flat=True)
    assert list(told) == [jonas] and ines not in told
    spain = govern.create_unit(world.actor, "Spain", govern.root_unit(world.organization)).id
    luis = govern.invite(world.actor, "luis@acme.example", "Luis Marín", "agent", spain).member.id
    younger = govern.invite(world.actor, "jr@acme.example", "Jonas Weber Jr", "agent").member.id
    unit = world.only().conversation.unit
    offered = {member.id: words for member, words in api.callable_names(world.organization, unit)}
    assert luis not in offered and offered[jonas] == "Jonas Weber"
    for member, words in offered.items():  # what is offered names that member and nobody else
        note_id = api.note(world.actor, conversation, f"Look, @{words}, please; and @Luis Marín")
        kept = next(item for item in world.only().items if isinstance(item, NoteItem) and item.id == note_id)
        assert kept.mentions == (member,)
    assert younger in offered and not told.filter(member=luis)
    with pytest.raises(Invalid):
        api.note(world.actor, conversation, " \n ")


def test_closing_gives_what_waits_its_end_state(world: World, conversation: UUID) -> None:
    api.close(world.actor, conversation, "handed_over")
    view = world.only().conversation
    assert (view.state, view.close_reason, view.answer_due) == ("closed", "handed_over", None)
    assert mention_state(world) == "handed_over"
    api.reopen(world.actor, conversation)
    assert world.only().conversation.state == "open"
    api.close(world.actor, conversation, "we met her in the shop")
    assert world.only().conversation.close_reason == "we met her in the shop"
    assert lines(world) == ["closed", "reopened", "closed"]


def test_undoing_a_close_brings_clocks_and_mentions_back(world: World, conversation: UUID) -> None:
    with shifted_by(timedelta(minutes=30)):
        world.hear(world.mention("m2", "Anybody there?"))
    before = world.only().conversation
    assert before.answer_due is not None and before.resolution_due is not None
    with shifted_by(timedelta(minutes=40)):
        api.close(world.actor, conversation, "answered")
        assert [item.mention["state"] for item in world.only().mentions] == ["answered", "answered"]
        api.reopen(world.actor, conversation)
    after = world.only()
    assert [item.mention["state"] for item in after.mentions] == ["waiting", "waiting"]
    view = after.conversation
    assert (view.state, view.close_reason, view.closed_at) == ("open", None, None)
    assert (view.answer_due, view.first_answer_due, view.resolution_due) == (
        before.answer_due,
        before.first_answer_due,
        before.resolution_due,
    )


def test_reopened_days_later_the_clocks_count_anew(world: World, conversation: UUID) -> None:
    api.close(world.actor, conversation, "handed_over")
    with shifted_by(timedelta(days=3)):
        api.reopen(world.actor, conversation)
        view = world.only().conversation
        assert view.state == "open" and mention_state(world) == "waiting"
        assert view.answer_due is not None and view.answer_due > now() and view.resolution_due is not None and view.resolution_due > now()


def test_what_was_answered_or_deleted_before_a_close_does_not_wait_again(world: World, conversation: UUID) -> None:
    world.hear(world.mention("m2", "And another thing"))
    world.change("m1", state="answered")
    api.close(world.actor, conversation)
    world.delete("m2")
    api.reopen(world.actor, conversation)
    found = world.only()
    assert [item.mention["state"] for item in found.mentions] == ["answered", "no_answer_needed"]
    assert found.conversation.state == "open" and found.conversation.answer_due is None


def test_the_echo_of_a_close_does_not_undo_its_undoing(house: House) -> None:
    account = house.account()
    house.hear(account, "m1", "Where is my order?")
    (view,) = api.conversations(house.owner, InboxFilter()).items
    api.close(house.owner, view.id)
    api.reopen(house.owner, view.id)
    settle()  # only now listen's word of both arrives
    found = api.conversation(house.owner, view.id)
    assert (found.conversation.state, found.mentions[0].mention["state"]) == ("open", "waiting")
    assert found.conversation.answer_due == view.answer_due
    api.close(house.owner, view.id)
    settle()
    assert api.conversation(house.owner, view.id).mentions[0].mention["state"] == "no_answer_needed"


def test_a_conversation_of_which_everything_was_taken_back_is_over(world: World, conversation: UUID) -> None:
    world.delete("m1")
    view = world.only().conversation
    assert (view.state, view.close_reason, view.answer_due) == ("closed", "no_answer_needed", None)
    assert lines(world) == ["closed"] and api.counts(world.actor).open == 0


def test_where_something_else_waits_it_goes_on(world: World, conversation: UUID) -> None:
    world.hear(world.mention("m2", "Still waiting"))
    world.delete("m1")
    assert world.only().conversation.state == "open" and world.only().conversation.answer_due is not None
    world.delete("m2")
    assert world.only().conversation.state == "closed"


def test_a_snoozed_one_of_which_everything_was_taken_back_is_over_too(world: World, conversation: UUID) -> None:
    api.snooze(world.actor, conversation, now() + timedelta(hours=1))
    world.delete("m1")
    assert world.only().conversation.state == "closed"


def test_without_a_reason_no_answer_was_needed(world: World, conversation: UUID) -> None:
    api.close(world.actor, conversation)
    assert mention_state(world) == "no_answer_needed"


def test_reopening_is_refused_where_a_newer_one_is_open(world: World, conversation: UUID) -> None:
    api.close(world.actor, conversation, "answered")
    with shifted_by(timedelta(days=8)):
        world.hear(world.mention("m2"))
        with pytest.raises(Conflict):
            api.reopen(world.actor, conversation)


def test_snoozed_until_the_time_or_until_they_write(world: World, conversation: UUID) -> None:
    with pytest.raises(Invalid):
        api.snooze(world.actor, conversation, now() - timedelta(minutes=1))
    api.snooze(world.actor, conversation, now() + timedelta(hours=2))
    assert world.all(states=frozenset({"snoozed"}))[0].id == conversation
    wake_up(world.organization, conversation)
    assert world.only().conversation.state == "snoozed", "a job that comes early wakes nobody"
    with shifted_by(timedelta(hours=2, seconds=1)):
        wake_up(world.organization, conversation)
    assert world.only().conversation.state == "open"
    api.snooze(world.actor, conversation, now() + timedelta(hours=2))
    world.hear(world.mention("m2"))
    assert (world.only().conversation.state, world.only().conversation.snoozed_until) == ("open", None)
    api.close(world.actor, conversation)
    with pytest.raises(Conflict):
        api.snooze(world.actor, conversation, now() + timedelta(hours=2))


def test_tags_go_on_and_off(world: World, conversation: UUID) -> None:
    api.tag(world.actor, conversation, ["vip", "order", "vip"])
    api.tag(world.actor, conversation, ["late"], ["order", "not there"])
    assert world.only().conversation.tags == ("vip", "late")
    assert world.all(tag="vip") and not world.all(tag="order")
    with pytest.raises(Invalid):
        api.tag(world.actor, conversation, [str(number) for number in range(60)])


def test_drafts_are_each_members_own_and_go_when_empty(world: World, conversation: UUID, agent) -> None:  # type: ignore[no-untyped-def]
    api.save_draft(world.actor, conversation, "Dear Le", visibility="public")
    api.save_draft(world.actor, conversation, "Dear Lena", visibility="public")
    (draft,) = world.only().drafts
    assert (draft.text, draft.visibility) == ("Dear Lena", "public")
    assert api.conversation(agent(world, *ALL), conversation).drafts == ()
    api.save_draft(world.actor, conversation, "", visibility="public")
    assert world.only().drafts == ()


def test_drafts_of_each_way_of_saying_it_stay_apart(world: World, conversation: UUID, other: World, agent) -> None:  # type: ignore[no-untyped-def]
    for visibility in ("public", "private", "note"):
        api.save_draft(world.actor, conversation, f"{visibility} words", visibility=visibility)
    assert {draft.visibility: draft.text for draft in world.only().drafts} == {way: f"{way} words" for way in ("public", "private", "note")}
    api.note(world.actor, conversation, "private words")
    api.reply(world.actor, conversation, "Coming", visibility="private")
    assert [draft.visibility for draft in world.only().drafts] == ["public"]
    with pytest.raises(Invalid):
        api.save_draft(world.actor, conversation, "Dear", visibility="shouted")
    with pytest.raises(Invalid):
        api.save_draft(world.actor, conversation, "x" * 100_001)
    with pytest.raises(NotFound):
        api.save_draft(other.actor, conversation, "Dear")
    with pytest.raises(NotAllowed):
        api.save_draft(agent(world, "conversations:read"), conversation, "Dear")


def test_looking_makes_it_read_until_they_write_again(world: World, conversation: UUID) -> None:
    assert world.only().conversation.unread
    api.look(world.actor, conversation)
    assert not world.only().conversation.unread
    with shifted_by(timedelta(seconds=5)):
        world.hear(world.mention("m2"))
        assert world.only().conversation.unread


def test_cases_join_conversations(world: World, conversation: UUID, other: World) -> None:
    world.hear(world.mention("t1", author="tom"))
    second = world.all(states=frozenset({"open"}))[0].id
    case = api.create_case(world.actor, "Lost parcels", [conversation])
    api.link_case(world.actor, case, second)
    assert set(api.case(world.actor, case).conversations) == {conversation, second}
    assert {view.id for view in world.all(case=case)} == {conversation, second}
    api.unlink_case(world.actor, case, second)
    with pytest.raises(Conflict):
        api.unlink_case(world.actor, case, conversation)
    api.resolve_case(world.actor, case)
    assert [view.state for view in api.cases(world.actor, "resolved").items] == ["resolved"]
    for wrong in (case, uuid4()):
        with pytest.raises(NotFound):
            api.case(other.actor, wrong)
        with pytest.raises(NotFound):
            api.link_case(other.actor, wrong, conversation)
    other.hear(other.mention("o1"))
    with pytest.raises(NotFound):
        api.create_case(other.actor, "Theirs", [conversation])
    with pytest.raises(NotFound):
        api.link_case(world.actor, case, other.only().conversation.id)


def test_units_limit_what_is_seen_and_done(world: World, conversation: UUID, agent) -> None:  # type: ignore[no-untyped-def]
    spain = govern.create_unit(world.actor, "Spain").id
    world.hear(world.mention("es1", author="sofia", unit=str(spain)))
    in_spain = agent(world, *ALL, unit=spain)
    (seen,) = api.conversations(in_spain, InboxFilter()).items
    assert seen.author["handle"] == "sofia"
    assert api.counts(in_spain).open == 1 and api.counts(world.actor).open == 2
    for act in (
        lambda: api.conversation(in_spain, conversation),
        lambda: api.note(in_spain, conversation, "hello"),
        lambda: api.close(in_spain, conversation),
        lambda: api.assign(in_spain, conversation, None),
        lambda: api.reply(in_spain, conversation, "hello"),
        lambda: api.look(in_spain, conversation),
        lambda: api.create_case(in_spain, "x", [conversation]),
    ):
        with pytest.raises(NotFound):
            act()
    reader = agent(world, "conversations:read")
    for act in (
        lambda: api.note(reader, conversation, "hello"),
        lambda: api.close(reader, conversation),
        lambda: api.reply(reader, conversation, "hello"),
    ):
        with pytest.raises(NotAllowed):
            act()
    mixed = agent(world, "conversations:read")
    mixed.grants["conversations:manage"] = frozenset({spain})
    api.close(mixed, seen.id)
    with pytest.raises(NotAllowed):
        api.close(mixed, conversation)
    assert api.conversations(agent(world), InboxFilter()).items == []


def test_filters_sorting_counts_and_neighbours(world: World) -> None:
    for number, (author, language, minutes) in enumerate([("a", "de", 30), ("b", "en", 20), ("c", "de", 10)]):
        world.hear(world.mention(f"m{number}", author=author, language=language, minutes=minutes))
    world.hear(world.mention("p", author="d", kind="post", private=False, minutes=1))

    def authors(**filters) -> str:  # type: ignore[no-untyped-def]
        return "".join(view.author["handle"] for view in world.all(**filters))

    assert authors() == "dcba"
    assert authors(languages=frozenset({"de"})) == "ca"
    assert authors(kind="public") == "d"
    assert authors(channels=frozenset({"webhook"})) == "dcba" and authors(channels=frozenset({"email"})) == ""
    assert authors(sort="due")[-1] == "d", "a public answer has more time"
    mine = next(view.id for view in world.all() if view.author["handle"] == "b")
    api.assign(world.actor, mine, world.actor.member)
    assert (authors(assignee="me"), authors(assignee="nobody"), authors(assignee="mine_or_nobody")) == ("b", "dca", "dcba")
    assert authors(assignee=world.actor.member) == "b"
    with shifted_by(timedelta(minutes=61)):
        assert sorted(authors(late=True)) == ["a", "b", "c"]
        assert api.counts(world.actor).late == 3
    counts = api.counts(world.actor)
    assert (counts.open, counts.mine, counts.nobody, counts.late) == (4, 1, 3, 0)
    assert api.waiting_count(world.actor) == 4
    wanted = InboxFilter(states=frozenset({"open"}))
    around = api.neighbours(world.actor, wanted, mine)
    names = {view.id: view.author["handle"] for view in world.all()}
    assert (names[around.previous], names[around.next]) == ("c", "a")  # type: ignore[index]
    api.close(world.actor, mine)
    assert names[api.next_one(world.actor, wanted, mine)] == "a"  # type: ignore[index]
    for wrong in ({"states": frozenset({"odd"})}, {"assignee": "somebody"}, {"kind": "secret"}, {"sort": "random"}):
        with pytest.raises(Invalid):
            world.all(**wrong)


def test_paging_visits_each_once_while_new_ones_come(world: World) -> None:
    for number in range(23):
        world.hear(world.mention(f"m{number}", author=f"a{number}", minutes=100 - number))
    seen: list[UUID] = []
    cursor = None
    while True:
        page = api.conversations(world.actor, InboxFilter(), cursor, 10)
        seen += [view.id for view in page.items]
        world.hear(world.mention(f"new{len(seen)}", author=f"new{len(seen)}"))
        if (cursor := page.next) is None:
            break
    assert len(seen) == len(set(seen)) == 23


def test_long_conversations_come_two_hundred_at_a_time(world: World) -> None:
    world.hear(*(world.mention(f"m{number}", str(number), minutes=500 - number) for number in range(450)))
    newest = world.only()
    assert [item.mention["text"] for item in newest.mentions] == [str(number) for number in range(250, 450)]
    assert newest.earlier
    older = api.conversation(world.actor, newest.conversation.id, str(newest.mentions[0].id))
    assert [item.mention["text"] for item in older.mentions] == [str(number) for number in range(50, 250)]
    oldest = api.conversation(world.actor, newest.conversation.id, older.mentions[0].mention["published_at"])
    assert [item.mention["text"] for item in oldest.mentions] == [str(number) for number in range(50)]
    assert not oldest.earlier
    with pytest.raises(NotFound):
        api.conversation(world.actor, newest.conversation.id, str(uuid4()))


def test_events_tell_ids_and_never_words(world: World, conversation: UUID) -> None:
    api.note(world.actor, conversation, "a secret note")
    api.close(world.actor, conversation, "a secret reason")
    told = [row for row in EventLog.objects.filter(organization_id=world.organization) if row.name.startswith("love.")]
    assert [row.public.get("what") for row in told] == [None, "noted", "closed"]
    assert "secret" not in str([row.public for row in told]) + str([row.payload for row in told])
    assert {row.permission for row in told} == {"conversations:read"}
