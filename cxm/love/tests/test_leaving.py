"""Members who are removed, or lose a role or a unit: what was theirs is nobody's, said in its history, and in everybody's lists again."""

from __future__ import annotations

import pytest

from cxm.govern import api as govern
from cxm.govern.services import members, organizations
from cxm.love import api, tasks
from cxm.love.contracts import InboxFilter, LineItem
from cxm.love.services import leaving
from tests.houses import House, _own_store, assert_safe, house, post, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_what_lay_with_somebody_who_can_no_longer_answer_is_nobodys(house: House, monkeypatch: pytest.MonkeyPatch):
    spain, france = house.unit("Spain"), house.unit("France")
    everywhere, there = house.account(), house.account("Spain", spain)
    for name, unit in (("jonas", None), ("luis", spain)):
        house.join(f"{name}@marlow.example", "agent", unit)
    ids = {one.name: one.id for one in govern.members(house.organization)}
    root, second, done, local = [
        api.conversation_of(house.owner, house.hear(account, f"m{n}", "Hello", author=f"a{n}"))
        for n, account in enumerate((everywhere, everywhere, everywhere, there))
    ]
    for key in (root, second, done):
        api.assign(house.owner, key, ids["jonas"])
    api.assign(house.owner, local, ids["luis"])
    api.close(house.owner, done)

    def whose(key: object) -> object:
        return api.conversation(house.owner, key).conversation.assignee

    def said(key: object) -> list[str]:
        return [item.what for item in api.conversation(house.owner, key).items if isinstance(item, LineItem)]

    # A new name takes nothing from anybody; nor does another unit that still holds what is theirs.
    govern.change_member(house.owner, ids["jonas"], name="Jonas B")
    govern.change_member(house.owner, ids["luis"], unit=govern.root_unit(house.organization))
    settle()
    assert (whose(root), whose(local)) == (ids["jonas"], ids["luis"])

    govern.change_member(house.owner, ids["luis"], unit=france)
    settle()
    assert whose(local) is None and said(local)[-1] == "let_go"

    monkeypatch.setattr(leaving, "STEP", 1)  # the rest is done by jobs
    waits: list[dict[str, str]] = []
    monkeypatch.setattr(tasks.let_go, "defer", lambda **values: waits.append(values))
    members.remove(house.owner, ids["jonas"])
    settle()
    while waits:
        tasks.let_go.run(**waits.pop())
    assert (whose(root), whose(second), whose(done)) == (None, None, ids["jonas"]), "what is closed stays with whoever settled it"
    assert {view.id for view in api.conversations(house.owner, InboxFilter(assignee="nobody")).items} == {root, second, local}
    api.reopen(house.owner, done)
    assert whose(done) is None and said(done)[-1] == "let_go"
    assert "Jonas B can no longer answer here" in assert_safe(house.browser().get(f"/inbox/{root}"))


def test_a_unit_that_is_moved_and_a_message_that_reopens(house: House):
    europe, asia = house.unit("Europe"), house.unit("Asia")
    spain = govern.create_unit(house.owner, "Spain", europe).id
    account = house.account("Spain", spain)
    house.join("luis@marlow.example", "agent", europe)
    luis = next(one.id for one in govern.members(house.organization) if one.name == "luis")
    key, closed = [api.conversation_of(house.owner, house.hear(account, f"m{n}", "Hello", author=f"a{n}")) for n in (1, 2)]
    for one in (key, closed):
        api.assign(house.owner, one, luis)
    api.close(house.owner, closed)
    organizations.change_unit(house.owner, spain, parent=asia)
    settle()
    assert api.conversation(house.owner, key).conversation.assignee is None
    house.hear(account, "m3", "Are you there?", author="a2")
    again = api.conversation(house.owner, closed).conversation
    assert (again.state, again.assignee) == ("open", None), "they wrote again: it is taken up, and by nobody who cannot see it"
