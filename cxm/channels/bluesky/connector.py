"""Bluesky over XRPC: answers under a key that the intent itself gives, deletions, and the test button."""

from __future__ import annotations

from typing import Any

from cxm.channels.bluesky import direct, ids, sending
from cxm.channels.bluesky.authorizing import Authorize as Authorize
from cxm.channels.bluesky.polling import Poll as Poll
from cxm.channels.bluesky.server import Refused, Server
from cxm.channels.bluesky.streaming import Stream as Stream
from cxm.channels.bluesky.streaming import address_of, hearing
from cxm.channels.bluesky.talking import wanted
from cxm.channels.contracts import ConnectorError, Outgoing, Rejected, Sent, Session, TestStep, Unavailable
from cxm.channels.kit.fields import string
from cxm.kernel.said import said


class _Write:
    """Says something, once, however often it is asked to: the intent's own key, and only where nothing stands under it. Direct messages
    have no such key."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """The post's address. Raises the five errors; what was said already under this intent is told as sent, and not said again."""
        server = Server(session)
        if outgoing.private and not wanted(session):
            raise Rejected("Direct messages are not switched on for this account.", "Switch them on in its settings, or answer in public.")
        if outgoing.private:
            return await direct.say(server, session, outgoing)
        lost: str | None = None
        while True:
            key, said = await sending.place(server, outgoing)
            if key is None:
                raise Rejected("Other posts of this account stand where this one would.", "Write it anew.")
            if said:
                break
            if key == lost:
                raise Unavailable("The server says that a post is there, and that it is not.", "It is tried again.")
            if await _put(server, key, await sending.record(server, session, outgoing)):
                break
            lost = key  # something stands there since a moment: ours, said by another worker, or another intent's with the same key
        return await sending.sent(server, session, key)


async def _put(server: Server, key: str, record: dict[str, Any]) -> bool:
    """Whether it was written; not where something stands under ``key`` by now."""
    try:
        body = {"repo": await server.me(), "collection": ids.POST, "rkey": key, "record": record, "swapRecord": None}
        await server.do("com.atproto.repo.putRecord", body)
    except Refused as error:
        if error.code != "InvalidSwap":
            raise
        return False
    return True


class Reply(_Write):
    """Answers a post, in its thread."""


class Publish(_Write):
    """Says something of our own."""


class Delete:
    """Takes something we said back."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """``in_reply_to`` names what is deleted; what is gone already is deleted."""
        server, key = Server(session), await _own_key(session, outgoing)
        await server.do("com.atproto.repo.deleteRecord", {"repo": await server.me(), "collection": ids.POST, "rkey": key})
        return await sending.sent(server, session, key)


class ReadBack:
    """Looks whether something stands under the intent's key."""

    async def read_back(self, session: Session, outgoing: Outgoing) -> Sent | None:
        """Sent, or None where it surely is not there. Of a deletion: sent where what it names is gone."""
        server = Server(session)
        if outgoing.private and outgoing.kind != "delete":
            return await direct.said(server, session, outgoing)
        if outgoing.kind == "delete":
            key = await _own_key(session, outgoing)
            return await sending.sent(server, session, key) if await sending.standing(server, key) is None else None
        key, said = await sending.place(server, outgoing)
        return await sending.sent(server, session, key) if said and key else None


async def _own_key(session: Session, outgoing: Outgoing) -> str:
    if ids.message_parts(outgoing.in_reply_to or ""):
        raise Rejected("A direct message cannot be taken back: it would vanish for this account only.", "Write that it was a mistake.")
    place = ids.post_parts(outgoing.in_reply_to or "")
    if place is None or place[0] != await Server(session).me():
        raise Rejected("Only a post of this account can be deleted.", "Name one of its own.")
    return place[1]


class Test:
    """The test button: the server, who we are there, what happens to us, and each search."""

    __test__ = False

    async def test(self, session: Session) -> list[TestStep]:
        """Nothing is posted."""
        steps: list[TestStep] = []
        server = Server(session)
        try:
            told = await server.open("com.atproto.server.describeServer")
            if not string(told.get("did"), 500).startswith("did:"):
                return [TestStep(said("Find the server"), False, "It answers, but not as one of the AT Protocol. Check its address.")]
            steps.append(TestStep(said("Find the server"), True, f"{server.base} is there."))
            steps.append(TestStep(said("Sign in"), True, f"We are @{server.handle} ({await server.me()})."))
            await server.get("app.bsky.notification.listNotifications", {"limit": 1})
            steps.append(TestStep(said("See what happens to us"), True, "Mentions, replies and quotes can be read."))
            for source in [one for one in session.sources if one.kind == "search"][:20]:
                await server.get("app.bsky.feed.searchPosts", {"q": string(source.settings.get("query"), 500), "limit": 1})
                steps.append(TestStep(said("Search"), True, f"“{string(source.settings.get('query'), 500)[:80]}” can be asked."))
            if wanted(session):
                steps.append(await _direct_messages(server))
            if address_of(session):
                steps.append(await hearing(session))
        except ConnectorError as error:
            name = (said("Find the server"), said("Sign in"), said("See what happens to us"), said("Search"))[min(len(steps), 3)]
            steps.append(TestStep(name, False, f"{error.text} {error.mend}".strip()))
        return steps


async def _direct_messages(server: Server) -> TestStep:
    """Whether they can be read; what else the button tries does not depend on it."""
    try:
        await server.get("chat.bsky.convo.listConvos", {"limit": 1})
    except ConnectorError as error:
        return TestStep(said("Read direct messages"), False, f"{error.text} {error.mend} Until then all else is heard.")
    return TestStep(said("Read direct messages"), True, "They can be read.")
