"""Looking at an account: what happened to it, what searches find, what it said itself, and what became of all that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cxm.channels.bluesky import ids, sending
from cxm.channels.bluesky.looking import Found, Memory, Page, Track, due, key_of, passed, sweep, version
from cxm.channels.bluesky.server import Server
from cxm.channels.bluesky.talking import Talks, wanted
from cxm.channels.bluesky.threads import Threads
from cxm.channels.contracts import AuthExpired, ConnectorError, Polled, RawDelivery, Rejected, Session, SourceView, Unheard
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
        await look.list_of("own", look.own, _MINUTE)
        await look.answers()
        await look.searches()
        if wanted(session):
            await look.talks()
        if not look.more:
            await look.known()
        return await look.polled()


class _Look:
    """One look, from the cursor before it to the cursor after it."""

    def __init__(self, session: Session, memory: Memory) -> None:
        self._session, self._memory, self._server = session, memory, Server(session)
        self._found: list[Found] = []
        self._told: list[RawDelivery] = []
        self._talked: list[RawDelivery] = []
        self._unheard: list[Unheard] = []
        self._me = ""
        self._own = session.account.settings.get("own_posts", True) is not False
        self.more = False
        days = whole(session.account.settings.get("history_days", 1))
        self._floor = session.now - timedelta(days=min(max(days if days is not None else 1, 0), 90))

    async def begin(self) -> None:
        self._me = await self._server.me()
        self._threads = Threads(self._memory, self._me, self._floor)
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
        items: list[dict[str, Any]] = []
        for one in map(table, entries(told.get("feed"))):
            post = table(one.get("post"))
            self._threads.saw(post)
            items.append(passed(table(one["reason"])) if one.get("reason") else post if self._own else passed(post))
        return items, string(told.get("cursor"), 4000)

    async def answers(self) -> None:
        """Answers to our own posts of which we were not told."""
        self._found += await self._threads.read(self._server, self._session.now)

    async def talks(self) -> None:
        """Direct messages; that they cannot be heard hides nothing else."""
        talks = Talks(self._server, self._session, self._memory, self._me, self._floor)
        await talks.look()
        self._talked, self.more = talks.told, self.more or talks.more
        self._unheard += talks.unheard

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
            self._deliver(name_of(address, post), {"me": self._me, "post": kept(post), "edited": format_instant(now)})

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
            post = kept(shown.get(one.uri) or one.told)
            if one.uri and (key := key_of(post)) in self._memory.known:
                self._memory.known[key] = (self._memory.known[key][0], version(post))
            self._deliver(name_of(one.uri or key_of(one.told), post), {"me": self._me, "post": post})
        self._memory.forget_old(self._session.now)
        return Polled((*self._told, *self._talked), self._memory.plain(), more=self.more, unheard=tuple(self._unheard))

    def _deliver(self, name: str, told: dict[str, Any]) -> None:
        self._told.append(RawDelivery(name[:300], jsons.dump(told), {}, self._session.now))


def _paged(asked: dict[str, Any], page: str) -> dict[str, Any]:
    return {**asked, "cursor": page} if page else asked


def kept(post: dict[str, Any]) -> dict[str, Any]:
    """What of a post is kept."""
    return {name: post[name] for name in _POST if name in post}


def name_of(address: str, post: dict[str, Any]) -> str:
    """What a delivery of a post in its present version is called."""
    return f"{address}:{version(post)}"
