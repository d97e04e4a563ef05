"""Outbound webhooks: what happened is told, in order, until it is taken.

Each hook reads the event log behind a position of its own and moves it only after a 2xx: at least once, and one that fails stands
still without delaying another. Coroutines get to the database through the function the runtime hands them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
import structlog
from django.db import transaction
from django.db.models import Q

from cxm.channels.kit import answers, webhooks
from cxm.connect import hooks
from cxm.connect.models import Webhook
from cxm.govern import api as govern
from cxm.kernel.actor import system
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import CxmError, NotAllowed
from cxm.kernel.network import ConnectorError
from cxm.platform import egress, events, realtime, secrets

Db = Callable[[Callable[[], Any]], Awaitable[Any]]
#: A delivery that takes longer has failed; a lease outlives several, and ends soon after a killed process. Seconds.
CALL_SECONDS = 15.0
LEASE = timedelta(seconds=45)
#: Events read at once; how long one hook may go on before others that wait get its place (seconds); hooks called at once.
READ, TURN, AT_ONCE = 100, 20.0, 150
#: After a failure it is tried again in 5 s, doubling to an hour; after three days of failing it is paused.
FIRST_WAIT, LONGEST_WAIT, GIVE_UP = 5.0, 3600.0, timedelta(days=3)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """One event on its way: ``position`` is where the hook stands once it was taken."""

    id: str
    position: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one hook is to be told next, and how; ``start`` is where it stands, ``end`` where it stands once all was taken."""

    hook: UUID
    revision: int
    url: str
    keys: tuple[str, ...]
    start: str
    end: str
    letters: tuple[Letter, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a delivery was not taken; ``gone``: it never will be."""

    text: str
    retry_after: float | None = None
    gone: bool = False


async def serve(db: Db) -> None:
    """Each second: call every hook that has something to be told, each in a task of its own, until cancelled."""
    http = egress.GuardedHttp()  # apart from the connectors', so that slow integrators take no line from a reply
    running: dict[UUID, asyncio.Task[None]] = {}
    try:
        while True:
            try:
                for hook in await db(lambda: claim_due(AT_ONCE - len(running))):
                    task = running[hook] = asyncio.get_running_loop().create_task(serve_one(hook, http, db))
                    task.add_done_callback(lambda done, hook=hook: running.pop(hook, None) if running.get(hook) is done else None)
            except Exception as error:  # the database is away: nothing is claimed, look again
                _log.warning("webhooks.cannot_claim", error=type(error).__name__)
            await asyncio.sleep(1)
    finally:
        tasks = list(running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await http.close()


async def serve_one(hook: UUID, http: egress.GuardedHttp, db: Db) -> None:
    """One hook's turn: tell it what is new, one event after another."""
    until = time.monotonic() + TURN
    try:
        while time.monotonic() < until:
            batch: Batch | None = await db(lambda: read(hook))
            if batch is None or not await _tell(batch, http, db, until) or not batch.more:
                break
    except Exception as error:
        _log.error("webhooks.failed", hook=str(hook), error=type(error).__name__)
        fault = Fault(error.text if isinstance(error, CxmError) else "OpenCXM could not prepare the delivery; see its log.")
        with contextlib.suppress(Exception):
            await db(lambda: note_fault(hook, None, fault))
    finally:
        with contextlib.suppress(Exception):  # the database is away: the lease ends by itself
            await db(lambda: release(hook))


async def _tell(batch: Batch, http: egress.GuardedHttp, db: Db, until: float) -> bool:
    """Whether all of the batch was taken and the hook may be told more."""
    stands = batch.start
    for letter in batch.letters:
        if time.monotonic() >= until:
            return False
        fault = await post(batch, letter, http)
        if fault is not None:
            await db(lambda fault=fault: note_fault(batch.hook, batch.revision, fault))
            return False
        if not await _whole(db(lambda stands=stands, letter=letter: note_taken(batch, stands, letter.position, taken=True))):
            return False
        stands = letter.position
    return stands == batch.end or await db(lambda: note_taken(batch, stands, batch.end, taken=False))


async def _whole(work: Awaitable[Any]) -> Any:
    """Wait for ``work`` even where this task is cancelled: what was taken is noted, and before the lease is given back."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def post(batch: Batch, letter: Letter, http: egress.GuardedHttp) -> Fault | None:
    """One delivery; None where it was taken (2xx). Redirects are not followed."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            answer = await http.request("POST", batch.url, headers=_headers(batch, letter), content=letter.body)
    except ConnectorError as error:
        return Fault(error.text)
    except TimeoutError:
        return Fault(f"It did not answer within {CALL_SECONDS:.0f} seconds.")
    except Exception as error:  # an address that only the client finds wrong, or an answer that is none
        return Fault(f"It could not be called ({type(error).__name__}).")
    status = answer.status_code
    if 200 <= status < 300:
        return None
    if status == 410:
        return Fault("It answered 410: it wants to be told nothing any more.", gone=True)
    moved = " A redirect is not followed; enter the address it leads to." if 300 <= status < 400 else ""
    return Fault(f"It answered {status}.{moved}", answers.retry_after(answer.headers, now()))


def _headers(batch: Batch, letter: Letter) -> dict[str, str]:
    signed = [webhooks.sign(letter.id, letter.body, key, now()) for key in batch.keys]
    return {
        **signed[0],
        "webhook-signature": " ".join(one["webhook-signature"] for one in signed),
        "content-type": "application/json",
        "user-agent": "OpenCXM",
    }


def claim_due(limit: int) -> list[UUID]:
    """Hooks that are due and have something new in the log, now leased to this process; who waited longest first."""
    free = Q(leased_until=None) | Q(leased_until__lt=now())
    due = Webhook.everywhere.filter(free, state="active", due_at__lte=now())  # everywhere: one runtime serves all
    waiting = list(due.order_by("due_at", "id").values_list("pk", "organization_id", "position"))
    ends = events.ends({organization for _, organization, _ in waiting}) if waiting else {}
    behind = [pk for pk, organization, position in waiting if ends.get(organization, position) != position][: max(limit, 0)]
    if not behind:
        return []
    with transaction.atomic():
        rows = due.filter(pk__in=behind).select_for_update(skip_locked=True)
        claimed = set(rows.values_list("pk", flat=True))
        Webhook.everywhere.filter(pk__in=claimed).update(leased_until=now() + LEASE)  # everywhere: as above
    return [pk for pk in behind if pk in claimed]


def read(hook: UUID) -> Batch | None:
    """What the hook is to be told next, by the rights its member has now; None where there is nothing, or it was paused."""
    row = Webhook.everywhere.filter(pk=hook, state="active").first()  # everywhere: the runtime holds its lease
    if row is None:
        return None
    held = _rights(row)
    if hooks.RIGHT not in held:
        pause(hook, "The member who set it up may no longer have it called. Another may take it over by making it active again.")
        return None
    end = events.ends([row.organization_id]).get(row.organization_id, row.position)  # before reading: what comes later is for later
    found = events.since(row.organization_id, row.position, permissions=held, limit=READ)
    full = len(found) == READ
    if found and (full or _order(found[-1].position) > _order(end)):
        end = found[-1].position
    wanted = [one for one in found if not row.events or one.name in row.events]
    Webhook.everywhere.filter(pk=hook).update(leased_until=now() + LEASE)  # everywhere: as above
    letters = tuple(_letter(hook, one) for one in wanted)
    return Batch(hook, row.revision, row.url, _keys(row), row.position, end, letters, more=full)


def note_taken(batch: Batch, before: str, after: str, *, taken: bool) -> bool:
    """Move the hook on from ``before``; False where it may not be told more (changed, paused, or another process tells it)."""
    well: dict[str, Any] = {"last_ok_at": now(), "failures": 0, "failing_since": None, "reason": ""} if taken else {}
    rows = Webhook.everywhere.filter(pk=batch.hook, position=before)  # everywhere: the runtime holds its lease
    # One that was paused meanwhile keeps the reason it was paused for.
    moved = rows.filter(state="active").update(position=after, leased_until=now() + LEASE, **well) or rows.update(position=after)
    going = Webhook.everywhere.filter(pk=batch.hook, revision=batch.revision, state="active")  # everywhere: as above
    return bool(moved) and going.exists()


def note_fault(hook: UUID, revision: int | None, fault: Fault) -> None:
    """Say what is wrong, try again later; pause it where it is gone, or failed for three days."""
    with transaction.atomic():
        row = Webhook.everywhere.select_for_update().filter(pk=hook, state="active").first()  # everywhere: the runtime holds its lease
        if row is None or (revision is not None and row.revision != revision):
            return  # it was changed meanwhile: what was wrong may be right now
        row.failures += 1
        row.failing_since = row.failing_since or now()
        row.reason = fault.text[:500]
        wait = min(FIRST_WAIT * 2 ** min(row.failures - 1, 12), LONGEST_WAIT)
        if fault.retry_after is not None:
            wait = min(max(wait, fault.retry_after), LONGEST_WAIT)
        row.due_at = now() + timedelta(seconds=wait * (0.9 + random.random() * 0.1))  # noqa: S311 - spreads retries
        row.save(update_fields=["failures", "failing_since", "reason", "due_at"])
        realtime.tell(row.organization_id, "webhooks")
        if fault.gone:
            pause(hook, fault.text)
        elif now() - row.failing_since >= GIVE_UP:
            pause(hook, f"It took nothing for three days; the last time: {fault.text}")


def pause(hook: UUID, reason: str) -> None:
    """Stop telling it, and say why; what happens from here on is kept for it."""
    with transaction.atomic():
        row = Webhook.everywhere.select_for_update().filter(pk=hook, state="active").first()  # everywhere: the runtime holds its lease
        if row is None:
            return
        row.state, row.reason = "paused", reason[:500]
        row.save(update_fields=["state", "reason"])
        govern.record(system(row.organization_id), "webhook.pause", f"webhook:{hook}", {"failures": row.failures})
        realtime.tell(row.organization_id, "webhooks")


def release(hook: UUID) -> None:
    """Give the lease back; among those that are due it goes to the end."""
    mine = Webhook.everywhere.filter(pk=hook)  # everywhere: the runtime holds its lease
    mine.filter(due_at__lt=now()).update(due_at=now())
    mine.update(leased_until=None)


def _rights(row: Webhook) -> set[str]:
    """What may be told: what its member held when setting it up (a token may hold less than its member) and still holds."""
    try:
        return hooks.readable(govern.actor_for(row.organization_id, row.member_id)) & set(row.rights)
    except NotAllowed:
        return set()


def _keys(row: Webhook) -> tuple[str, ...]:
    keys = [secrets.unseal(row.sealed_secret)]
    if row.sealed_former_secret and row.former_until is not None and row.former_until > now():
        keys.append(secrets.unseal(row.sealed_former_secret))
    return tuple(keys)


def _letter(hook: UUID, event: events.LoggedEvent) -> Letter:
    """The event as ``GET /events`` shows it, under an id that is the same each time it is sent to this hook."""
    body = orjson.dumps({"id": event.position, "name": event.name, "at": format_instant(event.at), "data": dict(event.data)})
    return Letter(str(uuid5(hook, event.position)), event.position, body)


def _order(position: str) -> tuple[int, ...]:
    return tuple(int(part) for part in position.split("-")) if position else (0, 0)
