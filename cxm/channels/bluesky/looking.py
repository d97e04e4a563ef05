"""Looking at lists that begin with the newest: back to where we were, with an overlap, however many pages that takes.

A list is ordered by a moment that its items share with others and that their authors can set back, so a place in it is no cursor.
Kept instead: the newest moment seen, and which posts are known. Each look goes back an overlap beyond that moment; what is known is
left out. Once an hour the overlap is a day, for posts dated earlier than they came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from cxm.channels.bluesky import ids
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import entries, string, table, whole
from cxm.kernel.clock import format_instant

#: How far back a look goes beyond what was seen; how far once an hour.
OVERLAP, DEEP, DEEP_PAUSE = timedelta(minutes=10), timedelta(days=1), timedelta(hours=1)
#: Pages of one look; the rest follows at once.
PAGES = 5
#: Posts remembered, to be asked about for edits and deletions; and at most while very much is said.
REMEMBERED, MOST = 500, 5000
#: A page of a list: its items, and where the next begins ("" at the end).
Page = tuple[list[dict[str, Any]], str]


@dataclass(slots=True)
class Track:
    """Where we are in one list. ``since``: the newest moment of the last whole look; ``page``, ``top``, ``stop``: of one under way;
    ``asked``, ``deep``, ``heard``: when the list was last begun, looked through for a day, and heard to its end."""

    since: str = ""
    page: str = ""
    top: str = ""
    stop: str = ""
    asked: str = ""
    deep: str = ""
    heard: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One new item: its moment, its address ("" where it has none) and what the server said."""

    at: datetime
    uri: str
    told: dict[str, Any]


@dataclass(slots=True)
class Memory:
    """What one account's looks leave to the next. ``known``: by owner and key of a post, its moment and the end of its version (CID);
    ``checked``, ``place``: when and where known posts were last asked about; ``stream``: how far the live stream was heard (microseconds
    since 1970), ``number`` the last message of a stream that counts them; ``cut``: since when it is away, "" where it is not; ``fails``, ``dial``: how often in a row it could not be kept open, and when it is tried again; ``chat``: how far direct messages were heard, as ``talking`` keeps it;
    ``answers``: how many answers to our own posts there were, as ``threads`` counts them."""

    tracks: dict[str, Track] = field(default_factory=dict[str, Track])
    known: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    checked: str = ""
    place: int = 0
    stream: int = 0
    cut: str = ""
    number: int = 0
    chat: dict[str, str] = field(default_factory=dict[str, str])
    answers: dict[str, int] = field(default_factory=dict[str, int])
    fails: int = 0
    dial: str = ""

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None) -> Memory:
        """As :meth:`plain` gave it; what is not as expected is forgotten."""
        told = table(dict(cursor or {}))
        names = {one.name for one in fields(Track)}
        tracks = {
            name: Track(**{key: string(part, 4000) for key, part in table(given).items() if key in names})
            for name, given in table(told.get("tracks")).items()
        }
        known = {key: (string(pair[0]), string(pair[1])) for key, one in table(told.get("known")).items() if len(pair := entries(one)) == 2}
        place, stream, number, fails = (max(whole(told.get(name)) or 0, 0) for name in ("place", "stream", "number", "fails"))
        chat = {key: string(one, 4000) for key, one in table(told.get("chat")).items()}
        answers = {key: count for key, one in table(told.get("answers")).items() if (count := whole(one))}
        checked, cut, dial = (string(told.get(name), 40) for name in ("checked", "cut", "dial"))
        return cls(tracks, known, checked, place, stream, cut, number, chat, answers, min(fails, 1000), dial)

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        tracks = {name: {key: part for key, part in asdict(track).items() if part} for name, track in self.tracks.items()}
        known = {key: list(pair) for key, pair in self.known.items()}
        told = {"tracks": tracks, "known": known, "checked": self.checked, "place": self.place}
        rest = {
            "stream": self.stream,
            "cut": self.cut,
            "fails": self.fails,
            "dial": self.dial,
            "number": self.number,
            "answers": self.answers,
            "chat": {key: one for key, one in self.chat.items() if one},
        }
        return told | {key: one for key, one in rest.items() if one}

    def learn(self, key: str, learned: tuple[str, str] | None) -> None:
        """Remember a post's moment and version; None: that it is gone."""
        if learned is None:
            self.known.pop(key, None)
        else:
            self.known[key] = learned

    def track(self, name: str) -> Track:
        """The track of that name, new where there is none."""
        return self.tracks.setdefault(name, Track())

    def keep_only(self, names: set[str]) -> None:
        """Forget the places in lists that are no longer listened to."""
        self.tracks = {name: track for name, track in self.tracks.items() if name in names}

    def forget_old(self, now: datetime) -> None:
        """Remember the newest posts, and all within the overlap; while a look is under way, all it may come upon."""
        if len(self.known) <= (MOST if any(track.page for track in self.tracks.values()) else REMEMBERED):
            return
        recent = format_instant(now - OVERLAP)
        kept = sorted(self.known.items(), key=lambda one: one[1][0], reverse=True)[:MOST]
        self.known = {key: pair for number, (key, pair) in enumerate(kept) if number < REMEMBERED or pair[0] >= recent}

    def posts(self) -> list[str]:
        """The addresses of known posts, newest first."""
        newest = sorted(self.known.items(), key=lambda one: one[1][0], reverse=True)
        return [ids.uri(*key.rsplit("/", 1)) for key, _ in newest if key.startswith("did:")]


def key_of(told: dict[str, Any]) -> str:
    """What a post is remembered by."""
    place = ids.post_parts(string(told.get("uri"), 1000))
    return f"{place[0]}/{place[1]}" if place else "?" + hashlib.sha256(jsons.dump(told)).hexdigest()[:16]


def version(told: dict[str, Any]) -> str:
    """The end of a post's CID: enough to see that it changed."""
    return string(told.get("cid"), 200)[-16:]


def passed(told: dict[str, Any]) -> dict[str, Any]:
    """An item that is not wanted, but whose moment says how far a look has come."""
    return {"indexedAt": told.get("indexedAt"), "passed": True}


def due(track: Track, now: datetime, pause: timedelta) -> bool:
    """Whether a list is to be looked at: a look is under way, or the last began long enough ago."""
    asked = ids.moment(track.asked)
    return bool(track.page) or asked is None or not timedelta(0) <= now - asked < pause


async def sweep(
    memory: Memory, track: Track, fetch: Callable[[str], Awaitable[Page]], *, now: datetime, floor: datetime
) -> tuple[list[Found], bool]:
    """What is new in a list, and whether the look is still under way. ``floor``: how far back the first look goes.

    ``since`` moves only when a look has come through to its end, so that one cut off in the middle loses nothing.
    """
    if not track.page:
        _begin(track, now, floor)
    stop = ids.moment(track.stop) or floor
    found: list[Found] = []
    for _ in range(PAGES):
        items, following = await fetch(track.page)
        moments = [_take(memory, item, now, stop, found) for item in items]
        track.top = max([track.top, *(format_instant(min(one, now)) for one in moments if one is not None)])
        done = any(one is not None and one < stop for one in moments)
        if done or not items or not following or following == track.page:
            track.since = max(track.since, track.top, format_instant(floor) if not track.since else "")
            track.page = track.top = track.stop = ""
            track.heard = format_instant(now)
            return found, False
        track.page = following
    return found, True


def _begin(track: Track, now: datetime, floor: datetime) -> None:
    since = ids.moment(track.since)
    deep = ids.moment(track.deep)
    long = deep is None or not timedelta(0) <= now - deep < DEEP_PAUSE
    track.stop = format_instant(floor if since is None else since - (DEEP if long else OVERLAP))
    if since is None or long:
        track.deep = format_instant(now)
    track.asked, track.top = format_instant(now), ""


def _take(memory: Memory, item: dict[str, Any], now: datetime, stop: datetime, found: list[Found]) -> datetime | None:
    """Note an item where it is new and not too old; its moment."""
    moment = ids.moment(string(item.get("indexedAt"), 40))
    if item.get("passed") is True:
        return moment
    key = key_of(item)
    if key not in memory.known and (moment is None or moment >= stop):
        memory.known[key] = (format_instant(min(moment or now, now)), version(item))
        found.append(Found(moment or now, string(item.get("uri"), 1000), item))
    return moment
