"""A Jetstream on loopback: every post of the network from the moment asked for, and lines that can be cut."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from cxm.channels.bluesky.ids import POST, post_parts
from cxm.channels.bluesky.tests.provider import Network, cid
from cxm.kernel.clock import now


class Jetstream:
    """What was said and can still be heard (``said``: time and message), who asked from when (``asked``)."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.said: list[tuple[int, bytes]] = []
        self.asked: list[dict[str, str]] = []
        self.port = 0
        self._lines: dict[ServerConnection, asyncio.Queue[bytes | None]] = {}
        self._server: Server | None = None

    async def __aenter__(self) -> Jetstream:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        self._server = await serve(self._line, "127.0.0.1", self.port, ping_interval=None)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def down(self) -> None:
        """Cut every line and answer no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def _line(self, line: ServerConnection) -> None:
        assert line.request is not None
        parts = urlsplit(line.request.path)
        asked = dict(parse_qsl(parts.query)) | {"path": parts.path}
        self.asked.append(asked)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for at, message in self.said:
            if at >= int(asked.get("cursor", at)):
                queue.put_nowait(message)
        self._lines[line] = queue
        pump = asyncio.create_task(_pump(line, queue))
        await line.wait_closed()
        pump.cancel()
        del self._lines[line]

    def cut(self) -> None:
        """End every line; others may open."""
        for queue in self._lines.values():
            queue.put_nowait(None)

    def send(self, message: bytes, at: int | None = None) -> None:
        """Say these bytes."""
        self.said.append((at if at is not None else stamp(), message))
        for queue in self._lines.values():
            queue.put_nowait(message)

    def tell(self, address: str, operation: str = "create") -> None:
        """Say what happened to a post of the network."""
        did, key = post_parts(address) or ("", "")
        commit: dict[str, Any] = {"rev": "3l", "operation": operation, "collection": POST, "rkey": key}
        if operation != "delete":
            record = self.network.records[address]
            commit |= {"record": record, "cid": cid(record)}
        at = stamp()
        self.send(json.dumps({"did": did, "time_us": at, "kind": "commit", "commit": commit}).encode(), at)


async def _pump(line: ServerConnection, queue: asyncio.Queue[bytes | None]) -> None:
    with suppress(ConnectionClosed):
        while (message := await queue.get()) is not None:
            await line.send(message, text=True)
    await line.close()


def stamp() -> int:
    """The present moment in microseconds since 1970."""
    return int(now().timestamp() * 1_000_000)


def mention(did: str) -> list[dict[str, Any]]:
    """A facet that names somebody."""
    return [{"index": {"byteStart": 0, "byteEnd": 5}, "features": [{"$type": "app.bsky.richtext.facet#mention", "did": did}]}]
