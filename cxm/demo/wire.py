"""The outside world's side of the inbound door: one signed POST over plain HTTP to our own loopback port.

This is the world calling us, not us calling out; so it does not pass ``platform.egress``, and it can reach nothing but the address
``serve`` itself listens on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping


async def post(address: tuple[str, int], path: str, body: bytes, headers: Mapping[str, str], *, seconds: float = 10.0) -> int:
    """The status of the answer. Raises OSError or TimeoutError where there is none."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(*address)
        try:
            lines = [f"POST {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}", "Connection: close", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
            await writer.drain()
            status = (await reader.readline()).split()
            if len(status) < 2 or not status[1].isdigit():
                raise ConnectionError("The door hung up.")
            return int(status[1])
        finally:
            writer.close()
