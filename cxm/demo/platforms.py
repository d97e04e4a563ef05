"""The simulated platforms behind the demo's accounts: they take our signed answers, remember them, can be asked, and are moody now and then.

They speak the generic channel's protocol as the public interfaces tell it: 200 with a ``native_id``, 409 with the same body on a
repeated ``webhook-id``, 401 for a signature that is not ours, ``GET ?id=`` for read back, and seeded by the intent's own id a rare 503
with ``Retry-After`` (6 %), a rare slow answer (6 %), a refusal where a story says so. They also show, to anybody, the pictures of the stories.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cxm.channels.contracts import NotAuthentic
from cxm.channels.kit import webhooks
from cxm.demo import telling
from cxm.kernel.clock import now

BUSY, SLOW, SLOW_SECONDS = 0.06, 0.12, 3.5
BODY_LIMIT = 5_000_000
_PICTURES = {".png": b"image/png", ".jpg": b"image/jpeg"}
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Taken = Callable[["Taking"], None]


@dataclass(frozen=True, slots=True)
class Taking:
    """An answer of ours that a platform took: the account's key, the intent, a mark of its body, its id there, what it answers."""

    account: str
    intent: str
    mark: str
    native_id: str
    about: str | None


class Platforms:
    """An ASGI application: ``/<account key>`` is one platform's reply address. What it took is kept in a file, one line each."""

    def __init__(self, secret_of: Callable[[str], str], memory: Path, *, moody: bool = True) -> None:
        self._secret_of = secret_of
        self._memory = memory
        self._moody = moody
        self._refused_once: set[str] = set()
        self.taken: dict[str, Taking] = {taking.intent: taking for taking in _remembered(memory)}
        self.on_taken: Taken = lambda taking: None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _read(receive)
        kind, content = _picture(scope)
        status, more = 200, list[tuple[bytes, bytes]]()
        if not kind:
            kind = b"application/json"
            status, content, more = await self._answer(scope, body)
        headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: dict[str, Any], body: bytes) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        key = scope["path"].strip("/")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            intent = webhooks.verify(headers, body, self._secret_of(key), now())
        except (NotAuthentic, KeyError):
            return _plain(401, detail="The signature is not right.")
        if scope["method"] == "GET":
            return self._told(parse_qs(scope["query_string"].decode()).get("id", [""])[0])
        if scope["method"] != "POST":
            return _plain(405, detail="Only GET and POST.")
        return await self._take(key, intent, body)

    def _told(self, intent: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        known = self.taken.get(intent)
        return _plain(200, native_id=known.native_id) if known else _plain(404, detail="Never heard of it.")

    async def _take(self, key: str, intent: str, body: bytes) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        mark = hashlib.sha256(body).hexdigest()
        known = self.taken.get(intent)
        if known is not None:
            return _plain(409, native_id=known.native_id) if known.mark == mark else _plain(422, detail="That id came with other words.")
        try:
            said: Any = json.loads(body)
        except ValueError:
            said = None
        if not isinstance(said, dict) or not isinstance(said.get("text"), str):
            return _plain(422, detail="There are no words in it.")
        mood = random.Random(intent).random() if self._moody else 1.0  # noqa: S311 - a mood, no secret
        if mood < BUSY and intent not in self._refused_once:
            self._refused_once.add(intent)
            status, content, _ = _plain(503, detail="The platform is busy; it asks for a moment.")
            return status, content, [(b"retry-after", b"6")]
        about = said.get("in_reply_to") if isinstance(said.get("in_reply_to"), str) else None
        story = telling.find(about) if about else None
        if story is not None and story.refuse:
            return _plain(422, detail=story.refuse)
        taking = Taking(key, intent, mark, f"{key}-{hashlib.sha256(intent.encode()).hexdigest()[:12]}", about)
        self._remember(taking)
        if BUSY <= mood < SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        self.on_taken(taking)
        return _plain(200, native_id=taking.native_id)

    def _remember(self, taking: Taking) -> None:
        self.taken[taking.intent] = taking
        with self._memory.open("a") as file:
            file.write(json.dumps(asdict(taking)) + "\n")


def _remembered(memory: Path) -> list[Taking]:
    if not memory.exists():
        return []
    found: list[Taking] = []
    for line in memory.read_text().splitlines():
        try:
            found.append(Taking(**json.loads(line)))
        except (ValueError, TypeError):
            continue  # the last line of a process that was killed
    return found


def _picture(scope: dict[str, Any]) -> tuple[bytes, bytes]:
    """Type and bytes of a picture that people of the stories showed, ``GET /pictures/<file>``; both empty for everything else."""
    before, _, name = str(scope["path"]).rpartition("/")
    kind = _PICTURES.get(Path(name).suffix, b"")
    file = telling.PICTURES / name
    if scope["method"] != "GET" or before != "/pictures" or not kind or not file.is_file():
        return b"", b""
    return kind, file.read_bytes()


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > BODY_LIMIT:
            return bytes(body)


def _plain(status: int, **content: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    return status, json.dumps(content, ensure_ascii=False).encode(), []
