"""Signing in by OAuth at a real home server on loopback; skipped, saying so, where none answers (as test_lab.py).

The protocol's own form for one's own machine is used (client ``http://localhost``): a server cannot read who we are at a loopback address.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from cxm.channels import registry
from cxm.channels.authorization import AccessToken, Client, SignInEnded, Tokens
from cxm.channels.bluesky.authorizing import Authorize
from cxm.channels.bluesky.connector import Delete, Poll, Publish, ReadBack, Test
from cxm.channels.bluesky.tests.test_lab import BASE, HTTP, Person, pytestmark  # noqa: F401 - skipped where those are
from cxm.channels.contracts import AccountView, Outgoing, Rejected, Session
from cxm.kernel.clock import now
from cxm.kernel.ids import new_id

DIRECTORY = os.environ.get("CXM_LAB_BLUESKY_DIRECTORY", "http://localhost:25821")
CLIENT = Client("http://127.0.0.1:8000/channels/authorized")
WAY = registry.channel("bluesky").manifest.auth.ways[0]
STATE = "a state of at least thirty-two characters"


class Browser:
    """A person at the server's own pages, as far as those ask."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def go(self, method: str, url: str, headers: dict[str, str], json: Any = None) -> httpx2.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = httpx2.request(method, url, headers={"cookie": cookie, "user-agent": "lab", **headers}, json=json, timeout=60)
        for one in answer.headers.get_list("set-cookie"):
            name, _, value = one.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def agree(self, url: str, person: Person, password: str = "pw") -> dict[str, str]:
        """Sign in and agree; what one comes back with."""
        page = self.go("GET", url, {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"})
        assert page.status_code == 200, page.text[:2000]
        same = {
            "sec-fetch-site": "same-origin", "sec-fetch-mode": "same-origin", "sec-fetch-dest": "empty", "origin": BASE, "referer": url,
            "x-csrf-token": self.cookies["csrf-token"],
        }  # fmt: skip
        told = self.go("POST", f"{BASE}/@atproto/oauth-provider/~api/sign-in", same, {"locale": "en", "username": person.handle, "password": password})  # fmt: skip
        assert told.status_code == 200, told.text
        same |= {"authorization": f"Bearer {told.json()['ephemeralToken']}"} if told.json().get("ephemeralToken") else {}
        done = self.go("POST", f"{BASE}/@atproto/oauth-provider/~api/consent", same, {"sub": told.json()["account"]["sub"]})
        assert done.status_code == 200, done.text
        last = self.go("GET", done.json()["url"], {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "referer": url})  # fmt: skip
        assert last.status_code in (302, 303), (last.status_code, last.text[:500])
        return dict(parse_qsl(urlsplit(last.headers["location"]).query))


class Source:
    """What the runtime keeps for a connector."""

    def __init__(self, session: Session, tokens: Tokens) -> None:
        self.session, self.tokens, self.renewed = session, tokens, 0

    async def __call__(self, refused: str = "") -> AccessToken:
        if refused == self.tokens.access:
            self.tokens, self.renewed = await Authorize().refresh(self.session, CLIENT, WAY, self.tokens), self.renewed + 1
        return AccessToken(self.tokens.access, self.tokens.expires_at, "bluesky", self.tokens.extra)


def bare(person: Person) -> Session:
    view = AccountView(new_id(), "bluesky", f"@{person.handle}", {"handle": person.handle, "server_url": BASE, "plc_url": DIRECTORY})
    return Session(view, {}, http=HTTP, dial=None, now=now())  # type: ignore[arg-type]


def test_a_person_signs_in_speaks_is_renewed_and_withdraws():
    acme, other = Person("acme"), Person("other")
    session = bare(acme)
    started = asyncio.run(Authorize().start(session, CLIENT, WAY, STATE))
    answer = Browser().agree(started.url, acme)
    assert answer["state"] == STATE and answer["iss"] == BASE
    with pytest.raises(Rejected, match="another sign-in server"):
        asyncio.run(Authorize().exchange(session, CLIENT, WAY, started.kept, {**answer, "iss": "https://evil.example"}))
    tokens = asyncio.run(Authorize().exchange(session, CLIENT, WAY, started.kept, answer))
    assert tokens.extra["did"] == acme.did and tokens.refresh and tokens.expires_at is not None and tokens.expires_at > now()
    with pytest.raises(Rejected):
        asyncio.run(Authorize().exchange(session, CLIENT, WAY, started.kept, answer))

    # A code used twice ends what it gave: servers do so, and we sign in anew.
    started = asyncio.run(Authorize().start(session, CLIENT, WAY, STATE))
    tokens = asyncio.run(Authorize().exchange(session, CLIENT, WAY, started.kept, Browser().agree(started.url, acme)))
    source = Source(session, tokens)
    signed = replace(session, token=source)
    steps = asyncio.run(Test().test(signed))
    assert all(step.ok for step in steps), steps
    assert asyncio.run(Poll().poll(signed, None)).deliveries == ()
    said = Outgoing(new_id(), "post", "Signed in by OAuth.", False)
    sent = asyncio.run(Publish().send(signed, said))
    assert acme.did in sent.native_id and asyncio.run(ReadBack().read_back(signed, said)) is not None
    before = source.tokens
    asyncio.run(source(before.access))
    assert source.tokens.access != before.access and source.tokens.refresh != before.refresh
    asyncio.run(Delete().send(signed, Outgoing(new_id(), "delete", "", False, in_reply_to=sent.native_id)))
    source.tokens = replace(source.tokens, access=source.tokens.access[:-6] + "aaaaaa")
    assert all(step.ok for step in asyncio.run(Test().test(signed))) and source.renewed == 2, "refused, and renewed on the way"
    with pytest.raises(SignInEnded):
        asyncio.run(Authorize().refresh(session, CLIENT, WAY, before))

    started = asyncio.run(Authorize().start(session, CLIENT, WAY, STATE))
    with pytest.raises(Rejected, match="another account"):
        asyncio.run(Authorize().exchange(session, CLIENT, WAY, started.kept, Browser().agree(started.url, other)))
