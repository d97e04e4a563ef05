"""Authors become profiles: one each, joined by proofs alone, also when ten deliveries come at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from django.db import connection

from cxm.govern import api as govern
from cxm.kernel.actor import system
from cxm.kernel.errors import Conflict, Invalid, NotFound
from cxm.people import api
from cxm.people.contracts import IdentityClaim, Proof
from cxm.platform.models import EventLog

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> UUID:
    return govern.set_up(f"Acme {uuid4()}", "owner@acme.example", "a long password 17").organization


def claim(native: str, *proofs: str, channel: str = "bluesky", account: UUID | None = None, **more: object) -> IdentityClaim:
    return IdentityClaim(channel, account, native, proofs=tuple(Proof("email", value) for value in proofs), **more)  # type: ignore[arg-type]


def test_the_same_identity_is_the_same_profile(org: UUID) -> None:
    first = api.resolve(org, [claim("a"), claim("b"), claim("a")])
    assert first[0] == first[2] != first[1]
    assert api.resolve(org, [claim("b"), claim("a")]) == [first[1], first[0]]


def test_a_name_never_joins(org: UUID) -> None:
    one, two = api.resolve(org, [claim("a", name="Lena K.", handle="@lena"), claim("b", name="Lena K.", handle="@lena")])
    assert one != two


def test_organizations_and_accounts_stay_apart(org: UUID) -> None:
    other, mailbox = uuid4(), uuid4()
    assert api.resolve(org, [claim("a", "a@x.org")]) != api.resolve(other, [claim("a", "a@x.org")])
    plain, scoped = api.resolve(org, [claim("f"), claim("f", account=mailbox)])
    assert plain != scoped
    with pytest.raises(NotFound):
        api.profile(other, plain)


def test_a_shared_proof_shares_the_profile(org: UUID) -> None:
    mail, chat = api.resolve(org, [claim("lena@x.org", "lena@x.org", channel="email"), claim("u1", "lena@x.org", channel="chat")])
    assert mail == chat
    (later,) = api.resolve(org, [claim("u2", "lena@x.org", channel="forum")])
    assert later == mail
    assert {entry.channel for entry in api.profile(org, mail).identities} == {"email", "chat", "forum"}
    assert {entry.reason for entry in api.profile(org, mail).identities} >= {"proof"}


def test_a_proof_that_comes_later_joins_the_newer_into_the_older(org: UUID) -> None:
    (old,) = api.resolve(org, [claim("lena@x.org", "lena@x.org", channel="email")])
    (new,) = api.resolve(org, [claim("u1", channel="chat")])
    assert old != new
    assert api.resolve(org, [claim("u1", "lena@x.org", channel="chat")]) == [old]
    assert api.profile(org, new).id == old, "the former address still finds the person"
    assert api.current(org, [new, old]) == {new: old, old: old}
    (entry,) = api.profile(org, old).history
    assert (entry.kind, entry.into, entry.source) == ("proof", old, new)
    moved = EventLog.objects.get(organization_id=org, name="people.identities_moved")
    assert json.loads(moved.payload)["identities"][0]["native_id"] == "u1"
    assert "u1" not in str(moved.public)


def test_two_proofs_join_two_known_profiles(org: UUID) -> None:
    one, two = api.resolve(org, [claim("a", "a@x.org"), claim("b", "b@x.org")])
    assert one != two
    (joined,) = api.resolve(org, [claim("c", "a@x.org", "b@x.org")])
    assert len({*api.resolve(org, [claim("a"), claim("b"), claim("c")])}) == 1
    assert joined in (one, two)


def test_unlinking_undoes_a_join_and_the_same_proof_does_not_redo_it(org: UUID) -> None:
    actor = system(org)
    (old,) = api.resolve(org, [claim("lena@x.org", "lena@x.org", channel="email")])
    (new,) = api.resolve(org, [claim("u1", channel="chat")])
    api.resolve(org, [claim("u1", "lena@x.org", channel="chat")])
    moved = next(entry for entry in api.profile(org, old).identities if entry.channel == "chat")
    assert api.unlink(actor, old, moved.id, "She told us it is her brother") == new
    assert api.resolve(org, [claim("u1", "lena@x.org", channel="chat")]) == [new]
    assert api.resolve(org, [claim("lena@x.org", "lena@x.org", channel="email")]) == [old]
    assert api.profile(org, new).id == new
    kinds = {entry.kind: entry.undone_at for entry in api.profile(org, new).history}
    assert kinds["proof"] is not None and kinds["parted"] is None
    assert "profile.parted" in {entry.action for entry in govern.entries(org)}


def test_merging_by_hand_needs_a_reason_two_profiles_and_is_undone_by_unlink(org: UUID) -> None:
    actor = system(org)
    one, two = api.resolve(org, [claim("a"), claim("b")])
    with pytest.raises(Invalid):
        api.merge(actor, [one, two], "  ")
    with pytest.raises(Invalid):
        api.merge(actor, [one, one], "same")
    with pytest.raises(NotFound):
        api.merge(system(uuid4()), [one, two], "stranger")
    kept = api.merge(actor, [two, one], "They said so on the phone")
    assert len(api.profile(org, kept).identities) == 2
    gone = two if kept == one else one
    identity = next(entry for entry in api.profile(org, kept).identities if entry.native_id == ("b" if gone == two else "a"))
    with pytest.raises(NotFound):
        api.unlink(system(uuid4()), kept, identity.id, "stranger")
    assert api.unlink(actor, kept, identity.id, "A mistake") == gone
    with pytest.raises(Conflict):
        api.unlink(actor, gone, identity.id, "alone")


def test_a_former_profile_is_found_after_two_merges(org: UUID) -> None:
    a, b, c = (api.resolve(org, [claim(name)])[0] for name in "abc")
    api.merge(system(org), [b, c], "one")
    api.merge(system(org), [a, b], "two")
    assert api.profile(org, c).id == a


def test_changed_details_are_kept_and_absent_ones_do_not_erase(org: UUID) -> None:
    (key,) = api.resolve(org, [claim("a", handle="@old", name="Old", followers=10)])
    api.resolve(org, [claim("a", handle="@new", followers=11)])
    (entry,) = api.profile(org, key).identities
    assert (entry.handle, entry.name) == ("@new", "Old")
    assert [found.id for found in api.profiles(org, "new").items] == [key]
    assert [found.id for found in api.profiles(org, "old").items] == [key], "the name is still Old"


def test_search_by_handle_name_and_address(org: UUID) -> None:
    lena, haruki, nora = api.resolve(
        org,
        [
            claim("u1", handle="lenaliest", name="Léna Krüger"),
            claim("haruki@x.jp", "haruki@x.jp", channel="email"),
            claim("u3", name="نورة العتيبي"),
        ],
    )

    def found(query: str) -> list[UUID]:
        return [view.id for view in api.profiles(org, query).items]

    assert found("@lenaliest") == [lena]
    assert found("kruger lena") == [lena]
    assert found("le") == [lena]
    assert found("haruki@x.jp") == [haruki]
    assert found("نورة") == [nora]
    assert found("%") == []
    assert len(found("")) == 3
    assert api.profiles(uuid4(), "lena").items == []


def test_paging_visits_each_profile_once(org: UUID) -> None:
    api.resolve(org, [claim(f"u{number}") for number in range(25)])
    seen: list[UUID] = []
    cursor = None
    while True:
        page = api.profiles(org, "", cursor, 10)
        seen += [view.id for view in page.items]
        if (cursor := page.next) is None:
            break
    assert len(seen) == len(set(seen)) == 25


def test_hostile_texts_are_kept_within_bounds(org: UUID) -> None:
    native = "n" * 100_000
    (key,) = api.resolve(org, [claim(native, handle="h\x00\ud800", name="x" * 1_000_000, url="u" * 10_000, followers=2**70)])
    (entry,) = api.profile(org, key).identities
    assert entry.handle == "h\ufffd\ufffd"
    assert len(entry.name or "") == 500
    assert api.resolve(org, [claim(native)]) == [key]


def _in_threads(number: int, work: object) -> list[object]:
    barrier = Barrier(number)

    def run(index: int) -> object:
        try:
            barrier.wait(10)
            return work(index)  # type: ignore[operator]
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


@pytest.mark.django_db(transaction=True)
def test_ten_deliveries_of_a_new_author_at_once_make_one_profile(org: UUID) -> None:
    found = _in_threads(10, lambda _: api.resolve(org, [claim("new"), *(claim(f"u{number}") for number in range(50))]))
    assert len({tuple(keys) for keys in found}) == 1  # type: ignore[arg-type]
    assert len(api.profiles(org, "", None, 500).items) == 51, "no profile without an identity is left behind"


@pytest.mark.django_db(transaction=True)
def test_ten_identities_with_one_proof_at_once_make_one_profile(org: UUID) -> None:
    def work(index: int) -> list[UUID]:
        others = [claim(f"o{number}") for number in range(20)]
        return api.resolve(org, [*(others if index % 2 else reversed(others)), claim(f"u{index}", "lena@x.org")])

    _in_threads(10, work)
    profiles = api.resolve(org, [claim(f"u{number}") for number in range(10)])
    assert len(set(profiles)) == 1
    assert len(api.profile(org, profiles[0]).identities) == 10
    assert len(api.profiles(org, "", None, 500).items) == 21
