"""Ids of messages. Telegram counts messages in each chat; in private chats and basic groups each bot counts for itself."""

from __future__ import annotations

from typing import Any

from cxm.channels.kit.fields import Missing, whole

#: Kinds of chats in which every bot sees a message under the same number.
SHARED = ("supergroup", "channel")


def native_id(bot: str, chat: dict[str, Any], message: object) -> str:
    """``chat:message``, and where numbers are each bot's own ``bot:chat:message``. Raises :class:`Missing`."""
    chat_id, number = whole(chat.get("id")), whole(message)
    if chat_id is None or number is None:
        raise Missing("The message does not say its number or chat.")
    return f"{chat_id}:{number}" if chat.get("type") in SHARED else f"{bot}:{chat_id}:{number}"


def parts(identifier: str) -> tuple[int, int] | None:
    """Chat and number of what :func:`native_id` made; None of anything else."""
    pieces = identifier.split(":")
    if len(pieces) not in (2, 3) or any(len(piece) > 20 for piece in pieces):
        return None
    try:
        return int(pieces[-2]), int(pieces[-1])
    except ValueError:
        return None
