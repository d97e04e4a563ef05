"""Hearing direct messages: first what was said lately, conversation by conversation; then the log of what happens, by its cursor.

Source: lexicons chat.bsky.convo.* . The log begins when it is first asked and tells changes only (bluesky-social/atproto issue 2760), so its
place is fetched before anything else is read; how long it is kept is not said, so whoever was away for an hour reads both.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cxm.channels.bluesky import ids
from cxm.channels.bluesky.looking import Memory
from cxm.channels.bluesky.server import NotGranted, Refused, Server
from cxm.channels.contracts import AuthExpired, ConnectorError, RateLimited, RawDelivery, Session, Unheard
from cxm.channels.kit import jsons
from cxm.channels.kit.fields import entries, string, table
from cxm.kernel.clock import format_instant

#: Away for so long, conversations are read again beside the log, from so much before.
_AWAY, _OVERLAP = timedelta(hours=1), timedelta(minutes=10)
#: After a failure we ask again so much later; a failure that lasts so long stands in the gap ledger.
_AGAIN, _SILENT = timedelta(minutes=1), timedelta(minutes=10)
#: Pages of the log and of one conversation in one look; conversations and messages on a page.
_LOGS, _PAGES, _CONVOS, _MESSAGES = 20, 20, 25, 100
_PROFILE = ("did", "handle", "displayName", "labels")


def wanted(session: Session) -> bool:
    """Whether this account hears direct messages."""
    return session.account.settings.get("direct_messages") is True


class Talks:
    """One look at them. What it finds is in ``told``, oldest first; ``more``: it is to be asked again at once.

    ``memory.chat``: ``log`` (the log's cursor), ``heard`` (when all was heard last), ``floor`` and ``page`` (of a reading of conversations
    that is under way), ``wait`` (not before), ``deaf`` (since when it fails).
    """

    def __init__(self, server: Server, session: Session, memory: Memory, me: str, floor: datetime) -> None:
        self._server, self._session, self._me, self._floor = server, session, me, floor
        self._memory, self._kept = memory, dict(memory.chat)
        self._convos: dict[str, dict[str, Any]] = {}
        self.told: list[RawDelivery] = []
        self.unheard: list[Unheard] = []
        self.more = False

    async def look(self) -> None:
        """Everything new. A failure hides nothing else of the account: the place stays where it was, and it is told here. Raises AuthExpired."""
        wait = ids.moment(self._kept.get("wait", ""))
        if wait is not None and self._session.now < wait <= self._session.now + timedelta(hours=1):
            return
        try:
            await self._all()
        except AuthExpired:
            raise
        except ConnectorError as error:
            self.told, self.more = [], False
            self._note(error)
        else:
            for name in ("wait", "deaf"):
                self._kept.pop(name, None)
            self._memory.chat = self._kept

    async def _all(self) -> None:
        kept, now = self._kept, self._session.now
        heard = ids.moment(kept.get("heard", ""))
        if not kept.get("floor") and (heard is None or not timedelta(0) <= now - heard < _AWAY):
            since = self._floor if heard is None else max(min(heard, now) - _OVERLAP, now - timedelta(days=90))
            kept |= {"floor": format_instant(since), "page": ""}
        if not kept.get("log"):
            kept["log"] = string((await self._server.get("chat.bsky.convo.getLog")).get("cursor"), 4000)
        if kept.get("floor"):
            await self._read_conversations()
        await self._read_log()
        self.told = list({one.delivery_id: one for one in self.told}.values())  # the log tells some of it again
        if not self.more:
            kept["heard"] = format_instant(now)

    def _note(self, error: ConnectorError) -> None:
        """Of a failure only that is kept: where we were stays, so that nothing is lost."""
        kept, now = self._memory.chat, self._session.now
        deaf = ids.moment(kept.get("deaf", "")) or now
        asked = error.retry_after if isinstance(error, RateLimited) and error.retry_after else 0
        kept |= {"deaf": format_instant(min(deaf, now)), "wait": format_instant(now + max(_AGAIN, timedelta(seconds=min(asked, 3600))))}
        if isinstance(error, NotGranted) or now - deaf > _SILENT:
            self.unheard.append(Unheard(min(deaf, now), now, f"Direct messages cannot be heard: {error.text} {error.mend}".strip()))

    # --- what was said lately ---

    async def _read_conversations(self) -> None:
        """A page of conversations, the one in which something was said last before the others; what was said in each since the floor."""
        kept = self._kept
        floor = ids.moment(kept["floor"]) or self._floor
        asked: dict[str, Any] = {"limit": _CONVOS} | ({"cursor": kept["page"]} if kept.get("page") else {})
        answer = await self._server.get("chat.bsky.convo.listConvos", asked)
        convos = [one for one in map(table, entries(answer.get("convos"))) if string(one.get("id"), 200)]
        moments = [ids.moment(string(table(one.get("lastMessage")).get("sentAt"), 40)) for one in convos]
        found: list[tuple[str, RawDelivery]] = []
        for convo, last in zip(convos, moments, strict=True):
            if last is not None and last >= floor:
                found += await self._read(self._known(convo), floor)
        self.told += [delivery for _, delivery in sorted(found, key=lambda one: one[0])]
        page = string(answer.get("cursor"), 4000)
        over = not convos or not page or page == kept.get("page") or all(one is None or one < floor for one in moments)
        kept |= {"floor": "", "page": ""} if over else {"page": page}
        self.more |= not over

    async def _read(self, convo: dict[str, Any], floor: datetime) -> list[tuple[str, RawDelivery]]:
        found: list[tuple[str, RawDelivery]] = []
        page = ""
        for _ in range(_PAGES):
            asked: dict[str, Any] = {"convoId": convo["id"], "limit": _MESSAGES} | ({"cursor": page} if page else {})
            answer = await self._server.get("chat.bsky.convo.getMessages", asked)
            self._meet(entries(answer.get("relatedProfiles")), convo)
            messages = [table(one) for one in entries(answer.get("messages"))]
            late = [one for one in messages if (ids.moment(string(one.get("sentAt"), 40)) or floor) >= floor]
            for one in late:
                found += [(string(one.get("sentAt"), 40), delivery) for delivery in self._message(convo, one)]
            following = string(answer.get("cursor"), 4000)
            if len(late) < len(messages) or not messages or not following or following == page:
                return found
            page = following
        self.unheard.append(
            Unheard(floor, self._session.now, "More was said in one conversation of direct messages than is read afterwards.")
        )
        return found

    def _message(self, convo: dict[str, Any], message: dict[str, Any]) -> list[RawDelivery]:
        """A message and the signs under it, each a delivery of its own; what the service says of itself is none."""
        kind, key = string(message.get("$type"), 100), string(message.get("id"), 200)
        if kind.endswith("#deletedMessageView"):
            return [self._gone(ids.message(convo["id"], key))]
        if kind.endswith("#systemMessageView"):
            return []
        told = [self._delivery(ids.message(convo["id"], key), convo, _sender(message), {"message": message})]
        return told + [self._sign(convo, key, table(one)) for one in entries(message.get("reactions"))[:100]]

    def _sign(self, convo: dict[str, Any], key: str, reaction: dict[str, Any]) -> RawDelivery:
        name = ids.reaction(convo["id"], key, _sender(reaction), string(reaction.get("value"), 200))
        return self._delivery(name, convo, _sender(reaction), {"target": key, "reaction": reaction})

    # --- what happens ---

    async def _read_log(self) -> None:
        kept = self._kept
        for _ in range(_LOGS):
            try:
                answer = await self._server.get("chat.bsky.convo.getLog", {"cursor": kept["log"]} if kept["log"] else {})
            except NotGranted:
                raise
            except Refused:  # the place is not known there any more: conversations are read again, and the log from now on
                kept |= {"log": "", "heard": kept.get("heard") or format_instant(self._floor)}
                kept["floor"] = format_instant((ids.moment(kept["heard"]) or self._floor) - _OVERLAP)
                self.more = True
                return
            logs, cursor = [table(one) for one in entries(answer.get("logs"))], string(answer.get("cursor"), 4000)
            for one in logs:
                await self._happened(one)
            if not logs or not cursor or cursor == kept["log"]:
                kept["log"] = cursor or kept["log"]
                return
            kept["log"] = cursor
        self.more = True

    async def _happened(self, log: dict[str, Any]) -> None:
        kind, convo = string(log.get("$type"), 100).rpartition("#")[2], string(log.get("convoId"), 200)
        message, reaction = table(log.get("message")), table(log.get("reaction"))
        key = string(message.get("id"), 200)
        if kind == "logDeleteMessage":
            self.told.append(self._gone(ids.message(convo, key)))
        elif kind == "logRemoveReaction":
            self.told.append(self._gone(ids.reaction(convo, key, _sender(reaction), string(reaction.get("value"), 200))))
        elif kind in ("logCreateMessage", "logAddReaction"):
            known = await self._convo(convo)
            self._meet(entries(log.get("relatedProfiles")), known)
            self.told += self._message(known, message) if kind == "logCreateMessage" else [self._sign(known, key, reaction)]

    # --- who and where ---

    def _known(self, view: dict[str, Any]) -> dict[str, Any]:
        """What is needed of a conversation, from how the service shows it."""
        kind = table(view.get("kind"))
        group = string(kind.get("$type"), 100).endswith("#groupConvo")
        convo: dict[str, Any] = {"id": string(view.get("id"), 200), "kind": "group" if group else "direct", "people": {}}
        convo |= {"name": string(kind.get("name"), 500), "status": string(view.get("status"), 40)}
        self._meet(entries(view.get("members")), convo)
        self._convos[convo["id"]] = convo
        return convo

    async def _convo(self, key: str) -> dict[str, Any]:
        if key not in self._convos:
            try:
                view = table((await self._server.get("chat.bsky.convo.getConvo", {"convoId": key})).get("convo"))
            except NotGranted:
                raise
            except Refused:  # left meanwhile: who wrote is known by their DID alone
                view = {}
            self._known({**view, "id": key})
        return self._convos[key]

    def _meet(self, profiles: list[Any], convo: dict[str, Any]) -> None:
        convo["people"] |= {
            string(one.get("did"), 500): {name: one[name] for name in _PROFILE if name in one} for one in map(table, profiles)
        }

    def _delivery(self, name: str, convo: dict[str, Any], did: str, said: dict[str, Any]) -> RawDelivery:
        about = {key: convo[key] for key in ("id", "kind", "name", "status") if convo.get(key)}
        told = {"me": self._me, "convo": about, "profile": convo["people"].get(did, {}), **said}
        return RawDelivery(name[:300], jsons.dump(told), {}, self._session.now)

    def _gone(self, address: str) -> RawDelivery:
        body = {"deleted": address, "at": format_instant(self._session.now)}
        return RawDelivery(f"deleted:{address}"[:300], jsons.dump(body), {}, self._session.now)


def _sender(said: dict[str, Any]) -> str:
    return string(table(said.get("sender")).get("did"), 500)
