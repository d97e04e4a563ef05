"""The Bot API: calling it, and its errors in our words.

Source: core.telegram.org/bots/api (Bot API 10.1) and, for the sentences of its errors, which it documents nowhere,
github.com/TelegramBotAPI/errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cxm.channels.contracts import AuthExpired, ConnectorError, Gone, RateLimited, Rejected, Response, Session, Unavailable
from cxm.channels.kit import answers
from cxm.channels.kit.fields import string, table, whole
from cxm.channels.kit.text import one_line

_TOKEN = re.compile(r"([0-9]{1,20}):[A-Za-z0-9_-]{1,100}")
_SERVER = "https://api.telegram.org"
_GONE = (
    "message to be replied not found",
    "message to reply not found",
    "reply message not found",
    "message to edit not found",
    "chat not found",
)
#: What a refusal (403) says, and what a member can do about it.
_SHUT: tuple[tuple[str, str, str], ...] = (
    ("blocked", "This person has blocked the bot.", "Only they can unblock it."),
    ("deactivated", "This person has left Telegram.", "Reach them elsewhere."),
    ("initiate", "A bot may not write first.", "Wait until this person has written to the bot."),
    ("kicked", "The bot was put out of the group.", "Have it added again."),
    ("not a member", "The bot is not in this group.", "Have it added again."),
)
_TOO_LONG = Rejected("The answer is too long for Telegram.", "Shorten it to 4,096 characters.")


class Moved(Rejected):
    """The group has become a supergroup, with an id of its own: ``chat``. Nothing was done."""

    def __init__(self, chat: int) -> None:
        super().__init__("The group has become a supergroup.", "Answer a message of the supergroup.")
        self.chat = chat


def base_of(session: Session) -> str:
    """The server's address: Telegram's own where the account names none."""
    return string(session.account.settings.get("server_url"), 500).strip().rstrip("/") or _SERVER


async def find(session: Session) -> None:
    """Whether a Bot API answers at all, which it does to nobody's token too. Raises the five errors."""
    response = await session.http.request("POST", f"{base_of(session)}/bot0:nobody/getMe", json={}, timeout=15.0)
    if "ok" not in answers.body_of(response):
        raise Rejected("It answers, but not as a Bot API.", "Check its address.")


class Bot:
    """One bot on its server. ``id`` stands in its token."""

    def __init__(self, session: Session) -> None:
        self._session = session
        token = session.credentials.get("token", "").strip()
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise AuthExpired("That is no bot token.", "Copy the whole of it from @BotFather, like 123456789:AAE… .")
        self.id = found.group(1)
        self._token = token
        self._base = base_of(session)

    async def call(self, method: str, asked: Mapping[str, Any] | None = None, *, effect: bool = False, timeout: float = 15.0) -> Any:
        """The ``result`` of a method. ``effect``: it changes something there. Raises the five errors."""
        # The token stands in the address; what goes wrong names the host alone.
        url = f"{self._base}/bot{self._token}/{method}"
        given = {key: value for key, value in (asked or {}).items() if value is not None}
        response = await self._session.http.request("POST", url, json=given, timeout=timeout)
        body = answers.body_of(response)
        if body.get("ok") is True:
            return body.get("result")
        raise self._error(response, body, effect=effect)

    async def file(self, path: str) -> bytes:
        """The bytes of what ``getFile`` named. Raises the five errors."""
        response = await self._session.http.request("GET", f"{self._base}/file/bot{self._token}/{path}", timeout=20.0)
        if (error := answers.error_of(response, self._session.now, effect=False)) is not None:
            raise error
        return response.content

    def _error(self, response: Response, body: dict[str, Any], *, effect: bool) -> ConnectorError:
        """What ``ok: false`` stands for; its ``error_code`` counts where there is one, since a status may be 200 all the same."""
        status = whole(body.get("error_code")) or response.status_code
        said = one_line(string(body.get("description"), 2000), 300).removeprefix("Bad Request: ").removeprefix("Forbidden: ")
        told = table(body.get("parameters"))
        if 200 <= status < 300:
            return Unavailable("The server does not answer as a Bot API.", "Check its address.", effect_possible=effect)
        if status in (401, 404):
            return AuthExpired("Telegram does not know this bot token (any more).", "Enter the one that @BotFather shows under /mybots.")
        if status == 409:
            return _conflict(said)
        if status == 429:
            wait = whole(told.get("retry_after"))
            seconds = answers.retry_after(response.headers, self._session.now)
            return RateLimited("Telegram asks us to slow down.", retry_after=min(max(wait, 1), 86_400) if wait is not None else seconds)
        if (chat := whole(told.get("migrate_to_chat_id"))) is not None:
            return Moved(chat)
        if status in (400, 403):
            return _refusal(status, said)
        return answers.error_of(response, self._session.now, effect=effect) or Unavailable(said, effect_possible=effect)


def _conflict(said: str) -> ConnectorError:
    if "webhook" in said:
        return Rejected(
            "Another program has this bot's messages sent to it (a webhook).", "Take that webhook away, or make a bot for OpenCXM."
        )
    return Unavailable("Another program listens with this bot token.", "Telegram gives each message to one listener: end the other one.")


def _refusal(status: int, said: str) -> ConnectorError:
    low = said.lower()
    if any(one in low for one in _GONE):
        return Gone(said)
    if "too long" in low:
        return _TOO_LONG
    if status == 403:
        for sign, text, mend in _SHUT:
            if sign in low:
                return Rejected(text, mend)
    return Rejected(said or f"Telegram refused it ({status}).", "Look whether the bot may write there.")
