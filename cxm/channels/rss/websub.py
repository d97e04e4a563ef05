"""Asking a feed's hub to be told at once. Looking goes on all the same: a hub that keeps silent costs nothing but time.

Source: W3C Recommendation WebSub, sections 4 (discovery) and 5 (subscribing).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

from cxm.channels.contracts import ConnectorError, Session
from cxm.channels.kit.answers import header
from cxm.channels.rss import verify
from cxm.channels.rss.entries import Feed, web
from cxm.channels.rss.fetching import secure

#: What is asked for; and after what it is asked for anew, since a hub tells only our door how long it grants.
LEASE, AGAIN = timedelta(days=10), timedelta(days=1)
_TIMEOUT = 10.0
#: How often a hub is told that a feed is not wanted any more; and how many are in one go, so that silent hubs do not hold up a look.
TRIES, _AT_ONCE = 6, 8
#: Places a hub may send us on to (307, 308), one after the other.
_MOVES = 3
_LINK = re.compile(r"<([^<>]{1,2000})>([^<]{0,500})")
_REL = re.compile(r"""rel\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;,]+))""", re.IGNORECASE)


def named(feed: Feed, headers: Mapping[str, str], address: str) -> tuple[str, str]:
    """Its hub ("" where it has none) and what the hub knows it by. The header counts before the document."""
    links = _links(header(headers, "link") or "")
    hub, topic = web(address, links.get("hub", "") or feed.hub), web(address, links.get("self", "") or feed.topic)
    return (hub, topic or address) if hub else ("", "")


def _links(told: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _LINK.finditer(told[:20_000]):
        if (relation := _REL.search(match[2])) is not None:
            for name in (relation[1] or relation[2] or relation[3] or "").lower().split():
                found.setdefault(name, match[1].strip())
    return found


def possible(session: Session) -> bool:
    """Whether anybody can reach us. A feed behind a password is not for a hub to hand on."""
    return session.inbound is not None and not session.credentials.get("username")


async def ask(session: Session, hub: str, topic: str, origin: str, mode: str = "subscribe") -> bool:
    """Ask the hub; whether it answered. What it answers does not matter: what it grants, it asks our door about."""
    inbound = session.inbound
    if inbound is None:
        return True
    told = {
        "hub.mode": mode,
        "hub.topic": topic,
        "hub.callback": verify.callback(inbound.url, origin, topic, inbound.secret),
        "hub.secret": verify.signing_secret(origin, inbound.secret),
        "hub.lease_seconds": str(int(LEASE.total_seconds())),
    }
    body, kind = urlencode(told).encode(), {"content-type": "application/x-www-form-urlencoded"}
    with suppress(ConnectorError):
        for _ in range(_MOVES):
            answer = await session.http.request("POST", hub, headers=kind, content=body, timeout=_TIMEOUT)
            moved = web(hub, header(answer.headers, "location") or "") if answer.status_code in (307, 308) else ""
            if not moved.startswith("https://"):
                return answer.status_code < 500 and answer.status_code != 429
            hub = moved
    return False


async def part_from(session: Session, cursor: Mapping[str, Any], wanted: Collection[str] = ()) -> tuple[dict[str, Any], bool]:
    """Tell the hubs of some feeds in ``cursor`` that are not ``wanted`` (any more), those told least often first. Gives what is needed to go on
    with the others and to try again where a hub did not answer; and whether others wait that were told no more often than these."""
    told = cast("Mapping[str, Mapping[str, Any]]", {**(cursor.get("left") or {}), **(cursor.get("feeds") or {})})
    left: dict[str, dict[str, Any]] = {
        origin: {
            "hub": str(one["hub"]),
            "topic": str(one.get("topic") or origin),
            "asked": one["asked"],
            "tries": int(one.get("tries") or 0),
        }
        for origin, one in told.items()
        if origin not in wanted and one.get("hub") and one.get("asked")
    }
    names = sorted(left, key=lambda origin: left[origin]["tries"])
    now, others = names[:_AT_ONCE], names[_AT_ONCE:]
    answered = await asyncio.gather(
        *(ask(session, secure(left[origin]["hub"]), left[origin]["topic"], origin, mode="unsubscribe") for origin in now)
    )
    again = {origin: left[origin] for origin in others}
    for origin, heard in zip(now, answered, strict=True):
        tries = left[origin]["tries"] + 1
        if not heard and tries < TRIES:
            again[origin] = left[origin] | {"tries": tries}
    return again, bool(others) and left[others[0]]["tries"] == left[now[0]]["tries"]
