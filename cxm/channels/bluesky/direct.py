"""Saying something in a direct message, and finding out whether it was said.

Source: lexicons chat.bsky.convo.sendMessage, getConvoForMembers and getMessages. The service knows no key by which a second sending would be the
first again: so nothing is said twice only because an unknown outcome is read back, never because it is sent again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cxm.channels.bluesky import ids, sending, texts
from cxm.channels.bluesky.server import Refused, Server
from cxm.channels.contracts import Gone, Outgoing, Rejected, Sent, Session, Unavailable
from cxm.channels.kit.fields import entries, string, table

#: A message's longest text, as its readers count and in bytes.
GRAPHEMES, BYTES = 1000, 10_000
#: How far their clock may be behind ours; pages read back.
_SLACK, _PAGES = timedelta(minutes=1), 10
_THEY = {
    "MessagesDisabled": "They take no direct messages.",
    "NotFollowedBySender": "They take direct messages only from accounts they follow.",
    "BlockedActor": "They have blocked this account.",
    "BlockedSubject": "This account has blocked them.",
    "AccountSuspended": "Bluesky has suspended this account, or theirs.",
    "ConvoLocked": "The conversation is locked.",
    "RecipientNotFound": "There is no such account any more.",
}


async def say(server: Server, session: Session, outgoing: Outgoing) -> Sent:
    """Into the conversation it answers, or into the one with the author of the post it answers. Raises the five errors."""
    text = _text(outgoing)
    message: dict[str, Any] = {"text": text}
    if facets := await sending.facets(server, text):
        message["facets"] = facets
    convo = await _convo(server, outgoing)
    place = ids.message_parts(outgoing.in_reply_to or "")
    if place is not None and place[0] == convo and outgoing.context.get("group") is True:
        message["replyTo"] = {"messageId": place[1]}  # between two people it is plain what is answered
    told = await _asked(server.do("chat.bsky.convo.sendMessage", {"convoId": convo, "message": message}))
    return _sent(convo, string(told.get("id"), 100), session)


async def said(server: Server, session: Session, outgoing: Outgoing) -> Sent | None:
    """Whether these words of ours stand in the conversation since the intent was made, and are none that another intent said; None where
    they surely do not. The service keeps no mark of ours: words, writer and time are all there is. (What a member wrote there by hand in the
    very same words passes for it: they have then got it once, which is what was wanted.)"""
    convo, text, me = await _convo(server, outgoing), _text(outgoing), await server.me()
    began = _moment(outgoing) - _SLACK
    page = ""
    for _ in range(_PAGES):
        asked: dict[str, Any] = {"convoId": convo, "limit": 100} | ({"cursor": page} if page else {})
        told = await _asked(server.get("chat.bsky.convo.getMessages", asked))
        if not isinstance(told.get("messages"), list):
            break
        messages = [table(one) for one in entries(told["messages"])]
        for one in messages:
            moment = ids.moment(string(one.get("sentAt"), 40))
            if moment is not None and moment < began:
                return None
            if one.get("text") == text and table(one.get("sender")).get("did") == me:
                found = _sent(convo, string(one.get("id"), 100), session)
                if found.native_id not in outgoing.others:
                    return found
        page = string(told.get("cursor"), 4000)
        if not messages or not page:
            return None
    raise Unavailable("The service does not say whether the message is there.", "It is asked again.", effect_possible=True)


def _sent(convo: str, key: str, session: Session) -> Sent:
    address = ids.message(convo, key)
    if ids.message_parts(address) is None:
        raise Unavailable("The service does not say what became of the message.", "It is looked for.", effect_possible=True)
    site = string(session.account.settings.get("web_url"), 500).rstrip("/")
    return Sent(address, f"{site}/messages/{convo}" if site else None)


def _text(outgoing: Outgoing) -> str:
    if any(one.content is not None for one in outgoing.media):
        raise Rejected("Files do not go with direct messages.", "Send a link instead.")
    text = sending.text_of(outgoing)
    if not text.strip():
        raise Rejected("There is nothing to say.", "Write a text.")
    count = texts.graphemes(text)
    if count > GRAPHEMES or len(text.encode("utf-8", "replace")) > BYTES:
        raise Rejected(f"The text has {count} signs; a direct message takes {GRAPHEMES} and {BYTES:,} bytes.", "Shorten it.")
    return text


async def _convo(server: Server, outgoing: Outgoing) -> str:
    """The conversation it goes into. Raises Rejected where there is none and none can be begun."""
    place = ids.message_parts(outgoing.in_reply_to or "")
    if place is not None:
        return place[0]
    post = ids.post_parts(outgoing.in_reply_to or "")
    whom = post[0] if post is not None else outgoing.to or ""
    if not whom.startswith("did:"):
        raise Rejected("It is not known whom to write to.", "Answer something they said.")
    if whom == await server.me():
        raise Rejected("This account cannot write to itself.", "Answer something somebody else said.")
    told = await _asked(server.get("chat.bsky.convo.getConvoForMembers", {"members": [whom]}))
    convo = string(table(told.get("convo")).get("id"), 100)
    if not convo:
        raise Unavailable("The service does not say where to write to them.", "It is tried again.")
    return convo


async def _asked(answer: Any) -> dict[str, Any]:
    """An answer, its refusals in plain words."""
    try:
        return await answer
    except Refused as error:
        if error.code in _THEY:
            raise Rejected(_THEY[error.code], "Answer in public, or reach them elsewhere.") from error
        if error.code in ("InvalidConvo", "ReplyTargetNotFound"):
            raise Gone("The conversation or the message is not there any more.", "This account has left it, or it was deleted.") from error
        raise


def _moment(outgoing: Outgoing) -> datetime:
    """When the intent was made, as its id tells; the beginning of time where it does not."""
    if outgoing.id.version != 7:
        return datetime(2000, 1, 1, tzinfo=UTC)
    return datetime.fromtimestamp((outgoing.id.int >> 80) / 1000, UTC)
