"""A strict hub in memory, as the W3C Recommendation WebSub has it: it verifies intent, ends leases, signs what it tells, and may have moved."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from cxm.channels.rss.tests.provider import Site
from cxm.channels.testing.web import Answer, Request, answer

#: How a callback answers a GET (its query; None: not with 2xx) and a POST (headers and body; whether it took it).
Get = Callable[[str], str | None]
Post = Callable[[dict[str, str], bytes], bool]


@dataclass
class Subscription:
    """One that was verified."""

    callback: str
    topic: str
    secret: str
    until: datetime


class Hub:
    """``longest``: the lease it grants at most. ``pending``: what it was asked for and has not verified yet."""

    def __init__(self, site: Site, url: str, *, longest: timedelta = timedelta(days=10)) -> None:
        self.url, self.longest = url, longest
        self.pending: list[dict[str, str]] = []
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.asked = 0
        site.on("POST", url, self._asked)

    def _asked(self, request: Request) -> Answer:
        self.asked += 1
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        told = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        assert told["hub.mode"] in ("subscribe", "unsubscribe") and told["hub.topic"] and urlsplit(told["hub.callback"]).scheme == "https"
        assert 0 < len(told["hub.secret"].encode()) < 200 and int(told["hub.lease_seconds"]) > 0
        self.pending.append(told)
        return answer(status=202)

    def verify(self, now: datetime, get: Get) -> None:
        """Ask each callback whether it meant it: 2xx with the challenge and nothing else is yes."""
        for told in self.pending:
            challenge, mode = secrets.token_urlsafe(24), told["hub.mode"]
            lease = min(timedelta(seconds=int(told["hub.lease_seconds"])), self.longest)
            asked = {"hub.mode": mode, "hub.topic": told["hub.topic"], "hub.challenge": challenge}
            asked |= {"hub.lease_seconds": str(int(lease.total_seconds()))} if mode == "subscribe" else {}
            parts = urlsplit(told["hub.callback"])
            if get(f"{parts.query}&{urlencode(asked)}") != challenge:
                continue
            key = told["hub.callback"], told["hub.topic"]
            if mode == "unsubscribe":
                self.subscriptions.pop(key, None)
            else:
                self.subscriptions[key] = Subscription(*key, told["hub.secret"], now + lease)
        self.pending.clear()

    def living(self, now: datetime) -> list[Subscription]:
        """Those whose lease has not ended."""
        return [one for one in self.subscriptions.values() if one.until > now]

    def publish(self, topic: str, body: bytes, now: datetime, post: Post, *, method: str = "sha256", forged: bool = False) -> list[bool]:
        """Tell every living subscription of ``topic``; who took it."""
        taken: list[bool] = []
        for one in self.living(now):
            if one.topic == topic:
                mark = hmac.new(b"forged" if forged else one.secret.encode(), body, method).hexdigest()
                links = f'<{self.url}>; rel="hub", <{topic}>; rel="self"'
                headers = {"link": links, "content-type": "application/rss+xml", "x-hub-signature": f"{method}={mark}"}
                taken.append(post({**headers, ":query": urlsplit(one.callback).query}, body))
        return taken
