"""An account's home server (PDS): signing in, calling, and its errors in our words.

Source: lexicons com.atproto.server.createSession and refreshSession, and the XRPC rules (atproto.com/specs/xrpc).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID
from weakref import WeakKeyDictionary

from cxm.channels.authorization import no_token
from cxm.channels.bluesky import dpop
from cxm.channels.contracts import AuthExpired, ConnectorError, Gone, RateLimited, Rejected, Response, Session, Unavailable
from cxm.channels.kit import answers
from cxm.channels.kit.fields import string, table
from cxm.channels.kit.text import one_line

DEFAULT = "bsky.social"
#: The service that keeps direct messages, beside the network; home servers pass on what names it.
CHAT = "did:web:api.bsky.chat#bsky_chat"
_Key = tuple[UUID, str]
_OURS = ("ExpiredToken", "InvalidToken", "AuthMissing", "AuthenticationRequired", "invalid_token")
_SHUT = {
    "AccountTakedown": "Its server has taken this account down.",
    "AccountDeactivated": "This account is deactivated.",
    "AccountSuspended": "Its server has suspended this account.",
    "RepoTakendown": "Its server has taken this account down.",
    "RepoDeactivated": "This account is deactivated.",
    "RepoSuspended": "Its server has suspended this account.",
}
_MISSING = ("RecordNotFound", "NotFound", "RepoNotFound", "BlobNotFound")


@dataclass(frozen=True, slots=True)
class _Signed:
    """A session that our password got us. ``refresh`` is good for one renewal."""

    access: str
    refresh: str
    did: str
    handle: str
    #: Of a sign-in by OAuth: the account's home, and the key its tokens are good with.
    home: str = ""
    key: str = ""


#: Sessions of this process, until it ends; each process signs in for itself, so that no two ever use up the same renewal.
_SIGNED: dict[_Key, _Signed] = {}
#: Who signs in at the moment. A lock belongs to the loop it was first waited for in.
_SIGNING: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, asyncio.Lock]] = WeakKeyDictionary()


def forget() -> None:
    """Sign in anew next time; for tests."""
    _SIGNED.clear()
    _SIGNING.clear()


class Server:
    """One account at home."""

    def __init__(self, session: Session) -> None:
        self._session = session
        settings = session.account.settings
        self.base = string(settings.get("server_url"), 500).strip().rstrip("/") or f"https://{DEFAULT}"
        self.handle = string(settings.get("handle"), 254).strip().removeprefix("@")
        self._appview = string(settings.get("appview"), 500).strip()
        self._chat = string(settings.get("chat"), 500).strip() or CHAT
        secret = f"{self.base}\x1f{self.handle}\x1f{session.credentials.get('password', '')}"
        self._key = (session.account.id, hashlib.sha256(secret.encode()).hexdigest())

    async def me(self) -> str:
        """Our DID; signs in where that was not done yet."""
        return (await self._sign_in()).did

    async def get(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A query's answer. A list among ``params`` is given once for each of its values. Raises the five errors."""
        query = urlencode([(name, one) for name, value in (params or {}).items() for one in _each(value)])
        return await self._call("GET", f"{method}?{query}" if query else method)

    async def do(self, method: str, body: Any = None) -> dict[str, Any]:
        """A procedure's answer. Raises the five errors."""
        return await self._call("POST", method, json=body)

    async def upload(self, content: bytes, content_type: str) -> dict[str, Any]:
        """The server's note for a file (a blob), to be named in a record. The same bytes give the same note."""
        told = await self._call("POST", "com.atproto.repo.uploadBlob", content=content, content_type=content_type)
        return table(told.get("blob"))

    async def open(self, method: str) -> dict[str, Any]:
        """A query that needs no signing in."""
        response = await self._session.http.request("GET", f"{self.base}/xrpc/{method}", timeout=15.0)
        self._check(response, effect=False)
        return answers.body_of(response)

    async def _call(
        self, verb: str, path: str, *, json: Any = None, content: bytes | None = None, content_type: str = ""
    ) -> dict[str, Any]:
        signed = await self._sign_in()
        headers = {"content-type": content_type} if content_type else {}
        if path.startswith("chat.bsky."):
            headers["atproto-proxy"] = self._chat
        elif self._appview and path.startswith("app.bsky."):
            headers["atproto-proxy"] = self._appview
        for renewed in (False, True):
            response = await self._sent(signed, verb, path, headers, json=json, content=content)
            if renewed or not _expired(response):
                break
            signed = await self._renew(signed)
        self._check(response, effect=verb == "POST")
        return answers.body_of(response)

    async def _sent(self, signed: _Signed, verb: str, path: str, headers: Mapping[str, str], **body: Any) -> Response:
        if signed.key:
            key, url = dpop.Key.stored(signed.key), f"{signed.home}/xrpc/{path}"
            return await dpop.request(self._session, key, verb, url, access=signed.access, headers=headers, timeout=20.0, **body)
        headers = {**headers, "authorization": f"Bearer {signed.access}"}
        return await self._session.http.request(verb, f"{self.base}/xrpc/{path}", headers=headers, timeout=20.0, **body)

    # --- signing in ---

    def _alone(self) -> asyncio.Lock:
        return _SIGNING.setdefault(asyncio.get_running_loop(), {}).setdefault(self._key, asyncio.Lock())

    async def _by_oauth(self, refused: str = "") -> _Signed:
        token = await self._session.token(refused)
        return _Signed(token.value, "", token.extra.get("did", ""), self.handle, token.extra.get("pds", ""), token.extra.get("key", ""))

    async def _sign_in(self) -> _Signed:
        if self._session.token is not no_token:
            return await self._by_oauth()
        if (known := _SIGNED.get(self._key)) is not None:
            return known
        async with self._alone():
            if self._key not in _SIGNED:
                _SIGNED[self._key] = await self._create()
            return _SIGNED[self._key]

    async def _renew(self, old: _Signed) -> _Signed:
        """A fresh session in place of ``old``, asked for once however many wait for it."""
        if old.key:
            return await self._by_oauth(old.access)
        async with self._alone():
            known = _SIGNED.get(self._key)
            if known is not None and known.access != old.access:
                return known
            response = await self._session.http.request(
                "POST",
                f"{self.base}/xrpc/com.atproto.server.refreshSession",
                headers={"authorization": f"Bearer {old.refresh}"},
                timeout=15.0,
            )
            if response.status_code in (400, 401, 403) and _code(response) not in _SHUT:
                _SIGNED.pop(self._key, None)  # ended there (password taken back, restarted server): the password decides
                _SIGNED[self._key] = await self._create()
            else:
                self._check(response, effect=False)
                _SIGNED[self._key] = self._signed(response)
            return _SIGNED[self._key]

    async def _create(self) -> _Signed:
        password = self._session.credentials.get("password", "").strip()
        if not self.handle or not password:
            raise AuthExpired("The account has no handle or no app password.", "Enter both.")
        response = await self._session.http.request(
            "POST",
            f"{self.base}/xrpc/com.atproto.server.createSession",
            json={"identifier": self.handle, "password": password},
            timeout=15.0,
        )
        code = _code(response)
        if code == "AuthFactorTokenRequired":
            raise AuthExpired(
                "The server asks for a code by mail: this is the account's own password.", "Make an app password and enter that."
            )
        if response.status_code == 401 and code not in _SHUT:
            raise AuthExpired(f"The server refuses “{self.handle}” with this password.", "Check the handle, or make a new app password.")
        self._check(response, effect=False)
        return self._signed(response)

    def _signed(self, response: Response) -> _Signed:
        told = answers.body_of(response)
        access, refresh = string(told.get("accessJwt"), 20_000), string(told.get("refreshJwt"), 20_000)
        did = string(told.get("did"), 500)
        if told.get("active") is False:
            raise AuthExpired(
                _SHUT.get(f"Account{string(told.get('status'), 40).title()}", _SHUT["AccountDeactivated"]), "Ask its server why."
            )
        if not access or not refresh or not did.startswith("did:"):
            raise Unavailable("The server answers, but not as one of the AT Protocol.", "Check the server's address.")
        return _Signed(access, refresh, did, string(told.get("handle"), 254) or self.handle)

    # --- errors ---

    def _check(self, response: Response, *, effect: bool) -> None:
        if (error := self.error(response, effect=effect)) is not None:
            raise error

    def error(self, response: Response, *, effect: bool) -> ConnectorError | None:
        """The error an answer stands for, None for 2xx. ``effect``: the call may have changed something there."""
        status, code, said = response.status_code, _code(response), answers.detail_of(response)
        if 200 <= status < 300:
            return None
        if code in _SHUT:
            return AuthExpired(_SHUT[code], "Ask its server why; here, connect another account or wait.")
        if _not_granted(response):
            if self._session.token is no_token:
                return NotGranted(
                    "This app password may not read direct messages.", "Make one with “Allow access to your direct messages” ticked."
                )
            return NotGranted("Direct messages were not agreed to when somebody signed in.", "Sign in anew and agree to them.")
        if status == 429 or code == "RateLimitExceeded":
            return RateLimited("The server asks us to slow down.", retry_after=_reset(response, self._session.now))
        if code in _OURS or status == 401:
            mend = "Enter a fresh app password." if self._session.token is no_token else "Sign in anew."
            return AuthExpired("The server no longer knows us.", mend)
        if code in _MISSING:
            return NotThere(code)
        if status == 501 or code in ("MethodNotImplemented", "XRPCNotSupported"):
            return Rejected("This server does not offer that.", "Check the server's address.")
        if status in (404, 410):
            return Unavailable(f"Nothing answers at this address ({status}).", "Check the server's address.")
        if status == 413 or code in ("BlobTooLarge", "PayloadTooLarge"):
            return Rejected("The file is larger than the server takes.", "Make it smaller.")
        if status in (400, 403):
            return Refused(code, said or f"The server refused it ({status}).")
        return answers.error_of(response, self._session.now, effect=effect)


class NotGranted(Rejected):
    """Rejected, because whoever connected the account did not allow it; the account itself is well."""


class NotThere(Gone):
    """Gone, with the protocol's name for what is not there (``RecordNotFound``): a mere 404 is a wrong address and means nothing of the kind."""

    def __init__(self, code: str) -> None:
        super().__init__("It is not there (any more).")
        self.code = code


class Refused(Rejected):
    """Rejected, with the protocol's name for the reason (``InvalidSwap``)."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def _each(value: Any) -> Iterable[str]:
    return [str(one) for one in cast("list[object]", value)] if isinstance(value, list | tuple) else [str(value)]


def _code(response: Response) -> str:
    return one_line(string(answers.body_of(response).get("error"), 200)) if response.status_code >= 300 else ""


def _not_granted(response: Response) -> bool:
    """Whether our session is sound and does not reach as far as this: of app passwords they say “Bad token method” (once “scope”)."""
    if response.status_code not in (400, 401, 403):
        return False
    code, said = _code(response), answers.detail_of(response)
    return said.startswith("Missing required scope") or (code == "InvalidToken" and said.startswith("Bad token"))


def _expired(response: Response) -> bool:
    """Whether only our session has ended. A server says so by 400 or 401."""
    if _not_granted(response):
        return False
    return response.status_code in (400, 401) and _code(response) in ("ExpiredToken", "InvalidToken", "invalid_token")


def _reset(response: Response, now: datetime) -> float | None:
    """Seconds until we may ask again: by ``RateLimit-Reset`` (seconds since 1970), else by ``Retry-After``."""
    value = (answers.header(response.headers, "ratelimit-reset") or "").strip()
    if value.isascii() and value.isdigit() and len(value) <= 12:
        seconds = int(value) - now.timestamp() if int(value) > 1_000_000_000 else float(value)
        return min(max(seconds, answers.RETRY_AT_LEAST), answers.RETRY_AT_MOST)
    return answers.retry_after(response.headers, now)
