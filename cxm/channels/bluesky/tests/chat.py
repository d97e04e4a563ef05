"""The service of direct messages in memory, as its lexicons describe it: chat.bsky.convo.*.

Each answer is checked against what the lexicons require (``SHAPES``, written down from them on 2026-11-22), so that the connector is not
proven against a service that cannot be. It has never been compared with the live one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from cxm.channels.bluesky.tests.provider import HANDLES, ME, Network, refusal
from cxm.channels.testing.web import Answer, answer
from cxm.kernel.clock import format_instant

_DEFS = "chat.bsky.convo.defs"
#: What must be there, by the name of the definition.
SHAPES = {
    "listConvos": ("convos",),
    "getMessages": ("messages",),
    "getLog": ("logs",),
    "getConvo": ("convo",),
    "getConvoForMembers": ("convo",),
    "convoView": ("id", "rev", "members", "muted", "unreadCount"),
    "messageView": ("id", "rev", "text", "sender", "sentAt"),
    "deletedMessageView": ("id", "rev", "sender", "sentAt"),
    "systemMessageView": ("id", "rev", "sentAt", "data"),
    "reactionView": ("value", "sender", "createdAt"),
    "profileViewBasic": ("did", "handle"),
    "groupConvo": ("createdAt", "lockStatus", "lockStatusModerationOverride", "memberCount", "memberLimit", "name"),
    "directConvo": (),
    "logBeginConvo": ("rev", "convoId"),
    "logReadConvo": ("rev", "convoId", "message"),
    "logCreateMessage": ("rev", "convoId", "message"),
    "logDeleteMessage": ("rev", "convoId", "message"),
    "logAddReaction": ("rev", "convoId", "message", "reaction"),
    "logRemoveReaction": ("rev", "convoId", "message", "reaction"),
}


def shaped(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """``told``, where it has what its definition requires."""
    assert all(key in told for key in SHAPES[name]), (name, told)
    return told


class Chat(Network):
    """A network whose server passes on to a service of direct messages. ``granted``: whether our sign-in reaches as far as that."""

    def __init__(self) -> None:
        super().__init__()
        self.granted, self.refuses = True, ""
        self.convos: dict[str, dict[str, Any]] = {}
        self.logs: list[dict[str, Any]] = []
        #: The log begins here: what is older is not kept.
        self.kept_from = 0
        self._number = 0

    # --- what people do ---

    def convo(self, key: str, *members: str, name: str = "", status: str = "accepted") -> str:
        kind: dict[str, Any] = {"$type": f"{_DEFS}#directConvo"}
        if name:
            kind = {"$type": f"{_DEFS}#groupConvo", "createdAt": self._now(), "lockStatus": "unlocked", "lockStatusModerationOverride": False,
                    "memberCount": len(members) + 1, "memberLimit": 50, "name": name}  # fmt: skip
        self.convos[key] = {"members": (ME, *members), "kind": kind, "status": status, "messages": []}
        self._log("logBeginConvo", key)
        return key

    def write(self, convo: str, did: str, text: str, *, to: str = "", **more: Any) -> str:
        """Somebody writes into a conversation; its id."""
        self.now += timedelta(milliseconds=1)
        told: dict[str, Any] = {
            "$type": f"{_DEFS}#messageView",
            "id": self._key(),
            "rev": self._key(),
            "text": text,
            "sender": {"did": did},
        }
        told |= {"sentAt": self._now(), "reactions": [], **more}
        if to:
            told["replyTo"] = {key: value for key, value in self._find(convo, to).items() if key != "replyTo"}
        self.convos[convo]["messages"].append(shaped("messageView", told))
        self._log("logCreateMessage", convo, message=told)
        return told["id"]

    def announce(self, convo: str) -> None:
        """What the service says of itself."""
        data = {"$type": f"{_DEFS}#systemMessageDataEditGroup", "newName": "New"}
        told = {"$type": f"{_DEFS}#systemMessageView", "id": self._key(), "rev": self._key(), "sentAt": self._now(), "data": data}
        self.convos[convo]["messages"].append(shaped("systemMessageView", told))

    def take_away(self, convo: str, key: str) -> None:
        """We delete a message for ourselves, in another program."""
        told = self._find(convo, key)
        gone = {"$type": f"{_DEFS}#deletedMessageView", **{name: told[name] for name in ("id", "rev", "sender", "sentAt")}}
        place = self.convos[convo]["messages"].index(told)
        self.convos[convo]["messages"][place] = shaped("deletedMessageView", gone)
        self._log("logDeleteMessage", convo, message=gone)

    def react(self, convo: str, key: str, did: str, sign: str, *, off: bool = False) -> None:
        told = self._find(convo, key)
        mine = next((one for one in told["reactions"] if one["sender"]["did"] == did and one["value"] == sign), None)
        one = mine or shaped("reactionView", {"value": sign, "sender": {"did": did}, "createdAt": self._now()})
        (told["reactions"].remove if off else told["reactions"].append)(one)
        self._log("logRemoveReaction" if off else "logAddReaction", convo, message={**told}, reaction=one)

    # --- the wire ---

    def _answer(self, name: str, query: dict[str, list[str]], body: Any, content: bytes | None, token: str) -> Answer:
        if not name.startswith("chat.bsky."):
            return super()._answer(name, query, body, content, token)
        if self.tokens.get(token) != "access":
            return refusal(400, "ExpiredToken", "Token has expired")
        if not self.granted:
            return refusal(400, "InvalidToken", "Bad token method")
        assert self.proxies[-1] == "did:web:api.bsky.chat#bsky_chat", "a home server has none of these methods itself"
        return getattr(self, f"_chat_{name.rpartition('.')[2]}")(query, body)

    def _chat_listConvos(self, query: dict[str, list[str]], body: Any) -> Answer:
        order = sorted(
            self.convos, key=lambda key: self.convos[key]["messages"][-1]["sentAt"] if self.convos[key]["messages"] else "", reverse=True
        )
        shown, following = self._some(order, query)
        return answer(json=shaped("listConvos", {"convos": [self._convo_view(key) for key in shown], **following}))

    def _chat_getConvo(self, query: dict[str, list[str]], body: Any) -> Answer:
        key = query["convoId"][0]
        return answer(json=shaped("getConvo", {"convo": self._convo_view(key)})) if key in self.convos else refusal(400, "InvalidConvo")

    def _chat_getConvoForMembers(self, query: dict[str, list[str]], body: Any) -> Answer:
        if self.refuses:
            return refusal(400, self.refuses)
        (whom,) = query["members"]
        found = next((key for key, one in self.convos.items() if set(one["members"]) == {ME, whom} and "name" not in one["kind"]), None)
        return answer(json=shaped("getConvoForMembers", {"convo": self._convo_view(found or self.convo(f"with{whom[8:]}", whom))}))

    def _chat_getMessages(self, query: dict[str, list[str]], body: Any) -> Answer:
        key = query["convoId"][0]
        if key not in self.convos:
            return refusal(400, "InvalidConvo")
        shown, following = self._some(self.convos[key]["messages"][::-1], query)
        people = [self._profile(did) for did in self.convos[key]["members"]]
        return answer(json=shaped("getMessages", {"messages": shown, "relatedProfiles": people, **following}))

    def _chat_getLog(self, query: dict[str, list[str]], body: Any) -> Answer:
        if "cursor" not in query:  # it begins now
            return answer(json={"cursor": str(len(self.logs)), "logs": []})
        begin = int(query["cursor"][0])
        if begin < self.kept_from:
            return refusal(400, "InvalidRequest", "invalid cursor")
        end = min(begin + self.page, len(self.logs))
        return answer(json=shaped("getLog", {"cursor": str(end), "logs": self.logs[begin:end]}))

    def _chat_sendMessage(self, query: dict[str, list[str]], body: Any) -> Answer:
        if self.refuses:
            return refusal(400, self.refuses)
        message = body["message"]
        assert set(body) == {"convoId", "message"} and set(message) <= {"text", "facets", "replyTo", "embed"}
        if body["convoId"] not in self.convos:
            return refusal(400, "InvalidConvo")
        key = self.write(body["convoId"], ME, message["text"], to=message.get("replyTo", {}).get("messageId", ""))
        return answer(json=self._find(body["convoId"], key))

    # --- how it is shown ---

    def _convo_view(self, key: str) -> dict[str, Any]:
        one = self.convos[key]
        view = {"id": key, "rev": "r", "members": [self._profile(did) for did in one["members"]], "muted": False, "unreadCount": 0}
        last = {"lastMessage": one["messages"][-1]} if one["messages"] else {}
        return shaped("convoView", {**view, "status": one["status"], "kind": one["kind"], **last})

    def _profile(self, did: str) -> dict[str, Any]:
        names = {one: name for name, one in HANDLES.items()}
        return shaped("profileViewBasic", {"did": did, "handle": names[did], "displayName": did[8:].title()})

    def _some(self, items: Iterable[Any], query: dict[str, list[str]]) -> tuple[list[Any], dict[str, str]]:
        listed, begin = list(items), int(query.get("cursor", ["0"])[0])
        end = begin + min(self.page, int(query["limit"][0]))
        return listed[begin:end], {"cursor": str(end)} if end < len(listed) else {}

    def _find(self, convo: str, key: str) -> dict[str, Any]:
        return next(one for one in self.convos[convo]["messages"] if one["id"] == key)

    def _log(self, kind: str, convo: str, **more: Any) -> None:
        self.logs.append(shaped(kind, {"$type": f"{_DEFS}#{kind}", "rev": self._key(), "convoId": convo, **more}))

    def _key(self) -> str:
        self._number += 1
        return f"3m{self._number:011}"

    def _now(self) -> str:
        return format_instant(self.now)
