"""The inbound door: ``POST /in/<channel>/<account id>``, beside Django; and ``GET``, where somebody asks whether we meant to be told.

Deliveries that arrive together are committed together (group commit): a thread takes what is waiting, verifies, writes one
transaction, and only then is each answered. So 2xx means durable, and 500 a second cost a few commits.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import DatabaseError, close_old_connections, transaction

from cxm.channels import registry
from cxm.channels.contracts import NotAuthentic
from cxm.connect import accounts
from cxm.connect.mailbox import defer_take_in, fingerprint
from cxm.connect.models import Account, Delivery
from cxm.kernel.clock import now
from cxm.kernel.ids import parse_id
from cxm.platform import bulk, observability, secrets
from cxm.platform.config import settings

GROUP = 256
WAITING_LIMIT = 5_000
BODY_SECONDS = 30
#: Headers kept with a delivery; never cookies or authorization.
_KEPT = ("content-type", "webhook-id", "webhook-timestamp", "user-agent", "content-encoding")
_QUERY = 4_000
_log = structlog.get_logger(__name__)
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Knock:
    """One request at the door, waiting for its answer."""

    channel: str
    account: str
    headers: dict[str, str]
    body: bytes
    answer: asyncio.Future[tuple[int, str]]
    loop: asyncio.AbstractEventLoop
    status: tuple[int, str] = (503, "not_stored")
    delivery: Delivery | None = None


_TEXTS = {
    "stored": "Stored.",
    "duplicate": "Stored before.",
    "not_authentic": "The delivery could not be authenticated.",
    "too_large": "The delivery is larger than this installation takes.",
    "other_body": "This delivery id came before with another body.",
    "not_stored": "It could not be stored just now; deliver it again.",
    "busy": "Too much is waiting to be stored; deliver it again.",
    "method": "Only POST is taken here.",
    "slow": "The body did not arrive in time.",
}


class InboundDoor:
    """The ASGI application of ``/in/``."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Knock] = queue.Queue(maxsize=WAITING_LIMIT)
        self._thread: threading.Thread | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        parts = scope["path"].split("/")
        query = scope.get("query_string", b"")[: _QUERY + 1].decode("latin-1")
        asking = scope["method"] == "GET" and len(parts) == 4 and 0 < len(query) <= _QUERY
        if asking and (told := await asyncio.to_thread(_in_thread, parts[2], parts[3], query)) is not None:
            await _say(send, 200, told.encode(), b"text/plain; charset=utf-8")
            return
        if scope["method"] != "POST":
            await _answer(send, 405, "method")
            return
        if len(parts) != 4:
            await _answer(send, 401, "not_authentic")
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(scope, receive)
        except TimeoutError:
            await _answer(send, 408, "slow")
            return
        if body is None:
            await _answer(send, 413, "too_large")
            return
        status, code = await self._store(parts[2], parts[3], scope, body)
        observability.deliveries.labels(parts[2] if parts[2] in _names() else "unknown", code).inc()
        observability.intake_seconds.observe(time.perf_counter() - began)
        await _answer(send, status, code)

    async def _store(self, channel: str, account: str, scope: dict[str, Any], body: bytes) -> tuple[int, str]:
        self._ensure_thread()
        loop = asyncio.get_running_loop()
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        headers[":query"] = scope.get("query_string", b"")[:_QUERY].decode("latin-1")
        knock = Knock(channel, account, headers, body, loop.create_future(), loop)
        try:
            self._waiting.put_nowait(knock)
        except queue.Full:
            return 429, "busy"
        return await knock.answer

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="inbound-door", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            knocks = [self._waiting.get()]
            while len(knocks) < GROUP:
                try:
                    knocks.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            try:
                close_old_connections()
                store_group(knocks)
            except Exception as error:  # whatever broke: nothing was committed, so nothing may be answered 2xx
                _log.warning("door.not_stored", error=type(error).__name__)
                for knock in knocks:  # nor may anybody be told for good that they are not authentic: it was cut off in the middle
                    knock.status = (503, "not_stored")
            for knock in knocks:
                knock.loop.call_soon_threadsafe(_resolve, knock)


def _names() -> set[str]:
    return {channel.name for channel in registry.channels()}


def _resolve(knock: Knock) -> None:
    if not knock.answer.done():
        knock.answer.set_result(knock.status)


def store_group(knocks: list[Knock]) -> None:
    """Verify each and store all the authentic ones in one transaction; sets each one's answer."""
    with transaction.atomic():
        ids = {identifier for knock in knocks if (identifier := parse_id(knock.account)) is not None}
        rows = {
            row.id: row for row in Account.everywhere.filter(pk__in=ids, removed_at=None)
        }  # everywhere: the address alone tells whose it is
        authentic = [knock for knock in knocks if _authentic(knock, rows)]
        fresh = _unknown(authentic)
        if fresh:
            bulk.insert(fresh)
            for account in sorted({row.account_id for row in fresh}, key=str):
                defer_take_in(account)


def _authentic(knock: Knock, rows: dict[Any, Account]) -> bool:
    identifier = parse_id(knock.account)
    row = rows.get(identifier) if identifier else None
    knock.status = (401, "not_authentic")
    if row is None or row.channel != knock.channel or row.state == "removed":
        return False
    channel = registry.channel(row.channel)
    subscribes = channel.can("subscribe")
    if not (subscribes or channel.can("receive")):
        return False
    judge = channel.subscriber() if subscribes else channel.receive()
    secret = inbound_secret(row.id) if subscribes else accounts.credentials_of(row).get("secret")
    try:
        delivery_id = judge.verify(knock.headers, knock.body, secret, now())
    except NotAuthentic as error:
        _log.info("door.refused", channel=row.channel, account=str(row.id), reason=error.reason)
        return False
    kept = {key: knock.headers[key][:500] for key in _KEPT if key in knock.headers}
    if subscribes:
        kept[":query"] = knock.headers[":query"]
    knock.delivery = Delivery(
        organization_id=row.organization_id, account_id=row.id, kind="webhook", delivery_id=delivery_id[:300], fingerprint=fingerprint(knock.body), headers=kept,
        body=knock.body, received_at=now(),
    )  # fmt: skip
    return True


def inbound_secret(account: UUID) -> str:
    """What proves that a connector of ours gave somebody the account's address; changes with the installation's key."""
    return secrets.derive(f"inbound:{account}").hex()


def asked(channel: str, account: str, query: str) -> str | None:
    """What is answered to whoever asks whether we meant to be told; None, whatever the reason, where their address does not prove it."""
    identifier = parse_id(account)
    if identifier is None or channel not in _names() or not registry.channel(channel).can("subscribe"):
        return None
    try:
        known = Account.everywhere.filter(pk=identifier, channel=channel).first()  # everywhere: the address alone tells whose it is
        if known is None:
            return None
        leaving = known.removed_at is not None
        return registry.channel(channel).subscriber().challenge(query, inbound_secret(identifier), now(), leaving=leaving)
    except NotAuthentic as error:
        _log.info("door.refused", channel=channel, account=str(identifier), reason=error.reason)
    return None


def _in_thread(channel: str, account: str, query: str) -> str | None:
    try:
        close_old_connections()
        return asked(channel, account, query)
    except DatabaseError as error:  # not now; whoever asks will ask again
        _log.warning("door.not_asked", error=type(error).__name__)
        return None
    finally:
        close_old_connections()


def _unknown(knocks: list[Knock]) -> list[Delivery]:
    """The deliveries not stored before; the others are answered as duplicates or, with another body, refused.

    A transaction-level advisory lock for each id makes two processes that get the same delivery wait for one another.
    """
    from django.db import connection

    by_key: dict[tuple[Any, str], list[Knock]] = {}
    for knock in knocks:
        assert knock.delivery is not None
        by_key.setdefault((knock.delivery.account_id, knock.delivery.delivery_id), []).append(knock)
    with connection.cursor() as cursor:
        keys = sorted(f"{account}:{delivery_id}" for account, delivery_id in by_key)
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(key, 7)) from unnest(%s::text[]) as key", [keys])
    stored = Delivery.everywhere.filter(
        account_id__in={key[0] for key in by_key}, delivery_id__in=[key[1] for key in by_key]
    )  # everywhere: ids of verified accounts
    known = {(row[0], row[1]): bytes(row[2]) for row in stored.values_list("account_id", "delivery_id", "fingerprint")}
    fresh: list[Delivery] = []
    for key, group in by_key.items():
        for knock in group:
            assert knock.delivery is not None
            mark = bytes(knock.delivery.fingerprint)
            if key not in known:
                known[key] = mark
                fresh.append(knock.delivery)
                knock.status = (202, "stored")
            else:
                knock.status = (200, "duplicate") if known[key] == mark else (409, "other_body")
    return fresh


async def _read(scope: dict[str, Any], receive: Receive) -> bytes | None:
    limit = settings().intake_limit
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise TimeoutError
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _answer(send: Send, status: int, code: str) -> None:
    body = orjson.dumps({"status": status, "code": code, "detail": _TEXTS[code]})
    await _say(send, status, body, b"application/json" if status < 400 else b"application/problem+json")


async def _say(send: Send, status: int, body: bytes, kind: bytes) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]
    if status in (429, 503):
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
