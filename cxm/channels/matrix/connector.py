"""Matrix over the client-server API: one long question after the other, answers under the intent's own transaction id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from cxm.channels.contracts import ConnectorError, Gone, Outgoing, Polled, Rejected, Sent, Session, TestStep, Unavailable, Unheard
from cxm.channels.kit import jsons, longpoll
from cxm.channels.kit.fields import entries, milliseconds, string, table, whole
from cxm.channels.matrix.homeserver import Homeserver, part
from cxm.channels.matrix.syncing import Memory, Reader, wanted
from cxm.kernel.said import said

#: Seconds a question for news stays open: the runtime takes 90 s of silence for a dead stream.
LONG = 30
#: Events of one answer and room; what does not fit is fetched page by page.
LIMIT = 100
#: Events of one answer about all rooms: an answer may have 10 MB.
EVENTS = 4_000
#: Our own mark on what we send, by which it is found again.
INTENT = "org.opencxm.intent"
_PAGES = 20


class Poll:
    """Asks what is new and does not wait."""

    async def poll(self, session: Session, cursor: Mapping[str, Any] | None) -> Polled:
        """One answer of ``/sync``, or a few pages of what a former one left out. The first look reads ``history_messages`` of each room."""
        return await _sync(session, cursor, wait=0)


class Stream:
    """Asks what is new and waits for it: heard within a second."""

    def listen(self, session: Session, cursor: Mapping[str, Any] | None) -> AsyncIterator[Polled]:
        """Batches as they come, an empty one every half minute as a sign of life."""
        return longpoll.listen(_sync, session, cursor, LONG)


class Reply:
    """Answers in the room, under what is answered."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """The event's id. The transaction is the intent: the same again is the same event. Raises the five errors; an encrypted room is
        Rejected, since what we send could not be read there."""
        server, room = Homeserver(session, "send"), _room(outgoing)
        await _needs_plain(server, room)
        event = await _put(server, room, outgoing, _content(outgoing))
        if session.account.settings.get("mark_read", True) and outgoing.in_reply_to:
            with suppress(ConnectorError):  # it is out: that it cannot be marked must not look like a failure
                await server.call("POST", f"/rooms/{part(room)}/receipt/m.read/{part(outgoing.in_reply_to)}", json={})
        return Sent(event)


class Edit:
    """Replaces the words of something we said."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """``in_reply_to`` names what is edited; the edit is an event of its own."""
        server, room = Homeserver(session, "send"), _room(outgoing)
        await _needs_plain(server, room)
        fresh = {"msgtype": "m.text", "body": outgoing.text}
        content = {
            "msgtype": "m.text",
            "body": f"* {outgoing.text}",
            "m.new_content": fresh,
            "m.relates_to": {"rel_type": "m.replace", "event_id": _target(outgoing)},
            INTENT: str(outgoing.id),
        }
        return Sent(await _put(server, room, outgoing, content))


class Delete:
    """Takes something we said back."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """``in_reply_to`` names what is redacted."""
        server = Homeserver(session, "send")
        path = f"/rooms/{part(_room(outgoing))}/redact/{part(_target(outgoing))}/{outgoing.id}"
        answer = await server.call("PUT", path, json={}, effect=True)
        return Sent(_event_id(answer))


class ReadBack:
    """Looks for our mark in the room's newest events."""

    async def read_back(self, session: Session, outgoing: Outgoing) -> Sent | None:
        """Sent, or None where nothing with the intent's mark was said since the intent was made."""
        server, room = Homeserver(session, "send"), _room(outgoing)
        if outgoing.kind == "delete":
            return await _redacted(server, room, outgoing)
        begun = _begun(outgoing)
        me = string((await server.call("GET", "/account/whoami")).get("user_id"), 500)
        asked = {"dir": "b", "limit": "100", "filter": orjson.dumps({"senders": [me], "types": ["m.room.message"]}).decode()}
        for _ in range(_PAGES):
            answer = await server.call("GET", f"/rooms/{part(room)}/messages", params=asked)
            chunk = [table(event) for event in entries(answer.get("chunk"))]
            for event in chunk:
                if table(event.get("content")).get(INTENT) == str(outgoing.id) or _transaction(event) == str(outgoing.id):
                    return Sent(string(event.get("event_id"), 500))
            moments = [moment for event in chunk if (moment := milliseconds(event.get("origin_server_ts"))) is not None]
            end = string(answer.get("end"), 4000)
            if not end or (moments and min(moments) < begun):
                return None
            asked["from"] = end
        raise Unavailable("The room says too much to find our answer in it.", "Look there.", effect_possible=True)


class Test:
    """The test button: the homeserver, who we are there, and what rooms we are in."""

    __test__ = False

    async def test(self, session: Session) -> list[TestStep]:
        """Nothing is sent."""
        steps: list[TestStep] = []
        try:
            server = Homeserver(session, "test")
            versions = entries((await server.open("/_matrix/client/versions")).get("versions"))
            if not versions:
                return [TestStep(said("Find the homeserver"), False, "It answers, but not as a Matrix homeserver. Check its address.")]
            steps.append(TestStep(said("Find the homeserver"), True, f"It speaks Matrix {string(versions[-1], 40)}."))
            me = string((await server.call("GET", "/account/whoami")).get("user_id"), 500)
            steps.append(TestStep(said("Sign in"), True, f"We are {me}."))
            rooms = entries((await server.call("GET", "/joined_rooms")).get("joined_rooms"))
            steps.append(TestStep(said("See rooms"), True, f"We are in {len(rooms)} rooms."))
        except ConnectorError as error:
            name = (said("Find the homeserver"), said("Sign in"), said("See rooms"))[len(steps)]
            steps.append(TestStep(name, False, f"{error.text} {error.mend or await _hint(session, steps)}".strip()))
        return steps


async def _hint(session: Session, steps: list[TestStep]) -> str:
    """Where a domain says that its homeserver is elsewhere: that address."""
    if steps:
        return ""
    with suppress(ConnectorError):
        told = await Homeserver(session, "test").open("/.well-known/matrix/client")
        if base := string(table(told.get("m.homeserver")).get("base_url"), 500):
            return f"This domain says its homeserver is {base}: enter that."
    return "Enter the homeserver's own address."


# --- reading -----------------------------------------------------------------------------------------------------------


async def _sync(session: Session, cursor: Mapping[str, Any] | None, *, wait: int) -> Polled:
    server, memory = Homeserver(session, "listen"), Memory.of(cursor)
    if not memory.me:
        memory.me = string((await server.call("GET", "/account/whoami")).get("user_id"), 500)
    reader = Reader(server, session, memory)
    if memory.fill:
        try:
            return await reader.past()
        except (Gone, Rejected):  # we were put out of the room: what was said there before is no longer ours to read
            lost = memory.fill.pop(0)
            return _with(
                reader.batch.polled(memory, more=True), _lost(session, memory, f"The room {lost.get('room')} can no longer be read.")
            )
    params = {"filter": wanted(await _limit(server, session, memory)), "timeout": str(wait * 1000)}
    try:
        answer = await server.call(
            "GET", "/sync", params={**params, **({"since": memory.since} if memory.since else {})}, timeout=wait + 20.0
        )
    except Rejected:
        if not memory.since:
            raise
        # A homeserver restored from a backup does not know where we were; rooms begin anew with their newest messages.
        note = _lost(session, memory, "The homeserver forgot where we were; older messages of this time may be missing.")
        fresh = Memory(me=memory.me, names=memory.names, direct=memory.direct)
        return _with(Polled((), fresh.plain(), more=True), note)
    return await reader.read(answer, first=not memory.since)


async def _limit(server: Homeserver, session: Session, memory: Memory) -> int:
    """Events of each room to ask for, so that an answer about many rooms is still one that can be read."""
    if memory.since:
        return max(min(LIMIT, EVENTS // max(1, len(memory.rooms))), 1)
    rooms = entries((await server.call("GET", "/joined_rooms")).get("joined_rooms"))
    wished = whole(session.account.settings.get("history_messages", 50)) or 0
    return max(min(wished, LIMIT, EVENTS // max(1, len(rooms))), 1)


def _with(polled: Polled, *unheard: Unheard) -> Polled:
    return replace(polled, unheard=(*polled.unheard, *unheard))


def _lost(session: Session, memory: Memory, reason: str) -> Unheard:
    began = session.now
    with suppress(ValueError):
        began = datetime.fromisoformat(memory.heard)
    return Unheard(min(began, session.now), session.now, reason)


# --- sending -----------------------------------------------------------------------------------------------------------


def _room(outgoing: Outgoing) -> str:
    room = string(outgoing.context.get("room"), 500) or string(outgoing.to, 500)
    if not room.startswith("!"):
        raise Rejected("It is not known in which room to answer.", "Answer a message of that room.")
    return room


def _target(outgoing: Outgoing) -> str:
    if not outgoing.in_reply_to:
        raise Rejected("It is not known what is meant.", "Name the message.")
    return outgoing.in_reply_to


def _content(outgoing: Outgoing) -> dict[str, Any]:
    links = [medium.url for medium in outgoing.media if medium.url]
    content: dict[str, Any] = {"msgtype": "m.text", "body": "\n".join(filter(None, [outgoing.text, *links])), INTENT: str(outgoing.id)}
    if not content["body"]:
        raise Rejected("There is nothing to say.", "Write a text, or give files by their address.")
    if sender := string(outgoing.context.get("sender"), 500):
        content["m.mentions"] = {"user_ids": [sender]}
    relation: dict[str, Any] = {}
    if root := string(outgoing.context.get("thread_root"), 500):
        relation = {"rel_type": "m.thread", "event_id": root}
    if outgoing.in_reply_to:
        relation["m.in_reply_to"] = {"event_id": outgoing.in_reply_to}
    return content | ({"m.relates_to": relation} if relation else {})


async def _needs_plain(server: Homeserver, room: str) -> None:
    try:
        await server.call("GET", f"/rooms/{part(room)}/state/m.room.encryption")
    except Gone:
        return
    raise Rejected("The room is encrypted; OpenCXM does not write there in the clear.", "Answer there with a Matrix program.")


async def _put(server: Homeserver, room: str, outgoing: Outgoing, content: dict[str, Any]) -> str:
    if len(jsons.dump(content)) > 60_000:
        raise Rejected("The answer is too long for Matrix.", "Shorten it.")
    path = f"/rooms/{part(room)}/send/m.room.message/{outgoing.id}"
    return _event_id(await server.call("PUT", path, json=content, effect=True))


def _event_id(answer: dict[str, Any]) -> str:
    identifier = string(answer.get("event_id"), 500)
    if not identifier:
        raise Unavailable("The homeserver does not say what became of it.", "It is looked for there.", effect_possible=True)
    return identifier


async def _redacted(server: Homeserver, room: str, outgoing: Outgoing) -> Sent | None:
    event = await server.call("GET", f"/rooms/{part(room)}/event/{part(_target(outgoing))}")
    because = table(table(event.get("unsigned")).get("redacted_because"))
    return Sent(string(because.get("event_id"), 500) or _target(outgoing)) if because else None


def _transaction(event: dict[str, Any]) -> str:
    return string(table(event.get("unsigned")).get("transaction_id"), 200)


def _begun(outgoing: Outgoing) -> datetime:
    """When the intent was made, by its own id (UUIDv7), with room for clocks that differ."""
    if outgoing.id.version != 7:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return datetime.fromtimestamp((outgoing.id.int >> 80) / 1000, UTC) - timedelta(hours=1)
