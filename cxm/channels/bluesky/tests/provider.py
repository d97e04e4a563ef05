"""A server of the AT Protocol in memory: sessions, records, notifications, searches, and the ways in which it fails."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from cxm.channels.bluesky import server as servers
from cxm.channels.bluesky.ids import POST, uri
from cxm.channels.contracts import AccountView, Session, SourceView
from cxm.channels.testing.web import Answer, answer
from cxm.kernel.clock import format_instant

BASE = "https://pds.example"
ME, ANN, BOB = "did:plc:acme", "did:plc:ann", "did:plc:bob"
HANDLES = {"acme.example": ME, "ann.example": ANN, "bob.example": BOB}
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def cid(record: Mapping[str, Any]) -> str:
    """What names one version of a record."""
    return "bafyrei" + hashlib.sha256(repr(sorted(record.items())).encode()).hexdigest()[:52]


class Network:
    """One server with three accounts. ``fails``: what to answer instead, by method, once each; ``now``: its clock."""

    def __init__(self) -> None:
        servers.forget()
        self.now = START
        self.password = "abcd-efgh"
        self.asked: list[tuple[str, dict[str, list[str]], Any]] = []
        self.fails: dict[str, list[Any]] = {}
        self.tokens: dict[str, str] = {}
        self.signed_in = self.renewed = 0
        self.records: dict[str, dict[str, Any]] = {}
        self.heard: dict[str, str] = {}
        self.happened: list[dict[str, Any]] = []
        self.hidden: set[str] = set()
        self.viewers: dict[str, dict[str, Any]] = {}
        self.honours_reasons = True
        self.page = 100
        self.proxies: list[str] = []

    # --- what people do ---

    def say(self, did: str, text: str, key: str, *, at: datetime | None = None, to: str = "", reason: str = "mention", **more: Any) -> str:
        """Somebody posts; where ``reason`` is given, we are told."""
        address = uri(did, key)
        record: dict[str, Any] = {"$type": POST, "text": text, "createdAt": format_instant(at or self.now), **more}
        if to:
            strong = {"uri": to, "cid": cid(self.records[to])}
            record["reply"] = {"root": self.records[to].get("reply", {}).get("root", strong), "parent": strong}
        self.records[address] = record
        self.heard[address] = format_instant(at or self.now)
        if reason and did != ME:
            self.happened.append({"uri": address, "reason": reason})
        return address

    def edit(self, address: str, text: str) -> None:
        self.records[address] = {**self.records[address], "text": text}

    def delete(self, address: str) -> None:
        del self.records[address]
        self.happened = [one for one in self.happened if one["uri"] != address]

    def fail(self, method: str, *answers: Any) -> None:
        """Answer so, or raise, the next times."""
        self.fails.setdefault(method, []).extend(answers)

    def calls(self, method: str) -> list[tuple[dict[str, list[str]], Any]]:
        return [(params, body) for name, params, body in self.asked if name == method]

    # --- the wire ---

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        follow_redirects: bool = False,
    ) -> Answer:
        await asyncio.sleep(0)  # let others ask meanwhile, as a network would
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == BASE, url
        name, query = parts.path.removeprefix("/xrpc/"), {}
        for key, value in parse_qsl(parts.query):
            query.setdefault(key, []).append(value)
        self.asked.append((name, query, json if json is not None else content))
        given = dict(headers or {})
        self.proxies.append(given.get("atproto-proxy", ""))
        if self.fails.get(name):
            told = self.fails[name].pop(0)
            if isinstance(told, Exception):
                raise told
            return told
        return self._answer(name, query, json, content, given.get("authorization", "").removeprefix("Bearer "))

    def _answer(self, name: str, query: dict[str, list[str]], body: Any, content: bytes | None, token: str) -> Answer:
        short = name.rpartition(".")[2]
        if short == "describeServer":
            return answer(json={"did": "did:web:pds.example", "availableUserDomains": []})
        if short == "createSession":
            self.signed_in += 1
            if body["password"] != self.password or body["identifier"] not in HANDLES:
                return refusal(401, "AuthenticationRequired", "Invalid identifier or password")
            return self._session()
        if short == "refreshSession":
            self.renewed += 1
            if self.tokens.pop(token, "") != "refresh":
                return refusal(400, "ExpiredToken", "Token has been revoked")
            return self._session()
        if self.tokens.get(token) != "access":
            return refusal(400, "ExpiredToken", "Token has expired")
        return getattr(self, f"_{short}")(query, body, content)

    def expire(self) -> None:
        """Access ends, renewal does not."""
        self.tokens = {token: kind for token, kind in self.tokens.items() if kind == "refresh"}

    def _session(self) -> Answer:
        number = self.signed_in * 1000 + self.renewed
        self.tokens |= {f"access{number}": "access", f"refresh{number}": "refresh"}
        return answer(json={"did": ME, "handle": "acme.example", "accessJwt": f"access{number}", "refreshJwt": f"refresh{number}"})

    def view(self, address: str) -> dict[str, Any]:
        """A post as the AppView shows it."""
        record, did = self.records[address], address.split("/")[2]
        author = {"did": did, "handle": next(name for name, one in HANDLES.items() if one == did), "displayName": did[8:].title()}
        author["viewer"] = self.viewers.get(did, {})  # type: ignore[assignment]
        viewer = {"replyDisabled": True} if address in self.viewers else {}
        told = {"uri": address, "cid": cid(record), "author": author, "record": record, "indexedAt": self.heard[address], "viewer": viewer}
        return {**told, "likeCount": 1, "repostCount": 2, "quoteCount": 1, "replyCount": len(self._answers(address))}

    def _pages(self, name: str, addresses: list[str], query: dict[str, list[str]], items: list[dict[str, Any]]) -> Answer:
        begin = int(query.get("cursor", ["0"])[0])
        size = min(self.page, int(query["limit"][0]))
        following = {"cursor": str(begin + size)} if begin + size < len(items) else {}
        return answer(json={name: items[begin : begin + size], **following})

    def _newest(self, addresses: list[str]) -> list[str]:
        return sorted(addresses, key=lambda one: (self.heard[one], one), reverse=True)

    def _listNotifications(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        wanted = query.get("reasons", []) if self.honours_reasons else []
        told = [one for one in self.happened if not wanted or one["reason"] in wanted]
        told.sort(key=lambda one: (self.heard[one["uri"]], one["uri"]), reverse=True)
        items = []
        for one in told:
            view = self.view(one["uri"])
            items.append(
                {key: view[key] for key in ("uri", "cid", "author", "record", "indexedAt")} | {"reason": one["reason"], "isRead": False}
            )
        return self._pages("notifications", [], query, items)

    def _getAuthorFeed(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        mine = self._newest([one for one in self.records if f"/{query['actor'][0]}/" in one])
        return self._pages("feed", mine, query, [{"post": self.view(one)} for one in mine])

    def _searchPosts(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        found = self._newest([one for one, record in self.records.items() if query["q"][0].lower() in record["text"].lower()])
        return self._pages("posts", found, query, [self.view(one) for one in found])

    def _getPosts(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        assert len(query["uris"]) <= 25
        return answer(json={"posts": [self.view(one) for one in query["uris"] if one in self.records and one not in self.hidden]})

    def _getPostThread(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        address = query["uri"][0]
        if address not in self.records:
            return refusal(400, "NotFound", "Post not found: " + address)
        if address in self.hidden:
            return answer(json={"thread": {"$type": "app.bsky.feed.defs#blockedPost", "uri": address, "blocked": True}})
        return answer(json={"thread": self._thread(address, int(query["depth"][0]))})

    def _answers(self, address: str) -> list[str]:
        return [one for one, record in self.records.items() if record.get("reply", {}).get("parent", {}).get("uri") == address]

    def _thread(self, address: str, depth: int) -> dict[str, Any]:
        replies = [self._thread(one, depth - 1) for one in self._answers(address)] if depth else []
        return {"$type": "app.bsky.feed.defs#threadViewPost", "post": self.view(address), "replies": replies}

    def _getProfiles(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        names = {did: name for name, did in HANDLES.items()}
        known = [one for one in query["actors"] if one in names]
        told = [{"did": one, "handle": names[one], "displayName": one[8:].title(), "viewer": self.viewers.get(one, {})} for one in known]
        return answer(json={"profiles": told})

    def _resolveHandle(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        did = HANDLES.get(query["handle"][0])
        return answer(json={"did": did}) if did else refusal(400, "InvalidRequest", "Unable to resolve handle")

    def _getRecord(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        address = uri(query["repo"][0], query["rkey"][0])
        record = self.records.get(address)
        if record is None:
            return refusal(400, "RecordNotFound", f"Could not locate record: {address}")
        return answer(json={"uri": address, "cid": cid(record), "value": record})

    def _putRecord(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        address = uri(body["repo"], body["rkey"])
        if address in self.records and body["swapRecord"] is None:
            return refusal(400, "InvalidSwap", "Record was at something else")
        self.records[address] = body["record"]
        self.heard[address] = format_instant(self.now)
        return answer(json={"uri": address, "cid": cid(body["record"])})

    def _deleteRecord(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        self.records.pop(uri(body["repo"], body["rkey"]), None)
        return answer(json={})

    def _uploadBlob(self, query: dict[str, list[str]], body: Any, content: Any) -> Answer:
        link = "bafkrei" + hashlib.sha256(content).hexdigest()[:52]
        return answer(json={"blob": {"$type": "blob", "ref": {"$link": link}, "mimeType": "image/png", "size": len(content)}})

    # --- our side ---

    def session(self, now: datetime | None = None, *searches: str, **settings: Any) -> Session:
        """Our account's, with searches."""
        told = {"handle": "@acme.example", "server_url": BASE, "web_url": "https://web.example", "history_days": 1, "own_posts": True}
        account = AccountView(UUID(int=1), "bluesky", "Acme", told | settings)
        sources = tuple(SourceView(UUID(int=10 + number), "search", {"query": one}) for number, one in enumerate(searches))
        return Session(account, {"password": "abcd-efgh"}, self, _nowhere, now or self.now, sources)


def refusal(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An error as servers of the AT Protocol tell it."""
    return answer(status, json={"error": code, "message": message}, headers=headers)


def _nowhere(host: str, port: int, *, tls: bool, timeout: float = 10.0) -> Any:
    raise AssertionError(f"nothing was prepared for a connection to {host}:{port}")


def session(now: datetime) -> Session:
    """For the contract test: what was said in the last hours, on several pages, some of it at the same moment."""
    network = Network()
    network.now, network.page = now, 3
    for number in range(20):
        at = now - timedelta(minutes=10 * (number // 3))
        network.say((ANN, BOB)[number % 2], f"@acme.example number {number}", f"k{number:02}", at=at)
    network.say(ME, "Ours", "own")
    return network.session(now, "number")
