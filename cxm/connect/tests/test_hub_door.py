"""A hub at the door: asked whether we meant it, and then telling us; nobody else gets a word out of it."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID, uuid4

import pytest

from cxm.channels.contracts import Unavailable
from cxm.channels.rss import verify
from cxm.channels.rss.connector import Poll
from cxm.channels.rss.tests.provider import FEED, Site, item, rss
from cxm.connect import api as connect
from cxm.connect import door, farewells, mailbox, runtime, tasks
from cxm.connect.models import Account
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now
from cxm.platform import egress
from cxm.platform.config import settings
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(house: House) -> UUID:
    return connect.connect(house.owner, channel="rss", name="News", settings={"feeds": [FEED]})[0].id


def knock(account: UUID, query: str, body: bytes, **headers: str) -> door.Knock:
    loop = asyncio.new_event_loop()
    made = door.Knock(
        "rss", str(account), {":query": query, "content-type": "application/rss+xml", **headers}, body, loop.create_future(), loop
    )
    loop.close()
    return made


def test_a_hub_is_answered_and_what_it_signs_is_heard_at_once(house: House, account: UUID, monkeypatch: pytest.MonkeyPatch):
    row = Account.everywhere.get(pk=account)  # everywhere: a test
    monkeypatch.setattr(runtime, "settings", lambda: type("Set", (), {"public_url": "https://cxm.example/"}))
    inbound = runtime.session_of(row, egress.GuardedHttp()).inbound
    assert inbound is not None and inbound.url == f"https://cxm.example/in/rss/{account}" and len(inbound.secret) == 64
    monkeypatch.setattr(runtime, "settings", lambda: type("Set", (), {"public_url": ""}))
    assert runtime.session_of(row, egress.GuardedHttp()).inbound is None
    query = urlsplit(verify.callback(inbound.url, FEED, FEED, inbound.secret)).query
    asking = f"{query}&{urlencode({'hub.mode': 'subscribe', 'hub.topic': FEED, 'hub.challenge': 'word'})}"
    assert door.asked("rss", str(account), asking) == "word"
    for channel, identifier in (("rss", str(uuid4())), ("webhook", str(account)), ("no such", str(account)), ("rss", "x")):
        assert door.asked(channel, identifier, asking) is None
    other = connect.connect(house.owner, channel="rss", name="Other", settings={"feeds": [FEED]})[0].id
    assert door.asked("rss", str(other), asking) is None, "a secret of its own for each account"

    body = rss([item(2, "Fresh beans"), item(1)]).encode()
    mark = hmac.new(verify.signing_secret(FEED, inbound.secret).encode(), body, "sha256").hexdigest()
    signed = {"x-hub-signature": f"sha256={mark}"}
    knocks = [
        knock(account, query, body, **signed),
        knock(account, query, body, **signed),
        knock(account, query, body + b" ", **signed),
        knock(account, query, body),
        knock(other, query, body, **signed),
    ]
    door.store_group(knocks)
    assert [one.status for one in knocks] == [(202, "stored"), (200, "duplicate"), *[(401, "not_authentic")] * 3]
    mailbox.take_in_all(account)
    settle()
    found = rest(house)("POST", "/mentions/search", {"query": "", "sort": "oldest"}).json()["items"]
    assert [one["title"] for one in found] == ["Number 1", "Number 2"] and found[1]["url"].endswith("/2")
    connect.remove(house.owner, account)
    assert door.asked("rss", str(account), asking) is None
    leaving = asking.replace("hub.mode=subscribe", "hub.mode=unsubscribe")
    assert door.asked("rss", str(account), leaving) == "word", "only that we want nothing any more is confirmed"
    late = knock(account, query, body, **signed)
    door.store_group([late])
    assert late.status == (401, "not_authentic")


@pytest.mark.django_db(transaction=True)
def test_a_hub_is_told_that_an_account_was_removed_and_one_that_is_away_holds_up_nobody(house: House, monkeypatch: pytest.MonkeyPatch):
    reachable = settings().model_copy(update={"public_url": "https://cxm.example"})
    for module in (farewells, runtime):
        monkeypatch.setattr(module, "settings", lambda: reachable)
    hub, site = "https://hub.example/", Site([item(1)])
    site.headers = {"link": f'<{hub}>; rel="hub"'}
    site.on("POST", hub, status=202)
    monkeypatch.setattr(runtime.runtime, "_http", site)
    waiting: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.say_farewell, "defer", lambda **given: waiting.append(given))
    try:
        account = connect.connect(house.owner, channel="rss", name="News", settings={"feeds": [FEED]})[0].id
        row = Account.everywhere.get(pk=account)  # everywhere: a test
        runtime.keep(account, asyncio.run(Poll().poll(runtime.session_of(row, site), None)), "poll")  # type: ignore[arg-type]
        site.on("POST", hub, Unavailable("The hub is away."))
        connect.remove(house.owner, account)
        for tries in range(2):
            assert waiting[-1]["account"] == str(account) and len(waiting) == tries + 1
            tasks.say_farewell.run(str(account), tries)
        assert waiting[-1]["tries"] == 2 and waiting[-1]["schedule_at"] > now()
        site.on("POST", hub, status=202)
        tasks.say_farewell.run(str(account), 2)
        modes = [dict(parse_qsl(one.content.decode()))["hub.mode"] for one in site.asked("POST", hub)]
        assert modes == ["subscribe", *["unsubscribe"] * 3] and len(waiting) == 3, "told, and nothing is left to do"
        assert Account.everywhere.get(pk=account).cursor == {}  # everywhere: a test
        site.on("POST", hub, Unavailable("The hub is away."))
        Account.everywhere.filter(pk=account).update(cursor={"left": {FEED: {"hub": hub, "asked": "x"}}})  # everywhere: a test
        tasks.say_farewell.run(str(account), 5)
        assert len(waiting) == 3, "not for ever"
        many = {f"{FEED}/{number}": {"hub": hub, "asked": "x"} for number in range(10)}
        Account.everywhere.filter(pk=account).update(cursor={"left": many})  # everywhere: a test
        tasks.say_farewell.run(str(account), 0)
        assert waiting[3:] == [{"account": str(account), "tries": 0}], "the others at once, in a job of their own"
        tasks.say_farewell.run(str(account), 0)
        assert len(waiting) == 5 and waiting[4]["tries"] == 1 and "schedule_at" in waiting[4]
        left = Account.everywhere.get(pk=account).cursor["left"]  # type: ignore[index]  # everywhere: a test
        assert len(left) == 10 and sum(one["tries"] for one in left.values()) == 16, "what was tried is kept"
    finally:
        runtime.runtime.stop()


def test_whatever_is_asked_in_vain_gets_the_same_answer(monkeypatch: pytest.MonkeyPatch):
    def get(path: str, query: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": []}
        asyncio.run(door.InboundDoor()(scope, receive, send))
        return said[0]["status"], dict(said[0]["headers"]), said[1]["body"]

    monkeypatch.setattr(door, "asked", lambda channel, account, query: "word" if query == "right" else None)
    refused = {
        get(path, query)[0::2] for path in (f"/in/rss/{uuid4()}", "/in/webhook/x", "/in/x") for query in (b"", b"wrong", b"x" * 5000)
    }
    assert len(refused) == 1 and next(iter(refused))[0] == 405
    status, headers, body = get(f"/in/rss/{uuid4()}", b"right")
    assert (status, headers[b"content-type"], headers[b"x-content-type-options"], body) == (
        200,
        b"text/plain; charset=utf-8",
        b"nosniff",
        b"word",
    )
