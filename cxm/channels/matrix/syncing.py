"""From one answer of ``/sync`` to deliveries: rooms remembered, gaps in their timelines found, files and edited events fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from cxm.channels.contracts import AuthExpired, ConnectorError, Polled, RateLimited, RawDelivery, Session, Unheard
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import entries, milliseconds, string, table, whole
from cxm.channels.kit.text import one_line
from cxm.channels.matrix.homeserver import Homeserver, part

_SAID = ("m.room.message", "m.sticker", "m.reaction", "m.room.redaction", "m.room.encrypted")
_STATE = ("m.room.name", "m.room.canonical_alias", "m.room.encryption", "m.room.member", "m.room.create")
#: Events of one page of a room's past, pages of one batch, invitations and names remembered, files of one batch (bytes).
PAGE, PAGES, INVITATIONS, NAMES, BATCH_BYTES = 100, 3, 200, 5_000, 20_000_000
#: What we said last, whose receipts are of interest.
OURS = 200
_TRIES = 5
_MXC = re.compile(r"mxc://([A-Za-z0-9.\-:\[\]]{1,255})/([A-Za-z0-9_=\-]{1,255})")


@dataclass(slots=True)
class Memory:
    """What stands in the cursor: ``since``, our user, the rooms, who is called what, what is still to be fetched, what we said last."""

    since: str = ""
    me: str = ""
    rooms: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    names: dict[str, str] = field(default_factory=dict[str, str])
    direct: list[str] = field(default_factory=list[str])
    fill: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    invited: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    heard: str = ""
    ours: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None) -> Memory:
        """The memory in a cursor."""
        known: dict[str, Any] = orjson.loads(orjson.dumps(dict(cursor or {})))  # a copy: the one that stands is kept until we are done
        return cls(**{name: known[name] for name in cls.__slots__ if name in known})

    def plain(self) -> dict[str, Any]:
        """As it goes into the cursor."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Batch:
    """Deliveries as they gather, and what could not be heard."""

    deliveries: dict[str, RawDelivery] = field(default_factory=dict[str, RawDelivery])
    unheard: list[Unheard] = field(default_factory=list[Unheard])
    size: int = 0

    def polled(self, memory: Memory, *, more: bool) -> Polled:
        """The batch with the cursor that stands after it."""
        return Polled(tuple(self.deliveries.values()), memory.plain(), more=more, unheard=tuple(self.unheard))


def wanted(limit: int) -> str:
    """The filter of ``/sync``: what people say and what tells how to read it, at most ``limit`` events of a room."""
    return orjson.dumps(
        {
            "presence": {"limit": 0, "types": []},
            "account_data": {"types": ["m.direct"]},
            "room": {
                "account_data": {"types": []},
                "ephemeral": {"types": ["m.receipt"]},
                "state": {"types": list(_STATE), "lazy_load_members": True},
                "timeline": {"limit": max(limit, 1), "types": [*_SAID, *_STATE], "lazy_load_members": True},
            },
        }
    ).decode()


class Reader:
    """Reads one answer of ``/sync``."""

    def __init__(self, server: Homeserver, session: Session, memory: Memory) -> None:
        self.server = server
        self.session = session
        self.memory = memory
        self.batch = Batch()
        self._events: dict[str, dict[str, Any]] = {}

    async def read(self, answer: dict[str, Any], *, first: bool) -> Polled:
        """Deliveries in the order the homeserver gave, room by room; ``first``: nothing was known before."""
        memory = self.memory
        for event in entries(table(answer.get("account_data")).get("events")):
            if table(event).get("type") == "m.direct":
                memory.direct = [
                    room for rooms in table(table(event).get("content")).values() for room in entries(rooms) if isinstance(room, str)
                ][:NAMES]
        rooms = table(answer.get("rooms"))
        for room_id, told in [*table(rooms.get("join")).items(), *table(rooms.get("leave")).items()]:
            await self._room(room_id, table(told), first=first)
        for room_id in table(rooms.get("leave")):
            memory.rooms.pop(room_id, None)
        self._invitations(table(rooms.get("invite")))
        joined = await self._join()
        memory.since = string(answer.get("next_batch"), 4000) or memory.since
        memory.heard = self.session.now.isoformat()
        memory.names = dict(list(memory.names.items())[-NAMES:])
        return self.batch.polled(memory, more=joined or bool(memory.fill))

    async def past(self) -> Polled:
        """A few more pages of a room whose timeline had a hole, oldest last fetched first given."""
        memory = self.memory
        wish = memory.fill[0]
        room_id = string(wish.get("room"))
        found: list[Any] = []
        for _ in range(PAGES):
            params = {
                "dir": "b",
                "limit": str(PAGE),
                "from": string(wish.get("from")),
                "filter": orjson.dumps({"types": list(_SAID)}).decode(),
            }
            if wish.get("to"):
                params["to"] = string(wish.get("to"))
            answer = await self.server.call("GET", f"/rooms/{part(room_id)}/messages", params=params)
            page = entries(answer.get("chunk"))
            found += page
            wish["from"] = string(answer.get("end"), 4000)
            if not page or not wish["from"]:
                wish["from"] = ""
                break
        if not wish["from"]:
            memory.fill.pop(0)
        room = memory.rooms.get(room_id, {"id": room_id})
        for event in reversed(found):
            await self._event(room, event)
        return self.batch.polled(memory, more=True)

    # --- rooms ---

    async def _room(self, room_id: str, told: dict[str, Any], *, first: bool) -> None:
        memory, timeline = self.memory, table(told.get("timeline"))
        fresh = room_id not in memory.rooms
        room = memory.rooms.setdefault(room_id, {"id": room_id})
        events = entries(timeline.get("events"))
        for event in [*entries(table(told.get("state")).get("events")), *events]:
            self._learn(room, table(event))
        self._judge(room, table(told.get("summary")))
        if timeline.get("limited") is True and not fresh and not first and (before := string(timeline.get("prev_batch"), 4000)):
            memory.fill.append({"room": room_id, "from": before, "to": memory.since})
        if room.get("encrypted") and fresh:
            self._encrypted(room, self.session.now)
        if first and not whole(self.session.account.settings.get("history_messages", 50)):
            events = []
        for event in events:
            await self._event(room, event)
        for event in entries(table(told.get("ephemeral")).get("events")):
            self._receipts(table(table(event).get("content")))

    def _learn(self, room: dict[str, Any], event: dict[str, Any]) -> None:
        """What a state event tells of its room or of who is called what."""
        kind, content = event.get("type"), table(event.get("content"))
        if "state_key" not in event:
            return
        if kind == "m.room.name":
            room["name"] = one_line(string(content.get("name")), 200)
        elif kind == "m.room.canonical_alias" and not room.get("name"):
            room["alias"] = one_line(string(content.get("alias")), 200)
        elif kind == "m.room.encryption":
            room["encrypted"] = True
        elif kind == "m.room.member":
            user, name = string(event.get("state_key"), 500), one_line(string(content.get("displayname")), 200)
            if user and name:
                self.memory.names[user] = name
            if user == self.memory.me and content.get("is_direct") is True:
                room["direct"] = True

    def _judge(self, room: dict[str, Any], summary: dict[str, Any]) -> None:
        """Whether a room is a direct one: marked so, or of two people and without a name of its own."""
        joined, invited = whole(summary.get("m.joined_member_count")), whole(summary.get("m.invited_member_count")) or 0
        if joined is not None:
            room["people"] = joined + invited
        marked = room["id"] in self.memory.direct or bool(table(self.memory.invited.get(room["id"])).get("direct"))
        nameless = not room.get("name") and not room.get("alias")
        if marked or ("direct" not in room and room.get("people") == 2 and nameless):
            room["direct"] = True
        elif room.get("people", 0) > 2:
            room.pop("direct", None)

    def _encrypted(self, room: dict[str, Any], moment: datetime) -> None:
        name = room.get("name") or room.get("alias") or room["id"]
        reason = f"The room “{name}” is encrypted: what is said there cannot be read."
        self.batch.unheard.append(Unheard(min(moment, self.session.now), min(moment, self.session.now), reason))

    # --- events ---

    async def _event(self, room: dict[str, Any], event: Any) -> None:
        told = table(event)
        kind, content = told.get("type"), table(told.get("content"))
        if kind == "m.room.encrypted" and not table(told.get("unsigned")).get("redacted_because"):
            self._encrypted(room, milliseconds(told.get("origin_server_ts")) or self.session.now)
            return
        if kind not in _SAID and "state_key" in told:
            return
        identifier = string(told.get("event_id"), 250)
        if identifier:
            self._events[identifier] = told
        sender = string(told.get("sender"), 500)
        if sender == self.memory.me and kind == "m.room.message" and identifier:
            self.memory.ours = [*self.memory.ours, identifier][-OURS:]
        wrapped: dict[str, Any] = {"me": self.memory.me, "room": room, "event": event}
        if name := self.memory.names.get(sender):
            wrapped["name"] = name
        relation = table(content.get("m.relates_to"))
        if relation.get("rel_type") == "m.replace":
            wrapped["original"] = await self._original(room, string(relation.get("event_id"), 500))
        elif (data := await self._file(content)) is not None:
            wrapped["file"] = {"content": base64.b64encode(data).decode()}
        self._deliver(identifier, wrapped)

    def _deliver(self, identifier: str, wrapped: dict[str, Any]) -> None:
        body = jsons.dump(wrapped)
        name = identifier or f"sha256:{hashlib.sha256(body).hexdigest()}"
        self.batch.size += len(body)
        self.batch.deliveries.setdefault(name, RawDelivery(name, body, {}, self.session.now))

    def _receipts(self, content: dict[str, Any]) -> None:
        """Who has read up to what we said. What people read of one another is none of our business, and in large rooms a flood."""
        for event, told in content.items():
            if event not in self.memory.ours:
                continue
            for user, mark in table(table(told).get("m.read")).items():
                if user == self.memory.me:
                    continue
                receipt = {"event": event, "user": user, "ts": table(mark).get("ts")}
                digest = hashlib.sha256(jsons.dump(receipt)).hexdigest()[:32]
                self._deliver(f"receipt:{digest}", {"receipt": receipt})

    async def _original(self, room: dict[str, Any], identifier: str) -> dict[str, Any]:
        """The event an edit replaces, from this batch or from the homeserver; empty where there is none."""
        if identifier in self._events or not identifier:
            return self._events.get(identifier, {})
        try:
            return await self.server.call("GET", f"/rooms/{part(string(room.get('id')))}/event/{part(identifier)}")
        except (AuthExpired, RateLimited):
            raise
        except ConnectorError as error:
            if getattr(error, "effect_possible", None) is not None:
                raise  # the homeserver is away: the same again later, rather than an edit thrown away
            return {}

    async def _file(self, content: dict[str, Any]) -> bytes | None:
        """The bytes of the file a message names, where they are not too many; None where they cannot be had."""
        found = _MXC.fullmatch(string(content.get("url"), 600))
        megabytes = whole(self.session.account.settings.get("media_megabytes", 8)) or 0
        size = whole(table(content.get("info")).get("size")) or 0
        if found is None or size > megabytes * 1_000_000 or not megabytes or self.batch.size > BATCH_BYTES:
            return None
        host, name = found.groups()
        for path in ("/_matrix/client/v1/media/download", "/_matrix/media/v3/download"):  # the second: homeservers before 1.11
            try:
                response = await self.server.raw("GET", f"{path}/{part(host)}/{part(name)}", params={"timeout_ms": "20000"}, timeout=30.0)
            except (AuthExpired, RateLimited):
                raise
            except ConnectorError:
                continue
            return response.content if len(response.content) <= megabytes * 1_000_000 else None
        return None

    # --- invitations ---

    def _invitations(self, told: dict[str, Any]) -> None:
        rule = string(self.session.account.settings.get("join")) or "direct"
        for room_id, invitation in list(told.items())[:INVITATIONS]:
            events = [table(event) for event in entries(table(table(invitation).get("invite_state")).get("events"))]
            mine = [
                table(event.get("content"))
                for event in events
                if event.get("type") == "m.room.member" and event.get("state_key") == self.memory.me
            ]
            direct = any(content.get("is_direct") is True for content in mine)
            if rule == "all" or (rule == "direct" and direct):
                self.memory.invited.setdefault(room_id, {"direct": direct, "tries": 0})

    async def _join(self) -> bool:
        """Accept what waits; whether a room was joined. What fails five times is given up."""
        joined = False
        for room_id, wish in list(self.memory.invited.items()):
            if room_id in self.memory.rooms or wish.get("tries", 0) >= _TRIES:
                del self.memory.invited[room_id]
                continue
            wish["tries"] = wish.get("tries", 0) + (0 if wish.get("joined") else 1)
            if wish.get("joined"):
                continue
            try:
                await self.server.call("POST", f"/join/{part(room_id)}", json={}, effect=True, timeout=30.0)
            except (AuthExpired, RateLimited):
                raise
            except ConnectorError:
                continue
            wish["joined"] = joined = True
        return joined
