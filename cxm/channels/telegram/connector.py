"""Telegram over the Bot API: one long question after the other, answers under what is answered."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from cxm.channels.contracts import (
    AuthExpired,
    ConnectorError,
    Outgoing,
    Polled,
    RateLimited,
    RawDelivery,
    Rejected,
    Sent,
    Session,
    TestStep,
    Unavailable,
    Unheard,
)
from cxm.channels.kit import jsons, longpoll
from cxm.channels.kit.fields import Missing, entries, milliseconds, string, table, whole
from cxm.channels.telegram.bot import Bot, Moved, find
from cxm.channels.telegram.files import file_of
from cxm.channels.telegram.ids import native_id, parts
from cxm.kernel import clock
from cxm.kernel.said import said

#: Seconds a question for news stays open.
LONG = 25
#: Updates of one answer, the most there are.
LIMIT = 100
#: Bytes of one batch, files included; what is beyond is asked for again.
BATCH_BYTES = 20_000_000
#: What we ask to be told; reactions only come where they are named.
WANTED = ("message", "edited_message", "message_reaction")
#: How long the files of one batch may take: the runtime takes 90 s without a batch for a dead stream.
PATIENCE = timedelta(seconds=15)
_NAME_KEPT = timedelta(days=1)
#: How long Telegram keeps what nobody asked for, and how exactly we remember when we asked last: each time would be a write.
KEPT, _EXACT = timedelta(days=1), timedelta(hours=1)
_LOST = "Telegram keeps what is written to a bot for a day. Nobody asked for longer, and what was written before that day is lost."


class Poll:
    """Asks what is new and does not wait."""

    async def poll(self, session: Session, cursor: Mapping[str, Any] | None) -> Polled:
        """One answer of ``getUpdates``. The offset in the cursor confirms what is durable here, so that Telegram may forget it."""
        return await _updates(session, cursor, wait=0)


class Stream:
    """Asks what is new and waits for it: heard within a second."""

    def listen(self, session: Session, cursor: Mapping[str, Any] | None) -> AsyncIterator[Polled]:
        """Batches as they come, an empty one every 25 seconds as a sign of life."""
        return longpoll.listen(_updates, session, cursor, LONG)


class Reply:
    """Answers in the chat, under what is answered."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """The new message's id. Telegram knows no key that makes one of two: what became of a cut call is for a person to see."""
        bot, chat = Bot(session), _chat(outgoing)
        text = "\n".join(filter(None, [outgoing.text, *(medium.url for medium in outgoing.media if medium.url)]))
        if not text.strip():
            raise Rejected("There is nothing to say.", "Write a text.")
        answered = parts(outgoing.in_reply_to or "")
        under = {"message_id": answered[1]} if answered is not None else None
        asked: dict[str, Any] = {"text": text, "message_thread_id": whole(outgoing.context.get("topic"))}
        try:
            told = await bot.call("sendMessage", {"chat_id": chat, "reply_parameters": under, **asked}, effect=True)
        except Moved as moved:  # the supergroup has none of the group's numbers
            told = await bot.call("sendMessage", {"chat_id": moved.chat, **asked}, effect=True)
        return _sent(bot, told)


class Edit:
    """Changes the words of something we said."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """``in_reply_to`` names what is edited. The same words again are no fault: it is as it should be."""
        bot, (chat, number) = Bot(session), _target(outgoing)
        try:
            await bot.call("editMessageText", {"chat_id": chat, "message_id": number, "text": outgoing.text}, effect=True)
        except Rejected as error:
            if "not modified" not in error.text:
                raise
        return Sent(outgoing.in_reply_to or "")


class Delete:
    """Takes something we said back."""

    async def send(self, session: Session, outgoing: Outgoing) -> Sent:
        """``in_reply_to`` names what is deleted. What is not there any more is deleted; after 48 hours Telegram refuses."""
        bot, (chat, number) = Bot(session), _target(outgoing)
        try:
            await bot.call("deleteMessage", {"chat_id": chat, "message_id": number}, effect=True)
        except Rejected as error:
            if "message to delete not found" in error.text:
                return Sent(outgoing.in_reply_to or "")
            if "can't be deleted" in error.text:
                raise Rejected(error.text, "Telegram lets bots delete for 48 hours. Edit it instead.") from error
            raise
        return Sent(outgoing.in_reply_to or "")


class Test:
    """The test button: the server, the token, who the bot is, and whether its messages come to us."""

    __test__ = False

    async def test(self, session: Session) -> list[TestStep]:
        """Nothing is sent, and no update is confirmed."""
        steps: list[TestStep] = []
        try:
            await find(session)
            steps.append(TestStep(said("Find the server"), True, "A Bot API answers."))
            bot = Bot(session)
            me = table(await bot.call("getMe"))
            steps.append(TestStep(said("Sign in"), True, f"We are @{string(me.get('username'), 100)}."))
            # Without an offset nothing is confirmed: what waits still waits afterwards.
            await bot.call("getUpdates", {"limit": 1, "timeout": 0})
            steps.append(TestStep(said("Listen"), True, _groups(me)))
        except ConnectorError as error:
            steps.append(
                TestStep(
                    (said("Find the server"), said("Sign in"), said("Listen"))[len(steps)], False, f"{error.text} {error.mend}".strip()
                )
            )
        return steps


def _groups(me: dict[str, Any]) -> str:
    if me.get("can_join_groups") is False:
        return "It hears private chats; it may not be added to groups."
    if me.get("can_read_all_group_messages") is True:
        return "It hears private chats, and everything that is said in its groups."
    return "It hears private chats, and in groups what names it or answers it."


# --- listening -----------------------------------------------------------------------------------------------------------


async def _updates(session: Session, cursor: Mapping[str, Any] | None, *, wait: int) -> Polled:
    bot, known = Bot(session), table(dict(cursor or {}))
    me = await _me(bot, session, table(known.get("me")))
    offset = whole(known.get("offset"))
    asked = {"offset": offset, "limit": LIMIT, "timeout": wait, "allowed_updates": WANTED}
    updates = [table(update) for update in entries(await bot.call("getUpdates", asked, timeout=wait + 20.0))]
    found: list[RawDelivery] = []
    size, begun = 0, clock.now()
    for update in updates:
        if found and (size > BATCH_BYTES or clock.now() - begun > PATIENCE):
            break
        found.append(await _delivery(bot, session, update, me))
        size += len(found[-1].body)
        number = whole(update.get("update_id"))
        offset = number + 1 if number is not None else offset
    heard = milliseconds(known.get("heard"))
    lost = heard is not None and session.now - heard > KEPT + _EXACT
    if heard is None or not timedelta(0) <= session.now - heard < _EXACT:
        known["heard"] = int(session.now.timestamp() * 1000)
    return Polled(
        tuple(found),
        {"offset": offset, "me": me, "heard": known["heard"]},
        more=len(found) < len(updates) or len(updates) >= LIMIT,
        unheard=(Unheard(heard, session.now - KEPT, _LOST),) if heard is not None and lost else (),
    )


async def _me(bot: Bot, session: Session, known: dict[str, Any]) -> dict[str, Any]:
    """Who we are, asked for once a day: a bot's username can be changed, and by it we are named in groups."""
    asked = milliseconds(known.get("asked"))
    if known.get("id") == bot.id and asked is not None and session.now - asked < _NAME_KEPT:
        return known
    told = table(await bot.call("getMe"))
    return {"id": bot.id, "username": string(told.get("username"), 100), "asked": int(session.now.timestamp() * 1000)}


async def _delivery(bot: Bot, session: Session, update: dict[str, Any], me: dict[str, Any]) -> RawDelivery:
    told: dict[str, Any] = {"me": {"id": me["id"], "username": me["username"]}, "update": update}
    content = await _file(bot, session, table(update.get("message")) or table(update.get("edited_message")))
    if content is not None:
        told["file"] = {"content": base64.b64encode(content).decode()}
    # After a week of silence Telegram begins to count updates anew, anywhere: a number alone may come twice.
    mark = hashlib.sha256(jsons.dump(update)).hexdigest()[:16]
    return RawDelivery(f"{whole(update.get('update_id'))}:{mark}", jsons.dump(told), {}, session.now)


async def _file(bot: Bot, session: Session, message: dict[str, Any]) -> bytes | None:
    """The bytes of a message's file, where they are not too many; None where they cannot be had: it is named all the same."""
    wished, found = whole(session.account.settings.get("media_megabytes", 8)) or 0, file_of(message)
    if found is None or not found.id or not wished or found.size > wished * 1_000_000:
        return None
    try:
        path = string(table(await bot.call("getFile", {"file_id": found.id}, timeout=10.0)).get("file_path"), 1000)
        # A server of one's own, run with --local, names files on its own disk.
        content = await bot.file(path) if path and not path.startswith("/") else b""
    except (AuthExpired, RateLimited):
        raise
    except ConnectorError:
        return None
    return content if 0 < len(content) <= wished * 1_000_000 else None


# --- sending -----------------------------------------------------------------------------------------------------------


def _chat(outgoing: Outgoing) -> int:
    chat = whole(outgoing.context.get("chat"))
    answered = parts(outgoing.in_reply_to or "")
    if chat is None and answered is not None:
        chat = answered[0]
    if chat is None:
        raise Rejected("It is not known in which chat to answer.", "Answer a message of that chat.")
    return chat


def _target(outgoing: Outgoing) -> tuple[int, int]:
    target = parts(outgoing.in_reply_to or "")
    if target is None:
        raise Rejected("It is not known what is meant.", "Name the message.")
    return target


def _sent(bot: Bot, told: Any) -> Sent:
    try:
        return Sent(native_id(bot.id, table(table(told).get("chat")), table(told).get("message_id")))
    except Missing as error:
        raise Unavailable("Telegram does not say what became of it.", "Look there.", effect_possible=True) from error
