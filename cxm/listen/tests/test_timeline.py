"""Everything somebody said: whatever they are called today, wherever it stands, and nothing of anybody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from cxm.govern import api as govern
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import NotAllowed, NotNow
from cxm.listen import timeline
from cxm.people import api as people
from tests.houses import House, _own_store, house, line  # noqa: F401 - fixtures

AT = "2026-03-01T00:00:00Z"


def said(native: str, author: dict[str, Any], **more: Any) -> dict[str, Any]:
    return line(native, f"words of {native}", author=author, **more)


def profile_of(house: House, name: str) -> UUID:
    return next(view.id for view in people.profiles(house.organization, name).items)


def known_since(house: House, name: str) -> str:
    return format_instant(people.known_since(house.owner, people.profile(house.organization, profile_of(house, name))))


def heard_of(house: House, profile: UUID) -> list[str]:
    """Native ids in an export."""
    return [entry["mention"]["native_id"] for entry in people.export(house.owner, profile)["timeline"]]


def test_a_new_name_or_none_hides_nothing(house: House) -> None:
    house.read(
        said("old", {"native_id": "u1", "handle": "lena", "name": "Lena"}, published_at="2026-01-01T00:00:00Z"),
        said("new", {"native_id": "u1", "handle": "lena.k", "name": "Lena K."}, published_at="2026-02-01T00:00:00Z"),
        said("bare", {"native_id": "u2"}),
        said("same name", {"native_id": "u3", "handle": "lena", "name": "Lena"}),
        said("elsewhere", {"native_id": "u1", "handle": "lena", "name": "Lena"}, channel="reddit"),
    )
    assert heard_of(house, profile_of(house, "lena.k")) == ["new", "old"]
    assert heard_of(house, profile_of(house, "u2")) == ["bare"]
    assert known_since(house, "lena.k") == "2026-01-01T00:00:00Z"
    account = house.account()
    conversation = house.hear(account, "m1", "I write for the first time", author="newcomer", minutes=90)
    assert conversation and known_since(house, "newcomer")[:13] == format_instant(now() - timedelta(minutes=90))[:13]


def test_what_was_said_before_and_after_a_merge_is_theirs_and_parting_takes_it_back(house: House) -> None:
    house.read(said("a1", {"native_id": "a", "name": "Ada"}), said("b1", {"native_id": "b", "name": "Bea"}))
    ada, bea = profile_of(house, "ada"), profile_of(house, "bea")
    ada = people.merge(house.owner, [ada, bea], "the same person, she said so")
    house.read(said("b2", {"native_id": "b", "name": "Bea"}))
    assert sorted(heard_of(house, ada)) == ["a1", "b1", "b2"]
    bea_now = next(one.id for one in people.profile(house.organization, ada).identities if one.native_id == "b")
    parted = people.unlink(house.owner, ada, bea_now, "they are two")
    assert heard_of(house, ada) == ["a1"] and sorted(heard_of(house, parted)) == ["b1", "b2"]


def test_many_of_one_instant_are_all_there(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(timeline, "_PAGE", 4)
    names = [f"n{number:02}" for number in range(23)]
    house.read(*(said(name, {"native_id": "busy", "name": "Busy"}, published_at=AT) for name in names))
    page, found, cursor = None, [], None
    while page is None or cursor:
        page = people.timeline(house.owner, profile_of(house, "busy"), cursor, 5)
        found += [entry.data["mention"]["native_id"] for entry in page.items]
        cursor = page.next
    assert sorted(found) == names == sorted(heard_of(house, profile_of(house, "busy")))


def test_an_export_is_everything_or_refused(house: House, monkeypatch: Any) -> None:
    """It is handed over as everything kept of a person: a part of it would be a lie."""
    spain = house.unit("Spain")
    house.hear(house.account(), "m1", "Where is it?", author="lena")
    lena = profile_of(house, "lena")
    luis = govern.invite(house.owner, "luis@marlow.example", "Luis", "agent", spain).member.id
    with pytest.raises(NotAllowed) as refused:
        people.export(govern.rights_of(house.organization, luis), lena)
    assert (refused.value.status, refused.value.code) == (403, "export_not_whole")

    def asked(*scopes: str) -> Any:
        secret = govern.create_token(house.owner, scopes[-1], list(scopes))[1]
        return Client().get(f"/api/v1/profiles/{lena}/export", headers={"Authorization": f"Bearer {secret}"})

    assert asked("profiles:read").status_code == asked("profiles:read", "conversations:read").status_code == 403
    whole = asked("profiles:read", "mentions:read", "conversations:read")
    assert whole.status_code == 200 and [entry["mention"]["native_id"] for entry in whole.json()["timeline"]] == ["m1"]

    def away() -> Any:
        raise NotNow("store_away", "The store is away.")

    monkeypatch.setattr(timeline.engine, "store", away)
    assert len(people.timeline(house.owner, lena).items) == 1, "a page shows what there is"
    with pytest.raises(NotNow):
        people.export(house.owner, lena)
