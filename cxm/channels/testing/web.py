"""The web in memory, for tests of connectors: what is asked is kept, what is answered is told beforehand.

In a channel's ``tests/provider.py``::

    web = Web()
    web.on("GET", "https://api.parrot.example/v1/posts", json=[{"id": "p1"}])
    session = session_over(web, "parrot", settings={"server_url": "https://api.parrot.example"}, now=now)
"""

from __future__ import annotations

import json as plain_json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from uuid import UUID

from cxm.channels.contracts import AccountView, Session


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a connector made it. ``url`` without its query, ``params`` the query (of the address and as given)."""

    method: str
    url: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return plain_json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status_code: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def json(self) -> Any:
        """The body as JSON."""
        return plain_json.loads(self.content)


Told = Answer | Exception | Callable[[Request], Answer]


class Web:
    """Answers by method and address; what nobody prepared is 404. ``requests``: everything that was asked, in order."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._told: dict[tuple[str, str], list[Told]] = {}
        self._otherwise: Told = Answer(404)

    def on(
        self,
        method: str,
        url: str,
        told: Told | None = None,
        *,
        status: int = 200,
        json: Any = None,
        content: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer so from now on: by ``told`` (an answer, an error to raise, a function of the request), or by the parts given."""
        self._told[method, url] = [told or answer(status, json=json, content=content, headers=headers)]

    def otherwise(self, told: Callable[[Request], Answer]) -> None:
        """Answer so whatever nobody prepared: for a provider whose addresses have ids in them."""
        self._otherwise = told

    def once(self, method: str, url: str, told: Told) -> None:
        """Answer so the next time, and as before after it."""
        self._told.setdefault((method, url), [self._otherwise]).insert(0, told)

    def asked(self, method: str, url: str) -> list[Request]:
        """The requests made so far with this method and address."""
        return [one for one in self.requests if (one.method, one.url) == (method, url)]

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
        """As :class:`~cxm.channels.contracts.Http` promises, redirects included."""
        for _ in range(6):
            asked = _request(method, url, headers, content, json, params)
            self.requests.append(asked)
            said = self._next(asked)
            target = said.headers.get("location")
            if not (follow_redirects and target and 300 <= said.status_code < 400):
                return said
            url, params = target, None
        raise AssertionError("redirects without end")

    def _next(self, asked: Request) -> Answer:
        told = self._told.get((asked.method, asked.url), [self._otherwise])
        one = told.pop(0) if len(told) > 1 else told[0]
        if isinstance(one, Exception):
            raise one
        return one if isinstance(one, Answer) else one(asked)


def answer(status: int = 200, *, json: Any = None, content: bytes | str = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body, or with ``content`` as it is."""
    body = plain_json.dumps(json).encode() if json is not None else content.encode() if isinstance(content, str) else content
    return Answer(status, body, {**({"content-type": "application/json"} if json is not None else {}), **(headers or {})})


def session_over(
    web: Web,
    channel: str,
    *,
    now: datetime,
    name: str = "@acme",
    settings: Mapping[str, Any] | None = None,
    credentials: Mapping[str, str] | None = None,
) -> Session:
    """A session of an account of ``channel`` whose only way out is ``web``."""
    account = AccountView(UUID(int=1), channel, name, dict(settings or {}))
    return Session(account, dict(credentials or {}), http=web, dial=_no_dialling, now=now)


def _no_dialling(host: str, port: int, *, tls: bool, timeout: float = 10.0) -> Any:
    raise AssertionError(f"nothing was prepared for a connection to {host}:{port}")


def _request(
    method: str, url: str, headers: Mapping[str, str] | None, content: bytes | None, json: Any, params: Mapping[str, str] | None
) -> Request:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **(params or {})}
    body = plain_json.dumps(json).encode() if json is not None else content or b""
    # A query that cannot be read as pairs stays where it is.
    kept = "" if query or not parts.query else parts.query
    return Request(
        method, urlunsplit(parts._replace(query=kept, fragment="")), query, {k.lower(): v for k, v in (headers or {}).items()}, body
    )
