"""People and profiles as a browser sees them."""

from __future__ import annotations

from html import unescape
from uuid import UUID, uuid4

import pytest
from django.test import Client

from cxm.people import api as people
from cxm.people.contracts import IdentityClaim, Proof
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def somebody(house: House, native: str, channel: str = "forum", **more) -> UUID:
    """A person who is known by one identity."""
    claim = IdentityClaim(channel, None, native, **{"handle": f"@{native}", "name": native.title(), **more})
    return people.resolve(house.organization, [claim])[0]


def test_signed_out_leads_to_the_way_in():
    for path in ("/people?q=lena", f"/people/{uuid4()}"):
        assert Client().get(path)["Location"].startswith("/sign-in?next=")


def test_people_are_found_by_name_and_handle(house: House):
    client = house.browser()
    assert "Nobody has spoken yet" in client.get("/people").content.decode()
    lena, tom = somebody(house, "lena"), somebody(house, "tom")
    text = client.get("/people?q=len").content.decode()
    assert (str(lena) in text, str(tom) in text) == (True, False)
    assert "Nobody by that name" in client.get("/people", {"q": "<b>nobody"}).content.decode()


def test_a_profile_says_how_we_know(house: House):
    proof = Proof("email", "lena@example.org")
    lena = somebody(house, "lena", proofs=(proof,))
    assert somebody(house, "lena.k", "mail", proofs=(proof,)) == lena
    text = assert_safe(house.browser().get(f"/people/{lena}"))
    assert text.count('id="i-') == 2
    assert "proven mail address" in text
    assert "lena@example.org" in text


def test_joining_needs_a_choice_and_a_reason_and_keeps_both(house: House):
    lena, tom = somebody(house, "lena"), somebody(house, "tom")
    client, path = house.browser(), f"/people/{lena}"
    assert str(tom) in client.get(path + "?join=tom").content.decode()
    assert f'value="{lena}"' not in client.get(path + "?join=lena").content.decode()
    answer = post(client, path + "?join=tom", {"action": "merge", "other": str(tom), "reason": " "})
    assert answer.status_code == 422
    assert f'value="{tom}" checked' in answer.content.decode()
    assert post(client, path, {"action": "merge", "reason": "Same phone."}).status_code == 422
    answer = post(client, path, {"action": "merge", "other": str(tom), "reason": "Same phone <b>"})
    assert answer["Location"] == f"/people/{lena}"
    text = assert_safe(client.get(path))
    assert "Same phone &lt;b&gt;" in text
    assert "@tom" in text
    assert client.get(f"/people/{tom}")["Location"] == f"/people/{lena}"


def test_a_name_can_be_parted_again(house: House):
    lena, tom = somebody(house, "lena"), somebody(house, "tom")
    people.merge(house.owner, [lena, tom], "by mistake")
    identity = next(one for one in people.profile(house.organization, lena).identities if one.native_id == "tom")
    client = house.browser()
    assert post(client, f"/people/{lena}", {"action": "unlink", "identity": str(identity.id), "reason": ""}).status_code == 422
    assert post(client, f"/people/{lena}", {"action": "unlink", "identity": str(identity.id), "reason": "Two people."}).status_code == 302
    assert [one.native_id for one in people.profile(house.organization, lena).identities] == ["lena"]
    assert client.get(f"/people/{tom}").status_code == 200
    only = people.profile(house.organization, lena).identities[0]
    assert post(client, f"/people/{lena}", {"action": "unlink", "identity": str(only.id), "reason": "x"}).status_code == 409
    assert post(client, f"/people/{lena}", {"action": "dance"}).status_code == 404


def test_name_and_note_are_ours(house: House):
    lena, client = somebody(house, "lena"), house.browser()
    assert post(client, f"/people/{lena}", {"action": "describe", "name": "Lena K.", "note": "Likes <b>buns</b>"}).status_code == 302
    text = assert_safe(client.get(f"/people/{lena}"))
    assert "Lena K." in text
    assert "Likes &lt;b&gt;buns&lt;/b&gt;" in text


def test_what_people_call_themselves_stays_text(house: House):
    evil = somebody(house, "evil", name=HOSTILE[:190], handle=HOSTILE[:190], url="javascript:alert(1)")
    client = house.browser()
    for path in ("/people", f"/people/{evil}", f"/people/{evil}?join=script", "/people?q=script"):
        text = assert_safe(client.get(path))
        assert "<script>alert" not in text
        assert "javascript:" not in unescape(text)


def test_what_was_said_stands_in_the_timeline(house: House):
    account = house.account()
    mention = house.hear(account, "m1", "Where is my order <i>4711</i>?")
    (profile,) = people.profiles(house.organization, "lena").items
    text = assert_safe(house.browser().get(f"/people/{profile.id}"))
    assert "Where is my order &lt;i&gt;4711&lt;/i&gt;?" in text
    assert str(mention) in text
    assert "/inbox/" in text
    bound = house.join("agent@marlow.example", "agent", house.unit("Elsewhere"))
    text = bound.get(f"/people/{profile.id}").content.decode()
    assert "Where is my order" not in text


def test_another_organization_and_readers_change_nothing(house: House, other: House):
    lena, tom = somebody(house, "lena"), somebody(house, "tom")
    stranger = other.browser()
    assert stranger.get(f"/people/{lena}").status_code == 404
    assert str(lena) not in stranger.get("/people?q=lena").content.decode()
    theirs = somebody(other, "mine")
    assert post(stranger, f"/people/{theirs}", {"action": "merge", "other": str(tom), "reason": "x"}).status_code == 404
    analyst = house.join("analyst@marlow.example", "analyst")
    answer = analyst.get(f"/people/{lena}")
    if answer.status_code == 200:  # whoever may read is offered no change
        assert "Join with another person" not in answer.content.decode()
    assert post(analyst, f"/people/{lena}", {"action": "merge", "other": str(tom), "reason": "x"}).status_code == 403
    assert house.browser().post(f"/people/{lena}", {"action": "describe", "name": "x"}).status_code == 403
    assert len(people.profile(house.organization, lena).identities) == 1
