"""What a body may not do: set what is not its own, repeat itself, carry what no column holds."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.attacks.conftest import House
from tests.attacks.test_isolation import BODIES, filled
from tests.kit.serving import CLIENT, Rest

MORE = {
    "role": "owner",
    "organization": str(uuid4()),
    "organization_id": str(uuid4()),
    "status": "sent",
    "consent": True,
    "id": str(uuid4()),
    "created_by": str(uuid4()),
}
MAKING: dict[str, Any] = {
    "POST /units": {"name": "Unit"}, "POST /members": {"email": "x@example.com", "name": "X", "role": "agent"}, "POST /tokens": {"name": "T"}, "POST /stops": {"scope": "kind:ad", "reason": "x"},
    "POST /accounts": {"channel": "webhook", "name": "A"}, "POST /webhooks": {"url": "https://hooks.example.com/x", "events": ["love.conversations_opened"]}, "POST /topics": {"name": "T", "query": "x"},
    "POST /sources": {"account": "{own:mailbox}", "kind": "folder", "settings": {"folder": "Mine"}}, "POST /accounts/test": {"channel": "webhook"}, "POST /queues": {"name": "Q"}, "POST /bulk": {"action": "tag", "add": ["x"], "conversations": ["{own:conversation}"]},
    "POST /cases": {"title": "C", "conversations": ["{own:conversation}"]}, "POST /mentions/search": {"query": "x"}, "POST /mentions/aggregate": {"query": "x"}, "POST /queries/parse": {"query": "x"},
    "POST /suppressions/lift": {"address": "nobody@example.com", "reason": "x"},
    "POST /events/again": {"all": True},
    "POST /accounts/authorize": {"channel": "email", "name": "Signed in", "way": "google", "settings": {"address": "care@example.com"}, "client_id": "x", "client_secret": "y"},
}  # fmt: skip


def every_body(document: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """(method, path, body that works) of each call that takes JSON."""
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "application/json" not in operation.get("requestBody", {}).get("content", {}):
                continue
            name = f"{method.upper()} {path.removeprefix('/api/v1')}"
            body = {**BODIES, **MAKING}.get(name)
            assert body is not None, f"{name}: give this test a body that works"
            found.append((method.upper(), path.removeprefix("/api/v1"), body))
    return found


def at(path: str, house: House) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: house.ids[found[1]], path)


def test_nothing_is_set_on_the_side(ours: House, document: dict[str, Any]) -> None:
    looked = 0
    for method, path, body in every_body(document):
        good = filled(body, ours.ids, ours.ids)
        for key, value in MORE.items():
            if key in good or (key == "role" and "members" in path):
                continue
            answer = ours.rest.call(method, at(path, ours), {**good, key: value})
            assert answer.status_code == 422, f"{method} {path} took {key}: {answer.status_code} {answer.text[:200]}"
            assert key in {error["path"] for error in answer.json()["errors"]}
            looked += 1
    assert looked > 150


@pytest.mark.parametrize("kind", ["nul", "surrogate", "huge", "deep", "types", "not json", "empty", "array", "bom", "latin"])
def test_every_body_survives_what_no_column_holds(ours: House, document: dict[str, Any], kind: str) -> None:
    for method, path, body in every_body(document):
        good = filled(body, ours.ids, ours.ids)
        for raw in _spoiled(good, kind):
            headers = {"Authorization": f"Bearer {ours.rest.token}", "Content-Type": "application/json"}
            answer = CLIENT.request(method, f"{ours.rest.url}/api/v1{at(path, ours)}", content=raw, headers=headers, timeout=30)
            assert answer.status_code in (400, 404, 409, 422) or (answer.status_code < 300 and kind in ("huge", "types", "empty")), (
                f"{method} {path} {raw[:80]!r}: {answer.status_code} {answer.text[:300]}"
            )
            if answer.status_code >= 400:
                assert answer.headers["content-type"].startswith("application/problem+json") and answer.json()["code"]


def _spoiled(good: dict[str, Any], kind: str) -> list[bytes]:
    texts = [key for key, value in good.items() if isinstance(value, str)] or list(good)[:1]
    if kind == "nul":
        return [json.dumps({**good, texts[0]: "a\x00b"}).encode()]
    if kind == "surrogate":
        return [json.dumps({**good, texts[0]: "MARK"}).replace("MARK", "a\\ud800b").encode()]
    if kind == "huge":
        return [json.dumps({**good, texts[0]: 10**400}).encode(), json.dumps({**good, "limit": 10**30}).encode()]
    if kind == "deep":
        return [b'{"%s": ' % texts[0].encode() + b"[" * 100_000 + b"]" * 100_000 + b"}"]
    if kind == "types":
        return [json.dumps({**good, texts[0]: value}).encode() for value in (None, True, 1.5, [], {}, [[]])]
    return {
        "not json": [b"{", b"NaN", b'{"a": Infinity}', b"\xff\xfe"], "empty": [b""], "array": [b"[]", b"null", b'"x"', b"7"], "bom": [b"\xef\xbb\xbf{}"], "latin": ['{"x": "é"}'.encode("latin-1")],
    }[kind]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=1e9",
        "limit=" + "9" * 400,
        "cursor=x",
        "cursor=%00",
        "cursor=" + "A" * 3000,
        "limit=%ud800",
        "cursor=%ff%fe",
    ],
)
def test_every_list_survives_strange_parameters(ours: House, document: dict[str, Any], query: str) -> None:
    lists = [
        path
        for path, methods in document["paths"].items()
        if "get" in methods and any(one.get("name") == "cursor" for one in methods["get"].get("parameters", []))
    ]
    assert len(lists) > 8
    for path in lists:
        answer = ours.rest.call("GET", at(path.removeprefix("/api/v1"), ours) + "?" + query)
        assert answer.status_code in (400, 422), f"{path}?{query[:40]}: {answer.status_code} {answer.text[:200]}"


def test_an_idempotency_key_makes_one_thing_and_gives_its_secret_once(rest: Rest) -> None:
    key, body = f"k-{uuid4().hex}", {"channel": "webhook", "name": f"once-{uuid4().hex[:8]}"}
    first, second = (rest.call("POST", "/accounts", body, Idempotency_Key=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"] and first.json()["secret"] and not second.json()["secret"]
    other = rest.call("POST", "/accounts", {**body, "name": "another"}, Idempotency_Key=key)
    assert other.status_code == 422 and other.json()["code"] == "idempotency_key_reused"
    for bad in ("x" * 256, "tab\there"):
        assert rest.call("POST", "/accounts", body, Idempotency_Key=bad).status_code == 422


def test_a_key_of_one_organization_is_nothing_to_another(ours: House, theirs: House) -> None:
    key, body = f"k-{uuid4().hex}", {"name": f"Unit {uuid4().hex[:6]}"}
    made = [house.rest.call("POST", "/units", body, Idempotency_Key=key).json()["id"] for house in (ours, theirs)]
    assert made[0] != made[1]


def test_every_answer_says_what_is_left(rest: Rest) -> None:
    answer = rest.call("GET", "/units")
    assert re.fullmatch(r'"default";q=\d+;w=60', answer.headers["ratelimit-policy"])
    assert re.fullmatch(r'"default";r=\d+;t=\d+', answer.headers["ratelimit"])


def test_a_token_does_only_what_its_scopes_say(ours: House) -> None:
    made = ours.rest.post("/tokens", {"name": "narrow", "scopes": ["mentions:read"]})
    narrow = Rest(ours.rest.url, made["token"], "", "")
    assert narrow.call("GET", f"/mentions/{ours.ids['mention']}").status_code == 200
    for method, path, body in (
        ("GET", "/accounts", None), ("POST", "/stops", {"scope": "organization", "reason": "x"}), ("POST", "/tokens", {"name": "wider"}), ("GET", "/members", None),
        ("POST", f"/conversations/{ours.ids['conversation']}/replies", {"text": "x"}), ("PATCH", f"/mentions/{ours.ids['mention']}", {"state": "expired"}), ("GET", "/mentions/export", None),
    ):  # fmt: skip
        assert narrow.call(method, path, body).status_code == 403, path
    assert ours.rest.call("POST", "/tokens", {"name": "x", "scopes": ["everything:write"]}).status_code == 422


def test_a_query_that_cannot_be_asked_is_refused_before_a_file_begins_and_costs_nobody_anything(ours: House) -> None:
    """As often as lines to the database exist, so that one of them held would be felt."""
    broad = " OR ".join(f"{letter}*" for letter in "abcdefghijklmnopqrstuvwxyz")
    for _ in range(24):
        for query in ("((", "topic:nobody-made-this", "published:>never"):
            answer = ours.rest.call("GET", f"/mentions/export?query={quote(query)}")
            assert (answer.status_code, answer.json()["code"]) == (400, "query_invalid"), answer.text
        assert ours.rest.call("GET", f"/mentions/export?query={quote(broad)}").status_code in (200, 400)
    assert ours.rest.call("GET", "/units", timeout=5).status_code == 200
