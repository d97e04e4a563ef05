"""Looking at feeds: only for what is new, seldom where little is, one host after the other; what fails is said."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cxm.channels.contracts import AuthExpired, ConnectorError, Gone, Mention, Polled, RateLimited, RawDelivery, Rejected, Unavailable
from cxm.channels.rss import feeds, manners, markup
from cxm.channels.rss.connector import Poll, Test
from cxm.channels.rss.mapping import map_delivery
from cxm.channels.rss.tests.provider import FEED, SITE, Site, item, rss
from cxm.channels.testing.web import Web, answer, session_over

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nobody_was_asked_yet() -> None:
    """No test waits for the turn of another."""
    manners.turns.forget()


def look(site: Site, cursor: Any = None, *, at: datetime = NOW, feeds: tuple[str, ...] = (), **credentials: str) -> Polled:
    return asyncio.run(Poll().poll(site.session(at, *feeds, **credentials), cursor))


def mentions(polled: Polled, site: Site | None = None) -> list[Mention]:
    account = (site or Site()).session(NOW).account
    found = [one for delivery in polled.deliveries for one in map_delivery(delivery, account)]
    assert all(isinstance(one, Mention) for one in found), found
    return found  # type: ignore[return-value]


def later(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def test_what_is_new_comes_once_and_oldest_first():
    site = Site([item(2), item(1)])
    first = look(site)
    assert [one.title for one in mentions(first)] == ["Number 1", "Number 2"]
    site.items.insert(0, item(3))
    second = look(site, first.cursor, at=later(1))
    assert [one.title for one in mentions(second)] == ["Number 3"]
    assert look(site, second.cursor, at=later(2)).deliveries == ()
    assert site.requests[-1].headers["if-none-match"] and site.requests[0].headers["user-agent"]
    assert "if-none-match" not in site.requests[0].headers


def test_each_delivery_is_a_feed_of_one_entry():
    (delivery,) = look(Site([item(1, "Grüße &amp; <b>mehr</b>")])).deliveries
    (entry,) = feeds.read(delivery.body, FEED).entries
    assert entry.text == "Grüße & mehr"


def test_a_changed_text_is_an_edit_and_the_same_again_is_nothing():
    site = Site([item(1, "Four stars")])
    first = look(site)
    site.items = [item(1, "Two stars")]
    second = look(site, first.cursor, at=later(1))
    (edit,) = mentions(second)
    (before,) = mentions(first)
    assert (edit.native_id, edit.text, edit.edited_at) == (before.native_id, "Two stars", later(1))
    assert before.edited_at is None
    assert {one.delivery_id for one in second.deliveries}.isdisjoint(one.delivery_id for one in first.deliveries)
    assert look(site, second.cursor, at=later(2)).deliveries == ()


def test_an_entry_that_changes_with_every_look_is_left_alone():
    site, cursor, edits = Site([item(1, "At 0 o'clock")]), None, 0
    for hour in range(30):
        site.items = [item(1, f"At {hour} o'clock")]
        polled = look(site, cursor, at=later(hour))
        cursor, edits = polled.cursor, edits + len(polled.deliveries)
    assert edits == 13


def test_another_id_with_the_same_link_and_title_is_the_same_article():
    site = Site([item(1, guid="old-1")])
    first = look(site)
    site.items = [item(1, "Mended", guid="new-1")]
    second = look(site, first.cursor, at=later(1))
    third = look(site, second.cursor, at=later(2))
    (before,), (after,) = mentions(first), mentions(second)
    assert after.native_id == before.native_id and after.edited_at is not None
    assert third.deliveries == ()


def test_two_entries_that_share_a_link_stay_two():
    site = Site([item(1, guid="a", link=SITE), item(2, guid="b", link=SITE)])
    assert len({one.native_id for one in mentions(look(site))}) == 2


def test_a_page_leads_to_its_feed_and_that_is_asked_from_then_on():
    site = Site([item(1)])
    page = f'<html><head><link rel="alternate" type="application/rss+xml" title="Comments" href="/comments"><link rel=alternate type=application/rss+xml href="{FEED}"></head>'
    site.on("GET", SITE, content=page, headers={"content-type": "text/html"})
    first = look(site, feeds=(SITE,))
    assert len(first.deliveries) == 1
    look(site, first.cursor, at=later(1), feeds=(SITE,))
    assert len(site.asked("GET", SITE)) == 1 and len(site.asked("GET", FEED)) == 2


def test_a_page_without_a_feed_says_so():
    site = Site()
    site.on("GET", "https://plain.example", content="<html><body>Hello</body></html>")
    with pytest.raises(Rejected, match="names no feed"):
        look(site, feeds=("https://plain.example",))


def test_a_move_for_good_is_remembered_and_one_for_now_is_not():
    for hour, (status, asked_again) in enumerate(((301, 1), (308, 1), (302, 2), (307, 2))):
        site = Site([item(1)])
        site.on("GET", f"{SITE}/old", status=status, headers={"location": "/feed"})
        first = look(site, at=later(hour * 10), feeds=(f"{SITE}/old",))
        second = look(site, first.cursor, at=later(hour * 10 + 1), feeds=(f"{SITE}/old",))
        assert len(first.deliveries) == 1 and second.deliveries == ()
        assert len(site.asked("GET", f"{SITE}/old")) == asked_again, status


def test_what_is_gone_is_not_asked_for_a_week_and_said():
    site = Site()
    site.on("GET", FEED, status=410)
    first = look(site)
    assert first.more and not first.deliveries
    with pytest.raises(Gone, match="gone for good"):
        look(site, first.cursor, at=later(1))
    with pytest.raises(Gone):
        look(site, first.cursor, at=later(24))
    assert len(site.requests) == 1
    look(site, first.cursor, at=later(24 * 8))
    assert len(site.requests) == 2


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (404, Gone, "no feed at this address"),
        (401, AuthExpired, "user name"),
        (403, Rejected, "refuses us"),
        (500, Unavailable, "failed"),
        (503, Unavailable, "away"),
    ],
)
def test_what_a_server_answers_is_put_into_words(status: int, error: type[Exception], text: str):
    site = Site()
    site.on("GET", FEED, status=status)
    with pytest.raises(error, match=text):
        look(site)


def test_a_host_that_asks_for_time_gets_it_from_all_its_feeds():
    site = Site([item(1)])
    site.on("GET", f"{SITE}/busy", status=429, headers={"retry-after": "3600"})
    with pytest.raises(RateLimited) as caught:
        look(site, feeds=(f"{SITE}/busy",))
    assert caught.value.retry_after == 3600
    waiting = look(site)
    assert waiting.deliveries == () and waiting.next_look == later(1)
    assert len(look(site, waiting.cursor, at=later(1)).deliveries) == 1


def test_feeds_of_one_host_take_turns_and_others_do_not_wait():
    site = Site([item(1)])
    for path in ("b", "c"):
        site.on("GET", f"{SITE}/{path}", content=rss([item(5, guid=f"{SITE}/{path}/1")]))
    site.on("GET", "https://other.example/feed", content=rss([item(7, guid="https://other.example/7")]))
    addresses = (FEED, f"{SITE}/b", f"{SITE}/c", "https://other.example/feed")
    first = look(site, feeds=addresses)
    assert [one.url for one in site.requests] == [FEED, "https://other.example/feed"]
    assert first.next_look == NOW + timedelta(seconds=1)
    second = look(site, first.cursor, at=NOW + timedelta(seconds=2), feeds=addresses)
    assert [one.url for one in site.requests[2:]] == [f"{SITE}/b", f"{SITE}/c"]
    assert len(first.deliveries) == len(second.deliveries) == 2


def test_one_feed_that_fails_does_not_hide_the_others():
    site = Site([item(1)])
    addresses = (FEED, "https://away.example/feed")
    polled = look(site, feeds=addresses)
    assert len(polled.deliveries) == 1
    assert polled.cursor["feeds"]["https://away.example/feed"]["trouble"]
    site.on("GET", FEED, Unavailable("Away."))
    with pytest.raises(ConnectorError):
        look(site, polled.cursor, at=later(2), feeds=addresses)


def test_one_of_several_that_fails_for_long_is_a_gap():
    site, cursor, told = Site([item(1)]), None, []
    for hour in range(0, 30, 3):
        polled = look(site, cursor, at=later(hour), feeds=(FEED, "https://away.example/feed"))
        cursor = polled.cursor
        told += polled.unheard
    assert {(one.began_at, one.reason) for one in told} == {(NOW, "The feed https://away.example/feed could not be read.")}
    assert told[-1].ended_at > told[0].ended_at > NOW


def test_a_silent_feed_is_asked_seldom_and_wishes_are_honoured():
    spans = [manners.pause(FEED, NOW - timedelta(days=days), NOW) for days in (0, 2, 10, 30, 400)]
    assert spans == sorted(spans) and spans[0] < timedelta(minutes=12) and timedelta(days=1) <= spans[-1] <= timedelta(days=1.1)
    assert manners.pause(FEED, NOW, NOW, asked=120) >= timedelta(hours=2)
    assert manners.pause(FEED, NOW, NOW, headers={"Cache-Control": "public, max-age=7200"}) >= timedelta(hours=2)
    assert manners.pause(FEED, NOW, NOW, headers={"Cache-Control": "max-age=99999999"}) <= timedelta(days=1.1)
    site = Site([item(1, pubDate="Sat, 01 Aug 2026 10:00:00 GMT")])
    polled = look(site)
    assert polled.next_look is not None and polled.next_look - NOW >= timedelta(days=1)
    assert look(site, polled.cursor, at=later(10)).deliveries == () and len(site.requests) == 1


def test_a_password_goes_to_its_own_host_alone():
    site = Site([item(1)])
    site.on("GET", f"{SITE}/private", status=302, headers={"location": "https://cdn.example/feed"})
    site.on("GET", "https://cdn.example/feed", content=rss([item(1)]))
    look(site, feeds=(f"{SITE}/private",), username="ann", password="secret")
    assert "authorization" in site.requests[0].headers and "authorization" not in site.requests[1].headers


def test_plain_http_is_asked_by_https():
    site = Site([item(1)])
    look(site, feeds=(FEED.replace("https", "http"),))
    assert site.requests[0].url == FEED


def test_the_same_entry_twice_in_one_feed_is_one():
    assert len(look(Site([item(1), item(1, "An older copy")])).deliveries) == 1


def test_the_test_button_says_what_is_there_and_what_else_the_page_names():
    site = Site([item(1)])
    page = f'<link rel="alternate" type="application/rss+xml" href="{FEED}"><link rel="alternate" type="application/atom+xml" href="/atom">'
    site.on("GET", SITE, content=f"<html><head>{page}</head></html>")
    good, bad = asyncio.run(Test().test(site.session(NOW, SITE, "https://away.example")))
    assert good.ok and "1 entries" in good.text and f"{SITE}/atom" in good.text
    assert not bad.ok and "404" in bad.text
    (step,) = asyncio.run(Test().test(session_over(Web(), "rss", now=NOW)))
    assert not step.ok


def test_neighbours_of_a_broken_entry_go_on():
    body = rss([item(1), "<item><guid>x</guid></item>", item(3)]).encode()
    found = list(map_delivery(RawDelivery("1", body, {"x-feed": FEED}, NOW), Site().session(NOW).account))
    assert [type(one).__name__ for one in found] == ["Mention", "Unmappable", "Mention"]
    assert found[1].raw == b"<item><guid>x</guid></item>"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "content_type", "title"),
    [
        ("<rss><channel><item><title>日本</title></item></channel></rss>".encode("utf-16"), "", "日本"),
        ("<rss><channel><item><title>日本</title></item></channel></rss>".encode("utf-16-le"), "", "日本"),
        (
            '<?xml version="1.0" encoding="shift_jis"?><rss><channel><item><title>日本語の記事</title></item></channel></rss>'.encode(
                "shift_jis"
            ),
            "",
            "日本語の記事",
        ),
        (
            "<rss><channel><item><title>日本語</title></item></channel></rss>".encode("iso2022_jp"),
            "text/xml; charset=iso-2022-jp",
            "日本語",
        ),
        (
            "<rss><channel><item><title>Привет, мир</title></item></channel></rss>".encode("koi8-r"),
            "text/xml; charset=KOI8-R",
            "Привет, мир",
        ),
        (
            '<?xml version="1.0" encoding="iso-8859-1"?><rss><channel><item><title>Käse “gut”</title></item></channel></rss>'.encode(),
            "",
            "Käse “gut”",
        ),
        ("<rss><channel><item><title>Käse</title></item></channel></rss>".encode() + b"\xff", "text/xml", "Käse"),
        (b'<?xml version="1.0" encoding="utf-7"?><rss><channel><item><title>+ADw-b+AD4-</title></item></channel></rss>', "", "+ADw-b+AD4-"),
        (b'<?xml version="1.0" encoding="rot13"?><rss><channel><item><title>abc</title></item></channel></rss>', "", "abc"),
    ],
)
def test_encodings(body: bytes, content_type: str, title: str):
    assert feeds.read(body, FEED, content_type).entries[0].title == title


@pytest.mark.parametrize(
    "body",
    [
        "<a>" * 100_000,
        "<rss><channel>" + "<item>" * 30_000,
        "<rss><channel><item><title>" + "<![CDATA[" * 200_000,
        "<rss><channel><item><title>" + "&" * 1_000_000 + "</title></item></channel></rss>",
        "<rss><channel><item><title>" + "<b " * 50_000 + "</title></item></channel></rss>",
        "<!DOCTYPE " + "[" * 500_000 + "<rss><channel><item><title>x</title></item></channel></rss>",
        "<rss " + 'a="b" ' * 200_000 + "><channel/></rss>",
        '{"version": "https://jsonfeed.org/version/1", "items": ' + "[" * 100_000 + "}",
    ],
)
def test_bombs_cost_little_and_break_nothing(body: str):
    with suppress(feeds.NotAFeed):
        assert len(feeds.read(body.encode(), FEED).entries) <= feeds.ENTRY_LIMIT


def test_nothing_is_expanded_and_nothing_is_fetched():
    inner = "".join(f'<!ENTITY {name} "{("&" + before + ";") * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    body = f'<!DOCTYPE rss [<!ENTITY a "{"x" * 100}">{inner}<!ENTITY f SYSTEM "file:///etc/hostname">]><rss><channel><item><title>&i;&f;</title></item></channel></rss>'
    entry = feeds.read(body.encode(), FEED).entries[0]
    assert len(entry.title) < 100 and "&i;" in entry.title
    with pytest.raises(markup.NotMarkup):
        markup.read("no markup at all")


def test_a_feed_cannot_take_over_the_articles_of_another_site():
    theirs = rss([item(1, guid="https://elsewhere.example/1", link="https://elsewhere.example/1")])
    (one,) = map_delivery(RawDelivery("1", theirs.encode(), {"x-feed": FEED}, NOW), Site().session(NOW).account)
    assert one.native_id == f"{FEED}#https://elsewhere.example/1"


def test_our_own_publication_is_ours():
    session = session_over(Web(), "rss", now=NOW, settings={"owned": True})
    (one,) = map_delivery(RawDelivery("1", rss([item(1)]).encode(), {"x-feed": FEED}, NOW), session.account)
    assert isinstance(one, Mention) and one.media_type == "owned"


def test_answers_of_a_web_in_memory_are_as_prepared():
    web = Web()
    web.on("GET", FEED, status=200, content="a")
    web.once("GET", FEED, answer(500))

    async def twice() -> list[int]:
        return [(await web.request("GET", FEED)).status_code for _ in range(2)]

    assert asyncio.run(twice()) == [500, 200]
