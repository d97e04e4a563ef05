"""An account that looks at a server in memory, and what it has heard there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cxm.channels.bluesky.connector import Poll, Reply
from cxm.channels.bluesky.mapping import map_delivery
from cxm.channels.bluesky.tests.provider import Network
from cxm.channels.contracts import (
    Item,
    Mention,
    Outgoing,
    Polled,
    Session,
)
from cxm.kernel.ids import new_id

LISTING = "app.bsky.notification.listNotifications"
SEARCH = "app.bsky.feed.searchPosts"
PUT = "com.atproto.repo.putRecord"


class Desk:
    """An account and what it has heard, look after look."""

    def __init__(self, network: Network, *searches: str, **settings: Any) -> None:
        self.network, self.searches, self.settings = network, searches, settings
        self.cursor: Any = None
        self.unheard: list[str] = []
        self.taken: set[str] = set()

    def session(self) -> Session:
        return self.network.session(self.network.now, *self.searches, **self.settings)

    def once(self) -> Polled:
        """One question; the cursor as the database would give it back."""
        polled = asyncio.run(Poll().poll(self.session(), self.cursor))
        self.cursor = json.loads(json.dumps(polled.cursor))
        self.unheard += [one.reason for one in polled.unheard]
        return polled

    def look(self, minutes: float = 2) -> list[Item]:
        """Everything there is by now, and then some time passes."""
        found: list[Item] = []
        for _ in range(50):
            polled = self.once()
            # The mailbox takes each delivery id once; so much may come again after a long time or a stepped clock.
            fresh = tuple(one for one in polled.deliveries if one.delivery_id not in self.taken)
            self.taken |= {one.delivery_id for one in fresh}
            found += items(replace(polled, deliveries=fresh), self.session())
            if not polled.more:
                self.network.now += timedelta(minutes=minutes)
                return found
        raise AssertionError("polling does not end")


def items(polled: Polled, session: Session) -> list[Item]:
    return [item for delivery in polled.deliveries for item in map_delivery(delivery, session.account)]


def texts_of(found: list[Item]) -> list[str]:
    assert all(isinstance(one, Mention) for one in found), found
    return [one.text for one in found if isinstance(one, Mention)]


def reply_to(address: str, text: str = "Hello", *, private: bool = False, **more: Any) -> Outgoing:
    return Outgoing(new_id(), "reply", text, private, **{"in_reply_to": address, **more})


def send(desk: Desk, outgoing: Outgoing, sender: Any = None) -> str:
    return asyncio.run((sender or Reply()).send(desk.session(), outgoing)).native_id
