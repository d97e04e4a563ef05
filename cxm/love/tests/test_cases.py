"""Cases: link, merge and split, each audited and undone for ten minutes; by the door, REST and the pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import shifted_by
from cxm.kernel.errors import Conflict, NotAllowed, NotFound
from cxm.love import api
from cxm.love.contracts import LineItem
from cxm.love.tests.conftest import World
from cxm.love.tests.test_pages import _quick_passwords, browser, page, part, toast  # noqa: F401 - fixtures
from cxm.love.tests.test_rest import Caller, call  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def four(world: World) -> list[UUID]:
    """Four conversations, by their authors' names."""
    world.hear(*[world.mention(name, author=name) for name in ("ann", "bea", "cat", "dan")])
    return [view.id for view in sorted(world.all(), key=lambda view: str(view.author["handle"]))]


def inside(world: World, case: UUID) -> set[UUID]:
    return set(api.case(world.actor, case).conversations)


def test_merge_and_split_and_back_again(world: World, four: list[UUID]) -> None:
    ann, bea, cat, dan = four
    lost, late = api.create_case(world.actor, "Lost parcels", [ann, bea]), api.create_case(world.actor, "Late parcels", [cat])
    merged = api.merge_cases(world.actor, lost, late)
    assert merged is not None and inside(world, lost) == {ann, bea, cat}
    gone = api.case(world.actor, late)
    assert (gone.state, gone.merged_into, gone.conversations) == ("merged", lost, ())
    for refused in (
        lambda: api.link_case(world.actor, late, dan),
        lambda: api.resolve_case(world.actor, late),
        lambda: api.merge_cases(world.actor, lost, lost),
    ):
        with pytest.raises(Conflict):
            refused()
    assert api.undo_case_move(world.actor, merged) == lost
    assert (inside(world, lost), inside(world, late)) == ({ann, bea}, {cat})
    assert api.case(world.actor, late).state == "open" and api.case(world.actor, late).merged_into is None
    with pytest.raises(Conflict) as told:
        api.undo_case_move(world.actor, merged)
    assert told.value.code == "change_undone"
    made, split = api.split_case(world.actor, lost, "One parcel", [bea])
    assert split is not None and (inside(world, lost), inside(world, made)) == ({ann}, {bea})
    with pytest.raises(Conflict):
        api.split_case(world.actor, lost, "All of it", [ann])
    with pytest.raises(NotFound):
        api.split_case(world.actor, lost, "Not mine", [cat])
    api.undo_case_move(world.actor, split)
    assert inside(world, lost) == {ann, bea} and api.case(world.actor, made).merged_into == lost
    lines = [(item.what, item.detail.get("title")) for item in api.conversation(world.actor, bea).items if isinstance(item, LineItem)]
    assert lines == [("linked", "Lost parcels"), ("linked", "One parcel"), ("case_undone", None)]
    actions = [one.action for one in govern.entries(world.organization, limit=20)]
    assert {"case.opened", "case.merged", "case.split", "case.undone"} <= set(actions)


def test_what_left_a_case_empty_resolves_it_and_undo_takes_it_up_again(world: World, four: list[UUID]) -> None:
    ann, bea, cat, _dan = four
    one, two = api.create_case(world.actor, "One", [ann]), api.create_case(world.actor, "Two", [bea])
    assert api.link_case(world.actor, two, bea) is None, "it is there already"
    moved = api.link_case(world.actor, two, ann)
    assert moved is not None and api.case(world.actor, one).state == "resolved" and inside(world, two) == {ann, bea}
    (shown, *_rest) = api.case_moves(world.actor, two)
    assert (shown.id, shown.what, shown.count, shown.undone) == (moved, "linked", 1, False) and shown.undo_until is not None
    api.undo_case_move(world.actor, moved)
    assert (inside(world, one), api.case(world.actor, one).state) == ({ann}, "open")
    # Changed since, too late, not there.
    again = api.link_case(world.actor, two, cat)
    assert again is not None
    api.resolve_case(world.actor, two)
    assert api.case_moves(world.actor, two)[0].undo_until is None
    with pytest.raises(Conflict) as told:
        api.undo_case_move(world.actor, again)
    assert told.value.code == "changed_since"
    api.resolve_case(world.actor, two, resolved=False)
    out = api.unlink_case(world.actor, two, cat)
    assert out is not None
    with shifted_by(timedelta(minutes=11)), pytest.raises(Conflict) as told:
        api.undo_case_move(world.actor, out)
    assert told.value.code == "change_too_old"
    with pytest.raises(NotFound):
        api.undo_case_move(world.actor, uuid4())


def test_units_limit_what_is_merged_and_undone(world: World, other: World, four: list[UUID], agent: Callable[..., Actor]) -> None:
    spain = govern.create_unit(world.actor, "Spain").id
    world.hear(world.mention("es1", author="sofia", unit=str(spain)), world.mention("es2", author="luis", unit=str(spain)))
    sofia, luis = [view.id for view in sorted(world.all(unit=spain), key=lambda view: str(view.author["handle"]), reverse=True)]
    here, there = api.create_case(world.actor, "Here", [four[0]]), api.create_case(world.actor, "There", [sofia])
    mixed = api.link_case(world.actor, there, four[1])
    clerk = agent(world, "conversations:read", "conversations:manage", unit=spain)
    api.link_case(clerk, there, luis)
    with pytest.raises(NotFound):
        api.merge_cases(clerk, there, here)
    both = agent(world, "conversations:read")
    for act in (lambda: api.merge_cases(both, here, there), lambda: api.split_case(both, there, "x", [luis])):
        with pytest.raises(NotAllowed):
            act()
    assert mixed is not None
    for actor in (clerk, other.actor):
        with pytest.raises(NotFound):
            api.undo_case_move(actor, mixed)
    assert [one.title for one in api.offered_cases(clerk, None)] == ["There"] and api.offered_cases(other.actor, None) == []


def test_cases_by_rest(world: World, four: list[UUID], call: Caller) -> None:
    ann, bea, cat, _dan = [str(key) for key in four]
    lost = call("POST", "/cases", {"title": "Lost", "conversations": [ann, bea]}, status=201)["id"]
    late = call("POST", "/cases", {"title": "Late", "conversations": [cat]}, status=201)["id"]
    merged = call("POST", f"/cases/{lost}/merge", {"other": late}, status=200)
    assert set(merged["conversations"]) == {ann, bea, cat}
    assert call("GET", f"/cases/{late}", status=200)["merged_into"] == lost
    assert [one["id"] for one in call("GET", "/cases?state=merged", status=200)["items"]] == [late]
    changes = call("GET", f"/cases/{lost}/changes", status=200)["items"]
    assert changes[0]["id"] == merged["change"] and changes[0]["what"] == "merged" and changes[0]["undo_until"]
    assert set(call("POST", f"/cases/changes/{merged['change']}/undo", status=200)["conversations"]) == {ann, bea}
    call("POST", f"/cases/changes/{merged['change']}/undo", status=409)
    made = call("POST", f"/cases/{lost}/split", {"title": "One", "conversations": [bea]}, status=201)
    assert made["title"] == "One" and made["conversations"] == [bea] and made["change"]
    call("POST", f"/cases/{lost}/split", {"title": "All", "conversations": [ann]}, status=409)
    call("POST", f"/cases/{uuid4()}/merge", {"other": lost}, status=404)


def test_cases_on_the_pages(world: World, four: list[UUID], browser: Client) -> None:
    ann, bea, cat, _dan = four
    assert "No case here" in page(browser, "/inbox/cases")
    opened = part(browser, f"/inbox/{ann}/case", {"title": "Lost <b>parcels</b>"}, at=f"/inbox/{ann}")
    assert opened.status_code == 200 and "Lost &lt;b&gt;parcels" in opened.content.decode()
    (lost,) = api.cases(world.actor).items
    linked = part(browser, f"/inbox/{bea}/case", {"case": str(lost.id)}, at=f"/inbox/{bea}")
    assert inside(world, lost.id) == {ann, bea}
    undone = part(browser, toast(linked)["undo"], {}, at=f"/inbox/{bea}")
    assert undone.status_code == 200 and toast(undone)["text"] == "Undone." and inside(world, lost.id) == {ann}
    assert toast(part(browser, toast(linked)["undo"], {}, at=f"/inbox/{bea}"))["kind"] == "bad"
    part(browser, f"/inbox/{bea}/case", {"case": str(lost.id)}, at=f"/inbox/{bea}")
    late = api.create_case(world.actor, "Late", [cat])
    address = f"/inbox/cases/{lost.id}"
    shown = page(browser, address)
    assert "Lost &lt;b&gt;parcels" in shown and f'value="{bea}"' in shown and "Late" in shown and "Undo" in shown
    nothing = browser.post(f"{address}/change", {"do": "split", "title": "Kept words"})
    assert (
        nothing.status_code == 422 and "No conversation is ticked" in nothing.content.decode() and "Kept words" in nothing.content.decode()
    )
    assert browser.post(f"{address}/change", {"do": "merge", "other": str(late)}).status_code == 302
    assert inside(world, lost.id) == {ann, bea, cat}
    split = browser.post(f"{address}/change", {"do": "split", "title": "Two", "ids": [str(bea), str(cat)]})
    assert split.status_code == 302 and split["Location"] != address and inside(world, lost.id) == {ann}
    assert browser.post(f"{split['Location']}/change", {"do": "out", "ids": [str(cat)]}).status_code == 302
    assert browser.post(f"{address}/change", {"do": "resolve"}).status_code == 302
    assert "settled" in page(browser, address) and "Lost &lt;b&gt;" in page(browser, "/inbox/cases?state=resolved")
    assert "It goes on in another case" in page(browser, f"/inbox/cases/{late}")
    move = api.case_moves(world.actor, lost.id)[0].id
    late_undo = browser.post(f"/inbox/cases/moves/{move}/undo", {"case": str(lost.id)})
    assert late_undo.status_code == 409 and "It was changed since" in late_undo.content.decode()
    assert browser.post(f"/inbox/cases/{uuid4()}/change", {"do": "resolve"}).status_code == 404
    assert part(browser, f"/inbox/{cat}/case", {"out": "1"}, at=f"/inbox/{cat}").status_code == 404
