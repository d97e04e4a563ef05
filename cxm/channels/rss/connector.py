"""Feeds over HTTP. An account holds one feed or a list of them; each has its own rhythm, kept in the cursor."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from cxm.channels.contracts import ConnectorError, Gone, Polled, RawDelivery, Rejected, Session, SourceNews, TestStep, Unheard
from cxm.channels.kit.answers import header
from cxm.channels.rss import dates, feeds, fetching, finding, manners, verify, websub
from cxm.channels.rss.feeds import Entry, Feed
from cxm.channels.rss.manners import turns
from cxm.channels.rss.mapping import key_of
from cxm.kernel.clock import format_instant
from cxm.kernel.said import said

#: Feeds looked at together, and feeds of one account.
TOGETHER, MOST = 8, 700
#: Entries that a feed no longer shows and that are remembered all the same.
_REMEMBERED = 100
#: Times that an entry may change before we take it for one that changes with every look.
_CHANGES = 12
#: Failures in a row after which one feed of several stands in the gap ledger.
_PATIENCE = 3
#: A feed that is looked at so much later than was meant may have lost entries meanwhile.
_LATE = timedelta(hours=1)
#: A feed that is gone is asked again after this.
_GONE = timedelta(days=7)
#: The feed that begins a sentence of the test button is named so long.
_NAME = 80


@dataclass(slots=True)
class _State:
    """What is known of one feed between two looks. ``hub``, ``topic``, ``asked``: who can tell us of news at once, what it knows the feed
    by, and when it was asked to. ``read``: when it was last read; ``rolled``: since when entries may be missing, because the feed shows none any
    more that we know. ``seen``: native id by key, with what it looked like and how often it changed."""

    url: str = ""
    etag: str = ""
    modified: str = ""
    due: str = ""
    turn: bool = False
    newest: str = ""
    failures: int = 0
    failing: str = ""
    trouble: str = ""
    gone: str = ""
    hub: str = ""
    topic: str = ""
    asked: str = ""
    read: str = ""
    rolled: str = ""
    seen: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])


_PARTS = tuple(one.name for one in fields(_State))


class Poll:
    """Looks at the feeds that are due, and gives what is new or changed, one delivery for each entry."""

    async def poll(self, session: Session, cursor: Mapping[str, Any] | None) -> Polled:
        """At most :data:`TOGETHER` feeds at once, never two of one host. One feed alone tells what is wrong by raising; of several,
        the others go on, and it is raised when none could be read. ``next_look`` is when the first of them is due."""
        states = _states(session, cursor)
        left, _ = await websub.part_from(session, cursor or {}, states)
        looked = _due(states, session.now)
        found = await asyncio.gather(*(_look(session, origin, states[origin]) for origin in looked))
        _raise_where_silent(states, [error for _, error in found if error is not None])
        deliveries = tuple(one for some, _ in found for one in some)
        unheard = tuple(told for origin in looked for told in _gaps(states, origin, states[origin], session.now))
        return Polled(
            deliveries,
            {"feeds": {origin: _plain(state) for origin, state in states.items()}, **({"left": left} if left else {})},
            more=bool(_due(states, session.now, peek=True)) and bool(looked),
            next_look=min((_moment(state.due) or session.now for state in states.values()), default=None),
            unheard=unheard,
            sources=_told(session, states, {origin: bool(some) for origin, (some, _) in zip(looked, found, strict=True)}),
        )


class Subscribe:
    """Told by hubs as soon as something is new."""

    def challenge(self, query: str, secret: str, now: datetime, *, leaving: bool = False) -> str:
        """As :func:`~cxm.channels.rss.verify.challenge`."""
        return verify.challenge(query, secret, leaving=leaving)

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str | None, now: datetime) -> str:
        """As :func:`~cxm.channels.rss.verify.verify`."""
        return verify.verify(headers, body, secret, now)

    async def leave(self, session: Session, cursor: Mapping[str, Any]) -> Mapping[str, Any]:
        """Some hubs are told that nothing is wanted any more; the others, and those that did not answer, stand in what is given back."""
        left, more = await websub.part_from(session, cursor)
        return ({"left": left} if left else {}) | ({"more": True} if more else {})


class Test:
    """The test button: each feed is fetched and read."""

    __test__ = False

    async def test(self, session: Session) -> list[TestStep]:
        """One step for each feed, at most twenty; a page is told what feeds it names."""
        steps: list[TestStep] = []
        for origin in _wanted(session)[:20]:
            name = said("Read {feed}", feed=origin[:_NAME])
            try:
                steps.append(TestStep(name, True, await _tested(session, origin)))
            except ConnectorError as error:
                steps.append(TestStep(name, False, f"{error.text} {error.mend}".strip()))
        return steps or [TestStep(said("Feeds"), False, "The account has no feed. Enter its address in the account's settings.")]


async def _tested(session: Session, origin: str) -> str:
    found = await fetching.fetch(session, origin)
    assert found.feed is not None
    told = f"“{found.feed.title or 'Without a title'}”, {len(found.feed.entries)} entries."
    if found.address != origin:
        others = [one.url for one in await fetching.named(session, origin) if one.url != found.address][:5]
        told += f" It is at {found.address}." + (f" The page also names {', '.join(others)}." if others else "")
    return told + (" It is not well-formed; what can be read of it is read." if found.feed.broken else "")


# --- which feeds, and when -----------------------------------------------------------------------------------------------


def _wanted(session: Session) -> list[str]:
    """The addresses of the account's feeds, in its settings and as sources, each once."""
    given = session.account.settings.get("feeds")
    listed = [*(cast("list[object]", given) if isinstance(given, list) else [given])]
    listed += [source.settings.get("url") for source in session.sources if source.kind == "feed"]
    found = list(dict.fromkeys(address for one in listed if isinstance(one, str) and (address := finding.web_address(one))))
    if len(found) > MOST:
        raise Rejected(f"The account has {len(found)} feeds; {MOST} is the most.", "Put the others into further accounts.")
    return found


def _states(session: Session, cursor: Mapping[str, Any] | None) -> dict[str, _State]:
    wanted = _wanted(session)
    if not wanted:
        raise Rejected(
            "The account has no feed.", "Enter the address of a feed, or of a page that names one, in its settings or as a source."
        )
    known = cast("Mapping[str, Mapping[str, Any]]", (cursor or {}).get("feeds") or {})
    return {origin: _State(**{key: part for key, part in known.get(origin, {}).items() if key in _PARTS}) for origin in wanted}


def _due(states: Mapping[str, _State], now: datetime, *, peek: bool = False) -> list[str]:
    """Feeds to look at now. Where another of the same host is asked at the moment, a feed is given a turn and waits for it."""
    found: list[str] = []
    for origin, state in sorted(states.items(), key=lambda one: one[1].due):
        moment = _moment(state.due)
        if moment is not None and moment > now:
            continue
        if peek:
            return [origin]
        turn = now if state.turn else turns.take(urlsplit(state.url or origin).hostname or "", now)
        if turn > now:
            state.due, state.turn = format_instant(turn), True
            continue
        state.turn = False
        found.append(origin)
        if len(found) == TOGETHER:
            break
    return found


def _silent(states: Mapping[str, _State], state: _State) -> bool:
    """Whether one feed among others has failed for so long that it belongs into the gap ledger; one alone is there by its fault."""
    return len(states) > 1 and state.failures >= _PATIENCE


def _gaps(states: Mapping[str, _State], origin: str, state: _State, now: datetime) -> Iterable[Unheard]:
    if _silent(states, state):
        yield Unheard(_moment(state.failing) or now, now, f"The feed {origin[:300]} could not be read.")
    if rolled := _moment(state.rolled):
        text = f"The feed shows only its newest entries, and none any more that was known; some that came meanwhile may be missing: {origin[:300]}"
        yield Unheard(min(rolled, now), now, text)
        state.rolled = ""


def _told(session: Session, states: Mapping[str, _State], looked: Mapping[str, bool]) -> tuple[SourceNews, ...]:
    """How those sources were that were looked at; ``looked``: whether each told something new."""
    found: list[SourceNews] = []
    for source in session.sources:
        origin = finding.web_address(str(source.settings.get("url") or ""))
        if (state := states.get(origin)) is None or origin not in looked:
            continue
        mend = "Enter the feed's new address, or remove it." if state.gone else "It is tried again; test its address in a browser."
        found.append(SourceNews(source.id, looked[origin], state.trouble, mend if state.trouble else "", _moment(state.due)))
    return tuple(found)


def _raise_where_silent(states: Mapping[str, _State], errors: list[ConnectorError]) -> None:
    """Of several feeds one that fails must not hide the others; where all fail, that is said."""
    if errors and all(state.failures for state in states.values()):
        raise errors[0]


def _moment(text: str) -> datetime | None:
    return dates.read(text)


def _plain(state: _State) -> dict[str, Any]:
    # Not dataclasses.asdict: it copies what is remembered of every entry, for each feed of the account, at each look.
    return {name: value for name in _PARTS if (value := getattr(state, name))}


# --- one feed ------------------------------------------------------------------------------------------------------------


async def _look(session: Session, origin: str, state: _State) -> tuple[list[RawDelivery], ConnectorError | None]:
    """What is new in one feed; ``state`` is brought up to date."""
    now = session.now
    if (gone := _moment(state.gone)) is not None:
        if now < gone + _GONE:
            return _failed(state, Gone("This feed is gone for good (410).", "Remove it, or enter the address it moved to."), now)
        state.gone = ""
    try:
        found = await fetching.fetch(session, state.url or origin, state.etag, state.modified)
    except ConnectorError as error:
        return _failed(state, error, now)
    late = state.failures > 0 or now - (_moment(state.due) or now) > _LATE
    state.failures, state.failing, state.trouble, state.gone = 0, "", "", ""
    deliveries: list[RawDelivery] = []
    if found.feed is not None:
        known = set(state.seen)
        deliveries = _news(found.feed, origin, state, now)
        if late and known and len(deliveries) == len(found.feed.entries) and known.isdisjoint(_keys(found.feed, origin)):
            state.rolled = state.read
        state.url = "" if found.address == origin else found.address
        state.etag = _kept(found.headers, "etag")
        state.modified = _kept(found.headers, "last-modified")
        _note_hub(state, websub.named(found.feed, found.headers, found.address))
    await _subscribe(session, origin, state)
    asked = found.feed.pause if found.feed is not None else 0
    state.read = format_instant(now)
    state.due = format_instant(now + manners.pause(origin, _moment(state.newest), now, asked=asked, headers=found.headers))
    return deliveries, None


def _note_hub(state: _State, told: tuple[str, str]) -> None:
    if told != (state.hub, state.topic):
        (state.hub, state.topic), state.asked = told, ""


async def _subscribe(session: Session, origin: str, state: _State) -> None:
    """Ask the feed's hub to tell us, where it has one and it is time to."""
    last = _moment(state.asked)
    if not state.hub or not websub.possible(session) or (last is not None and timedelta(0) <= session.now - last < websub.AGAIN):
        return
    state.asked = format_instant(session.now)
    await websub.ask(session, fetching.secure(state.hub), state.topic, origin)


def _kept(headers: Mapping[str, str], name: str) -> str:
    value = header(headers, name) or ""
    return value if len(value) <= 500 and value.isprintable() else ""


def _failed(state: _State, error: ConnectorError, now: datetime) -> tuple[list[RawDelivery], ConnectorError | None]:
    state.failures = min(state.failures + 1, 1000)
    state.failing = state.failing or format_instant(now)
    state.trouble = error.text[:300]
    if isinstance(error, Gone) and "410" in error.text and not state.gone:
        # Noted before it is told, so that the next look asks nobody.
        state.gone, state.due = format_instant(now), ""
        return [], None
    wait = max(manners.after_failures(state.failures), timedelta(seconds=getattr(error, "retry_after", None) or 0))
    state.due = format_instant(now + min(wait, manners.LONGEST))
    return [], error


def _news(feed: Feed, origin: str, state: _State, now: datetime) -> list[RawDelivery]:
    """Deliveries of what is new or changed, oldest first; ``state.seen`` is brought up to date."""
    keys = _keys(feed, origin)
    shown = set(keys)
    lost = {mark: key for key, (_, mark, *_) in state.seen.items() if key not in shown and mark}
    told: dict[str, list[Any]] = {}
    found: list[tuple[datetime, RawDelivery]] = []
    for key, entry in zip(keys, feed.entries, strict=True):
        if key in told:
            continue
        before = state.seen.get(key)
        mark = _mark(entry)
        if before is None and mark in lost:
            before = state.seen[lost[mark]]  # the same article under another id
            before = [before[0], mark, _native(before) or lost[mark], before[3]]
        told[key], news = _compared(entry, before, mark)
        if news:
            found.append((_date(entry, now), _delivery(feed, entry, key, origin, now, before, told[key])))
    newest = max([moment for moment, _ in found if moment <= now] + [_moment(state.newest)] * bool(state.newest), default=None)  # type: ignore[type-var]
    state.newest = format_instant(newest) if newest is not None else ""
    state.seen = told | dict(_last(state.seen, told))
    found.reverse()  # feeds begin with the newest; those of one moment stay in their order
    return [delivery for _, delivery in sorted(found, key=lambda one: one[0])]


def _keys(feed: Feed, origin: str) -> list[str]:
    return [key_of(entry, origin) or f"?{entry.digest}" for entry in feed.entries]


def _compared(entry: Entry, before: list[Any] | None, mark: str) -> tuple[list[Any], bool]:
    """What to remember of an entry, and whether it is news."""
    if before is None:
        return [entry.digest, mark, "", 0], True
    changed = entry.digest != before[0]
    count = int(before[3]) + changed
    return [entry.digest, mark, _native(before), min(count, _CHANGES + 1)], changed and count <= _CHANGES


def _native(remembered: list[Any]) -> str:
    return str(remembered[2] or "")


def _mark(entry: Entry) -> str:
    """What tells an article whose id changed: where it links to, under which title."""
    if not entry.link or not entry.title:
        return ""
    return hashlib.sha256(f"{entry.link}\x1f{entry.title}".encode("utf-8", "replace")).hexdigest()[:12]


def _date(entry: Entry, now: datetime) -> datetime:
    return dates.read(entry.published) or dates.read(entry.updated) or now


def _last(seen: dict[str, list[Any]], told: Mapping[str, Any]) -> Iterable[tuple[str, list[Any]]]:
    return [one for one in seen.items() if one[0] not in told][:_REMEMBERED]


def _delivery(
    feed: Feed, entry: Entry, key: str, origin: str, now: datetime, before: list[Any] | None, remembered: list[Any]
) -> RawDelivery:
    kind = "application/json" if feed.json is not None else "application/xml; charset=utf-8"
    headers = {"x-feed": origin, "content-type": kind}
    name = f"{_short(origin)}:{_short(key)}:{entry.digest}"
    if _native(remembered):
        headers["x-native-id"] = _native(remembered)
    if before is not None:
        headers["x-changed"] = format_instant(now)
        name += f":{before[0]}:{now.date().isoformat()}"
    return RawDelivery(name, feeds.slice_of(feed, entry), headers, now)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
