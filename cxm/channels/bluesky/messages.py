"""Direct messages as mentions. Pure: no clock, no network.

A delivery has ``me`` (our DID), ``convo`` (``id``, ``kind``, ``name``, ``status``), ``profile`` (of who said it) and ``message`` (a
chat.bsky.convo.defs#messageView); for a sign under one ``target`` (the message's id) and ``reaction`` (a #reactionView) in its place.
"""

from __future__ import annotations

from typing import Any

from cxm.channels.bluesky import embeds, ids, texts
from cxm.channels.contracts import AccountView, Author, Item, Mention
from cxm.channels.kit.fields import Missing, entries, needed, string, table
from cxm.channels.kit.text import clean, one_line, storable

_ID, _TEXT = 200, 100_000


def is_one(told: dict[str, Any]) -> bool:
    """Whether a delivery is of a direct message."""
    return "message" in told or "reaction" in told


def address_of(told: dict[str, Any]) -> str | None:
    """What it is known by, as far as that can be told."""
    key = string(told.get("target"), _ID) or string(table(told.get("message")).get("id"), _ID)
    address = ids.message(string(table(told.get("convo")).get("id"), _ID), key)
    return address if ids.message_parts(address) else None


def item(told: dict[str, Any], account: AccountView) -> Item:
    """The message or the reaction. Raises :class:`Missing`."""
    return _reaction(told, account) if "reaction" in told else _message(told, account)


def _message(told: dict[str, Any], account: AccountView) -> Mention:
    message, convo = table(told.get("message")), table(told.get("convo"))
    address, me, did = _address(told, message.get("id")), string(told.get("me"), 600), _sender(message)
    written = message.get("text")
    if not isinstance(written, str) or len(written) > _TEXT:
        raise Missing("“text” is missing or no text of a message.")
    facets = texts.facets_of(written, message.get("facets"))
    media = tuple(embeds.media_in(table(message.get("embed")), account))
    if not written.strip() and not media:
        raise Missing("The message is empty.")
    answered = table(message.get("replyTo"))
    named = any(facet.kind == "mention" and facet.value == me for facet in facets)
    group = convo.get("kind") == "group"
    speaks_to_us = not group or named or (bool(me) and table(answered.get("sender")).get("did") == me)
    return Mention(
        native_id=address,
        kind="message",
        author=_author(told, did, account),
        text=clean(texts.spelled_out(written, facets)),
        published_at=_moment(message, "sentAt"),
        reply_to=_answered(convo, answered),
        thread=ids.talk(needed(convo, "id", _ID)),
        private=True,
        addressed=did != me and speaks_to_us,
        automatic=_is_bot(told, did),
        media_type="owned" if did == me else "earned",
        media=media,
        context=_context(told, convo, did),
    )


def _reaction(told: dict[str, Any], account: AccountView) -> Mention:
    """A sign under a message: kept and shown, and nobody waits for an answer to it."""
    convo, reaction = table(told.get("convo")), table(told.get("reaction"))
    did, sign = _sender(reaction), needed(reaction, "value", 200)
    target = _address(told, told.get("target"))
    address = f"{target}/{did}/{sign}"
    if ids.message_parts(address) is None:
        raise Missing("“value” is no sign.")
    return Mention(
        native_id=storable(address),
        kind="comment",
        author=_author(told, did, account),
        text=clean(sign),
        published_at=_moment(reaction, "createdAt"),
        reply_to=target,
        thread=ids.talk(needed(convo, "id", _ID)),
        private=True,
        media_type="owned" if did == string(told.get("me"), 600) else "earned",
        state="no_answer_needed",
        context={**_context(told, convo, did), "reaction": True},
    )


def _address(told: dict[str, Any], key: object) -> str:
    address = ids.message(needed(table(told.get("convo")), "id", _ID), string(key, _ID))
    if ids.message_parts(address) is None:
        raise Missing("“id” is missing, or none of a message.")
    return address


def _answered(convo: dict[str, Any], answered: dict[str, Any]) -> str | None:
    address = ids.message(string(convo.get("id"), _ID), string(answered.get("id"), _ID))
    return address if ids.message_parts(address) else None


def _sender(said: dict[str, Any]) -> str:
    did = storable(needed(table(said.get("sender")), "did", 500))
    if not did.startswith("did:") or any(sign.isspace() for sign in did):
        raise Missing("“did” is none.")
    return did


def _author(told: dict[str, Any], did: str, account: AccountView) -> Author:
    profile = table(told.get("profile"))
    handle = one_line(string(profile.get("handle"), 254)).lower()
    known = "" if handle == "handle.invalid" else handle
    name = one_line(string(profile.get("displayName"), 1000), 200)
    return Author(did, f"@{known}" if known else None, name or None, f"{embeds.site(account)}/profile/{did}")


def _is_bot(told: dict[str, Any], did: str) -> bool:
    labels = map(table, entries(table(told.get("profile")).get("labels"))[:100])
    return any(label.get("val") == "bot" and label.get("src") == did for label in labels)


def _context(told: dict[str, Any], convo: dict[str, Any], did: str) -> dict[str, Any]:
    """What an answer needs (``convo``, ``group``), and what a reader may want to know."""
    context: dict[str, Any] = {
        "convo": storable(string(convo.get("id"), _ID)),
        "did": did,
        "handle": storable(one_line(string(table(told.get("profile")).get("handle"), 254)).lower()),
        "group": convo.get("kind") == "group",
        "group_name": one_line(string(convo.get("name"), 500), 200),
        "requested": convo.get("status") == "request",
    }
    return {key: value for key, value in context.items() if value}


def _moment(said: dict[str, Any], name: str) -> Any:
    moment = ids.moment(string(said.get(name), 40))
    if moment is None:
        raise Missing(f"“{name}” is missing or no moment.")
    return moment
