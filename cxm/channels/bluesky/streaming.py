"""Listening to the live stream, and asking besides.

A post that concerns us is heard as its author sends it, and delivered once the network's view shows it, which takes moments; where it does
not in time, as it came. Beside the stream the account is looked at once a minute, as without it: for searches, for what became of posts,
and for whatever the stream did not bring. So a cut line loses nothing: each opening begins with a look.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cxm.channels.bluesky import firehose, ids, jetstream
from cxm.channels.bluesky.firehose import METHOD, Firehose
from cxm.channels.bluesky.jetstream import Event, Filter
from cxm.channels.bluesky.looking import Memory, version
from cxm.channels.bluesky.polling import Poll, kept, name_of
from cxm.channels.bluesky.server import Server
from cxm.channels.bluesky.talking import wanted
from cxm.channels.contracts import AuthExpired, ConnectorError, Polled, RawDelivery, Session, TestStep, Unheard, WebSocket
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import entries, string, table
from cxm.kernel import clock
from cxm.kernel.clock import format_instant
from cxm.kernel.said import said

#: How often the account is looked at beside the stream, and how often a sign of life is given, in seconds.
LOOK, ALIVE = 60.0, 20.0
#: How often where direct messages are heard, which no stream brings.
TALK = 10.0
#: How long a post is waited for until the view shows it: one of words alone, and one with something that only the view can show.
WORDS, SHOWN = 1.0, 20.0
#: How often the view is asked for what is waited for.
_AGAIN = 0.4
#: A line cut for so long is resumed where it was; after longer, what was said meanwhile is asked for, not heard again.
RESUME = timedelta(minutes=10)
#: How far before that it begins: clocks differ, and events come in a different order from another machine.
REWIND = timedelta(seconds=10)
#: Looks that may fail one after the other while the stream itself goes on.
_FAILURES = 3
#: Events heard and not yet told; posts asked for at once.
_HELD, _AT_ONCE = 1000, 25
#: Bytes a frame of the protocol's own stream may have.
_FRAME = 5_000_000
OUTDATED = "The stream no longer had all of it: posts in threads of ours that neither name nor answer us may be missing."
AWAY = "The live stream was away. What was said meanwhile was asked for instead."


def address_of(session: Session) -> str:
    """The address of the live stream, empty where the account has none."""
    return string(session.account.settings.get("stream_url"), 500).strip()


async def hearing(session: Session) -> TestStep:
    """Whether the live stream opens; what else the button tries does not depend on it."""
    try:
        line = await _dial(session, session.now)
    except ConnectorError as error:
        return TestStep(
            said("Hear the live stream"), False, f"{error.text} {error.mend} Until then the account is looked at every ten seconds."
        )
    await line.close()
    return TestStep(said("Hear the live stream"), True, "It is open.")


async def _dial(session: Session, since: datetime, number: int = 0, fails: int = 0) -> WebSocket:
    base = jetstream.instead(address_of(session), fails)
    if _is_firehose(session):  # its cursor is a number of its own
        return await session.web_socket(firehose.address(base, number), timeout=10.0, message_limit=_FRAME)
    return await session.web_socket(jetstream.address(base, _micro(since)), timeout=10.0)


def _is_firehose(session: Session) -> bool:
    return METHOD in address_of(session)


class Stream:
    """Hears posts as they are written, by a Jetstream or the protocol's own stream; looks at the account besides."""

    async def listen(self, session: Session, cursor: Mapping[str, Any] | None) -> AsyncIterator[Polled]:
        """Batches as they come. Ends where the stream cannot be had, saying when to try again; until then nothing is lost, only later."""
        ear = _Ear(session, cursor)
        try:
            async for batch in ear.batches():
                yield batch
        finally:
            await ear.close()


@dataclass(slots=True)
class _Awaited:
    """A post that the view is to show: since when we wait, and when the view is asked again (seconds of the steady clock)."""

    event: Event
    since: float
    again: float = 0.0


class _Ear:
    """One listening: a line that is read, a look that is under way, and what they have told."""

    def __init__(self, session: Session, cursor: Mapping[str, Any] | None) -> None:
        self._session, self._server = session, Server(session)
        self._memory = Memory.of(cursor)
        self._line: WebSocket | None = None
        self._reading: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[Polled] | None = None
        self._heard: asyncio.Queue[Event] = asyncio.Queue(_HELD)
        self._awaited: dict[str, _Awaited] = {}
        #: Posts heard and not yet told.
        self._coming: set[str] = set()
        #: What the stream learned while a look was under way, which does not know of it: a post's moment and version, None where it is gone.
        self._news: dict[str, tuple[str, str] | None] = {}
        #: The last message that was read, and the last of which all that concerns us was taken.
        self._last = self._taken = b""
        self._unheard: list[Unheard] = []
        self._wake = asyncio.Event()
        self._behind, self._failures = True, 0
        self._opened = self._looked = self._told = time.monotonic()

    async def batches(self) -> AsyncIterator[Polled]:
        """As :meth:`Stream.listen`."""
        self._me = await self._server.me()
        own = self._session.account.settings.get("own_posts", True) is not False
        self._filter = Firehose(self._me, own=own) if _is_firehose(self._session) else Filter(self._me, own=own)
        await self._open()
        while True:
            self._look()
            await self._something()
            over = self._is_cut()
            if over:
                self._memory.cut = self._memory.cut or format_instant(clock.now())
            found = await self._looked_at()
            told = await self._take()
            over = over and not self._behind and self._looking is None
            if told or found is not None or over or time.monotonic() - self._told >= ALIVE:
                self._told = time.monotonic()
                yield self._batch(found, told, over=over)
            if over:
                return

    async def close(self) -> None:
        """Let go of everything."""
        for task in (self._reading, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._line is not None:
            with contextlib.suppress(ConnectorError):
                await self._line.close()

    async def _open(self) -> None:
        """Open the line, from where it was cut if that is not long ago. Where it cannot be opened, that is noted."""
        now = clock.now()
        if now < (ids.moment(self._memory.dial) or now) <= now + jetstream.LONGEST * 1.2:  # a clock that was set back must not silence it
            return
        last = _moment(self._memory.stream)
        resumed = last is not None and timedelta(0) <= now - last <= RESUME
        since = (last if resumed and last is not None else now) - REWIND
        try:
            self._line = await _dial(self._session, since, self._memory.number if resumed else 0, self._memory.fails)
        except ConnectorError:
            self._failed()
            return
        self._opened = time.monotonic()
        self._reading = asyncio.create_task(self._read(self._line))
        self._reading.add_done_callback(lambda _: self._wake.set())

    def _failed(self) -> None:
        """It is opened again after a pause that doubles, and differs between those that were cut together; looks go on meanwhile."""
        self._memory.dial = format_instant(clock.now() + jetstream.pause(self._memory.fails))
        self._memory.fails += 1

    async def _read(self, line: WebSocket) -> None:
        """Everything that comes, until the line is cut."""
        while True:
            message = await line.receive(ALIVE)
            if message is None:
                continue
            if said := self._filter.complaint(message):
                self._resumes_not(said)
                continue
            for event in self._filter.events(message, self):
                self._coming.add(event.key)
                await self._heard.put(event)
                self._wake.set()
            self._last = message

    def _resumes_not(self, said: str) -> None:
        """The server does not have all that came after the place we asked for. A place it never had (its data are others) is forgotten."""
        since = _moment(self._memory.stream)
        if said == "FutureCursor":
            self._memory.number = 0
        elif said == "OutdatedCursor" and since is not None:
            self._unheard.append(Unheard(min(since, clock.now()), clock.now(), OUTDATED))

    def __contains__(self, key: object) -> bool:
        """Whether a post is known, or was heard a moment ago."""
        return key in self._memory.known or key in self._coming

    def _is_cut(self) -> bool:
        """Whether there is no line (any more). Raises what broke its reading, where that is not the line."""
        if self._reading is None or not self._reading.done():
            return self._reading is None
        error = None if self._reading.cancelled() else self._reading.exception()
        if error is not None and not isinstance(error, ConnectorError):
            raise error
        return True

    # --- looking besides ---

    def _look(self) -> None:
        """Begin a look where one is due."""
        if self._looking is None and (self._behind or time.monotonic() - self._looked >= self._pause) and not self._ended():
            self._looked = time.monotonic()
            self._news.clear()
            session = replace(self._session, now=clock.now())
            self._looking = asyncio.create_task(Poll().poll(session, self._memory.plain()))
            self._looking.add_done_callback(lambda _: self._wake.set())

    @property
    def _pause(self) -> float:
        return min(TALK, LOOK) if wanted(self._session) else LOOK

    def _ended(self) -> bool:
        return self._line is None and not self._behind

    async def _looked_at(self) -> Polled | None:
        """What a look that is done has found. Raises what it raised, where we depend on it."""
        if self._looking is None or not self._looking.done():
            return None
        task, self._looking = self._looking, None
        try:
            found = await task
        except AuthExpired:
            raise
        except ConnectorError:
            self._failures += 1
            if self._behind or self._failures >= _FAILURES:
                raise
            return None
        self._failures, self._behind = 0, found.more
        if found.more:
            self._looked = 0.0
        former, self._memory = self._memory, Memory.of(found.cursor)
        self._memory.stream, self._memory.cut, self._memory.number = former.stream, former.cut, former.number
        self._memory.fails, self._memory.dial = former.fails, former.dial
        for key, learned in self._news.items():
            self._memory.learn(key, learned)
        return found

    # --- waiting and telling ---

    async def _something(self) -> None:
        """Until there is something to do."""
        if not self._heard.empty():
            return
        now = time.monotonic()
        due = [self._told + ALIVE, *(one.again for one in self._awaited.values())]
        if self._looking is None:
            due.append(self._looked + self._pause)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(min(due) - now, 0.01)):
                await self._wake.wait()
        self._wake.clear()

    async def _take(self) -> list[RawDelivery]:
        """What was heard and can be told by now, oldest first."""
        told: list[RawDelivery] = []
        self._taken = self._last
        while not self._heard.empty():
            event = self._heard.get_nowait()
            if event.record is None:
                told += self._deleted(event)
            elif self._is_new(event):
                self._awaited[event.address] = _Awaited(event, time.monotonic())
            else:
                self._drop(event)
        return told + await self._shown()

    def _is_new(self, event: Event) -> bool:
        return self._memory.known.get(event.key, ("", ""))[1] != version({"cid": event.cid})

    def _drop(self, event: Event) -> None:
        self._awaited.pop(event.address, None)
        self._coming.discard(event.key)

    def _deleted(self, event: Event) -> list[RawDelivery]:
        self._drop(event)
        if event.key not in self._memory.known:
            return []  # gone before it was told
        self._learn(event.key, None)
        return [self._delivery(f"deleted:{event.address}", {"deleted": event.address, "at": _instant(event)})]

    async def _shown(self) -> list[RawDelivery]:
        """Of the posts waited for, those that the view shows by now or will not show in time."""
        now = time.monotonic()
        asked = [one for one in self._awaited.values() if one.again <= now][:_AT_ONCE]
        if not asked:
            return []
        shown = await self._posts([one.event.address for one in asked])
        told: list[RawDelivery] = []
        for one in asked:
            event, post = one.event, shown.get(one.event.address)
            one.again = now + _AGAIN
            if not self._is_new(event):
                self._drop(event)  # a look has found it meanwhile
            elif post is not None and version(post) == version({"cid": event.cid}):
                told += self._tell(event, post)
            elif now - one.since >= (SHOWN if "embed" in (event.record or {}) else WORDS):
                told += await self._as_it_came(event)
        return told

    async def _as_it_came(self, event: Event) -> list[RawDelivery]:
        """A post that the view does not show: as its author sent it. One that is kept from us, or we from its author, is not heard."""
        author = await self._author((ids.post_parts(event.address) or ("",))[0])
        viewer = table(author.get("viewer"))
        if viewer.get("blockedBy") is True or viewer.get("blocking") or viewer.get("blockingByList"):
            self._drop(event)
            return []
        post = {"uri": event.address, "cid": event.cid, "author": author, "record": event.record, "indexedAt": _instant(event)}
        return self._tell(event, post)

    def _tell(self, event: Event, post: dict[str, Any]) -> list[RawDelivery]:
        self._drop(event)
        told: dict[str, Any] = {"me": self._me, "post": kept(post)}
        if event.changed:
            told["edited"] = _instant(event)
        self._learn(event.key, (_instant(event), version(post)))
        return [self._delivery(name_of(event.address, post), told)]

    async def _posts(self, addresses: list[str]) -> dict[str, dict[str, Any]]:
        try:
            told = await self._server.get("app.bsky.feed.getPosts", {"uris": addresses})
        except AuthExpired:
            raise
        except ConnectorError:
            return {}
        return {string(post.get("uri"), 1000): post for post in map(table, entries(told.get("posts")))}

    async def _author(self, did: str) -> dict[str, Any]:
        with contextlib.suppress(ConnectorError):
            told = await self._server.get("app.bsky.actor.getProfiles", {"actors": [did]})
            return next((one for one in map(table, entries(told.get("profiles"))) if one.get("did") == did), {"did": did})
        return {"did": did}

    def _learn(self, key: str, learned: tuple[str, str] | None) -> None:
        self._memory.learn(key, learned)
        self._news[key] = learned

    def _delivery(self, name: str, told: dict[str, Any]) -> RawDelivery:
        return RawDelivery(name[:300], jsons.dump(told), {}, clock.now())

    def _batch(self, found: Polled | None, told: list[RawDelivery], *, over: bool) -> Polled:
        """All that is new, and the cursor that stands after it: before whatever is still waited for."""
        now, memory = clock.now(), self._memory
        time_heard, number = self._filter.place_of(self._taken)
        memory.stream = max(memory.stream, min(time_heard, _micro(now)))
        memory.number = number or memory.number
        pending = [one.event for one in self._awaited.values()]
        if pending:
            memory.stream = min(memory.stream, min(one.time for one in pending) - 1)
            memory.number = max(min(one.number for one in pending) - 1, 0)
        unheard = [*self._unheard, *(found.unheard if found is not None else ())]
        self._unheard.clear()
        if memory.cut and found is not None and not found.more:
            unheard.append(Unheard(min(ids.moment(memory.cut) or now, now), now, AWAY, filled=True))
            if self._line is not None and not over:
                memory.cut = ""
        memory.forget_old(now)
        again: datetime | None = None
        if over:
            steady = self._line is not None and time.monotonic() - self._opened >= LOOK
            if steady:
                memory.fails, memory.dial = 0, ""
            elif self._line is not None:
                self._failed()
            again = now + timedelta(seconds=1 if steady else 10)
        deliveries = (*(found.deliveries if found is not None else ()), *told)
        return Polled(deliveries, memory.plain(), more=self._behind, next_look=again, unheard=tuple(unheard))


def _moment(micro: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(micro / 1_000_000, UTC) if micro > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def _micro(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _instant(event: Event) -> str:
    return format_instant(min(_moment(event.time) or clock.now(), clock.now()))
