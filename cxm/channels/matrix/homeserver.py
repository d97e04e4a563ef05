"""A homeserver's client-server API: signing in, calling, and its errors in our words.

Source: the Matrix client-server API v1.11 (spec.matrix.org).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID
from weakref import WeakKeyDictionary

from cxm.channels.contracts import AuthExpired, ConnectorError, Gone, RateLimited, Rejected, Response, Session
from cxm.channels.kit import answers
from cxm.channels.kit.fields import string, table, whole
from cxm.channels.kit.text import one_line

CLIENT = "/_matrix/client/v3"
_Key = tuple[UUID, str, str]
#: Tokens that a password got us, until the process ends: signing in again for each call would throw out whoever listens.
_TOKENS: dict[_Key, str] = {}
#: Locks belong to the loop they are first waited on; a process may have more than one.
_SIGNING_IN: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, asyncio.Lock]] = WeakKeyDictionary()


class Homeserver:
    """One account on its homeserver. ``purpose`` (listen, send, test) has a device of its own where a password signs in."""

    def __init__(self, session: Session, purpose: str) -> None:
        self._session = session
        self._purpose = purpose
        self.base = string(session.account.settings.get("server_url"), 2000).strip().rstrip("/")
        if not self.base:
            raise Rejected("The account has no homeserver.", "Set server_url in the account's settings.")

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        effect: bool = False,
        timeout: float = 15.0,
    ) -> dict[str, Any]:
        """The answer of ``CLIENT + path`` as an object. ``effect``: it may change something there. Raises the five errors."""
        response = await self.raw(method, CLIENT + path, json=json, params=params, effect=effect, timeout=timeout)
        return answers.body_of(response)

    async def raw(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        effect: bool = False,
        timeout: float = 15.0,
    ) -> Response:
        """The same, as it came. A token of ours that is no longer known is fetched anew, once."""
        http, url = self._session.http, self.base + path
        token = await self._token()
        given = {"authorization": f"Bearer {token}", **(headers or {})}
        response = await http.request(method, url, headers=given, content=content, json=json, params=params, timeout=timeout)
        if response.status_code == 401 and _TOKENS.get(self._key()) == token:
            del _TOKENS[self._key()]
            given["authorization"] = f"Bearer {await self._token()}"
            response = await http.request(method, url, headers=given, content=content, json=json, params=params, timeout=timeout)
        if (error := self.error(response, effect=effect)) is not None:
            raise error
        return response

    async def open(self, path: str) -> dict[str, Any]:
        """What the server tells everybody."""
        response = await self._session.http.request("GET", self.base + path, timeout=15.0)
        if (error := self.error(response, effect=False)) is not None:
            raise error
        return answers.body_of(response)

    def error(self, response: Response, *, effect: bool) -> ConnectorError | None:
        """The error an answer stands for, None for 2xx."""
        status = response.status_code
        if 200 <= status < 300:
            return None
        body = answers.body_of(response)
        code, said = string(body.get("errcode"), 100), one_line(string(body.get("error")), 300)
        if code in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED", "M_USER_LOCKED") or status == 401:
            return AuthExpired(said or "The homeserver no longer knows us.", "Enter a fresh access token, or the password.")
        if status == 403 or code == "M_FORBIDDEN":
            return Rejected(said or "The homeserver refuses it.", "Look whether our user is in the room and may write there.")
        if status == 429:
            wait = whole(body.get("retry_after_ms"))
            seconds = answers.retry_after(response.headers, self._session.now)
            return RateLimited("The homeserver asks us to slow down.", retry_after=max(wait, 1000) / 1000 if wait is not None else seconds)
        if status in (404, 410):
            return Gone(said or "The homeserver does not have it (any more).")
        return answers.error_of(response, self._session.now, effect=effect)

    # --- signing in ---

    def _key(self) -> _Key:
        password = self._session.credentials.get("password", "")
        secret = hashlib.sha256(f"{self.base}\x1f{self._session.credentials.get('user', '')}\x1f{password}".encode()).hexdigest()
        return self._session.account.id, self._purpose, secret

    async def _token(self) -> str:
        given = self._session.credentials
        if token := given.get("access_token", "").strip():
            return token
        if not given.get("user") or not given.get("password"):
            raise AuthExpired("The account has neither an access token nor user and password.", "Enter one of them.")
        key = self._key()
        async with _SIGNING_IN.setdefault(asyncio.get_running_loop(), {}).setdefault(key, asyncio.Lock()):
            if key not in _TOKENS:
                _TOKENS[key] = await self._sign_in(given["user"], given["password"])
            return _TOKENS[key]

    async def _sign_in(self, user: str, password: str) -> str:
        # A device of a fixed name: signing in again replaces the former token instead of filling the person's list of devices.
        device = f"OPENCXM_{self._session.account.id.hex[:12]}_{self._purpose}".upper()
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
            "device_id": device,
            "initial_device_display_name": "OpenCXM",
        }
        response = await self._session.http.request("POST", f"{self.base}{CLIENT}/login", json=body, timeout=15.0)
        if response.status_code in (400, 403):
            raise AuthExpired("The homeserver refuses the user name or password.", "Enter them again; or enter an access token.")
        if (error := self.error(response, effect=False)) is not None:
            raise error
        token = string(table(answers.body_of(response)).get("access_token"), 4000)
        if not token:
            raise AuthExpired("The homeserver signed us in without a token.", "Enter an access token instead.")
        return token


def part(identifier: str) -> str:
    """``identifier`` as one part of a path."""
    return quote(identifier, safe="")
