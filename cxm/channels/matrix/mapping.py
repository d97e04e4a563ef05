"""Events of rooms as mentions. Pure: no clock, no network, and no bytes may make it raise.

A delivery is one object that the connector wrote: ``me`` (our user), ``room`` (``id``, ``name``, ``direct``), ``name`` (what the
sender is called there), ``event`` as the homeserver gave it, and where needed ``original`` (the event an edit replaces) and ``file``
(``content`` in base64). Or ``receipt``: ``event``, ``user``, ``ts``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from cxm.channels.contracts import TEXT_LIMIT, AccountView, Author, Deletion, Item, Media, Mention, RawDelivery, Receipt, Unmappable
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import Missing, entries, milliseconds, needed, string, table
from cxm.channels.kit.text import clean, one_line, storable

_ID = 500
#: Where a link to a room leads people; never called from here.
_LINKS = "matrix.to"
_KINDS = {"m.image": "image", "m.video": "video", "m.audio": "audio", "m.file": "file", "m.sticker": "image"}
_FALLBACK = re.compile(r"\A(?:> .*(?:\n|\Z))+\n?")


def map_delivery(delivery: RawDelivery, account: AccountView) -> Iterable[Item]:
    """The one item in a delivery; what cannot be understood is :class:`Unmappable`."""
    try:
        told = table(jsons.load(delivery.body))
    except jsons.NotJson as error:
        return [Unmappable(str(error), delivery.body, None, "not_json")]
    event = table(told.get("event"))
    native_id = storable(string(event.get("event_id"), _ID)) or None
    try:
        return [_receipt(table(told["receipt"])) if "receipt" in told else _item(told, event, account)]
    except Missing as error:
        return [Unmappable(str(error), delivery.body, native_id, "field_missing")]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        return [Unmappable(f"The event is not as expected ({type(error).__name__}).", delivery.body, native_id)]


def _receipt(told: dict[str, Any]) -> Item:
    return Receipt(storable(needed(told, "event", _ID)), "read", _moment(told, "ts"))


def _item(told: dict[str, Any], event: dict[str, Any], account: AccountView) -> Item:
    native_id = storable(needed(event, "event_id", _ID))
    kind = string(event.get("type"), 200)
    content = table(event.get("content"))
    if kind == "m.room.redaction":
        redacts = string(event.get("redacts"), _ID) or needed(content, "redacts", _ID)
        return Deletion(storable(redacts), milliseconds(event.get("origin_server_ts")))
    if table(event.get("unsigned")).get("redacted_because"):
        because = table(table(event["unsigned"]).get("redacted_because"))
        return Deletion(native_id, milliseconds(because.get("origin_server_ts")))
    if kind == "m.reaction":
        return _reaction(told, event, native_id, table(content.get("m.relates_to")))
    if kind not in ("m.room.message", "m.sticker"):
        raise Missing(f"“{one_line(kind, 60) or 'nothing'}” is no type of event that is understood here.")
    relation = table(content.get("m.relates_to"))
    if relation.get("rel_type") == "m.replace":
        return _edit(told, event, content, needed(relation, "event_id", _ID), account)
    return _message(told, event, content, native_id, account)


def _message(told: dict[str, Any], event: dict[str, Any], content: dict[str, Any], native_id: str, account: AccountView) -> Mention:
    room, me, sender = table(told.get("room")), string(told.get("me"), _ID), needed(event, "sender", _ID)
    direct = room.get("direct") is True
    relation = table(content.get("m.relates_to"))
    answered = string(table(relation.get("m.in_reply_to")).get("event_id"), _ID)
    root = string(relation.get("event_id"), _ID) if relation.get("rel_type") == "m.thread" else ""
    # In a thread the older programs are told to show the last message as answered; that is nobody's answer.
    falling_back = relation.get("is_falling_back") is True
    reply_to = "" if falling_back and root else answered
    text, quoted, media = _said(told, event, content, bool(answered))
    if len(text) > TEXT_LIMIT:
        raise Missing(f"The text is longer than {TEXT_LIMIT:,} characters.")
    room_id = needed(room, "id", _ID)
    ours = sender == me
    context = {
        "room": room_id,
        "room_name": one_line(string(room.get("name")), 200),
        "event": native_id,
        "sender": sender,
        "thread_root": root,
    }
    return Mention(
        native_id=native_id,
        kind="message" if direct else "comment" if reply_to or root else "post",
        author=_author(told, sender),
        text=text,
        published_at=_moment(event, "origin_server_ts"),
        quoted=quoted,
        url=None if direct else f"https://{_LINKS}/#/{quote(room_id)}/{quote(native_id)}",
        reply_to=storable(reply_to) or None,
        thread=storable(root or room_id),
        private=direct,
        addressed=not ours and (direct or _names(content, text, me, account.name)),
        automatic=content.get("msgtype") in ("m.notice", "m.server_notice"),
        media_type="owned" if ours else "earned",
        media=media,
        context={key: storable(value) for key, value in context.items() if value},
    )


def _edit(told: dict[str, Any], event: dict[str, Any], content: dict[str, Any], target: str, account: AccountView) -> Item:
    """The new words of an event. Only its own sender may edit it, and homeservers leave it to us to see to that."""
    original = table(told.get("original"))
    if needed(original, "sender", _ID) != needed(event, "sender", _ID):
        raise Missing("Somebody else than its sender wants to edit it; that is not believed.")
    fresh = table(content.get("m.new_content"))
    fresh.setdefault("m.relates_to", table(table(original.get("content")).get("m.relates_to")))
    mention = _message(told, {**event, "content": fresh}, fresh, storable(target), account)
    return replace(mention, published_at=_moment(original, "origin_server_ts"), edited_at=_moment(event, "origin_server_ts"))


def _reaction(told: dict[str, Any], event: dict[str, Any], native_id: str, relation: dict[str, Any]) -> Mention:
    """A sign under somebody's message: kept and shown, and nobody waits for an answer to it."""
    room, sender = table(told.get("room")), needed(event, "sender", _ID)
    target, room_id = needed(relation, "event_id", _ID), needed(room, "id", _ID)
    return Mention(
        native_id=native_id,
        kind="comment",
        author=_author(told, sender),
        text=clean(needed(relation, "key", 200)),
        published_at=_moment(event, "origin_server_ts"),
        reply_to=storable(target),
        thread=storable(room_id),
        private=room.get("direct") is True,
        media_type="owned" if sender == string(told.get("me"), _ID) else "earned",
        state="no_answer_needed",
        context={"room": storable(room_id), "reaction": True},
    )


def _said(told: dict[str, Any], event: dict[str, Any], content: dict[str, Any], answers: bool) -> tuple[str, str | None, tuple[Media, ...]]:
    """Text, what of it only repeats what is answered, and the file that came with it."""
    kind = "m.sticker" if event.get("type") == "m.sticker" else string(content.get("msgtype"), 100)
    body = content.get("body")
    if not isinstance(body, str):
        raise Missing("“body” is missing or no text.")
    if kind in _KINDS:
        name = string(content.get("filename"), 1000)
        caption = body if kind != "m.sticker" and name and body != name else ""
        return clean(caption), None, (_medium(told, content, _KINDS[kind], name or body),)
    text, quoted = clean(body), None
    if answers and (found := _FALLBACK.match(text)) and found.end() < len(text):
        text, quoted = text[found.end() :], found.group().strip()
    if kind == "m.emote":
        text = f"* {text}"
    if not text.strip():
        raise Missing("The message is empty.")
    return text, quoted, ()


def _medium(told: dict[str, Any], content: dict[str, Any], kind: str, name: str) -> Media:
    data: bytes | None = None
    try:
        data = base64.b64decode(string(table(told.get("file")).get("content"), 30_000_000), validate=True) or None
    except (binascii.Error, ValueError):
        data = None
    told_type = one_line(string(table(content.get("info")).get("mimetype"), 200), 100) or None
    return Media(kind, None, None, one_line(name, 200) or None, told_type, data)


def _author(told: dict[str, Any], sender: str) -> Author:
    name = one_line(string(told.get("name"), 1000), 200)
    return Author(storable(sender), handle=one_line(sender, _ID) or None, name=name or None)


def _names(content: dict[str, Any], text: str, me: str, account: str) -> bool:
    """Whether a message in a room of many names us: by the list that programs send, by our id or the account's name."""
    named = entries(table(content.get("m.mentions")).get("user_ids"))
    local = me.partition(":")[0]
    said = text.casefold()
    return me in named or any(len(one) > 2 and one.casefold() in said for one in (me, local, account))


def _moment(told: dict[str, Any], name: str) -> datetime:
    moment = milliseconds(told.get(name))
    if moment is None:
        raise Missing(f"“{name}” is missing or no moment.")
    return moment
