"""A plain HTTP client, and WebSockets, for tests marked ``lab``: connectors against real servers on loopback, without the product around them."""

from __future__ import annotations

import asyncio
import json as plain_json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from cxm.channels.contracts import Unavailable, WebSocket
from cxm.channels.testing.web import Answer


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


class LoopbackHttp:
    """As :class:`~cxm.channels.contracts.Http` promises, for addresses on loopback alone."""

    def __init__(self) -> None:
        self._opener = build_opener(_Stay)

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
        """One request in a thread."""
        assert url.startswith(("http://127.0.0.1", "http://localhost")), f"{url} is not on loopback"
        given = {**({"content-type": "application/json"} if json is not None else {}), **(headers or {})}
        data = plain_json.dumps(json).encode() if json is not None else content
        whole = url + (("&" if "?" in url else "?") + urlencode(dict(params)) if params else "")
        asked = Request(whole, data=data, headers=given, method=method)  # noqa: S310 - loopback, see above
        return await asyncio.to_thread(self._ask, asked, timeout)

    def _ask(self, asked: Request, timeout: float) -> Answer:
        try:
            with self._opener.open(asked, timeout=timeout) as response:
                return Answer(response.status, response.read(), {key.lower(): value for key, value in response.headers.items()})
        except HTTPError as error:
            return Answer(error.code, error.read(), {key.lower(): value for key, value in error.headers.items()})
        except (OSError, ValueError) as error:
            raise Unavailable(f"“{asked.host}” does not answer.", effect_possible=isinstance(error, TimeoutError)) from error


class _LoopbackWebSocket:
    """As :class:`~cxm.channels.contracts.WebSocket` promises."""

    def __init__(self, inner: ClientConnection) -> None:
        self._inner = inner

    async def receive(self, timeout: float) -> bytes | None:
        try:
            async with asyncio.timeout(timeout):
                return await self._inner.recv(decode=False)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise Unavailable("The line was cut.") from error

    async def send(self, message: str | bytes) -> None:
        try:
            await self._inner.send(message)
        except ConnectionClosed as error:
            raise Unavailable("The line was cut.") from error

    async def close(self) -> None:
        await self._inner.close()


async def loopback_web_socket(
    url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 15.0, message_limit: int = 1_000_000
) -> WebSocket:
    """As :class:`~cxm.channels.contracts.WebSockets` promises, for addresses on loopback alone."""
    assert url.startswith(("ws://127.0.0.1", "ws://localhost")), f"{url} is not on loopback"
    try:
        inner = await connect(url, proxy=None, additional_headers=dict(headers or {}), open_timeout=timeout, max_size=message_limit)
    except (OSError, TimeoutError, WebSocketException) as error:
        raise Unavailable(f"“{url}” opens no WebSocket.") from error
    return _LoopbackWebSocket(inner)
