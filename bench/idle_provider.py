"""Platforms that have nothing to say: feeds that do not change, homeservers that let one wait, a mail server that idles, one that is stuck.

A process of its own (``python -m bench.idle_provider``), so that its cost is told apart. Prints its ports, then serves until it is ended.
``/say/<n>`` lets homeserver n have something to say after all; ``/counts`` tells what was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

FEED = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>Still</title><link>https://still.example/</link><item><guid>1</guid>
<title>Nothing new</title><link>https://still.example/1</link><pubDate>Mon, 01 Jun 2026 10:00:00 GMT</pubDate></item></channel></rss>"""
#: Hosts with feeds, 127.0.0.2 and on.
HOSTS = 100
counts: Counter[str] = Counter()
#: What homeservers have to say, and who waits for it.
said: dict[str, list[str]] = {}
waiting: dict[str, asyncio.Event] = {}


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.1, one request after the other on a line."""
    counts["lines"] += 1
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *rest = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
            await reader.readexactly(int(headers.get("content-length") or 0))
            status, kind, body = await answer(first.split(" ")[1], headers)
            writer.write(f'HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\netag: "1"\r\ncontent-length: {len(body)}\r\n\r\n'.encode() + body)
            await writer.drain()
    writer.close()


async def answer(target: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """Status, media type and body."""
    parts = urlsplit(target)
    _, place, *rest = parts.path.split("/")
    counts[place] += 1
    if place == "feed":
        return (304, "text/xml", b"") if headers.get("if-none-match") else (200, "text/xml", FEED)
    if place == "stuck":
        await asyncio.sleep(3600)
    if place == "say":
        said.setdefault(rest[0], []).append(str(time.time_ns()))
        waiting.setdefault(rest[0], asyncio.Event()).set()
        return 200, "application/json", b"{}"
    if place == "counts":
        return 200, "application/json", json.dumps(counts).encode()
    return 200, "application/json", json.dumps(await matrix(rest[0], parts.path, parse_qs(parts.query))).encode()


async def matrix(number: str, path: str, query: dict[str, list[str]]) -> object:
    """What a homeserver answers to one of us."""
    if path.endswith("/versions"):
        return {"versions": ["v1.11"]}
    if path.endswith("/whoami"):
        return {"user_id": f"@care{number}:bench.example"}
    if not path.endswith("/sync"):
        return {}
    since = int(query.get("since", ["0"])[0])
    if since >= len(said.get(number, [])) and (wait := int(query.get("timeout", ["0"])[0])):
        event = waiting[number] = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), wait / 1000)
    found = said.get(number, [])[since:]
    events = [
        {"type": "m.room.message", "event_id": f"${number}-{text}", "sender": "@somebody:bench.example", "origin_server_ts": int(text) // 1_000_000, "content": {"msgtype": "m.text", "body": f"said {text}"}}
        for text in found
    ]  # fmt: skip
    rooms = {
        "join": {
            f"!room{number}:bench.example": {"timeline": {"events": events, "limited": False, "prev_batch": "p"}, "state": {"events": []}}
        }
    }
    return {"next_batch": str(since + len(found)), "rooms": rooms if events else {}}


async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An IMAP server with an empty mailbox."""
    counts["mail lines"] += 1
    writer.write(b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n")
    with contextlib.suppress(OSError):
        while line := (await reader.readline()).decode("latin-1").strip():
            tag, _, command = line.partition(" ")
            name = command.upper().split(" ")[0]
            told = {
                "CAPABILITY": "* CAPABILITY IMAP4rev1 IDLE\r\n",
                "SELECT": "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\n",
                "UID": "* SEARCH\r\n",
            }
            told["EXAMINE"] = told["SELECT"]
            if name == "IDLE":
                counts["idle"] += 1
                writer.write(b"+ idling\r\n")
                await reader.readline()  # DONE
            writer.write(f"{told.get(name, '')}{tag} OK done\r\n".encode())
            await writer.drain()
            if name == "LOGOUT":
                break
    writer.close()


async def main() -> None:
    """Serve until ended."""
    http = await asyncio.start_server(web, "127.0.0.1", 0, backlog=4000)
    port = http.sockets[0].getsockname()[1]
    for number in range(2, HOSTS + 2):  # feeds on hosts of their own: one host is asked once a second, however many feeds it has
        await asyncio.start_server(web, f"127.0.0.{number}", port)
    imap = await asyncio.start_server(mail, "127.0.0.1", 0, backlog=4000)
    print(json.dumps({"web": port, "mail": imap.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
