"""Being told at once: hubs are found and asked, and only they can tell us anything."""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from cxm.channels.contracts import Inbound, Mention, NotAuthentic, RawDelivery, Session, Unavailable
from cxm.channels.rss import verify
from cxm.channels.rss.connector import Poll, Subscribe
from cxm.channels.rss.manners import turns
from cxm.channels.rss.mapping import map_delivery
from cxm.channels.rss.tests.hub import Hub
from cxm.channels.rss.tests.provider import FEED, SITE, Site, item, rss

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HUB, INBOUND = "https://hub.example/", Inbound("https://cxm.example/in/rss/1", "ours")
ATOM = '<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="hub" href="https://hub.example/"/>'


class Desk:
    """An account, look after look."""

    def __init__(self, site: Site, **more: Any) -> None:
        self.site, self.more, self.now, self.cursor = site, more, NOW, None
        site.on("POST", HUB, status=202)

    def session(self, *feeds: str) -> Session:
        return replace(self.site.session(self.now, *feeds), **({"inbound": INBOUND} | self.more))

    def look(self, *feeds: str, hours: float = 1) -> list[RawDelivery]:
        turns.forget()
        polled = asyncio.run(Poll().poll(self.session(*feeds), self.cursor))
        self.cursor = json.loads(json.dumps(polled.cursor))
        self.now += timedelta(hours=hours)
        return list(polled.deliveries)

    def asked(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(one.content.decode())) for one in self.site.asked("POST", HUB)]


@pytest.mark.parametrize(
    ("head", "headers", "topic"),
    [
        (ATOM, {}, FEED),
        (ATOM + ATOM.replace("hub.example/", "roast.example/self").replace('"hub"', '"self"'), {}, f"{SITE}/self"),
        ("", {"link": f'<{HUB}>; rel="hub", <{SITE}/self>; rel=self'}, f"{SITE}/self"),
        (
            ATOM.replace("hub.example", "other.example"),
            {"link": f"</self>; rel='self', <{HUB}>; title=\"a, b\"; rel='hub next'"},
            f"{SITE}/self",
        ),
    ],
)
def test_a_hub_is_asked_once_a_day_and_told_when_a_feed_is_not_wanted_any_more(head: str, headers: dict[str, str], topic: str):
    site = Site([item(1)])
    site.head, site.headers = head, headers
    desk = Desk(site)
    assert len(desk.look()) == 1
    (told,) = desk.asked()
    assert (told["hub.mode"], told["hub.topic"]) == ("subscribe", topic) and int(told["hub.lease_seconds"]) == 864_000
    assert told["hub.secret"] == verify.signing_secret(FEED, "ours") and told["hub.callback"].startswith(f"{INBOUND.url}?feed=")
    query = urlsplit(told["hub.callback"]).query
    for mode in ("subscribe", "unsubscribe"):
        asked = f"{query}&{urlencode({'hub.mode': mode, 'hub.topic': topic, 'hub.challenge': 'word', 'hub.lease_seconds': 5})}"
        assert Subscribe().challenge(asked, "ours", NOW) == "word"
    desk.look(hours=30)
    assert len(desk.asked()) == 1
    desk.look()  # nothing new (304), and the hub is asked again
    assert len(desk.asked()) == 2
    other = f"{SITE}/other"
    site.on("GET", other, content=rss([item(9)]))
    desk.look(other)
    assert [one["hub.mode"] for one in desk.asked()] == ["subscribe", "subscribe", "unsubscribe"]
    desk.look(other)
    assert len(desk.asked()) == 3


def test_many_feeds_that_are_not_wanted_any_more_hold_up_no_look_whatever_their_hub_does():
    site = Site([item(1)])
    desk, gone = Desk(site), [f"{SITE}/{number}" for number in range(20)]
    desk.cursor = {"feeds": {one: {"hub": HUB, "topic": one, "asked": "2026-11-22T11:00:00Z"} for one in gone}}
    site.on("POST", HUB, Unavailable("The hub is away."))
    for looks in range(1, 4):
        desk.look(FEED)
        assert len(desk.asked()) == 8 * looks, "a few in each look, and what was done is kept"
    assert {one["hub.topic"] for one in desk.asked()[:20]} == set(gone), "each in turn, none twice before all were told"
    site.on("POST", HUB, status=202)
    before = len(desk.asked())
    for _ in range(3):
        desk.look(FEED)
    assert {one["hub.topic"] for one in desk.asked()[before:]} == set(gone) and "left" not in desk.cursor

    site.on("POST", HUB, Unavailable("The hub is away."))
    cursor: dict[str, Any] = {"feeds": {one: {"hub": HUB, "topic": one, "asked": "2026-11-22T11:00:00Z"} for one in gone}}
    told = []
    for _ in range(3):
        cursor = dict(asyncio.run(Subscribe().leave(desk.session(), cursor)))
        told.append(bool(cursor.get("more")))
    assert told == [True, True, False] and len(cursor["left"]) == 20, "those who were told may rest before they are told again"


def test_nobody_is_asked_where_nobody_can_reach_us_and_a_hub_that_fails_costs_nothing():
    site = Site([item(1)])
    site.head = ATOM
    desk = Desk(site, inbound=None)
    assert len(desk.look()) == 1 and desk.asked() == []
    secret = Desk(site)
    secret.more["credentials"] = {"username": "us", "password": "pw"}
    assert len(secret.look()) == 1 and secret.asked() == []
    for trouble in (Unavailable("The hub is away."), None):
        hub = Desk(site)
        site.on("POST", HUB, trouble, status=500)
        assert len(hub.look()) == 1
    site.headers = {"link": "<javascript:x>; rel=hub, <http://[::1>; rel=self"}
    site.head = ""
    before = len(desk.asked())
    assert len(Desk(site).look()) == 1 and len(desk.asked()) == before


@pytest.mark.parametrize("name", ["x-hub-signature", "X-Hub-Signature", "x-hub-signature-256"])
@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_what_a_hub_tells_is_what_a_look_would_find(method: str, name: str):
    site = Site([item(2), item(1)])
    desk = Desk(site)
    body = rss([item(2), item(1)]).encode()
    mark = hmac.new(verify.signing_secret(FEED, "ours").encode(), body, method).hexdigest()
    headers = {":query": urlencode({"feed": FEED, "mark": "x"}), name: f"{method}={mark}", "content-type": "application/rss+xml"}
    identifier = Subscribe().verify(headers, body, "ours", NOW)
    assert identifier == Subscribe().verify(headers, body, "ours", NOW + timedelta(days=30)), "the same again is the same"
    kept = {key: value for key, value in headers.items() if key in (":query", "content-type")}
    told = [one for one in map_delivery(RawDelivery(identifier, body, kept, NOW), desk.session().account) if isinstance(one, Mention)]
    found = [one for delivery in desk.look() for one in map_delivery(delivery, desk.session().account)]
    assert sorted(told, key=lambda one: one.native_id) == sorted(found, key=lambda one: one.native_id) and len(told) == 2


def test_nobody_else_learns_or_tells_anything():
    callback = urlsplit(verify.callback(INBOUND.url, FEED, FEED, "ours")).query
    right = f"{callback}&{urlencode({'hub.mode': 'subscribe', 'hub.topic': FEED, 'hub.challenge': 'word'})}"
    assert verify.challenge(right, "ours") == "word"
    mark = parse_qs(callback)["mark"][0]
    for wrong in (
        "", "hub.challenge=word", right.replace(mark, "0" * 64), right.replace(mark, "é"), right.replace("roast.example", "other.example"),
        right.replace("subscribe", "denied"), right.replace("word", ""), right.replace("word", "w" * 1001), right.replace("word", "a%0d%0ab"), "&".join("a" * 99),
    ):  # fmt: skip
        with pytest.raises(NotAuthentic):
            verify.challenge(wrong, "ours")
    for secret in ("theirs", ""):
        with pytest.raises(NotAuthentic):
            verify.challenge(right, secret)
    body = b"<rss/>"
    other = hmac.new(verify.signing_secret(f"{SITE}/other", "ours").encode(), body, "sha256").hexdigest()
    good = hmac.new(verify.signing_secret(FEED, "ours").encode(), body, "sha256").hexdigest()
    query = {":query": urlencode({"feed": FEED})}
    for headers in (
        {}, query, {**query, "x-hub-signature": good}, {**query, "x-hub-signature": "sha256="}, {**query, "x-hub-signature": f"md5={good}"}, {**query, "x-hub-signature": f"sha256={other}"},
        {"x-hub-signature": f"sha256={good}"}, {**query, "x-hub-signature": f"sha256={good}é"}, {**query, "x-hub-signature": f"sha1={good}"},
    ):  # fmt: skip
        with pytest.raises(NotAuthentic):
            verify.verify(headers, body, "ours", NOW)


def test_a_strict_hub_keeps_us_for_a_month_tells_us_and_lets_us_go():
    site = Site([item(1)])
    site.head = ATOM
    desk, hub = Desk(site), Hub(site, HUB, longest=timedelta(days=2))
    taken: list[RawDelivery] = []

    def get(query: str) -> str | None:
        try:
            return Subscribe().challenge(query, "ours", desk.now)
        except NotAuthentic:
            return None

    def post(headers: dict[str, str], body: bytes) -> bool:
        try:
            identifier = Subscribe().verify(headers, body, "ours", desk.now)
        except NotAuthentic:
            return False
        taken.append(RawDelivery(identifier, body, {key: headers[key] for key in (":query", "content-type")}, desk.now))
        return True

    for _ in range(60):
        desk.look(hours=12)
        hub.verify(desk.now, get)
        assert len(hub.living(desk.now + timedelta(hours=12))) == 1, "the lease ended before it was asked for anew"
    assert 25 <= hub.asked <= 35 and len(hub.subscriptions) == 1

    for method in ("sha1", "sha256", "sha384", "sha512"):
        assert hub.publish(FEED, rss([item(2)]).encode(), desk.now, post, method=method) == [True]
    assert hub.publish(FEED, rss([item(3)]).encode(), desk.now, post, forged=True) == [False]
    assert hub.publish(FEED, rss([item(3)]).encode(), desk.now, post, method="md5") == [False]
    assert len({one.delivery_id for one in taken}) == 1, "told four times, it is one"
    told = [one for one in map_delivery(taken[0], desk.session().account) if isinstance(one, Mention)]
    assert [one.title for one in told] == ["Number 2"]

    (kept,) = hub.living(desk.now)
    query = urlsplit(kept.callback).query
    for odd in (
        {"hub.mode": "denied", "hub.topic": FEED, "hub.reason": "No."}, {"hub.mode": "denied", "hub.topic": FEED, "hub.challenge": "x"},
        {"hub.mode": "subscribe", "hub.topic": f"{SITE}/other", "hub.challenge": "x"},
    ):  # fmt: skip
        assert get(f"{query}&{urlencode(odd)}") is None
    hub.pending.append({"hub.mode": "subscribe", "hub.topic": FEED, "hub.callback": kept.callback.replace("mark=", "mark=0"), "hub.lease_seconds": "9", "hub.secret": "x"})  # fmt: skip
    hub.verify(desk.now, get)
    assert len(hub.subscriptions) == 1, "somebody else had us subscribe"

    other = f"{SITE}/other"
    site.on("GET", other, content=rss([item(9)]))
    site.on("POST", HUB, status=503)
    for _ in range(2):
        desk.look(other)
        assert desk.cursor["left"][FEED]["hub"] == HUB, "it is away, and is told again"
    site.on("POST", HUB, hub._asked)
    desk.look(other)
    assert "left" not in desk.cursor
    hub.verify(desk.now, get)
    assert hub.subscriptions == {} and hub.publish(FEED, rss([item(4)]).encode(), desk.now, post) == []


@pytest.mark.parametrize(
    ("status", "to", "hubs"), [(308, "https://new.example/hub", 1), (307, "/hub", 0), (308, "http://new.example/hub", 0), (302, "https://new.example/hub", 0), (308, "", 0)]
)  # fmt: skip
def test_a_hub_that_moved_is_followed_and_no_further_than_is_sound(status: int, to: str, hubs: int):
    site = Site([item(1)])
    site.head = ATOM
    desk, hub = Desk(site), Hub(site, "https://new.example/hub")
    site.on("POST", HUB, status=status, headers={"location": to} if to else {})
    site.on("POST", f"{HUB}hub", status=308, headers={"location": f"{HUB}hub"})
    assert len(desk.look()) == 1
    assert hub.asked == hubs and len(site.asked("POST", f"{HUB}hub")) <= 3
