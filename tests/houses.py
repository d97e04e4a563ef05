"""What tests of pages need: organizations with members who are signed in, and a way to hear something and have it done at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.core.cache import cache
from django.test import Client

from cxm.channels.contracts import Author, Mention
from cxm.connect import api as connect
from cxm.connect.contracts import Account, Heard, ImportReport, Taken
from cxm.govern import api as govern
from cxm.govern.services import members
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now
from cxm.kernel.ids import mention_id
from cxm.listen import api as listen
from cxm.listen import engine
from cxm.listen.store.memory import MemoryStore
from cxm.platform import deliveries, events, followers, rate
from cxm.platform.models import EventLog

PASSWORD = "a long enough pass phrase"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202e{{ 7*7 }}{% debug %}\" onmouseover='x' " + "a" + "\u0301" * 10_000


@dataclass
class House:
    """One organization as its owner holds it."""

    organization: UUID
    owner: Actor
    email: str

    def browser(self, email: str | None = None) -> Client:
        """A browser in which a member is signed in; it refuses posts without the token, as a real one would."""
        client = Client(enforce_csrf_checks=True)
        client.get("/sign-in")
        answer = client.post(
            "/sign-in", {"login": email or self.email, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"].value}
        )
        assert answer.status_code == 302, answer.content[:2000]
        return client

    def join(self, email: str, role: str, unit: UUID | None = None) -> Client:
        """The browser of a member of that role who has joined."""
        invited = govern.invite(self.owner, email, email.partition("@")[0], role, unit)
        members.accept(invited.link.rsplit("/", 1)[1], "", PASSWORD)
        return self.browser(email)

    def unit(self, name: str) -> UUID:
        """A new unit below the root."""
        return govern.create_unit(self.owner, name, govern.root_unit(self.organization)).id

    def account(self, name: str = "Support", unit: UUID | None = None) -> Account:
        """A connected webhook account."""
        return connect.connect(self.owner, channel="webhook", name=name, unit=unit)[0]

    def read(self, *lines: dict[str, Any] | bytes) -> ImportReport:
        """Import lines, and let everybody who listens hear of it."""
        report = connect.import_lines(self.organization, [line if isinstance(line, bytes) else orjson.dumps(line) for line in lines])
        settle()
        return report

    def hear(
        self, account: Account, native: str, text: str, *, kind: str = "message", author: str = "lena", minutes: int = 0, **more: Any
    ) -> UUID:
        """Something is said to one of our accounts; the mention's id."""
        item = Mention(
            native_id=native,
            kind=kind,
            text=text,
            author=Author(native_id=author, handle=f"@{author}", name=author.title()),
            published_at=now() - timedelta(minutes=minutes),
            **more,
        )
        heard = Heard(item=item, received_at=now(), position=0, order=1, channel=account.channel)
        assert listen.accept(self.organization, account, [heard], imported=False) == [Taken("accepted")]
        settle()
        return mention_id(self.organization, account.channel, native, account.id)


def line(native: str, text: str, **more: Any) -> dict[str, Any]:
    """A line of an import."""
    return {"channel": "forum", "native_id": native, "text": text, "published_at": format_instant(now() - timedelta(hours=1)), **more}


_settled: set[tuple[int, str]] = set()


def settle() -> None:
    """Hand every event to everybody who listens, in order, once, until nothing new comes: what the worker does, at once and here.

    It walks the registries itself, because the transaction of a test never commits and a worker would see nothing.
    """
    done = -1
    while done != (count := EventLog.objects.count()):
        done = count
        for row in EventLog.objects.order_by("id"):
            told = events.decode(row.name, row.payload)
            for name, subscriber in list(deliveries.SUBSCRIBERS.get(row.name, {}).items()):
                if (row.pk, name) not in _settled and (subscriber.when is None or subscriber.when(told)):
                    _settled.add((row.pk, name))
                    subscriber.handle([told])
            for name, (follower, names) in list(followers.FOLLOWERS.items()):
                if row.name in names and (row.pk, name) not in _settled:
                    _settled.add((row.pk, name))
                    follower([told])


def post(client: Client, path: str, data: dict[str, Any] | None = None, **headers: str) -> Any:
    """A form sent from a page of ours."""
    token = client.cookies["csrftoken"].value
    return client.post(path, {**(data or {}), "csrfmiddlewaretoken": token}, headers=headers or None)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def assert_safe(answer: Any) -> str:
    """No script but ours, no handler, no style attribute, no address that runs: whatever people wrote. The page's text."""
    text = answer.content.decode()
    reader = _Tags()
    reader.feed(text)
    for tag, attributes in reader.found:
        assert tag != "script" or (attributes.get("src") or "").startswith("/static/"), attributes
        assert not [name for name in attributes if (name.startswith("on") and "-" not in name) or name == "style"], (tag, attributes)
        for name in ("href", "src", "action"):
            assert not (attributes.get(name) or "").lower().startswith(("javascript:", "data:")), (tag, attributes)
    assert reader.found
    return text


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """A store of this test's own; counters start over; passwords cost nothing."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(engine, "_store", MemoryStore())
    monkeypatch.setattr(engine, "_writes", True)
    cache.clear()
    rate.window.clear()
    yield


def make_house(name: str, email: str) -> House:
    """A fresh organization with its owner."""
    made = govern.set_up(name, email, PASSWORD)
    return House(made.organization, govern.actor_for(made.organization, made.member), email)


@pytest.fixture
def house(db: None) -> House:
    """Our organization."""
    return make_house("Marlow Coffee", "owner@marlow.example")


@pytest.fixture
def other(db: None) -> House:
    """Somebody else's."""
    return make_house("Other Tea", "owner@other.example")
