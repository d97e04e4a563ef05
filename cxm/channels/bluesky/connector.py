"""Bluesky over XRPC: notifications, searches and our own posts looked at; answers under a key that the intent itself gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cxm.channels.bluesky import ids, sending
from cxm.channels.bluesky.looking import Found, Memory, Page, Track, due, key_of, passed, sweep, version
from cxm.channels.bluesky.server import Refused, Server
from cxm.channels.contracts import (
    AuthExpired,
    ConnectorError,
    Outgoing,
    Polled,
    RawDelivery,
    Rejected,
    Sent,
    Session,
    SourceView,
    TestStep,
    Unavailable,
    Unheard,
)
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import entries, string, table, whole
from cxm.kernel.clock import format_instant

#: Of all that happens to us, what somebody said to us.
REASONS = ("mention", "reply", "quote")
#: How often searches, our own posts and known posts are looked at; how many searches in one look, and posts in one question.
_MINUTE, _SEARCHES, _AT_ONCE = timedelta(seconds=60), 10, 25
#: A search that cannot be asked for so long stands in the gap ledger.
_SILENT = timedelta(minutes=10)
#: What of a post is kept.
_POST = ("uri", "cid", "author", "record", "embed", "indexedAt", "labels", "likeCount", "repostCount", "quoteCount", "replyCount")


class Poll:
    """Looks at what was said to us, at each search and at our own posts; asks known posts whether they changed or are gone."""

    async def poll(self, session: Session, cursor: Mapping[str, Any] | None) -> Polled:
        """Posts, oldest first, one delivery each. A search that fails hides nothing else: it is tried again from where it was."""
        look = _Look(session, Memory.of(cursor))
        await look.begin()
        await look.list_of("mentions", look.notifications)
        if session.account.settings.get("own_posts", True) is not False:
            await look.list_of("own", look.own, _MINUTE)
        await look.searches()
        if not look.more:
            await look.known()
        return await look.polled()


class _Look:
    """One look, from the cursor before it to the cursor after it."""

    def __init__(self, session: Session, memory: Memory) -> None:
        self._session, self._memory, self._server = session, memory, Server(session)
        self._found: list[Found] = []
        self._told: list[RawDelivery] = []
        self._unheard: list[Unheard] = []
        self._me = ""
        self.more = False
        days = whole(session.account.settings.get("history_days", 1))
        self._floor = session.now - timedelta(days=min(max(days if days is not None else 1, 0), 90))

    async def begin(self) -> None:
        self._me = await self._server.me()
        self._memory.keep_only({"mentions", "own", *(f"search:{source.id}" for source in self._searches())})

    async def list_of(self, name: str, fetch: Any, pause: timedelta = timedelta(0)) -> None:
        track = self._memory.track(name)
        if due(track, self._session.now, pause):
            await self._sweep(track, fetch)

    async def _sweep(self, track: Track, fetch: Any) -> None:
        found, more = await sweep(self._memory, track, fetch, now=self._session.now, floor=self._floor)
        self._found += found
        self.more |= more

    # --- the lists ---

    async def notifications(self, page: str) -> Page:
        """What happened to us; each as the post it is about."""
        told = await self._server.get("app.bsky.notification.listNotifications", _paged({"reasons": REASONS, "limit": 100}, page))
        # Servers that do not know “reasons” tell of likes and followers too.
        items = [one if one.get("reason") in REASONS else passed(one) for one in map(table, entries(told.get("notifications")))]
        return items, string(told.get("cursor"), 4000)

    async def own(self, page: str) -> Page:
        """What we said, with whatever program; not what we passed on."""
        asked = {"actor": self._me, "filter": "posts_with_replies", "limit": 50}
        told = await self._server.get("app.bsky.feed.getAuthorFeed", _paged(asked, page))
        feed = map(table, entries(told.get("feed")))
        items = [passed(table(one["reason"])) if one.get("reason") else table(one.get("post")) for one in feed]
        return items, string(told.get("cursor"), 4000)

    async def _search(self, source: SourceView, page: str) -> Page:
        asked = {"q": string(source.settings.get("query"), 500), "sort": "latest", "limit": 100}
        if language := string(source.settings.get("language"), 35):
            asked["lang"] = language
        told = await self._server.get("app.bsky.feed.searchPosts", _paged(asked, page))
        return [table(one) for one in entries(told.get("posts"))], string(told.get("cursor"), 4000)

    def _searches(self) -> list[SourceView]:
        return [source for source in self._session.sources if source.kind == "search"]

    async def searches(self) -> None:
        """A few of the searches, those that wait longest."""
        sources, now = self._searches(), self._session.now
        pause = max(_MINUTE, timedelta(seconds=len(sources) / 2))
        waiting = [(self._memory.track(f"search:{source.id}"), source) for source in sources]
        waiting = sorted((one for one in waiting if due(one[0], now, pause)), key=lambda one: (not one[0].page, one[0].asked))
        for track, source in waiting[:_SEARCHES]:
            try:
                await self._sweep(track, partial(self._search, source))
            except AuthExpired:
                raise
            except ConnectorError as error:
                track.page, track.asked = "", format_instant(now)
                self._note(source, track, error)
        self.more |= len(waiting) > _SEARCHES

    def _note(self, source: SourceView, track: Track, error: ConnectorError) -> None:
        now = self._session.now
        began = ids.moment(track.heard) or now
        if isinstance(error, Rejected) or now - began > _SILENT:
            name = string(source.settings.get("query"), 500)[:80]
            self._unheard.append(Unheard(min(began, now), now, f"The search “{name}” cannot be asked: {error.text}"))

    # --- what became of posts ---

    async def known(self) -> None:
        """Ask some of the posts we know, in turn, whether they are still there and still say the same."""
        memory, now = self._memory, self._session.now
        checked = ids.moment(memory.checked)
        fresh = {one.uri for one in self._found}
        posts = [address for address in memory.posts() if address not in fresh]
        if not posts or (checked is not None and timedelta(0) <= now - checked < _MINUTE):
            return
        place = memory.place if memory.place < len(posts) else 0
        asked = posts[place : place + _AT_ONCE]
        memory.checked, memory.place = format_instant(now), place + len(asked)
        try:
            shown = await self._shown(asked)
            for address in asked:
                await self._compare(address, shown.get(address), now)
        except AuthExpired:
            raise
        except ConnectorError:
            return  # they are asked again when their turn comes

    async def _compare(self, address: str, post: dict[str, Any] | None, now: datetime) -> None:
        key = key_of({"uri": address})
        moment, cid = self._memory.known[key]
        if post is None:
            if await self._is_gone(address):
                del self._memory.known[key]
                self._deliver(f"deleted:{address}", {"deleted": address, "at": format_instant(now)})
        elif cid and version(post) and version(post) != cid:
            self._memory.known[key] = (moment, version(post))
            self._deliver(_name(address, post), {"me": self._me, "post": _kept(post), "edited": format_instant(now)})

    async def _is_gone(self, address: str) -> bool:
        """Whether a post was deleted. One of ours is asked for at home too: a view that lost what it had must not delete it here."""
        place = ids.post_parts(address)
        if place is not None and place[0] == self._me and await sending.standing(self._server, place[1]) is not None:
            return False
        return await sending.is_gone(self._server, address)

    async def _shown(self, addresses: list[str]) -> dict[str, dict[str, Any]]:
        """Posts as the network shows them to us, by address; those it does not show are left out."""
        shown: dict[str, dict[str, Any]] = {}
        for begin in range(0, len(addresses), _AT_ONCE):
            told = await self._server.get("app.bsky.feed.getPosts", {"uris": addresses[begin : begin + _AT_ONCE]})
            shown |= {string(post.get("uri"), 1000): post for post in map(table, entries(told.get("posts")))}
        return shown

    # --- the end ---

    async def polled(self) -> Polled:
        """What was found, each post as it is now, and the cursor that stands after it."""
        bare = [one.uri for one in self._found if "reason" in one.told and one.uri]
        shown = await self._shown(bare) if bare else {}
        for one in sorted(self._found, key=lambda one: one.at):
            post = _kept(shown.get(one.uri) or one.told)
            if one.uri and (key := key_of(post)) in self._memory.known:
                self._memory.known[key] = (self._memory.known[key][0], version(post))
            self._deliver(_name(one.uri or key_of(one.told), post), {"me": self._me, "post": post})
        self._memory.forget_old(self._session.now)
        return Polled(tuple(self._told), self._memory.plain(), more=self.more, unheard=tuple(self._unheard))

    def _deliver(self, name: str, told: dict[str, Any]) -> None:
        self._told.append(RawDelivery(name[:300], jsons.dump(told), {}, self._session.now))


def _paged(asked: dict[str, Any], page: str) -> dict[str, Any]:
    return {**asked, "cursor": page} if page else asked


def _kept(post: dict[str, Any]) -> dict[str, Any]:
    return {name: post[name] for name in _POST if name in post}


def _name(address: str, post: dict[str, Any]) -> str:
    return f"{address}:{version(post)}"


class _Write:
    """Says something, once, however often it is asked to: the intent's own key, and only where nothing stands under it."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """The post's address. Raises the five errors; what was said already under this intent is told as sent, and not said again."""
        if outgoing.private:
            raise Rejected("Direct messages are not sent here.", "Answer in public, or write to them in Bluesky.")
        server = Server(session)
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
        if outgoing.kind == "delete":
            key = await _own_key(session, outgoing)
            return await sending.sent(server, session, key) if await sending.standing(server, key) is None else None
        key, said = await sending.place(server, outgoing)
        return await sending.sent(server, session, key) if said and key else None


async def _own_key(session: Session, outgoing: Outgoing) -> str:
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
                return [TestStep("Find the server", False, "It answers, but not as one of the AT Protocol. Check its address.")]
            steps.append(TestStep("Find the server", True, f"{server.base} is there."))
            steps.append(TestStep("Sign in", True, f"We are @{server.handle} ({await server.me()})."))
            await server.get("app.bsky.notification.listNotifications", {"limit": 1})
            steps.append(TestStep("See what happens to us", True, "Mentions, replies and quotes can be read."))
            for source in [one for one in session.sources if one.kind == "search"][:20]:
                await server.get("app.bsky.feed.searchPosts", {"q": string(source.settings.get("query"), 500), "limit": 1})
                steps.append(TestStep("Search", True, f"“{string(source.settings.get('query'), 500)[:80]}” can be asked."))
        except ConnectorError as error:
            name = ("Find the server", "Sign in", "See what happens to us", "Search")[min(len(steps), 3)]
            steps.append(TestStep(name, False, f"{error.text} {error.mend}".strip()))
        return steps
