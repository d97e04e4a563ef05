"""A homeserver in memory: enough of the client-server API for the connector, with faults on demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from cxm.channels.contracts import Session
from cxm.channels.testing.web import Answer, Request, Web, answer, session_over

BASE = "https://matrix.acme.example"
ME, ANN, OMAR = "@care:acme.example", "@ann:customer.example", "@omar:customer.example"
TOKEN = "a token of ours"
START = 1_763_800_000_000


def refusal(status: int, code: str, **more: Any) -> Answer:
    """An error as homeservers write it."""
    return answer(status, json={"errcode": code, "error": f"{code} it is.", **more})


class Server(Web):
    """Rooms with their events in one order. ``position`` counts them; tokens are ``s<position>``."""

    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self.rooms: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.members: dict[str, list[str]] = {}
        self.state: dict[str, list[dict[str, Any]]] = {}
        self.invited: dict[str, tuple[int, bool]] = {}
        self.receipts: dict[str, tuple[int, dict[str, Any]]] = {}
        self.files: dict[str, bytes] = {}
        self.sent: dict[str, str] = {}
        self.direct: dict[str, list[str]] = {}
        self.forgotten = False
        self.tokens = {TOKEN}
        self.otherwise(self._answer)

    # --- what happens there ---

    def room(self, room: str, *others: str, name: str = "", encrypted: bool = False) -> str:
        """A room that we and others are in."""
        self.members[room] = [ME, *others]
        self.rooms[room] = []
        self.state[room] = [
            {
                "type": "m.room.member",
                "state_key": user,
                "sender": user,
                "content": {"membership": "join", "displayname": user[1:4].title()},
            }
            for user in (ME, *others)
        ]
        if name:
            self.state[room].append({"type": "m.room.name", "state_key": "", "sender": ME, "content": {"name": name}})
        if encrypted:
            self.state[room].append(
                {"type": "m.room.encryption", "state_key": "", "sender": ME, "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
            )
        self.position += 1
        self.rooms[room].append(
            (self.position, {"type": "m.room.create", "state_key": "", "event_id": f"$create{room}", "sender": ME, "content": {}})
        )
        return room

    def say(
        self, room: str, sender: str, body: str, kind: str = "m.room.message", content: dict[str, Any] | None = None, **more: Any
    ) -> str:
        """An event; its id."""
        self.position += 1
        event = {
            "type": kind,
            "event_id": f"${self.position}",
            "sender": sender,
            "origin_server_ts": START + self.position * 1000,
            "content": content if content is not None else {"msgtype": "m.text", "body": body},
            **more,
        }
        self.rooms[room].append((self.position, event))
        return str(event["event_id"])

    def invite(self, room: str, *, direct: bool) -> None:
        """Somebody invites us."""
        self.position += 1
        self.invited[room] = (self.position, direct)

    def read(self, room: str, event: str, user: str) -> None:
        """Somebody has read up to an event."""
        self.position += 1
        self.receipts[room] = (self.position, {event: {"m.read": {user: {"ts": START + self.position * 1000}}}})

    def session(self, now: datetime, *, settings: dict[str, Any] | None = None, credentials: dict[str, str] | None = None) -> Session:
        """A session over this server."""
        given = {"server_url": BASE, **(settings or {})}
        return session_over(self, "matrix", now=now, name="Care", settings=given, credentials=credentials or {"access_token": TOKEN})

    # --- what it answers ---

    def _answer(self, asked: Request) -> Answer:
        path = asked.url.removeprefix(BASE)
        if path == "/_matrix/client/versions":
            return answer(json={"versions": ["v1.10", "v1.11"]})
        if path.endswith("/login"):
            return self._login(asked.json())
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(401, "M_UNKNOWN_TOKEN")
        parts = [unquote(part) for part in path.removeprefix("/_matrix/client/v3/").split("/")]
        if path.startswith("/_matrix/client/v1/media/download/"):
            data = self.files.get("/".join(path.split("/")[-2:]))
            return refusal(404, "M_NOT_FOUND") if data is None else answer(content=data)
        calls: dict[str, Callable[[Request, list[str]], Answer]] = {"sync": self._sync, "rooms": self._rooms, "join": self._join}
        if parts[0] == "account":
            return answer(json={"user_id": ME})
        if parts[0] == "joined_rooms":
            return answer(json={"joined_rooms": list(self.rooms)})
        return calls[parts[0]](asked, parts) if parts[0] in calls else refusal(404, "M_UNRECOGNIZED")

    def _login(self, told: dict[str, Any]) -> Answer:
        if told["password"] != "right":
            return refusal(403, "M_FORBIDDEN")
        token = f"token {len(self.tokens)}"
        self.tokens.add(token)
        return answer(json={"access_token": token, "user_id": ME, "device_id": told["device_id"]})

    def _sync(self, asked: Request, parts: list[str]) -> Answer:
        since = int(asked.params.get("since", "s0")[1:])
        if since and self.forgotten:
            self.forgotten = False
            return refusal(400, "M_INVALID_PARAM")
        limit = json.loads(asked.params["filter"])["room"]["timeline"]["limit"]
        joined: dict[str, Any] = {}
        for room, events in self.rooms.items():
            fresh = [(place, event) for place, event in events if place > since and event["type"] != "m.room.create"]
            told = {
                "timeline": {
                    "events": [event for _, event in fresh[-limit:]],
                    "limited": len(fresh) > limit,
                    "prev_batch": f"s{fresh[-limit][0]}" if len(fresh) >= limit else "",
                },
                "state": {"events": self.state[room] if events and events[0][0] > since else []},
                "summary": {"m.joined_member_count": len(self.members[room])},
            }
            place, receipt = self.receipts.get(room, (0, {}))
            told["ephemeral"] = {"events": [{"type": "m.receipt", "content": receipt}] if place > since else []}
            if fresh or place > since or (events and events[0][0] > since):
                joined[room] = told
        invited = {
            room: {
                "invite_state": {
                    "events": [
                        {"type": "m.room.member", "state_key": ME, "sender": ANN, "content": {"membership": "invite", "is_direct": direct}}
                    ]
                }
            }
            for room, (place, direct) in self.invited.items()
            if place > since
        }
        direct = [{"type": "m.direct", "content": self.direct}] if self.direct and not since else []
        return answer(
            json={"next_batch": f"s{self.position}", "rooms": {"join": joined, "invite": invited}, "account_data": {"events": direct}}
        )

    def _join(self, asked: Request, parts: list[str]) -> Answer:
        self.invited.pop(parts[1])
        self.room(parts[1], ANN)
        return answer(json={"room_id": parts[1]})

    def _rooms(self, asked: Request, parts: list[str]) -> Answer:
        events = self.rooms.get(parts[1])
        if events is None:
            return refusal(403, "M_FORBIDDEN")
        if parts[2] == "state":
            return answer(json={}) if any(one["type"] == parts[3] for one in self.state[parts[1]]) else refusal(404, "M_NOT_FOUND")
        if parts[2] == "event":
            found = next((event for _, event in events if event["event_id"] == parts[3]), None)
            return refusal(404, "M_NOT_FOUND") if found is None else answer(json=found)
        if parts[2] == "messages":
            return self._messages(asked, events)
        if parts[2] == "receipt":
            return answer(json={})
        return self._send(asked, parts)

    def _messages(self, asked: Request, events: list[tuple[int, dict[str, Any]]]) -> Answer:
        wanted, limit = json.loads(asked.params.get("filter", "{}")), int(asked.params["limit"])
        before, until = int(asked.params.get("from", f"s{self.position + 1}")[1:]), int(asked.params.get("to", "s0")[1:])
        found = [
            (place, event)
            for place, event in reversed(events)
            if until < place < before
            and event["type"] in wanted.get("types", [event["type"]])
            and event["sender"] in wanted.get("senders", [event["sender"]])
        ]
        page = found[:limit]
        return answer(json={"chunk": [event for _, event in page], **({"end": f"s{page[-1][0]}"} if len(found) > limit else {})})

    def _send(self, asked: Request, parts: list[str]) -> Answer:
        transaction = parts[-1]
        if transaction not in self.sent:
            if parts[2] == "redact":
                self.sent[transaction] = self.say(parts[1], ME, "", "m.room.redaction", {"redacts": parts[3]})
                for _, event in self.rooms[parts[1]]:
                    if event["event_id"] == parts[3]:
                        event["unsigned"] = {"redacted_because": {"event_id": self.sent[transaction]}}
            else:
                self.sent[transaction] = self.say(parts[1], ME, "", content=asked.json())
        return answer(json={"event_id": self.sent[transaction]})


def session(now: datetime) -> Session:
    """For the contract test: two rooms with something in them."""
    server = Server()
    room, other = server.room("!dm:acme.example", ANN), server.room("!all:acme.example", ANN, OMAR, name="Help")
    for number in range(20):
        server.say(room, ANN, f"Hello {number}")
        server.say(other, OMAR, f"Anybody {number}?")
    return server.session(now)
