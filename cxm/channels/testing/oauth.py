"""A platform's sign-in server in memory, strict as the good ones are: one use of each code, PKCE, and a refresh token that is good once.

Whoever uses a refresh token again is taken for a thief, and the whole sign-in ends (RFC 9700, 4.14.2)::

    server = SignInServer()
    back = server.agree(url)                       # what a person does in their browser: the query they come back with
    session = ... http=server ...
"""

from __future__ import annotations

import base64
import hashlib
import json as plain_json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cxm.channels.testing.web import Answer, Request, answer
from cxm.kernel import clock


class SignInServer:
    """``told``: answers instead of the next ones of the token endpoint, each used once. ``lifetime`` of access tokens, in seconds."""

    def __init__(self, client_id: str = "our-client-id", secret: str = "our-client-secret", lifetime: int = 3600) -> None:  # noqa: S107
        self.client_id, self.secret, self.lifetime = client_id, secret, lifetime
        self.redirects: set[str] = {"http://testserver/channels/authorized"}
        self.told: list[Answer | Exception] = []
        self.asked: list[dict[str, str]] = []
        self.exchanged = self.refreshed = 0
        self.withdrawn = False
        self.granted: str | None = None
        #: Called before each answer of the token endpoint, for a test to hold it.
        self.before: Callable[[], None] = lambda: None
        self.good: dict[str, Any] = {}
        self.secrets: set[str] = set()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh = ""
        self._count = 0
        self._lock = threading.Lock()

    def agree(self, url: str) -> dict[str, str]:
        """A person goes to the authorize page and agrees; what they come back with."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert asked["client_id"] == self.client_id and asked["redirect_uri"] in self.redirects, asked
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256" and len(asked["state"]) >= 32
        with self._lock:
            code = self._fresh("code")
            self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def takes(self, access: str) -> bool:
        """Whether the platform lets somebody in with ``access`` now."""
        return not self.withdrawn and access in self.good and self.good[access] > clock.now()

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None, json: Any = None,
        params: Mapping[str, str] | None = None, timeout: float = 10.0, follow_redirects: bool = False,
    ) -> Answer:  # fmt: skip
        """The token endpoint, whatever its address."""
        self.before()
        form = dict(parse_qsl((content or b"").decode()))
        with self._lock:
            self.asked.append(form)
            if self.told:
                told = self.told.pop(0)
                if isinstance(told, Exception):
                    raise told
                return told
            return self._answered(
                Request(method, url, {}, {key.lower(): value for key, value in (headers or {}).items()}, content or b""), form
            )

    def _answered(self, asked: Request, form: dict[str, str]) -> Answer:
        identifier, secret = form.get("client_id", ""), form.get("client_secret", "")
        if (basic := asked.headers.get("authorization", "")).startswith("Basic "):
            identifier, _, secret = map(unquote, base64.b64decode(basic[6:]).decode().partition(":"))
        if (identifier, secret) != (self.client_id, self.secret):
            return answer(401, json={"error": "invalid_client"})
        if form["grant_type"] == "authorization_code":
            began = self._codes.pop(form["code"], None)
            proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
            if began is None or began["code_challenge"] != proof or began["redirect_uri"] != form["redirect_uri"]:
                return answer(400, json={"error": "invalid_grant", "error_description": f"Bad code {form['code']}"})
            self.exchanged += 1
            self.withdrawn = False
            return self._given(began.get("scope", ""))
        if self.withdrawn or form.get("refresh_token") != self._refresh:
            self.withdrawn = True
            return answer(400, json={"error": "invalid_grant", "error_description": f"Token {form.get('refresh_token')} has been revoked."})
        self.refreshed += 1
        return self._given("")

    def _given(self, scope: str) -> Answer:
        access, self._refresh = self._fresh("access"), self._fresh("refresh")
        self.good[access] = clock.now() + timedelta(seconds=self.lifetime)
        told = {"access_token": access, "refresh_token": self._refresh, "token_type": "Bearer", "expires_in": self.lifetime}
        scope = scope if self.granted is None else self.granted
        return Answer(200, plain_json.dumps({**told, **({"scope": scope} if scope else {})}).encode(), {"content-type": "application/json"})

    def _fresh(self, kind: str) -> str:
        self._count += 1
        made = f"{kind}-{self._count}-{hashlib.sha256(f'{id(self)}{kind}{self._count}'.encode()).hexdigest()}"
        self.secrets.add(made)
        return made
