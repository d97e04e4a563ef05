"""The Bot API in memory: strict where Telegram is, as its documentation says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cxm.channels.contracts import Session
from cxm.channels.testing.web import Answer, Request, Web, answer, session_over

BASE = "https://api.telegram.org"
TOKEN = "7000000001:AAE_in-memory"
ANN = {"id": 5000000001, "is_bot": False, "first_name": "Ann"}
ROOM = {"id": 5000000001, "type": "private", "first_name": "Ann"}


class BotApi:
    """One bot: what waits for it (``updates``), what it said (``said``), and which token it knows (None: revoked)."""

    def __init__(self) -> None:
        self.web = Web()
        self.web.otherwise(self._answer)
        self.updates: list[dict[str, Any]] = []
        self.said: dict[tuple[int, int], dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.token: str | None = TOKEN
        self.refuses: list[Answer] = []
        self._number, self._message = 870_000_000, 100

    def hears(self, text: str = "", **more: Any) -> int:
        """Somebody writes to the bot; the message's number."""
        self._message += 1
        said = {"message_id": self._message, "from": ANN, "chat": ROOM, "date": 1_763_805_600} | ({"text": text} if text else {})
        self.update(message=said | more)
        return self._message

    def update(self, **told: Any) -> None:
        self._number += 1
        self.updates.append({"update_id": self._number, **told})

    def refuse(self, code: int, description: str, **parameters: int) -> None:
        """The next call is refused so."""
        body = {"ok": False, "error_code": code, "description": description} | ({"parameters": parameters} if parameters else {})
        self.refuses.append(answer(code, json=body))

    def calls(self, method: str) -> list[dict[str, Any]]:
        """What was asked of ``method``, in order."""
        return [one.json() for one in self.web.requests if one.url.endswith(f"/{method}")]

    def _answer(self, asked: Request) -> Answer:
        if self.token is None or f"/bot{self.token}/" not in asked.url:
            return answer(401, json={"ok": False, "error_code": 401, "description": "Unauthorized"})
        if asked.url.startswith(f"{BASE}/file/"):
            name = asked.url.rpartition("/")[2]
            return answer(content="", status=404) if name not in self.files else Answer(200, self.files[name])
        method = asked.url.rpartition("/")[2]
        if self.refuses and method not in ("getMe",):
            return self.refuses.pop(0)
        return self._done(method, asked.json())

    def _done(self, method: str, told: dict[str, Any]) -> Answer:
        if method == "getMe":
            return _ok({"id": 7000000001, "is_bot": True, "first_name": "Acme", "username": "acme_care_bot", "can_join_groups": True})
        if method == "getUpdates":
            # An offset confirms everything before it: that is forgotten. Without one nothing is.
            self.updates = [one for one in self.updates if one["update_id"] >= told.get("offset", 0)]
            return _ok(self.updates[: told["limit"]])
        if method == "getFile":
            return _ok({"file_id": told["file_id"], "file_path": f"documents/{told['file_id']}"})
        if method == "sendMessage":
            self._message += 1
            chat = {"id": told["chat_id"], "type": "private" if told["chat_id"] > 0 else "supergroup"}
            self.said[told["chat_id"], self._message] = told
            return _ok({"message_id": self._message, "chat": chat, "date": 1_763_805_700, "text": told["text"]})
        return self._changed(method, told)

    def _changed(self, method: str, told: dict[str, Any]) -> Answer:
        key = told["chat_id"], told["message_id"]
        if key not in self.said:
            what = "edit" if method == "editMessageText" else "delete"
            return answer(400, json={"ok": False, "error_code": 400, "description": f"Bad Request: message to {what} not found"})
        if method == "deleteMessage":
            del self.said[key]
            return _ok(True)
        if self.said[key]["text"] == told["text"]:
            text = "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
            return answer(400, json={"ok": False, "error_code": 400, "description": text})
        self.said[key]["text"] = told["text"]
        return _ok({"message_id": key[1], "chat": {"id": key[0]}})


def _ok(result: Any) -> Answer:
    return answer(json={"ok": True, "result": result})


def session_of(api: BotApi, now: datetime, *, token: str = TOKEN, **settings: Any) -> Session:
    """Our account at ``api``."""
    return session_over(api.web, "telegram", now=now, name="Acme", settings=settings, credentials={"token": token})


def session(now: datetime) -> Session:
    """For the contract test: 250 messages wait, so that polling takes three rounds."""
    api = BotApi()
    for number in range(250):
        api.hears(f"Hello {number}")
    return session_of(api, now)
