"""Another organization's id answers exactly as one that does not exist: every route, primary and secondary ids, pages too."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from django.urls import get_resolver

from cxm.kernel.clock import format_instant, now
from tests.attacks.conftest import House
from tests.kit.browser import signed_in
from tests.kit.serving import CLIENT, Rest, Serve

#: For what is put off.
TOMORROW = format_instant(now() + timedelta(days=1))
#: A body with which each writing call would work on something of one's own, so that only the id can be what is refused.
BODIES: dict[str, Any] = {
    "PATCH /units/{unit}": {"name": "Taken"}, "PATCH /members/{member}": {"name": "Taken"}, "PATCH /tokens/{token}": {"name": "Taken"},
    "POST /stops/{stop}/lift": {"release": "none"}, "PATCH /profiles/{profile}": {"note": "Taken"}, "PATCH /accounts/{account}": {"name": "Taken"},
    "POST /profiles/{profile}/merge": {"profiles": ["{own:profile}"], "reason": "theft"}, "POST /profiles/{profile}/unlink": {"identity": "{own:identity}", "reason": "theft"},
    "POST /profiles/{profile}/erase": {"reason": "theft"},
    "PATCH /webhooks/{webhook}": {"events": ["love.conversations_opened"]}, "POST /replies/{reply}/settle": {"outcome": "failed"}, "PATCH /mentions/{mention}": {"state": "expired"},
    "PATCH /topics/{topic}": {"name": "Taken"}, "POST /conversations/{conversation}/notes": {"text": "We were here."}, "POST /conversations/{conversation}/assign": {"member": None},
    "POST /conversations/{conversation}/snooze": {"until": TOMORROW}, "POST /conversations/{conversation}/tags": {"add": ["taken"]},
    "POST /conversations/{conversation}/close": {"reason": "expired"}, "POST /conversations/{conversation}/replies": {"text": "We were here."},
    "PATCH /cases/{case}": {"state": "resolved"}, "PATCH /sources/{source}": {"settings": {"folder": "Taken"}},
    "POST /conversations/{conversation}/promises": {"text": "We were here.", "due": TOMORROW}, "PATCH /promises/{promise}": {"state": "withdrawn"},
    "POST /conversations/{conversation}/queue": {"queue": None}, "PATCH /queues/{queue}": {"name": "Taken"},
    "POST /cases/{case}/merge": {"other": "{own:case}"}, "POST /cases/{case}/split": {"title": "Taken", "conversations": ["{own:conversation}"]},
    "POST /accounts/{account}/credentials": {"anyway": True}, "POST /accounts/{account}/sources/list": {}, "POST /accounts/{account}/authorize": {"way": "google"},
    "PUT /members/{member}/shifts": {"days": {"monday": ["09:00-17:00"]}},
    "PUT /hours/{unit}": {"zone": "UTC", "days": {"monday": ["09:00-17:00"]}},
}  # fmt: skip

#: Ids of the other organization beside our own: in bodies and filters.
SECONDARY: list[tuple[str, str, Any]] = [
    ("POST", "/units", {"name": "Below theirs", "parent": "{unit}"}),
    ("PATCH", "/units/{own:unit}", {"parent": "{unit}"}),
    ("POST", "/members", {"email": "spy@example.com", "name": "Spy", "role": "agent", "unit": "{unit}"}),
    ("PATCH", "/members/{own:member}", {"role": "agent", "unit": "{unit}"}),
    ("POST", "/stops", {"scope": "account:{account}", "reason": "sabotage"}),
    ("POST", "/stops", {"scope": "unit:{unit}", "reason": "sabotage"}),
    ("POST", "/stops/{own:stop}/lift", {"release": ["{reply}"]}),
    ("POST", "/profiles/{own:profile}/merge", {"profiles": ["{profile}"], "reason": "theft"}),
    ("POST", "/profiles/{own:profile}/unlink", {"identity": "{identity}", "reason": "theft"}),
    ("POST", "/sources", {"account": "{mailbox}", "kind": "folder", "settings": {"folder": "Theirs"}}),
    ("POST", "/accounts", {"channel": "webhook", "name": "In theirs", "unit": "{unit}"}),
    ("PATCH", "/accounts/{own:account}", {"unit": "{unit}"}),
    ("POST", "/conversations/{own:conversation}/assign", {"member": "{member}"}),
    ("POST", "/conversations/{own:conversation}/replies", {"text": "Hello", "in_reply_to": "{mention}"}),
    ("POST", "/conversations/{own:conversation}/replies", {"text": "Hello", "media": ["{mention}"]}),
    ("POST", "/conversations/{own:conversation}/replies", {"text": "Hello", "media": [{"id": "{mention}"}]}),
    ("POST", "/bulk", {"action": "assign", "member": "{member}", "conversations": ["{own:conversation}"]}),
    ("POST", "/bulk", {"action": "queue", "queue": "{queue}", "conversations": ["{own:conversation}"]}),
    ("POST", "/conversations/{own:conversation}/queue", {"queue": "{queue}"}),
    ("POST", "/queues", {"name": "Theirs", "account": "{account}"}),
    ("POST", "/cases", {"title": "Both", "conversations": ["{conversation}"]}),
    ("POST", "/cases", {"title": "Both", "conversations": ["{own:conversation}", "{conversation}"]}),
    ("POST", "/cases/{own:case}/merge", {"other": "{case}"}),
    ("POST", "/cases/{own:case}/split", {"title": "Taken", "conversations": ["{conversation}"]}),
    ("PATCH", "/cases/{own:case}", {"add": ["{conversation}"]}),
    ("PATCH", "/cases/{own:case}", {"remove": ["{conversation}"]}),
    ("GET", "/conversations/{own:conversation}?before={mention}", None),
]
FILTERS = [
    "/quarantine?account={account}", "/sources?account={mailbox}", "/conversations?account={account}", "/conversations?unit={unit}", "/conversations?case={case}", "/conversations?profile={profile}",
    "/conversations?assignee={member}", "/conversations?queue={queue}",
]  # fmt: skip
#: What a stranger may ask without a sign-in.
OPEN_PAGES = {
    "healthz",
    "readyz",
    "metrics",
    "",
    "sign-in",
    "sign-out",
    "accept-invitation/<str:secret>",
    "design",
    "live",
    "channels/clients/<slug:channel>.json",
}


def filled(template: Any, ids: dict[str, str], own: dict[str, str]) -> Any:
    """``{name}`` by the ids under attack, ``{own:name}`` by the attacker's."""
    if isinstance(template, str):
        return re.sub(r"\{(own:)?(\w+)\}", lambda found: (own if found[1] else ids)[found[2]], template)
    if isinstance(template, list):
        return [filled(one, ids, own) for one in template]
    if isinstance(template, dict):
        return {key: filled(value, ids, own) for key, value in template.items()}
    return template


def shape(answer: httpx2.Response, ids: dict[str, str]) -> tuple[int, str]:
    """What is answered, without the ids that were asked for."""
    text = answer.text
    for name, identifier in sorted(ids.items()):
        text = text.replace(identifier, f"<{name}>")
    return answer.status_code, re.sub(r'"instance":"[^"]*"', "", text)


def operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Every (method, path below /api/v1)."""
    return [(method.upper(), path.removeprefix("/api/v1")) for path, methods in document["paths"].items() for method in methods]


def snapshot(house: House) -> dict[str, Any]:
    """How everything of a house stands."""
    singles = ("units/{unit}", "members/{member}", "tokens/{token}", "stops/{stop}", "profiles/{profile}", "accounts/{account}", "quarantine/{item}",
               "webhooks/{webhook}", "replies/{reply}", "mentions/{mention}", "topics/{topic}", "conversations/{conversation}", "cases/{case}", "sources/{source}", "queues/{queue}")  # fmt: skip
    found = {path: house.rest.get("/" + filled(path, house.ids, {})) for path in singles}
    found["stops"] = [stop["id"] for stop in house.rest.all("/stops") if stop["on"]]
    for own in (found["tokens/{token}"], found["accounts/{account}"]):
        for clock in ("last_used_at", "last_heard_at", "last_ok_at", "next_look_at"):
            own.pop(clock, None)
    return found


def test_every_route_treats_a_foreign_id_as_one_that_is_not_there(ours: House, theirs: House, document: dict[str, Any]) -> None:
    before = snapshot(theirs)
    looked = 0
    for method, path in operations(document):
        names = re.findall(r"\{(\w+)\}", path)
        if not names or names == ["name"]:
            continue
        assert set(names) <= {*theirs.ids, "index"}, f"{path}: this test knows no id of that kind; furnish one"
        has_body = "requestBody" in document["paths"]["/api/v1" + path][method.lower()]
        assert not has_body or f"{method} {path}" in BODIES, f"{method} {path}: give this test a body that would work"
        body = filled(BODIES.get(f"{method} {path}"), theirs.ids, ours.ids)
        missing = {**{name: str(uuid4()) for name in theirs.ids}, "index": "0"}
        foreign = {**theirs.ids, "index": "0"}
        got = ours.rest.call(method, filled(path, foreign, {}), body)
        expected = ours.rest.call(method, filled(path, missing, {}), body)
        assert got.status_code == 404, f"{method} {path}: {got.status_code} {got.text[:300]}"
        assert shape(got, foreign) == shape(expected, missing), f"{method} {path}"
        looked += 1
    assert looked > 40
    assert snapshot(theirs) == before, "something of theirs changed"


@pytest.mark.parametrize("number", range(len(SECONDARY)))
def test_secondary_ids_of_others_are_not_there_either(ours: House, theirs: House, number: int) -> None:
    method, path, body = SECONDARY[number]
    before = snapshot(theirs)
    missing = {name: str(uuid4()) for name in theirs.ids}
    got = ours.rest.call(method, filled(path, theirs.ids, ours.ids), filled(body, theirs.ids, ours.ids))
    expected = ours.rest.call(method, filled(path, missing, ours.ids), filled(body, missing, ours.ids))
    assert shape(got, theirs.ids) == shape(expected, missing)
    assert got.status_code in (400, 404, 409, 422) or (method == "PATCH" and "remove" in body), f"{got.status_code} {got.text[:300]}"
    assert snapshot(theirs) == before


def test_lists_counts_searches_exports_and_events_hold_nothing_of_others(ours: House, theirs: House, document: dict[str, Any]) -> None:
    foreign = set(theirs.ids.values()) | {theirs.rest.email, theirs.account.name}
    for path in FILTERS:
        answer = ours.rest.call("GET", filled(path, theirs.ids, ours.ids))
        assert answer.status_code == 200 and answer.json()["items"] == [], f"{path}: {answer.text[:200]}"
    lists = [
        path
        for method, path in operations(document)
        if method == "GET" and "{" not in path and path not in ("/mentions/export", "/openapi.json")
    ]
    assert len(lists) > 12
    for path in lists:
        text = ours.rest.call("GET", f"{path}?limit=500").text
        assert not [one for one in foreign if one in text], path
    searches = [("/mentions/search", {"query": ""}), ("/mentions/search", {"query": f'account:"{theirs.account.name}"'})]
    for path, body in searches:
        text = ours.rest.call("POST", path, body).text
        assert not [one for one in foreign if one in text], path
    assert ours.rest.post("/mentions/search", searches[1][1], 200)["count"] == 0
    text = ours.rest.call(
        "POST", "/mentions/aggregate", {"query": "", "by": [{"field": "account", "size": 1000}, {"field": "author", "size": 1000}]}
    ).text
    assert not [one for one in foreign if one in text]
    assert not [one for one in foreign if one in ours.rest.call("GET", "/mentions/export").text]
    assert theirs.rest.post("/mentions/search", {"query": f'account:"{theirs.account.name}"'}, 200)["count"] > 0, (
        "the look-up would find something"
    )


def test_a_cursor_of_theirs_leads_nowhere_near_them(ours: House, theirs: House) -> None:
    page = theirs.rest.get("/mentions/search", 405)
    assert page["code"] == "method_not_allowed"
    first = theirs.rest.post("/mentions/search", {"query": "", "limit": 1}, 200)
    assert first["next"]
    stolen = ours.rest.call("POST", "/mentions/search", {"query": "", "limit": 500, "cursor": first["next"]})
    assert stolen.status_code in (200, 400)
    assert not [one for one in theirs.ids.values() if one in stolen.text]


@pytest.mark.parametrize("authorization", [None, "Bearer x", "Bearer cxm_wrong", "Basic b3duZXI6cGFzcw==", "Bearer null"])
def test_no_route_answers_without_a_token(serve: Serve, theirs: House, document: dict[str, Any], authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    wanted = operations(document) if authorization is None else operations(document)[::5]
    for method, path in wanted:
        url = f"{serve.url}/api/v1" + filled(path, {**theirs.ids, "name": "webhook", "index": "0"}, {})
        answer = CLIENT.request(method, url, headers=headers, json={} if method in ("POST", "PATCH") else None, timeout=20)
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        assert answer.headers["content-type"].startswith("application/problem+json") and answer.json()["code"]


def pages() -> list[str]:
    """Every page's pattern, from the URL resolver."""
    importlib.import_module("cxm.run.urls")

    def walk(patterns: list[Any], before: str) -> list[str]:
        found: list[str] = []
        for one in patterns:
            route = before + str(one.pattern)
            found += walk(one.url_patterns, route) if hasattr(one, "url_patterns") else [route]
        return found

    return [route for route in walk(get_resolver("cxm.run.urls").url_patterns, "") if not route.startswith("api/")]


def address(route: str, ids: dict[str, str]) -> str:
    """A page's address; ids by their parameter's name."""
    more = {"channel": "webhook", "secret": "nothing", "index": "0"}
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: {**more, **ids}[found[1]], route)


def test_every_page_leads_to_the_sign_in_first(serve: Serve, theirs: House) -> None:
    closed = [route for route in pages() if route not in OPEN_PAGES]
    assert len(closed) > 40
    for route in closed:
        path = address(route, theirs.ids)
        answer = CLIENT.get(serve.url + path, timeout=20)
        if answer.status_code == 405:  # only posts are taken there
            assert CLIENT.post(serve.url + path, timeout=20).status_code in (302, 403), path
            continue
        assert answer.status_code == 302 and answer.headers["location"].startswith("/sign-in"), f"{path}: {answer.status_code}"
        fragment = CLIENT.get(serve.url + path, headers={"HX-Request": "true"}, timeout=20)
        assert fragment.status_code == 401 and fragment.headers["hx-redirect"].startswith("/sign-in"), path
        posted = CLIENT.post(serve.url + path, data={"csrfmiddlewaretoken": "x"}, timeout=20)
        assert posted.status_code in (302, 403), f"{path}: {posted.status_code}"
    assert CLIENT.get(f"{serve.url}/live", timeout=20).status_code == 401


def test_every_page_treats_a_foreign_id_as_one_that_is_not_there(serve: Serve, ours: House, theirs: House) -> None:
    before = snapshot(theirs)
    page = signed_in(serve.url, ours.rest.email)
    mark = {"X-CSRFToken": page.cookies.get("csrftoken") or "", "Referer": serve.url}
    looked = 0
    for route in pages():
        names = set(re.findall(r"<(?:\w+:)?(\w+)>", route)) - {"channel", "secret", "index"}
        if not names:
            continue
        assert names <= set(theirs.ids), f"{route}: this test knows no id of that kind"
        missing = {name: str(uuid4()) for name in theirs.ids}
        for method in ("GET", "POST"):
            data = {
                "text": "We were here.",
                "release": "none",
                "state": "active",
                "name": "Taken",
                "member": "me",
                "reason": "expired",
                "outcome": "failed",
                "visibility": "private",
                "until": TOMORROW,
                "tag": "taken",
                "add": "taken",
            }
            options: dict[str, Any] = {"data": data, "headers": mark} if method == "POST" else {}
            got = page.request(method, address(route, theirs.ids), **options)
            expected = page.request(method, address(route, missing), **options)
            led = [
                answer.headers.get("location", "").replace(known["mention"], "<mention>")
                for answer, known in ((got, theirs.ids), (expected, missing))
            ]
            told = f"{method} {route}: {got.status_code}, a missing one {expected.status_code}"
            assert got.status_code == expected.status_code and led[0] == led[1], told
            # 422: what the form lacks is told before the id is looked at; that nothing was done is seen below
            assert got.status_code in (403, 404, 405) or (method, got.status_code) == ("POST", 422) or "conversation=none" in led[0], told
            assert not [one for one in theirs.ids.values() if one in got.text and one not in address(route, theirs.ids)], route
        looked += 1
    assert looked > 18
    for path in (
        f"/inbox?account={theirs.ids['account']}",
        f"/inbox?profile={theirs.ids['profile']}",
        f"/explorer?q=account:%22{theirs.account.name}%22",
        "/inbox",
        "/people",
        "/channels",
    ):
        text = page.get(path).text
        assert not [
            theirs.ids[name] for name in ("conversation", "mention", "profile") if theirs.ids[name] in text and theirs.ids[name] not in path
        ], path
    bulk = page.post(
        "/inbox/bulk",
        data={"ids": theirs.ids["conversation"], "conversation": theirs.ids["conversation"], "action": "close", "do": "close"},
        headers=mark,
    )
    assert bulk.status_code < 500
    assert snapshot(theirs) == before, "something of theirs changed"


def test_a_signed_in_browser_is_nothing_to_the_api(serve: Serve, rest: Rest) -> None:
    page = signed_in(serve.url, rest.email)
    assert page.get("/api/v1/units").status_code == 401


def test_live_tells_only_names_of_ones_own_organization(serve: Serve, ours: House, theirs: House) -> None:
    from tests.kit.browser import live
    from tests.kit.waiting import until

    page = signed_in(serve.url, ours.rest.email)
    with live(page) as told:
        theirs.rest.account().say("A secret of theirs.")  # accounts of their own: other tests give the shared ones new secrets
        until(lambda: theirs.rest.get("/coverage")["waiting_deliveries"] == 0, "theirs is taken in")
        ours.rest.account().say("Ours.")
        until(lambda: "inbox" in told.names, "ours is told")
    assert not [name for name in told.names if any(one in name for one in theirs.ids.values())]
