"""An organization with an account, a member, and somebody who writes to us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from cxm.connect import accounts as connecting
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now
from cxm.kernel.ids import mention_id
from cxm.listen.events import MentionsChanged, MentionsDeleted, MentionsHeard
from cxm.love import api, subscribers
from cxm.love.contracts import ConversationDetail, ConversationView, InboxFilter


@dataclass
class World:
    """One organization; ``actor`` is its owner, ``account`` a webhook account in the root unit."""

    organization: UUID
    actor: Actor
    account: UUID
    unit: UUID
    written: int = 0
    said: dict[str, dict[str, Any]] = field(default_factory=dict)

    def mention(self, native: str, text: str = "Where is my order?", **more: Any) -> dict[str, Any]:
        """A mention as listen tells it; ``author``, ``thread``, ``state``, ``minutes`` (ago) and any key may be given."""
        self.written += 1
        author = more.pop("author", "lena")
        spoken = now() - timedelta(minutes=more.pop("minutes", 0))
        made = {
            "id": str(mention_id(self.organization, "webhook", native, self.account)),
            "organization": str(self.organization),
            "unit": str(self.unit),
            "channel": "webhook",
            "account": "Support",
            "account_id": str(self.account),
            "native_id": native,
            "kind": "message",
            "author": {"native_id": author, "handle": author, "name": author.title(), "url": None, "followers": None, "profile": None},
            "title": None,
            "text": text,
            "published_at": format_instant(spoken),
            "heard_at": format_instant(now()),
            "reply_to": None,
            "thread": None,
            "media_type": "earned",
            "language": "en",
            "state": "waiting",
            "private": True,
            "addressed": True,
            "automatic": False,
            "quoted": None,
            "context": {"secret": "for the channel alone"},
            "imported": False,
            "version": 1,
            "provider_order": self.written,
            "reply": None,
            **more,
        }
        self.said[native] = made
        return made

    def hear(self, *mentions: dict[str, Any]) -> None:
        """Listen tells of new mentions."""
        subscribers.on_mentions_heard([MentionsHeard(organization=self.organization, mentions=mentions)])

    def change(self, native: str, **values: Any) -> dict[str, Any]:
        """Listen tells of a newer version of a mention, whole."""
        newer = {**self.said[native], "version": self.said[native]["version"] + 1, **values}
        self.said[native] = newer
        subscribers.on_mentions_changed(MentionsChanged(organization=self.organization, mentions=(newer,), whole=True))
        return newer

    def delete(self, *natives: str) -> None:
        """Listen tells that they were taken back."""
        ids = tuple(self.said[native]["id"] for native in natives)
        subscribers.on_mentions_deleted(MentionsDeleted(organization=self.organization, ids=ids, at=format_instant(now())))

    def all(self, **filters: Any) -> list[ConversationView]:
        """The inbox."""
        return api.conversations(self.actor, InboxFilter(**filters)).items

    def only(self) -> ConversationDetail:
        """The one conversation there is."""
        (view,) = self.all()
        return api.conversation(self.actor, view.id)


def make_world(name: str = "Acme") -> World:
    """A fresh organization."""
    made = govern.set_up(f"{name} {uuid4()}", f"owner-{uuid4().hex[:8]}@acme.example", "a long password 17")
    actor = govern.actor_for(made.organization, made.member)
    account, _ = connecting.connect(actor, channel="webhook", name="Support", settings={"reply_url": "https://hooks.example.com/reply"})
    return World(made.organization, actor, account.id, account.unit)


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def other(db: None) -> World:
    return make_world("Other")


@pytest.fixture
def agent() -> Callable[..., Actor]:
    """``agent(world, "conversations:read", unit=...)``: an actor with these rights, in one unit or everywhere."""

    def build(world: World, *permissions: str, unit: UUID | None = None) -> Actor:
        units = None if unit is None else frozenset({unit})
        return Actor(world.organization, "member", "Jonas", member=uuid4(), grants=dict.fromkeys(permissions, units))

    return build
