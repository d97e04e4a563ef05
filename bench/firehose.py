"""The live stream's filter: messages like a Jetstream's, and frames a PDS sent, on one core; then the same through a WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from cxm.channels.bluesky import tests
from cxm.channels.bluesky.firehose import Firehose
from cxm.channels.bluesky.jetstream import Filter
from cxm.platform import egress

_ME = "did:plc:acmeacmeacmeacmeacmeacme"
_WORDS = [
    "the",
    "a",
    "good",
    "coffee",
    "is",
    "what",
    "people",
    "say",
    "about",
    "it",
    "today",
    "and",
    "nobody",
    "else",
    "knows",
    "why",
    "these",
    "things",
    "happen",
    "again",
]


def _messages(count: int) -> list[bytes]:
    """Posts as people write them: one in 500 names us, one in twelve is taken back."""
    chance, made = random.Random(3), []
    for number in range(count):
        did = f"did:plc:{chance.getrandbits(120):024x}"[:32]
        commit: dict[str, Any] = {
            "rev": "3l3qo2vuowo2b",
            "operation": "create",
            "collection": "app.bsky.feed.post",
            "rkey": f"3l3qo{number:08d}",
        }
        if number % 12 == 0:
            commit["operation"] = "delete"
        else:
            text = " ".join(chance.choices(_WORDS, k=chance.randint(3, 45)))
            record: dict[str, Any] = {"$type": "app.bsky.feed.post", "createdAt": "2026-11-22T12:00:00.000Z", "langs": ["en"], "text": text}
            if number % 2:
                strong = {
                    "cid": "bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmgfmucldvhd3sgzcqi",
                    "uri": f"at://{did}/app.bsky.feed.post/3l3pte3p2e325",
                }
                record["reply"] = {"parent": strong, "root": strong}
            if number % 500 == 0:
                record["facets"] = [
                    {"index": {"byteStart": 0, "byteEnd": 5}, "features": [{"$type": "app.bsky.richtext.facet#mention", "did": _ME}]}
                ]
            commit |= {"record": record, "cid": "bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmgfmucldvhd3sgzcqi"}
        made.append(json.dumps({"did": did, "time_us": 1_725_911_162_329_308 + number, "kind": "commit", "commit": commit}).encode())
    return made


def _filtered(chosen: Filter, messages: list[bytes]) -> tuple[float, int]:
    """Messages in a second of CPU, and how many concerned us."""
    known = {f"did:plc:known{number}/3l3qo" for number in range(500)}
    began, found = time.process_time(), 0
    for message in messages:
        found += len(chosen.events(message, known))
    return len(messages) / (time.process_time() - began), found


async def _heard(messages: list[bytes]) -> tuple[float, int, bytes]:
    """The same through a WebSocket and the guard: messages in a second of this process's CPU, the sender's part in it."""
    made = asyncio.Event()

    async def send(line: ServerConnection) -> None:
        for message in messages:
            await line.send(message, text=True)
        await made.wait()

    chosen, found = Filter(_ME, own=True), 0
    async with serve(send, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        egress.allow_for_this_process("127.0.0.1", port)
        line = await egress.web_socket(f"ws://127.0.0.1:{port}/subscribe")
        began = time.process_time()
        last = b""
        for _ in messages:
            last = await line.receive(60) or b""
            found += len(chosen.events(last, ()))
        spent = time.process_time() - began
        made.set()
        await line.close()
    return len(messages) / spent, found, last


def run(count: int = 100_000) -> dict[str, object]:
    """Events in a second on one core."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cxm.run.settings")
    messages = _messages(count)
    alone, found = _filtered(Filter(_ME, own=True), messages)
    told = json.loads((Path(tests.__file__).parent / "recorded_firehose.json").read_text("utf-8"))
    frames = [base64.b64decode(one) for one in told["frames"]] * (count // 10)
    passed, _ = _filtered(Firehose(_ME, own=True), frames)
    read, told_us = _filtered(Firehose(told["me"], own=True), frames[: count // 4])
    through, _, last = asyncio.run(_heard(messages[: count // 2]))
    return {
        "jetstream_filter_per_cpu_s": round(alone),
        "found": found,
        "through_web_socket_per_cpu_s_sender_included": round(through),
        "bytes_each": sum(map(len, messages)) // count,
        "repository_frames_passed_over_per_cpu_s": round(passed),
        "repository_frames_read_per_cpu_s": round(read),
        "read_events": told_us,
        "last_seen": last == messages[count // 2 - 1],
    }
