"""Ways in: signing in, being sent back, joining by invitation, leaving."""

from __future__ import annotations

import threading
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from cxm.govern import api, models
from cxm.govern.services import members
from cxm.govern.tests.conftest import PASSWORD
from cxm.kernel.clock import now, shifted_by

pytestmark = [pytest.mark.urls("cxm.govern.tests.urls"), pytest.mark.django_db]


def sign_in(email: str, password: str, client: Client | None = None, **more: str):
    return (client or Client()).post("/sign-in", {"login": email, "password": password, **more}, headers=None)


def test_the_first_page_leads_in(house):
    client = Client()
    assert client.get("/")["Location"] == "/sign-in"
    assert client.get("/home")["Location"] == "/sign-in?next=%2Fhome"
    page = client.get("/sign-in?next=/settings/members")
    assert page.status_code == 200
    assert b'name="login"' in page.content
    assert b'name="password"' in page.content
    answer = sign_in(house.email.upper(), PASSWORD, client, next="/settings/members")
    assert (answer.status_code, answer["Location"]) == (302, "/settings/members")
    assert client.get("/")["Location"] == "/home"
    assert client.get("/home").content.decode() == f"home of {house.organization}"
    assert client.get("/sign-in")["Location"] == "/home"


def test_signed_out_every_page_leads_to_sign_in(house):
    from cxm.govern.urls import urlpatterns

    walked = 0
    for pattern in urlpatterns:
        path = "/" + str(pattern.pattern).replace("<uuid:unit>", str(uuid4())).replace("<uuid:member>", str(uuid4())).replace(
            "<uuid:stop>", str(uuid4())
        )
        if path.split("/")[1] in ("sign-in", "sign-out", "accept-invitation"):
            continue
        answer = Client().get(path)
        assert answer.status_code == 302, path
        assert answer["Location"].startswith("/sign-in"), path
        walked += 1
    assert walked >= 14
    fragment = Client().get("/stop", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment["HX-Redirect"]) == (401, "/sign-in")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "http:///evil.example",
        "/\t/evil.example",
        "\x00//evil.example",
        "http://testserver@evil.example/",
        "%2F%2Fevil.example",
    ],
)
def test_nobody_is_sent_elsewhere(house, target):
    answer = sign_in(house.email, PASSWORD, next=target)
    assert answer.status_code == 302
    assert answer["Location"] == "/home"
    assert "evil.example" not in Client().get(f"/sign-in?next={quote(target)}").content.decode()
    client = house.browser()
    assert "evil.example" not in client.get(f"/switch-organization?to={house.organization}&next={quote(target)}")["Location"]


def test_wrong_password_unknown_address_and_no_password_yet_answer_alike(house):
    invited = api.invite(house.owner, "invited@marlow.example", "Invited", "agent")
    models.User.objects.create_user("gone@marlow.example", PASSWORD, is_active=False)
    pages = []
    for email in (house.email, "nobody@marlow.example", invited.member.email, "gone@marlow.example"):
        answer = sign_in(email, "not the password")
        assert answer.status_code == 422
        pages.append(answer.content.decode().replace(email, "…"))
    tokens = [page.split('name="csrfmiddlewaretoken" value="')[1][:64] for page in pages]
    alike = {page.replace(token, "") for page, token in zip(pages, tokens, strict=True)}
    assert len(alike) == 1


def test_guessing_is_slowed_by_address_and_by_source(house):
    for _ in range(5):
        sign_in(house.email, "wrong wrong wrong")
    # Now even the right one is refused, from anywhere, and a forged proxy header changes nothing.
    refused = Client().post("/sign-in", {"login": house.email, "password": PASSWORD}, headers={"X-Forwarded-For": "203.0.113.9"})
    assert refused.status_code in (422, 429)
    assert "sessionid" not in refused.cookies
    assert Client().get("/home").status_code == 302


def test_a_forged_proxy_header_is_no_other_source(house):
    for number in range(10):
        answer = Client().post(
            "/sign-in",
            {"login": f"guess{number}@marlow.example", "password": "wrong wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )
        assert answer.status_code == 422
    refused = Client().post("/sign-in", {"login": house.email, "password": PASSWORD}, headers={"X-Forwarded-For": "198.51.100.1"})
    assert refused.status_code in (422, 429)


def test_the_session_changes_its_key_and_ends(house):
    client = Client()
    client.get("/sign-in")
    before = client.session.session_key
    assert sign_in(house.email, PASSWORD, client).status_code == 302
    assert client.session.session_key != before
    assert client.get("/sign-out").status_code == 405
    assert client.get("/home").status_code == 200
    assert client.post("/sign-out")["Location"] == "/sign-in"
    assert client.get("/home").status_code == 302


def test_there_is_no_public_sign_up(house):
    for path in ("/signup", "/signup/", "/accounts/signup/", "/sign-up", "/sign-in/signup/"):
        assert Client().get(path).status_code == 404
    assert Client().post("/sign-in", {"login": "new@marlow.example", "password": PASSWORD, "password1": PASSWORD}).status_code == 422
    assert not models.User.objects.filter(email="new@marlow.example").exists()


def test_nul_in_forms_is_no_fault(house):
    assert sign_in("a\x00@marlow.example", PASSWORD).status_code == 422
    assert sign_in(house.email, "a\x00b c d e f g").status_code == 422
    client = house.browser()
    for path, data in (
        ("/settings/organization", {"name": "a\x00b"}),
        ("/settings/units", {"name": "\x00", "parent": "\x00"}),
        ("/settings/members", {"email": "\x00", "role": "\x00", "unit": "\x00"}),
        ("/settings/tokens", {"name": "\x00", "which": "some", "scopes": "\x00"}),
        ("/settings/sessions", {"session": "\x00"}),
        ("/settings/appearance", {"theme": "\x00"}),
        ("/stop", {"scope": "\x00", "reason": "\x00"}),
        ("/switch-organization", {"to": "\x00"}),
    ):
        assert client.post(path, data).status_code < 500, path


def test_an_invitation_works_once(house):
    invited = api.invite(house.owner, "Ines@Marlow.example", "Ines", "agent")
    path = "/accept-invitation/" + invited.link.rsplit("/", 1)[1]
    assert invited.member.state == "invited"
    client = Client()
    page = client.get(path)
    assert page.status_code == 200
    assert "Marlow Coffee" in page.content.decode()
    weak = client.post(path, {"name": "Ines", "password": "short"})
    assert weak.status_code == 422
    joined = client.post(path, {"name": "Ines Maurer", "password": PASSWORD})
    assert (joined.status_code, joined["Location"]) == (302, "/home")
    assert client.get("/home").content.decode() == f"home of {house.organization}"
    assert client.get("/owners").status_code == 403
    found = api.member_by_email(house.organization, "ines@marlow.example")
    assert (found.name, found.state, found.grants[0].role) == ("Ines Maurer", "active", "agent")
    for again in (Client().get(path), Client().post(path, {"name": "x", "password": "another long password"})):
        assert again.status_code == 410
    assert sign_in("ines@marlow.example", "another long password").status_code == 422


def test_an_invitation_ends(house):
    first = api.invite(house.owner, "late@marlow.example", "Late", "agent")
    path = "/accept-invitation/" + first.link.rsplit("/", 1)[1]
    with shifted_by(timedelta(days=8)):
        assert Client().get(path).status_code == 410
        assert Client().post(path, {"name": "Late", "password": PASSWORD}).status_code == 410
    again = house.call("POST", f"/members/{first.member.id}/invitation").json()
    assert Client().get(path).status_code == 410
    fresh = "/accept-invitation/" + again["link"].rsplit("/", 1)[1]
    assert Client().get(fresh).status_code == 200
    house.call("DELETE", f"/members/{first.member.id}")
    assert Client().get(fresh).status_code == 410
    for none in ("x", "x" * 500, "%00", "../../x"):
        assert Client().get(f"/accept-invitation/{none}").status_code in (404, 400), none


@pytest.mark.django_db(transaction=True)
def test_an_invitation_accepted_by_two_at_once_lets_in_one(house):
    secret = api.invite(house.owner, "race@marlow.example", "Race", "agent").link.rsplit("/", 1)[1]
    start, outcomes = threading.Barrier(2), []

    def run(password: str) -> None:
        try:
            start.wait()
            outcomes.append(Client().post(f"/accept-invitation/{secret}", {"name": "R", "password": password}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(f"a long password number {number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [302, 410]


def test_who_has_an_account_proves_it_and_works_in_both(house, other):
    invited = other.call("POST", "/members", {"email": house.email, "role": "analyst"})
    new = other.call("POST", "/members", {"email": "new@marlow.example", "role": "analyst"})
    # The inviting side cannot tell who has an account already.
    assert invited.json().keys() == new.json().keys()
    assert invited.json()["state"] == new.json()["state"] == "invited"
    client = house.browser()
    assert client.get("/home").content.decode() == f"home of {house.organization}"
    assert client.post("/switch-organization", {"to": str(other.organization)}).status_code == 404
    path = "/accept-invitation/" + invited.json()["link"].rsplit("/", 1)[1]
    assert Client().post(path, {"name": "O", "password": "a password of the attacker"}).status_code == 422
    assert sign_in(house.email, "a password of the attacker").status_code == 422
    joined = Client()
    assert joined.post(path, {"name": "O", "password": PASSWORD}).status_code == 302
    assert joined.get("/home").content.decode() == f"home of {other.organization}"
    assert joined.get("/owners").status_code == 403
    assert joined.get(f"/switch-organization?to={house.organization}")["Location"] == "/home"
    assert joined.get("/owners").status_code == 200
    assert joined.get(f"/switch-organization?to={uuid4()}").status_code == 404


def test_the_last_owner_stays(house):
    owner = house.owner.member
    for method, body in (("DELETE", None), ("PATCH", {"role": "agent"})):
        answer = house.call(method, f"/members/{owner}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    unit = house.call("POST", "/units", {"name": "Germany"}).json()["id"]
    assert house.call("PATCH", f"/members/{owner}", {"unit": unit}).status_code == 409
    # Somebody merely invited does not count.
    invited = house.call("POST", "/members", {"email": "second@marlow.example", "role": "owner"}).json()
    assert house.call("DELETE", f"/members/{owner}").status_code == 409
    members.accept(invited["link"].rsplit("/", 1)[1], "Second", PASSWORD)
    assert house.call("DELETE", f"/members/{owner}").status_code == 204
    assert house.call("GET", "/members").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_at_once_leave_one(house):
    second = house.join("second@marlow.example", "owner")
    start, outcomes = threading.Barrier(2), []

    def run(actor, target) -> None:
        try:
            start.wait()
            members.remove(actor, target)
            outcomes.append("removed")
        except Exception as error:
            outcomes.append(getattr(error, "code", repr(error)))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in ((house.owner, second.member), (second, house.owner.member))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("removed") == 1
    assert [one.state for one in api.members(house.organization)] == ["active"]


def test_removal_ends_what_is_open_at_once(house):
    agent = house.join("agent@marlow.example", "agent")
    client = house.browser("agent@marlow.example")
    _, secret = api.create_token(agent, "t")
    assert client.get("/home").status_code == 200
    assert api.actor_of_session(client.session.session_key).member == agent.member
    key = client.session.session_key
    assert house.call("DELETE", f"/members/{agent.member}").status_code == 204
    assert house.call("GET", "/units", secret=secret).status_code == 401
    assert client.get("/home").status_code == 302
    assert api.actor_of_session(key) is None
    assert api.member(house.organization, agent.member).state == "removed"
    # Invited anew they come back as the same member.
    again = api.invite(house.owner, "agent@marlow.example", "Agent", "analyst")
    assert again.member.id == agent.member
    assert house.call("GET", "/units", secret=secret).status_code == 401


def test_a_role_taken_away_is_gone_with_the_next_request(house):
    manager = house.join("m@marlow.example", "manager")
    client = house.browser("m@marlow.example")
    assert client.post("/settings/units", {"name": "One"}).status_code == 302
    house.call("PATCH", f"/members/{manager.member}", {"role": "analyst"})
    assert client.post("/settings/units", {"name": "Two"}).status_code == 403
    assert [one.name for one in api.units(house.organization)] == ["Marlow Coffee", "One"]


def test_sign_ins_are_listed_and_ended(house):
    here, there = house.browser(), house.browser()
    page = here.get("/settings/sessions").content.decode()
    assert page.count("Sign out there") == 1
    stranger = house.join("agent@marlow.example", "agent")
    assert stranger
    theirs = house.browser("agent@marlow.example")
    from allauth.usersessions.models import UserSession

    number = UserSession.objects.get(session_key=there.session.session_key).pk
    assert theirs.post("/settings/sessions", {"session": str(number)}).status_code == 404
    assert there.get("/home").status_code == 200
    assert here.post("/settings/sessions", {"session": str(number)}).status_code == 302
    assert there.get("/home").status_code == 302
    assert here.get("/home").status_code == 200


def test_setup_refuses_what_cannot_be_used(db):
    for name, email, password in (
        ("", "a@b.example", PASSWORD),
        ("N", "no address", PASSWORD),
        ("N", "a@b.example", "short"),
        ("N", "a@b.example", "password1234"),
    ):
        with pytest.raises(Exception) as caught:
            api.set_up(name, email, password)
        assert getattr(caught.value, "status", None) == 422
    assert api.organizations() == []
    assert models.User.objects.count() == 0
    assert now()
