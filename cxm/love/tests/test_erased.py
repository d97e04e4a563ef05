"""What an erasure leaves behind in the inbox: nothing that comes back, nothing that stands in the way of others."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from cxm.kernel.clock import now, shifted_by
from cxm.kernel.errors import Conflict
from cxm.love import api
from cxm.love.models import Pledge
from cxm.love.services.pledges import came_due
from cxm.people import api as people
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def _talks(house: House, *authors: str) -> list[UUID]:
    account = house.account()
    return [api.conversation_of(house.owner, house.hear(account, f"m-{name}", "Hello", author=name)) for name in authors]


def _erase(house: House, conversation: UUID) -> None:
    profile = api.conversation(house.owner, conversation).conversation.profile
    assert profile is not None
    made = people.erase(house.owner, profile, "Asked for by letter 4711.")
    people.carry_out_erasure(house.organization, made.id)
    settle()
    assert api.conversation(house.owner, conversation).conversation.erased


def test_nothing_of_an_erased_person_comes_back(house: House):
    [talk] = _talks(house, "lena")
    made = api.promise(house.owner, talk, "I'll write at noon.", now() + timedelta(hours=2))
    api.snooze(house.owner, talk, now() + timedelta(hours=1))
    _erase(house, talk)
    promise = Pledge.everywhere.get(id=made)  # everywhere: a test
    assert (promise.state, promise.text) == ("withdrawn", "I'll write at noon.")
    # One that was open when the house was brought up to date: its time comes, and it is withdrawn then.
    Pledge.everywhere.filter(id=made).update(state="open")  # everywhere: a test
    with shifted_by(timedelta(hours=3)):
        came_due(house.organization, made)
    view = api.conversation(house.owner, talk).conversation
    assert (view.state, view.promise_due, view.snoozed_until, view.answer_due) == ("closed", None, None, None)
    assert Pledge.everywhere.get(id=made).state == "withdrawn"  # everywhere: a test


def test_a_case_with_an_erased_conversation_stays_workable(house: House):
    lena, marc, nora, olga = _talks(house, "lena", "marc", "nora", "olga")
    case = api.create_case(house.owner, "Lost parcels", [lena, marc, nora])
    alone = api.create_case(house.owner, "A parcel", [olga])
    for gone in (lena, olga):
        _erase(house, gone)
    made, _ = api.split_case(house.owner, case, "One parcel", [nora])
    api.resolve_case(house.owner, case)
    api.resolve_case(house.owner, case, resolved=False)
    moved = api.unlink_case(house.owner, case, lena)
    assert moved is not None and lena not in api.case(house.owner, case).conversations
    api.undo_case_move(house.owner, moved)
    assert set(api.case(house.owner, case).conversations) == {lena, marc}
    assert api.merge_cases(house.owner, made, case) is not None
    assert set(api.case(house.owner, made).conversations) == {lena, marc, nora}
    api.resolve_case(house.owner, alone)
    assert api.case(house.owner, alone).state == "resolved"
    with pytest.raises(Conflict) as told:
        api.unlink_case(house.owner, made, lena)
        api.link_case(house.owner, made, lena)
    assert told.value.code == "conversation_erased", "nobody who was erased is put into a case"
