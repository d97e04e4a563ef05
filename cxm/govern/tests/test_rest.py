"""The REST door: rights, isolation, what cannot be set on the side, how errors look."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from cxm.govern import access, api
from cxm.kernel.clock import format_instant, now, shifted_by
from cxm.platform import config

pytestmark = [pytest.mark.urls("cxm.govern.tests.urls"), pytest.mark.django_db]


def test_setup_twice_changes_nothing(house):
    again = api.set_up("Marlow Coffee", "somebody@else.example", "quite another password")
    assert (again.organization, again.created) == (house.organization, False)
    assert [one.email for one in api.members(house.organization)] == [house.email]
    assert house.call("GET", "/members").status_code == 200


def test_a_token_is_needed_and_a_session_is_none(house):
    client = house.browser()
    for answer in (Client().get("/api/v1/units"), client.get("/api/v1/units"), house.call("GET", "/units", secret="cxm_wrong")):
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "token_invalid"
        assert answer["WWW-Authenticate"].startswith("Bearer")
    assert house.call("GET", "/units").status_code == 200


def test_unknown_routes_methods_and_bodies_are_problems(house):
    assert house.call("GET", "/nothing/here").json()["code"] == "not_found"
    assert Client().get("/api/v1/nothing").status_code == 404
    wrong = house.call("PUT", "/units", {"name": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong["Allow"]
    for body in ("{", "", "[1,", '{"name": NaN}', '{"name": "\\ud800"}', b"\xff\xfe", "[" * 5000):
        answer = house.call("POST", "/units", body)
        assert answer.status_code in (400, 422), body
        assert answer["Content-Type"] == "application/problem+json"
    assert house.call("POST", "/units", "{").json()["code"] == "not_json"
    invalid = house.call("POST", "/units", {"name": 7})
    assert (invalid.status_code, invalid.json()["code"]) == (422, "validation_failed")
    assert invalid.json()["errors"][0]["path"] == "name"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/units", {"name": "a\x00b"}),
        ("POST", "/tokens", {"name": "ab", "scopes": ["x\x00"]}),
        ("POST", "/members", {"email": "a\x00@b.example", "role": "agent"}),
        ("POST", "/stops", {"scope": "organization\x00", "reason": ""}),
        ("POST", "/stops", {"scope": "kind:reply", "reason": "\x00"}),
        ("GET", "/units?cursor=%00", None),
        ("GET", "/events?after=%00", None),
        ("GET", "/units/%00", None),
        ("GET", "/%00", None),
    ],
)
def test_nul_is_refused_never_a_fault(house, method, path, body):
    answer = house.call(method, path, body)
    assert 400 <= answer.status_code < 500
    assert answer["Content-Type"] == "application/problem+json"


def test_another_organizations_ids_answer_as_missing_ones(house, other):
    unit = api.create_unit(other.owner, "Secret unit").id
    member = other.owner.member
    token = other.call("GET", "/tokens").json()["items"][0]["id"]
    stop = other.call("POST", "/stops", {"scope": "kind:ad", "reason": "theirs"}).json()["id"]
    missing = uuid4()
    calls = [
        ("GET", "/units/{}", None),
        ("PATCH", "/units/{}", {"name": "mine"}),
        ("DELETE", "/units/{}", None),
        ("GET", "/members/{}", None),
        ("PATCH", "/members/{}", {"name": "mine"}),
        ("DELETE", "/members/{}", None),
        ("POST", "/members/{}/invitation", None),
        ("GET", "/tokens/{}", None),
        ("PATCH", "/tokens/{}", {"name": "mine"}),
        ("DELETE", "/tokens/{}", None),
        ("GET", "/stops/{}", None),
        ("GET", "/stops/{}/held", None),
        ("POST", "/stops/{}/lift", {"release": "none"}),
    ]
    for method, path, body in calls:
        theirs = {"units": unit, "members": member, "tokens": token, "stops": stop}[path.split("/")[1]]
        one, none = house.call(method, path.format(theirs), body), house.call(method, path.format(missing), body)
        assert (one.status_code, none.status_code) == (404, 404), (method, path, one.content)
        assert {**one.json(), "instance": ""} == {**none.json(), "instance": ""}
    for body, path in (
        ({"name": "Below theirs", "parent": "{}"}, "/units"),
        ({"email": "x@marlow.example", "role": "agent", "unit": "{}"}, "/members"),
        ({"scope": "unit:{}"}, "/stops"),
    ):
        one, none = (house.call("POST", path, {key: value.format(identity) for key, value in body.items()}) for identity in (unit, missing))
        assert (one.status_code, none.status_code) == (404, 404), path
        assert one.json() == none.json()
    for path in ("/units", "/members", "/tokens", "/stops", "/events"):
        assert str(other.organization) not in house.call("GET", path).content.decode()
        assert "Secret unit" not in house.call("GET", path).content.decode()
    assert [one["id"] for one in house.call("GET", "/stops").json()["items"]] == []
    assert other.call("GET", f"/stops/{stop}").json()["on"] is True


def test_nothing_can_be_set_on_the_side(house, other):
    for path, body in (
        ("/units", {"name": "u", "organization": str(other.organization)}),
        ("/units", {"name": "u", "organization_id": str(other.organization)}),
        ("/units", {"name": "u", "id": str(uuid4())}),
        ("/members", {"email": "a@marlow.example", "role": "agent", "state": "active"}),
        ("/members", {"email": "a@marlow.example", "role": "agent", "joined_at": "2026-01-01T00:00:00Z"}),
        ("/members", {"email": "a@marlow.example", "role": "agent", "is_staff": True}),
        ("/tokens", {"name": "t", "member": str(other.owner.member)}),
        ("/tokens", {"name": "t", "token": "cxm_mine"}),
        ("/stops", {"scope": "organization", "by": str(uuid4())}),
    ):
        answer = house.call("POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), (path, body)
    token = house.call("GET", "/tokens").json()["items"][0]["id"]
    assert house.call("PATCH", f"/tokens/{token}", {"name": "t", "scopes": ["audit:read"]}).status_code == 422
    assert len(house.call("GET", "/members").json()["items"]) == 1


def test_every_body_of_the_api_refuses_undeclared_members():
    from cxm.run.api import api as document

    seen, whole = 0, document.get_openapi_schema(path_prefix="api/v1/")
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            for kind, media in operation.get("requestBody", {}).get("content", {}).items():
                if kind != "application/json":
                    continue
                schema = media["schema"]
                if "$ref" in schema:
                    schema = whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
                if schema.get("type") == "object":
                    assert schema.get("additionalProperties") is False, (method, path)
                    seen += 1
    assert seen >= 8


def test_scopes_cut_and_membership_cuts_more(house):
    secret = house.call("POST", "/tokens", {"name": "reader", "scopes": ["members:read", "tokens:write"]}).json()["token"]
    assert house.call("GET", "/members", secret=secret).status_code == 200
    refused = house.call("POST", "/members", {"email": "a@marlow.example", "role": "agent"}, secret=secret)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    # A token makes no token that may more than itself.
    more = house.call("POST", "/tokens", {"name": "more", "scopes": ["members:write"]}, secret=secret)
    assert (more.status_code, more.json()["code"]) == (422, "scope_above_own")
    same = house.call("POST", "/tokens", {"name": "same"}, secret=secret).json()
    assert same["scopes"] == ["members:read", "tokens:write"]
    unknown = house.call("POST", "/tokens", {"name": "x", "scopes": ["members:read", "everything:write"]})
    assert (unknown.status_code, unknown.json()["code"], unknown.json()["errors"][0]["path"]) == (422, "scope_unknown", "scopes.1")
    # An agent's token with every scope it could have is still an agent's.
    agent = house.join("agent@marlow.example", "agent")
    _, theirs = api.create_token(agent, "all")
    assert house.call("GET", "/members", secret=theirs).status_code == 200
    assert house.call("POST", "/units", {"name": "u"}, secret=theirs).status_code == 403
    # Demoted, the old token of a manager shrinks with its member.
    manager = house.join("manager@marlow.example", "manager")
    _, theirs = api.create_token(manager, "m", ["units:write"])
    assert house.call("POST", "/units", {"name": "first"}, secret=theirs).status_code == 201
    assert house.call("PATCH", f"/members/{manager.member}", {"role": "analyst"}).status_code == 200
    assert house.call("POST", "/units", {"name": "second"}, secret=theirs).status_code == 403
    assert house.call("DELETE", f"/members/{manager.member}").status_code == 204
    assert house.call("GET", "/units", secret=theirs).status_code == 401


def test_tokens_end(house):
    made = house.call("POST", "/tokens", {"name": "short", "expires_at": format_instant(now() + timedelta(hours=1))}).json()
    assert made["token"].startswith("cxm_")
    assert house.call("GET", "/units", secret=made["token"]).status_code == 200
    with shifted_by(timedelta(hours=2)):
        assert house.call("GET", "/units", secret=made["token"]).status_code == 401
    assert house.call("DELETE", f"/tokens/{made['id']}").status_code == 204
    assert house.call("GET", "/units", secret=made["token"]).status_code == 401
    assert house.call("GET", f"/tokens/{made['id']}").status_code == 404
    past = house.call("POST", "/tokens", {"name": "past", "expires_at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["code"]) == (422, "expiry_past")
    assert house.call("POST", "/tokens", {"name": "naive", "expires_at": "2030-01-01T00:00:00"}).status_code == 422
    assert made["token"] not in house.call("GET", "/tokens").content.decode()


def test_a_role_in_a_unit_counts_below_it_only(house):
    germany, spain = (house.call("POST", "/units", {"name": name}).json()["id"] for name in ("Germany", "Spain"))
    berlin = house.call("POST", "/units", {"name": "Berlin", "parent": germany}).json()["id"]
    manager = house.join(
        "de@marlow.example",
        "manager",
        api.unit(house.organization, next(u.id for u in api.units(house.organization) if u.name == "Germany")).id,
    )
    _, secret = api.create_token(manager, "de")
    assert manager.units("units:write") == frozenset({one.id for one in api.units(house.organization) if one.name in ("Germany", "Berlin")})
    assert house.call("PATCH", f"/units/{berlin}", {"name": "Berlin Mitte"}, secret=secret).status_code == 200
    assert house.call("PATCH", f"/units/{spain}", {"name": "Mine"}, secret=secret).status_code == 403
    assert house.call("PATCH", f"/units/{berlin}", {"parent": spain}, secret=secret).status_code == 403
    assert house.call("POST", "/units", {"name": "Top"}, secret=secret).status_code == 403
    assert house.call("POST", "/stops", {"scope": f"unit:{berlin}"}, secret=secret).status_code == 201
    for scope in ("organization", "kind:reply", f"unit:{spain}"):
        assert house.call("POST", "/stops", {"scope": scope}, secret=secret).status_code == 403
    # No role above one's own, neither for others nor for oneself, nor over an owner.
    for role, unit, status in (("owner", germany, 403), ("privacy_officer", germany, 403), ("manager", None, 403), ("agent", berlin, 201)):
        body = {"email": f"{role}.{status}@marlow.example", "role": role} | ({"unit": unit} if unit else {})
        assert house.call("POST", "/members", body, secret=secret).status_code == status, (role, unit)
    assert house.call("PATCH", f"/members/{manager.member}", {"role": "owner"}, secret=secret).status_code == 403
    assert house.call("DELETE", f"/members/{house.owner.member}", secret=secret).status_code == 403


def test_units_make_a_tree(house):
    root = api.root_unit(house.organization)
    a = house.call("POST", "/units", {"name": "A"}).json()
    assert a["parent"] == str(root)
    b = house.call("POST", "/units", {"name": "B", "parent": a["id"]}).json()
    assert house.call("POST", "/units", {"name": "A"}).json()["code"] == "unit_exists"
    assert house.call("PATCH", f"/units/{a['id']}", {"parent": b["id"]}).json()["code"] == "unit_below_itself"
    assert house.call("PATCH", f"/units/{root}", {"parent": a["id"]}).json()["code"] == "unit_is_root"
    assert house.call("DELETE", f"/units/{a['id']}").json()["code"] == "unit_in_use"
    assert house.call("DELETE", f"/units/{b['id']}").status_code == 204
    assert house.call("DELETE", f"/units/{a['id']}").status_code == 204
    assert house.call("DELETE", f"/units/{root}").status_code == 409


def test_lists_page_and_cursors_are_ours(house):
    for number in range(5):
        house.call("POST", "/units", {"name": f"Unit {number}"})
    seen, cursor = [], ""
    while True:
        body = house.call("GET", f"/units?limit=2{cursor}").json()
        seen += [one["name"] for one in body["items"]]
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert len(seen) == len(set(seen)) == 6
    for query in ("limit=0", "limit=501", "limit=x"):
        assert house.call("GET", f"/units?{query}").status_code == 422
    for bad in ("abc", "AAAA", "%F0%9F%98%80", "-", "a" * 900):
        assert house.call("GET", f"/units?cursor={bad}").status_code == 422
    held = house.call("POST", "/stops", {"scope": "kind:ad"}).json()["id"]
    body = house.call("GET", "/units?limit=2").json()
    assert house.call("GET", f"/stops/{held}/held?cursor={body['next']}").status_code == 422
    assert house.call("GET", f"/stops?cursor={body['next']}").status_code == 422


def test_permissions_are_listed_with_their_meaning(house):
    items = house.call("GET", "/permissions").json()["items"]
    assert {"stops:write", "tokens:write"} <= {one["name"] for one in items}
    assert all(one["text"] and one["roles"] for one in items)
    assert {one["name"] for one in items} == set(access.registry.permissions)


def test_the_document_says_what_is_true(house):
    document = Client().get("/api/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    post = document["paths"]["/api/v1/units"]["post"]
    assert post["responses"]["422"] == {"$ref": "#/components/responses/Problem422"}
    assert any(one["name"] == "Idempotency-Key" for one in post["parameters"])
    [(name, scheme)] = document["components"]["securitySchemes"].items()
    assert scheme == {"type": "http", "scheme": "bearer"}
    assert post["security"] == [{name: []}]
    assert document["servers"]


def test_rates_are_told_and_kept(house, monkeypatch):
    monkeypatch.setattr(config.settings(), "api_rate", 3)
    for left in (2, 1, 0):
        answer = house.call("GET", "/units")
        assert answer.status_code == 200
        assert answer["RateLimit"].startswith(f'"default";r={left};')
        assert answer["RateLimit-Policy"] == '"default";q=3;w=60'
    refused = house.call("GET", "/units")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_exceeded")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert house.call("GET", "/units", secret=api.create_token(house.owner, "second")[1]).status_code == 200
    with shifted_by(timedelta(seconds=61)):
        assert house.call("GET", "/units").status_code == 200


def test_events_show_only_what_one_may_read(house):
    house.call("POST", "/stops", {"scope": "kind:ad", "reason": "quiet"})
    assert [one["name"] for one in house.call("GET", "/events").json()["items"]] in (
        [],
        ["govern.stop_changed"],
    )  # in the test's own transaction it may still be unseen
    _, blind = api.create_token(house.owner, "blind", ["events:read"])
    assert house.call("GET", "/events", secret=blind).json() == {"items": [], "next": None}
    assert house.call("GET", "/events?after=nonsense").status_code == 400


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_dates_at_the_ends_of_the_calendar_are_refused_in_plain_words(house, moment):
    stop = house.call("POST", "/stops", {"scope": "kind:reply", "reason": "x"}).json()["id"]
    for path, body, field in (
        ("/tokens", {"name": "far", "expires_at": moment}, "expires_at"),
        (f"/stops/{stop}/lift", {"release": "all", "seen_until": moment}, "seen_until"),
    ):
        answer = house.call("POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "instant_invalid"), answer.content
        assert answer.json()["errors"] == [{"path": field, "text": "a year between 2 and 9998"}], answer.content
