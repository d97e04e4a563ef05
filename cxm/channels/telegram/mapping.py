"""Updates of a bot as mentions. Pure: no clock, no network, and no bytes may make it raise.

A delivery is one object that the connector wrote: ``me`` (our bot: ``id``, ``username``), ``update`` as Telegram gave it, and where a
file came with the message ``file`` (``content`` in base64).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from cxm.channels.contracts import AccountView, Author, Deletion, Item, Media, Mention, RawDelivery, Unmappable
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import Missing, entries, needed, seconds, string, table, whole
from cxm.channels.kit.text import clean, one_line, storable
from cxm.channels.telegram.files import file_of
from cxm.channels.telegram.ids import native_id

#: Where a link to a message leads people; never called from here.
_LINKS = "t.me"
#: What people send that is neither text nor file, and how it is said in words: fields of it, in this order.
_SAID: dict[str, tuple[str, ...]] = {
    "contact": ("first_name", "last_name", "phone_number"),
    "venue": ("title", "address"),
    "poll": ("question",),
    "checklist": ("title",),
    "dice": ("emoji",),
    "game": ("title",),
}
#: Words of the protocol about a message that is nobody's saying: somebody joined, something was pinned, a call began.
_SERVICE = re.compile(
    r"(new|delete|left|group|supergroup|channel|message|migrate|pinned|forum|general|video_chat|chat|boost|giveaway|write|proximity"
    r"|users|connected|web_app|suggested|paid_message|direct_message|checklist_tasks|poll_option|managed|successful|refunded"
    r"|gift|unique|invoice|passport|story)_?"
)
_ALWAYS = frozenset(
    ["message_id", "message_thread_id", "from", "chat", "date", "sender_chat", "is_topic_message", "via_bot", "has_protected_content"]
)


def map_delivery(delivery: RawDelivery, account: AccountView) -> Iterable[Item]:
    """What an update says: a message, its edit, or the reactions somebody gave or took back; nothing of an update nobody said anything in."""
    try:
        told = table(jsons.load(delivery.body))
    except jsons.NotJson as error:
        return [Unmappable(str(error), delivery.body, None, "not_json")]
    update, me = table(told.get("update")), _us(table(told.get("me")))
    try:
        if "message_reaction" in update:
            return list(_reactions(table(update["message_reaction"]), me))
        edited = "edited_message" in update
        message = table(update.get("edited_message") if edited else update.get("message"))
        if not message:
            raise Missing("The update holds no message that is understood here.")
        return _message(message, me, table(told.get("file")), edited=edited)
    except Missing as error:
        return [Unmappable(str(error), delivery.body, _name_of(update), "field_missing")]


def _us(told: dict[str, Any]) -> dict[str, Any]:
    return {key: storable(string(told.get(key), 100)) for key in ("id", "username")}


def _name_of(update: dict[str, Any]) -> str | None:
    number = whole(update.get("update_id"))
    return None if number is None else f"update {number}"


def _message(message: dict[str, Any], me: dict[str, Any], file: dict[str, Any], *, edited: bool) -> list[Item]:
    chat, bot = table(message.get("chat")), needed(me, "id", 40)
    identifier = native_id(bot, chat, message.get("message_id"))
    moment = seconds(message.get("date"))
    if moment is None:
        raise Missing("“date” is missing or no moment.")
    text, media = _said(message), _media(message, file)
    if not text.strip() and not media:
        if any(_SERVICE.match(key) for key in message.keys() - _ALWAYS):
            return []
        raise Missing("The message holds nothing that is understood here.")
    private = chat.get("type") == "private"
    answered = table(message.get("reply_to_message"))
    reply_to = native_id(bot, chat, answered.get("message_id")) if answered else None
    author, automatic = _author(message)
    ours = author.native_id == bot
    mention = Mention(
        native_id=identifier,
        kind="message" if private else "comment" if reply_to else "post",
        author=author,
        text=text,
        published_at=moment,
        quoted=clean(string(table(message.get("quote")).get("text"), 5000)) or None,
        url=_url(chat, message),
        reply_to=reply_to,
        thread=_thread(message, chat),
        private=private,
        addressed=not ours and (private or _names(message, text, answered, me)),
        automatic=automatic,
        media_type="owned" if ours else "earned",
        location=_place(message),
        media=media,
        # Who opens a chat with a bot must press a button that says /start: nobody waits for an answer to it.
        state="no_answer_needed" if private and text.partition(" ")[0] == "/start" else None,
        context=_context(message, chat),
    )
    changed = seconds(message.get("edit_date"))
    return [replace(mention, edited_at=changed) if edited and changed is not None else mention]


def _reactions(told: dict[str, Any], me: dict[str, Any]) -> Iterator[Item]:
    """Signs under a message: each one is a short comment that nobody owes an answer; one that is taken back is gone."""
    chat, bot = table(told.get("chat")), needed(me, "id", 40)
    target = native_id(bot, chat, told.get("message_id"))
    moment = seconds(told.get("date"))
    if moment is None:
        raise Missing("“date” is missing or no moment.")
    author, automatic = _author({"from": told.get("user"), "sender_chat": told.get("actor_chat")})
    before, after = _signs(told.get("old_reaction")), _signs(told.get("new_reaction"))
    stem = f"{target}:reaction:{author.native_id}:"
    for sign in before:
        if sign not in after:
            yield Deletion(stem + sign, moment)
    for sign in after:
        if sign not in before:
            yield Mention(
                native_id=stem + sign,
                kind="comment",
                author=author,
                text=sign,
                published_at=moment,
                reply_to=target,
                thread=str(chat.get("id")),
                private=chat.get("type") == "private",
                automatic=automatic,
                state="no_answer_needed",
                context={"chat": chat.get("id"), "reaction": True},
            )


def _signs(value: object) -> list[str]:
    """The emojis among reactions, each once; a custom one or a paid star has none that could be shown."""
    signs = [clean(string(table(one).get("emoji"), 40)) or ("⭐" if table(one).get("type") == "paid" else "") for one in entries(value)]
    return list(dict.fromkeys(sign for sign in signs[:20] if sign))


def _author(message: dict[str, Any]) -> tuple[Author, bool]:
    """Who said it, and whether that is a machine. A channel, or a group's administrator who stays unnamed, speaks as a chat."""
    chat, person = table(message.get("sender_chat")), table(message.get("from"))
    speaker = chat or person
    number = whole(speaker.get("id"))
    if number is None:
        raise Missing("The message does not say who wrote it.")
    name = " ".join(filter(None, (string(speaker.get(key), 500) for key in ("title", "first_name", "last_name"))))
    username = one_line(string(speaker.get("username"), 100), 100)
    author = Author(
        str(number),
        handle=f"@{username}" if username else None,
        name=one_line(name, 200) or None,
        url=f"https://{_LINKS}/{username}" if _USERNAME.fullmatch(username) else None,
    )
    # A channel's posts are copied into the group that talks about them.
    return author, (not chat and person.get("is_bot") is True) or message.get("is_automatic_forward") is True


_USERNAME = re.compile(r"[A-Za-z0-9_]{3,64}")


def _said(message: dict[str, Any]) -> str:
    """The text, the words under a file, or in words what else was sent."""
    for key in ("text", "caption"):
        if said := string(message.get(key)):
            return clean(said)
    for key, fields in _SAID.items():
        if told := table(message.get(key)):
            lines = [string(told.get(field), 2000) for field in fields]
            options = [string(table(option).get("text"), 500) for option in entries(told.get("options"))[:50]]
            return clean("\n".join(filter(None, [" ".join(filter(None, lines)), *options])))
    return _place(message) or ""


def _place(message: dict[str, Any]) -> str | None:
    told = table(message.get("location")) or table(table(message.get("venue")).get("location"))
    across, along = told.get("latitude"), told.get("longitude")
    if not (isinstance(across, int | float) and isinstance(along, int | float) and abs(across) <= 90 and abs(along) <= 180):
        return None
    return f"{across:.5f}, {along:.5f}"


def _media(message: dict[str, Any], told: dict[str, Any]) -> tuple[Media, ...]:
    found = file_of(message)
    if found is None:
        return ()
    data: bytes | None = None
    try:
        data = base64.b64decode(string(told.get("content"), 30_000_000), validate=True) or None
    except (binascii.Error, ValueError):
        data = None
    emoji = one_line(string(table(message.get("sticker")).get("emoji"), 40), 40) or None
    return (Media(found.kind, None, emoji, found.name, found.content_type, data),)


def _names(message: dict[str, Any], text: str, answered: dict[str, Any], me: dict[str, Any]) -> bool:
    """Whether a message in a group answers our bot or names it, by its username or as a person without one is named."""
    bot, username = string(me.get("id"), 40), string(me.get("username"), 100)
    if str(table(answered.get("from")).get("id")) == bot:
        return True
    for entity in (*entries(message.get("entities")), *entries(message.get("caption_entities"))):
        if str(table(table(entity).get("user")).get("id")) == bot:
            return True
    return bool(username) and re.search(rf"@{re.escape(username)}(?![A-Za-z0-9_])", text, re.IGNORECASE) is not None


def _thread(message: dict[str, Any], chat: dict[str, Any]) -> str:
    topic = whole(message.get("message_thread_id")) if message.get("is_topic_message") is True else None
    return f"{chat.get('id')}" if topic is None else f"{chat.get('id')}:{topic}"


def _url(chat: dict[str, Any], message: dict[str, Any]) -> str | None:
    """The message's own address: only messages of supergroups have one."""
    if chat.get("type") != "supergroup":
        return None
    username, number = string(chat.get("username"), 64), str(chat.get("id"))
    place = username if _USERNAME.fullmatch(username) else f"c/{number[4:]}" if number.startswith("-100") else ""
    return f"https://{_LINKS}/{place}/{message.get('message_id')}" if place else None


def _context(message: dict[str, Any], chat: dict[str, Any]) -> dict[str, Any]:
    told = {"chat": chat.get("id"), "message": message.get("message_id"), "chat_name": one_line(string(chat.get("title"), 500), 200)}
    if message.get("is_topic_message") is True:
        told["topic"] = whole(message.get("message_thread_id"))
    return {key: storable(value) if isinstance(value, str) else value for key, value in told.items() if value}
