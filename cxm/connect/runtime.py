"""The runtime of connectors: one event loop in a thread, where polls, streams and sends live.

One of the two files where asynchronous network code meets the database: coroutines reach it through :func:`_db` (a thread), jobs
reach coroutines through :func:`call`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import structlog
from django.db import close_old_connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Least

from cxm.channels import registry
from cxm.channels.authorization import no_token
from cxm.channels.contracts import AuthExpired, ConnectorError, Inbound, Polled, RateLimited, Session, SourceView, Unavailable, Unheard
from cxm.connect import accounts, door, hooks_post, limits, mailbox, sources, tokens
from cxm.connect.contracts import LimitLeft
from cxm.connect.models import Account, Gap
from cxm.kernel.clock import now
from cxm.platform import egress, memory, realtime
from cxm.platform.config import settings

T = TypeVar("T")
#: How long an account stays ours without a sign of life: a killed process gives it up by saying nothing.
LEASE = timedelta(seconds=30)
#: After so long without a good look a gap is noted, even where nothing said that anything was wrong.
HEARTBEAT = timedelta(minutes=10)
#: However silent a source: after so long we look again.
LONGEST_PAUSE = timedelta(days=1)
#: The longest that an account rests after a fault; how far the clocks of two machines may differ.
LONGEST_REST, SKEW = timedelta(hours=1, minutes=15), timedelta(minutes=5)
#: Seconds between those signs; and after how many a poll, or the silence of a stream, is given up.
_RENEW, _POLL_LIMIT, _SILENCE = 5, 170, 90
#: Accounts claimed together.
_CLAIM = 50
#: Lines that listening may hold open at once (a long poll holds one): apart from those of replies, which never wait for them.
#: They are kept in so many clients, because a client walks through all of its lines for each request.
_LINES, _EARS = 4_000, 32
#: Names are looked up in threads, and a name server that is silent holds each for seconds: many, and none of them the database's.
_NAME_THREADS, _DATABASE_THREADS = 32, 6
_log = structlog.get_logger(__name__)


class LeaseLost(Exception):
    """Another process looks at the account by now: this one was silent for longer than its lease, for instance because its machine slept."""


class Runtime:
    """The loop, its HTTP client, and the tasks that listen."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._http: egress.GuardedHttp | None = None
        self._ears: list[egress.GuardedHttp] = []
        self._listening: set[asyncio.Task[None]] = set()
        self._looks: dict[UUID, asyncio.Task[None]] = {}
        self._well: set[UUID] = set()
        self._lock = threading.Lock()

    def call(self, work: Callable[[egress.GuardedHttp], Awaitable[T]], timeout: float = 90) -> T:
        """Run a coroutine on the loop from a job's thread and wait for it."""
        loop = self._ensure()

        async def run() -> T:
            if self._http is None:
                self._http = egress.GuardedHttp()
            return await work(self._http)

        return asyncio.run_coroutine_threadsafe(run(), loop).result(timeout)

    def begin(self, work: Callable[[egress.GuardedHttp], Awaitable[T]]) -> Future[T]:
        """Begin a coroutine on the loop; returns once it runs, so that what is not begun can still be stopped.

        Raises Unavailable, with no effect possible, where it does not begin within two seconds.
        """
        begun = threading.Event()
        given_up = threading.Event()
        loop = self._ensure()

        async def run() -> T:
            begun.set()
            if given_up.is_set():
                raise Unavailable("The runtime was too busy to begin.", "It is tried again.")
            if self._http is None:
                self._http = egress.GuardedHttp()
            return await work(self._http)

        future = asyncio.run_coroutine_threadsafe(run(), loop)
        if not begun.wait(2):
            given_up.set()
            if not begun.is_set():
                raise Unavailable("The runtime was too busy to begin.", "It is tried again.")
        return future

    def listen(self, *, alone: bool = False) -> None:
        """Begin polling and streaming (serve and ``cxm streams`` do). ``alone``: no other process can be looking at an account."""
        if alone:
            forget_leases()
        asyncio.run_coroutine_threadsafe(self._start_listening(), self._ensure()).result(10)

    def stop(self) -> None:
        """End streams and polls, close connections."""
        if self._loop is None:
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(5)
        self._loop = self._thread = self._http = None
        self._ears = []

    def _ensure(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(ThreadPoolExecutor(_NAME_THREADS, thread_name_prefix="connectors-names"))
                self._thread = threading.Thread(target=self._loop.run_forever, name="connectors", daemon=True)
                self._thread.start()
            return self._loop

    async def _start_listening(self) -> None:
        self._ears = self._ears or [egress.GuardedHttp(_LINES) for _ in range(_EARS)]
        self._keep(self._look_round())
        self._keep(hooks_post.serve(_db))

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)
        return task

    async def _stop(self) -> None:
        tasks = list(self._listening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await tokens.settled(5)
        for client in [self._http] * (self._http is not None) + self._ears:
            await client.close()

    async def _look_round(self) -> None:
        """Each second: claim accounts that are due and look at each in a task of its own, so that a slow one delays nobody."""
        renewed = 0.0
        while True:
            try:
                while claimed := await _db(claim_due):
                    for row in claimed:
                        self._begin_look(row)
                    if len(claimed) < _CLAIM or len(self._looks) >= _LINES:
                        break
                if self._looks and time.monotonic() - renewed >= _RENEW:
                    held, well, self._well = list(self._looks), self._well, set()
                    for gone in set(held) - await _db(lambda held=held, well=well: renew(held, well)):
                        self._end_look(gone)
                    renewed = time.monotonic()
            except Exception as error:  # the database is away: nothing is claimed, look again
                _log.warning("runtime.cannot_claim", error=type(error).__name__)
            await asyncio.sleep(1)

    def _begin_look(self, row: Account) -> None:
        """Look at an account. One that is looked at already was changed (a new password, another folder): that look ends first."""
        former = self._looks.get(row.id)
        task = self._looks[row.id] = self._keep(self._look(row, former))
        task.add_done_callback(lambda done: self._looks.pop(row.id) if self._looks.get(row.id) is done else None)

    def _end_look(self, account: UUID) -> None:
        if (task := self._looks.get(account)) is not None:
            task.cancel()

    async def _look(self, row: Account, former: asyncio.Task[None] | None = None) -> None:
        http = limits.Watching(self._ears[row.id.int % _EARS])
        try:
            if former is not None:
                former.cancel()
                await asyncio.gather(former, return_exceptions=True)
            session = await _db(lambda: session_of(row, http))
            channel = registry.channel(row.channel)
            if channel.streams(row.settings):
                await self._drink(row, channel.stream().listen(session, row.cursor))
            else:
                await self._poll(row, channel.poll(), session)
        except ConnectorError as error:
            fault = error
            await _db(lambda: note_fault(row.id, fault, http.seen))
        except LeaseLost:
            _log.info("runtime.lease_lost", channel=row.channel, account=str(row.id))
        except asyncio.CancelledError:
            if self._looks.get(row.id) is asyncio.current_task():  # else another look holds it now
                await _db(lambda: release(row.id))
            raise
        except Exception as error:
            _log.error("runtime.failed", channel=row.channel, account=str(row.id), exc_info=error)
            fault = ConnectorError(f"The connector broke: {type(error).__name__}.", "It is tried again; see the log.")
            await _db(lambda: note_fault(row.id, fault))

    async def _poll(self, row: Account, poller: Any, session: Session) -> None:
        cursor, wished = row.cursor, None
        for _ in range(200):  # a page at a time, each durable before the next is asked for
            found: Polled = await asyncio.wait_for(poller.poll(session, cursor), _POLL_LIMIT)
            await _db(lambda found=found: keep(row.id, found, "poll"))
            cursor, wished = found.cursor, found.next_look
            if not found.more:
                break
        pause = timedelta(seconds=registry.channel(row.channel).manifest.limits.poll_seconds)
        seen = session.http.seen if isinstance(session.http, limits.Watching) else {}
        await _db(lambda: note_well(row.id, next_look(wished, pause), row.next_look_at, seen))

    async def _drink(self, row: Account, stream: Any) -> None:
        wished: datetime | None = None
        cursor, well_at = row.cursor, None
        try:
            while True:
                try:
                    found: Polled = await asyncio.wait_for(anext(stream), _SILENCE)
                except TimeoutError:
                    raise ConnectorError("The stream fell silent.", "It is opened again.") from None
                wished = found.next_look
                if well_at is not None and now() - well_at < HEARTBEAT / 2 and _silent(found, cursor):
                    well_at = now()
                    self._well.add(row.id)  # a sign of life and nothing else: written for all of them together
                    continue
                await _db(lambda found=found: keep(row.id, found, "stream"))
                cursor = found.cursor
                if not found.more:  # else what was missed is still being fetched
                    await _db(lambda: note_well(row.id, None))
                    well_at = now()
                if not await _db(lambda: still_active(row.id)):
                    break
        except StopAsyncIteration:
            await _db(lambda: note_well(row.id, wished or now()))
        finally:
            await stream.aclose()


def _silent(found: Polled, cursor: Mapping[str, Any] | None) -> bool:
    """Whether a batch says nothing but that the line is there."""
    return not (found.deliveries or found.unheard or found.sources or found.more) and found.cursor == cursor


def next_look(wished: datetime | None, pause: timedelta) -> datetime:
    """When to poll again: as the connector wishes, no sooner than its channel's pause and no later than in a day."""
    soonest = now() + pause
    return soonest if wished is None else min(max(wished, soonest), max(now() + LONGEST_PAUSE, soonest))


_database = ThreadPoolExecutor(_DATABASE_THREADS, thread_name_prefix="connectors-database")


async def _db(work: Callable[[], T]) -> T:
    def run() -> T:
        close_old_connections()
        try:
            return work()
        finally:
            memory.let_go()
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_database, contextvars.copy_context().run, run)


def session_of(row: Account, http: egress.GuardedHttp | limits.Watching, heard: tuple[SourceView, ...] | None = None) -> Session:
    """What a connector is handed for one account. ``heard``: its sources, where they were read before; else they are read here."""
    return Session(
        account=accounts.view(row), credentials=accounts.credentials_of(row), http=http, dial=egress.dial, now=now(),
        sources=sources.views(row) if heard is None else heard, web_socket=egress.web_socket, inbound=_inbound(row),
        token=tokens.Source(row.id, http, _db) if row.way else no_token,
    )  # fmt: skip


def _inbound(row: Account) -> Inbound | None:
    """Where this account can be told things, if anybody outside can reach us."""
    base = settings().public_url.rstrip("/")
    if not base or not registry.channel(row.channel).can("subscribe"):
        return None
    return Inbound(f"{base}/in/{row.channel}/{row.id}", door.inbound_secret(row.id))


def claim_due(limit: int = _CLAIM) -> list[Account]:
    """Accounts whose next look is due and that nobody holds, now leased to this process."""
    listening = [entry.name for entry in registry.channels() if entry.can("poll") or entry.can("stream")]
    with transaction.atomic():
        due = Account.everywhere.filter(
            state="active", removed_at=None, channel__in=listening, next_look_at__lte=now()
        )  # everywhere: one runtime serves all
        rows = list(due.select_for_update(skip_locked=True).order_by("next_look_at")[:limit])
        Account.everywhere.filter(pk__in=[row.pk for row in rows]).update(
            next_look_at=now() + LEASE, leased_until=now() + LEASE, leased_by=own()
        )  # everywhere: as above
    return rows


@functools.lru_cache(maxsize=4)
def _own(process: int) -> UUID:
    return uuid4()


def own() -> UUID:
    """The name of this process on the leases that it holds."""
    return _own(os.getpid())


def _ours(row: Account) -> bool:
    """Whether no other process claimed it since."""
    return row.leased_by in (None, own())


def _all_ours() -> QuerySet[Account]:
    return Account.everywhere.filter(Q(leased_by=None) | Q(leased_by=own()))  # everywhere: one runtime serves all


def after_a_clock_set_back() -> int:
    """Accounts that were heard in what is the future now, or wait for longer than anything that fails does, had their next look put off by a clock
    that has been set back since: they are due at once, and not when that moment comes again. How many there were."""
    rows = Account.everywhere.filter(removed_at=None)  # everywhere: one clock serves all
    heard = rows.filter(last_ok_at__gt=now() + SKEW).update(next_look_at=now(), leased_until=None, last_ok_at=now())
    resting = rows.exclude(health="").filter(next_look_at__gt=now() + LONGEST_REST + SKEW)
    return heard + resting.update(next_look_at=now(), leased_until=None)


def renew(held: Sequence[UUID], well: Collection[UUID] = ()) -> set[UUID]:
    """A sign of life for the accounts this process looks at; returns those it may go on with (not paused or removed meanwhile, nor
    claimed by another process while this one slept).

    ``well``: those of them whose line gave a sign of life itself since the last time.
    """
    active = _all_ours().filter(pk__in=held, state="active", removed_at=None)
    # One that was just changed is due now: it keeps that, so that it is looked at anew with what was changed.
    active.filter(leased_until__isnull=False, next_look_at__gt=now()).update(next_look_at=now() + LEASE, leased_until=now() + LEASE)
    if well:
        active.filter(pk__in=well, health="").update(last_ok_at=now())
    return set(active.values_list("pk", flat=True))


def keep(account: UUID, found: Polled, kind: str) -> None:
    """Deliveries and the cursor that stands after them, in one transaction; the lease is renewed.

    Raises LeaseLost where another process looks at the account by now: what was heard is kept, once; the cursor is the other's.
    """
    if not _keep(account, found, kind):
        raise LeaseLost


def _keep(account: UUID, found: Polled, kind: str) -> bool:
    with transaction.atomic():
        row = Account.everywhere.select_for_update().get(pk=account)  # everywhere: the runtime holds its lease
        if row.removed_at is not None:
            return True  # while we looked: nothing comes in any more
        mailbox.store(row, found.deliveries, kind)
        memory.moved(max((len(one.body) for one in found.deliveries), default=0))
        if not _ours(row):
            return False
        row.cursor = dict(found.cursor)
        _hold(row)
        row.save(update_fields=["cursor", "next_look_at", "leased_until"])
        for told in found.unheard:
            _note_unheard(row, told)
        if found.sources:
            sources.note(row, found.sources)
    return True


def _note_unheard(row: Account, told: Unheard) -> None:
    """A gap that nothing will fill: one row for each reason, from the first to the last that was missed. One that was filled by other
    means: one row for each time, for as long as it lasts."""
    same = Gap.objects.for_organization(row.organization_id).filter(account_id=row.id, reason=told.reason[:500], ended_at__isnull=False)
    same = same.filter(filled_at__isnull=False, ended_at__gte=told.began_at) if told.filled else same.filter(filled_at=None)
    known = same.order_by("-began_at").first()
    if known is None:
        Gap.objects.add(
            row.organization_id, account_id=row.id, began_at=told.began_at, ended_at=told.ended_at, reason=told.reason[:500],
            filled_at=told.ended_at if told.filled else None,
        )  # fmt: skip
    elif told.filled:
        known.ended_at = known.filled_at = max(known.ended_at or told.ended_at, told.ended_at)
        known.save(update_fields=["ended_at", "filled_at"])
    elif told.ended_at > known.ended_at or told.began_at < known.began_at:
        known.began_at, known.ended_at = min(known.began_at, told.began_at), max(known.ended_at, told.ended_at)
        known.save(update_fields=["began_at", "ended_at"])
    realtime.tell(row.organization_id, "channels")


def _hold(row: Account) -> None:
    """Renew the lease. One that is due was changed a moment ago: it stays due, so that it is looked at anew with what was changed."""
    row.leased_until = now() + LEASE
    if row.next_look_at is None or row.next_look_at > now():
        row.next_look_at = row.leased_until


def still_active(account: UUID) -> bool:
    """Whether a stream may go on."""
    return _all_ours().filter(pk=account, state="active", removed_at=None).exists()


def note_well(account: UUID, next_look: datetime | None, due: datetime | None = None, seen: Mapping[str, LimitLeft] | None = None) -> None:
    """The account was heard well; an open gap ends and, since the cursor stood still, is filled.

    ``due``: when this look was to be; silence until then was meant. ``seen``: what the platform said of our limits.
    """
    with transaction.atomic():
        row = Account.everywhere.select_for_update().get(pk=account)  # everywhere: the runtime holds its lease
        if not _ours(row):
            return
        _note_silence(row, due)
        row.last_ok_at, row.failures, row.health, row.mend = now(), 0, "", ""
        if row.state == "broken":
            row.state = "active"
        if next_look is None:
            _hold(row)
        else:
            row.next_look_at, row.leased_until = next_look, None
        row.limits = limits.stored(seen or {})
        row.save(update_fields=["last_ok_at", "failures", "health", "mend", "state", "next_look_at", "leased_until", "limits"])
        ended = (
            Gap.objects.for_organization(row.organization_id)
            .filter(account_id=account, ended_at=None)
            .update(began_at=Least("began_at", now()), ended_at=now(), filled_at=now())
        )
        if ended:
            realtime.tell(row.organization_id, "channels")


def _note_silence(row: Account, due: datetime | None) -> None:
    """The heartbeat: whoever was last heard long ago was not listened to in between, for instance because nothing ran."""
    if row.last_ok_at is None or now() - max(row.last_ok_at, due or row.last_ok_at) < HEARTBEAT:
        return
    open_gap = Gap.objects.for_organization(row.organization_id).filter(account_id=row.id, ended_at=None)
    if not open_gap.exists():
        Gap.objects.add(
            row.organization_id,
            account_id=row.id,
            began_at=row.last_ok_at,
            reason="Nobody listened: OpenCXM was not running, or could not look.",
        )


def forget_leases() -> None:
    """What a killed process held is free at once: for a process that knows that it was the only one."""
    held = Account.everywhere.filter(leased_until__isnull=False)  # everywhere: one runtime serves all
    held.update(next_look_at=now(), leased_until=None)


def release(account: UUID) -> None:
    """Give the lease back at once, so that the next process need not wait for it to end."""
    _all_ours().filter(pk=account).update(next_look_at=now(), leased_until=None)


def note_fault(account: UUID, error: ConnectorError, seen: Mapping[str, LimitLeft] | None = None) -> None:
    """Say what is wrong in plain words, open a gap, look again later: 5 s, doubling to 15 min; credentials refused: hourly."""
    with transaction.atomic():
        row = Account.everywhere.select_for_update().get(pk=account)  # everywhere: the runtime holds its lease
        if not _ours(row):
            return
        row.failures += 1
        row.health, row.mend = error.text[:500], error.mend[:500]
        wait = min(5 * 2 ** min(row.failures - 1, 12), 900) * (0.8 + random.random() * 0.4)  # noqa: S311 - spreads retries
        if isinstance(error, AuthExpired):
            wait = 3600
        if isinstance(error, RateLimited | Unavailable) and error.retry_after:
            wait = min(max(error.retry_after, 1), 3600)
        row.next_look_at, row.leased_until = now() + timedelta(seconds=wait), None
        row.limits = limits.stored(seen or {})
        row.save(update_fields=["failures", "health", "mend", "next_look_at", "leased_until", "limits"])
        open_gap = Gap.objects.for_organization(row.organization_id).filter(account_id=account, ended_at=None)
        if not open_gap.exists():
            Gap.objects.add(row.organization_id, account_id=account, began_at=row.last_ok_at or now(), reason=error.text[:500])
        realtime.tell(row.organization_id, "channels")


runtime = Runtime()
