"""The pages of /settings and /stop, walked as members see them."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from cxm.govern import api
from cxm.govern.services import stops
from cxm.govern.tests.test_stops import Shelf

pytestmark = [pytest.mark.urls("cxm.govern.tests.urls"), pytest.mark.django_db]
PAGES = ["organization", "units", "members", "tokens", "sessions", "appearance", "audit"]
HOSTILE = "<script>alert(1)</script>\u202e{{7*7}}"


def test_every_page_shows(house):
    client = house.browser()
    assert client.get("/settings")["Location"] == "/settings/organization"
    for name in PAGES:
        page = client.get(f"/settings/{name}")
        assert page.status_code == 200, name
        text = page.content.decode()
        assert 'aria-current="page"' in text
        assert "style=" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.S)
    assert client.get("/settings/audit?verify=1").content.decode().count("The chain is whole.") == 1
    assert client.get("/stop").status_code == 200
    assert client.get("/settings/stops")["Location"] == "/stop"


def test_hostile_names_are_text_everywhere(house, monkeypatch):
    shelf = Shelf()
    monkeypatch.setattr(stops, "_held", shelf)
    client = house.browser()
    assert client.post("/settings/organization", {"name": HOSTILE}).status_code == 302
    unit = api.create_unit(house.owner, HOSTILE).id
    invited = api.invite(house.owner, "h@marlow.example", HOSTILE, "agent", unit)
    api.create_token(house.owner, HOSTILE)
    stop = api.stop_on(house.owner, f"unit:{unit}", HOSTILE)
    paths = [f"/settings/{name}" for name in PAGES] + [
        f"/settings/units/{unit}",
        f"/settings/members/{invited.member.id}",
        "/stop",
        f"/stop/{stop.id}",
    ]
    shown = 0
    for path in [*paths, invited.link]:
        text = client.get(path).content.decode()
        assert "<script>alert" not in text, path
        shown += "&lt;script&gt;alert" in text
    assert shown >= 7


def test_units_are_made_changed_and_deleted(house):
    client = house.browser()
    assert client.post("/settings/units", {"name": "Germany"}).status_code == 302
    unit = api.units(house.organization)[1].id
    twice = client.post("/settings/units", {"name": "Germany"})
    assert twice.status_code == 409
    assert "already" in twice.content.decode()
    assert (
        client.post(f"/settings/units/{unit}", {"name": "Deutschland", "parent": str(api.root_unit(house.organization))}).status_code == 302
    )
    assert api.unit(house.organization, unit).name == "Deutschland"
    assert client.post(f"/settings/units/{unit}", {"action": "delete"}).status_code == 302
    assert len(api.units(house.organization)) == 1


def test_members_are_invited_changed_and_removed(house):
    client = house.browser()
    page = client.post("/settings/members", {"email": "ines@marlow.example", "name": "Ines", "role": "agent", "unit": ""})
    link = re.search(r'value="(http://testserver/accept-invitation/[\w-]+)"', page.content.decode())
    assert page.status_code == 200
    assert link
    assert link.group(1) not in client.get("/settings/members").content.decode()
    assert client.post("/settings/members", {"email": "ines@marlow.example", "role": "agent"}).status_code == 409
    assert client.post("/settings/members", {"email": "not an address", "role": "agent"}).status_code == 422
    ines = api.member_by_email(house.organization, "ines@marlow.example")
    assert client.post(f"/settings/members/{ines.id}", {"name": "Ines M.", "role": "publisher"}).status_code == 302
    assert api.member(house.organization, ines.id).grants[0].role == "publisher"
    fresh = client.post(f"/settings/members/{ines.id}", {"action": "invite"}).content.decode()
    assert "/accept-invitation/" in fresh
    assert client.post(f"/settings/members/{house.owner.member}", {"action": "remove"}).status_code == 409
    assert client.post(f"/settings/members/{ines.id}", {"action": "remove"}).status_code == 302
    assert [one.email for one in api.members(house.organization)] == [house.email]


def test_a_tokens_secret_is_shown_once(house):
    client = house.browser()
    page = client.post(
        "/settings/tokens", {"name": "robot", "which": "some", "scopes": ["members:read", "units:write"], "days": "90"}
    ).content.decode()
    [secret] = re.findall(r'value="(cxm_[\w-]+)"', page)
    assert house.call("GET", "/members", secret=secret).status_code == 200
    assert house.call("GET", "/tokens", secret=secret).status_code == 403
    assert "cxm_" not in client.get("/settings/tokens").content.decode().replace("cxm_theme", "")
    assert client.post("/settings/tokens", {"name": "none", "which": "some"}).status_code == 422
    row = next(one for one in house.call("GET", "/tokens").json()["items"] if one["name"] == "robot")
    assert row["scopes"] == ["members:read", "units:write"]
    assert row["expires_at"]
    assert client.post("/settings/tokens", {"action": "revoke", "token": row["id"]}).status_code == 302
    assert house.call("GET", "/members", secret=secret).status_code == 401


def test_a_stop_is_turned_on_reviewed_and_lifted_on_screen(house, monkeypatch):
    shelf = Shelf()
    monkeypatch.setattr(stops, "_held", shelf)
    client = house.browser()
    assert client.post("/stop", {"scope": "organization", "reason": "A wrong price"}).status_code == 302
    keep, drop = shelf.hold(ago=20), shelf.hold(ago=10)
    page = client.get("/stop").content.decode()
    assert "A wrong price" in page
    [stop] = api.stops(house.organization, on=True)
    review = client.get(f"/stop/{stop.id}").content.decode()
    assert str(keep) in review
    seen_until = re.search(r'name="seen_until" value="([^"]+)"', review).group(1)
    late = shelf.hold()
    answer = client.post(f"/stop/{stop.id}", {"release": [str(keep)], "seen_until": seen_until})
    assert answer.status_code == 302
    assert (shelf.gone, shelf.cancelled, list(shelf.items)) == ([keep], [drop], [late])
    assert "Receipt." in client.get(f"/stop/{stop.id}").content.decode()
    assert client.post("/stop", {"scope": "nothing"}).status_code == 422


def test_another_organizations_things_are_not_there(house, other):
    client = house.browser()
    unit = api.create_unit(other.owner, "Theirs").id
    stop = api.stop_on(other.owner, "kind:ad", "theirs").id
    for path in (f"/settings/units/{unit}", f"/settings/members/{other.owner.member}", f"/stop/{stop}"):
        one, none = client.get(path), client.get(re.sub(r"[^/]+$", str(uuid4()), path))
        assert (one.status_code, none.status_code) == (404, 404), path
        assert client.post(path, {"name": "mine", "action": "delete"}).status_code == 404
    token = other.call("GET", "/tokens").json()["items"][0]["id"]
    assert client.post("/settings/tokens", {"action": "revoke", "token": token}).status_code == 404
    assert client.post("/settings/units", {"name": "Below", "parent": str(unit)}).status_code == 404
    assert client.post("/stop", {"scope": f"unit:{unit}"}).status_code == 404


def test_a_role_sees_what_it_may(house):
    house.join("a@marlow.example", "analyst")
    client = house.browser("a@marlow.example")
    assert client.get("/settings/members").status_code == 200
    assert "Invite" not in client.get("/settings/members").content.decode()
    for path in ("/settings/audit", "/stop"):
        assert client.get(path).status_code == 403
    for path, data in (
        ("/settings/organization", {"name": "Mine"}),
        ("/settings/members", {"email": "x@y.example", "role": "owner"}),
        ("/stop", {"scope": "organization"}),
    ):
        assert client.post(path, data).status_code == 403
    assert api.organization(house.organization).name == "Marlow Coffee"


def test_looks_are_kept_in_cookies(house):
    client = house.browser()
    assert client.post("/settings/appearance", {"theme": "dark", "language": "ar"}).status_code == 302
    page = client.get("/settings/appearance").content.decode()
    assert 'dir="rtl"' in page
    assert client.cookies["cxm_theme"].value == "dark"
    assert client.cookies["cxm_letters"].value == "off"
    assert client.post("/settings/appearance", {"theme": "plaid", "language": "tlh", "letters": "on"}).status_code == 422
    client.post("/settings/appearance", {"letters": "on"})
    assert (client.cookies["cxm_theme"].value, client.cookies["cxm_language"].value, client.cookies["cxm_letters"].value) == (
        "dark",
        "ar",
        "on",
    )


def test_forms_need_their_own_site(house):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    for path in ("/sign-in", "/settings/organization", "/stop", "/sign-out"):
        assert client.post(path, {"name": "x", "login": house.email, "password": "x"}).status_code == 403
