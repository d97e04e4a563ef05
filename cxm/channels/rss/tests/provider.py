"""A site with a feed, in memory."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from cxm.channels.contracts import Session
from cxm.channels.rss import verify
from cxm.channels.rss.manners import turns
from cxm.channels.testing.web import Answer, Request, Web, answer, session_over

SITE = "https://roast.example"
FEED = f"{SITE}/feed"


def item(number: int, text: str = "Hello", **more: str) -> str:
    """One item of an RSS feed."""
    told = {"title": f"Number {number}", "link": f"{SITE}/{number}", "guid": f"{SITE}/{number}", "description": text} | more
    told.setdefault("pubDate", f"Sat, 21 Nov 2026 10:{number % 60:02}:00 GMT")
    return "<item>" + "".join(f"<{name}>{value}</{name}>" for name, value in told.items() if value) + "</item>"


def rss(items: Sequence[str], head: str = "") -> str:
    """An RSS feed of items."""
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>Roast</title><link>{SITE}/</link>{head}{"".join(items)}</channel></rss>'
    )


class Site(Web):
    """Serves :data:`FEED`, with a fresh ETag whenever it changes, and honours conditions."""

    def __init__(self, items: Sequence[str] = ()) -> None:
        super().__init__()
        self.items = list(items)
        self.head = ""
        self.headers: dict[str, str] = {}
        self.on("GET", FEED, self._serve)

    def _serve(self, asked: Request) -> Answer:
        body = rss(self.items, self.head)
        etag = f'"{hash(body)}"'
        if asked.headers.get("if-none-match") == etag:
            return Answer(304, b"", {"etag": etag, **self.headers})
        return answer(content=body, headers={"etag": etag, "content-type": "application/rss+xml", **self.headers})

    def session(self, now: datetime, *feeds: str, **credentials: str) -> Session:
        """A session of an account with these feeds."""
        settings: dict[str, Any] = {"feeds": list(feeds or (FEED,))}
        return session_over(self, "rss", now=now, name="News", settings=settings, credentials=credentials)


def example(body: bytes, now: datetime) -> tuple[dict[str, str], str]:
    """A delivery of a hub, and the account's secret."""
    secret = "ours"
    mark = hmac.new(verify.signing_secret(FEED, secret).encode(), body, "sha256").hexdigest()
    return {":query": urlencode({"feed": FEED}), "x-hub-signature": f"sha256={mark}"}, secret


def session(now: datetime) -> Session:
    """For the contract test: twenty articles, on a host that nobody has asked yet."""
    turns.forget()
    return Site([item(number) for number in range(20, 0, -1)]).session(now)
