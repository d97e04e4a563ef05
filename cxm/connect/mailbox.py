"""The mailbox: store a raw delivery before anything looks at it, then take it in batch by batch.

A batch is mapped, accepted by ``listen`` and marked done in one transaction: after any crash it is either wholly in or wholly
waiting. What one item breaks is quarantined with its bytes; its neighbours go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Length

from cxm.channels import registry
from cxm.channels.contracts import Deletion, Mention, RawDelivery, Receipt, Unmappable
from cxm.connect import accounts
from cxm.connect.contracts import Acceptor, Heard, Preparer, Taken
from cxm.connect.events import ItemsQuarantined, ReceiptsHeard
from cxm.connect.models import Account, Delivery, Quarantined
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import NotNow
from cxm.platform import bulk, events, observability, realtime

BATCH = 200
#: Bytes of deliveries in one batch, unless one alone is larger.
BATCH_BYTES = 30_000_000
_log = structlog.get_logger(__name__)
_acceptor: Acceptor | None = None
_preparer: Preparer | None = None
#: Faults of our engines, not of what was heard: the job is tried again, nothing is quarantined for them.
ENGINE_FAULTS = (OperationalError, InterfaceError, NotNow)


def register_acceptor(acceptor: Acceptor, preparer: Preparer) -> None:
    """Wire ``listen.accept`` and what may be worked out ahead of it (done by run)."""
    global _acceptor, _preparer
    _acceptor, _preparer = acceptor, preparer


def acceptor() -> Acceptor:
    """What takes mapped items."""
    if _acceptor is None:
        raise NotNow("not_wired", "Nothing takes mentions yet.", "Start through cxm.")
    return _acceptor


def prepared(items: Sequence[Mention]) -> Sequence[Any]:
    """What can be known about ``items`` ahead of their turn; None for each where that breaks: the acceptor will find out which one it is."""
    try:
        return _preparer(items) if _preparer is not None else [None] * len(items)
    except Exception as error:
        _log.warning("prepare.failed", error=type(error).__name__)
        return [None] * len(items)


def fingerprint(body: bytes) -> bytes:
    """What tells two bodies under one delivery id apart."""
    return hashlib.sha256(body).digest()


def store(account: Account, deliveries: Sequence[RawDelivery], kind: str) -> int:
    """Put polled or streamed deliveries into the mailbox (known ids are skipped) and defer one job; returns how many were new."""
    rows = [
        Delivery(
            organization_id=account.organization_id, account_id=account.id, kind=kind, delivery_id=entry.delivery_id[:300], fingerprint=fingerprint(entry.body),
            headers=dict(entry.headers), body=entry.body, received_at=entry.received_at or now(),
        )
        for entry in deliveries
    ]  # fmt: skip
    before = Delivery.objects.for_organization(account.organization_id).filter(
        account_id=account.id, delivery_id__in=[row.delivery_id for row in rows]
    )
    known = set(before.values_list("delivery_id", flat=True))
    fresh = [row for row in rows if row.delivery_id not in known]
    if fresh:
        Delivery.objects.add_all(fresh, ignore_conflicts=True)
        defer_take_in(account.id)
    return len(fresh)


def defer_take_in(account: UUID) -> None:
    """One waiting job for each mailbox."""
    from cxm.connect.tasks import take_in

    take_in.defer(lock=f"mailbox:{account}", queueing_lock=f"mailbox:{account}", account=str(account))


def take_in_all(account_id: UUID) -> None:
    """Take in whatever waits for one account, oldest first, until nothing waits."""
    row = Account.everywhere.filter(pk=account_id).first()  # everywhere: a job knows only the mailbox's account
    more = row is not None
    while row is not None and more:
        with events.at_once():
            _, more = _take_in(row)


def take_in_batch(account: Account) -> int:
    """Take in up to 200 waiting deliveries, and of large ones fewer, in one transaction; returns how many there were."""
    return _take_in(account)[0]


def _take_in(account: Account) -> tuple[int, bool]:
    """How many were taken in, and whether more waited when it began: whoever comes later brings a job of their own."""
    with transaction.atomic():
        waiting = Delivery.objects.for_organization(account.organization_id).filter(account_id=account.id, done_at=None).order_by("serial")
        count, more = _as_many_as_fit(waiting)
        rows = list(waiting.select_for_update(skip_locked=True)[:count])
        if not rows:
            return 0, False
        mapped = [Mapped(row, list(_map(account, row))) for row in rows]
        settle(account, mapped)
    return len(rows), more


def _as_many_as_fit(waiting: QuerySet[Delivery]) -> tuple[int, bool]:
    """How many of the oldest are held in memory at once (mails with films wait by the hundred after a night without us), and whether that
    may leave some."""
    count, size = 0, 0
    for length in waiting.values_list(Length("body"), flat=True)[:BATCH]:
        size += length
        if count and size > BATCH_BYTES:
            return count, True
        count += 1
    return count, count == BATCH


@dataclass(slots=True)
class Mapped:
    """A delivery and what its channel's mapping made of it; ``taken`` is filled in item by item."""

    row: Delivery
    items: list[Mention | Deletion | Receipt | Unmappable]
    taken: dict[int, Taken] = field(default_factory=dict[int, Taken])


def _map(account: Account, row: Delivery) -> Iterable[Mention | Deletion | Receipt | Unmappable]:
    body = bytes(row.body)
    raw = RawDelivery(delivery_id=row.delivery_id, body=body, headers=row.headers, received_at=row.received_at)
    return registry.channel(account.channel).map(raw, accounts.view(account))


def settle(account: Account, mapped: Sequence[Mapped]) -> None:
    """Hand mentions on, note receipts, quarantine the rest, mark the deliveries done."""
    _accept(account, mapped)
    receipts: list[Receipt] = []
    for entry in mapped:
        _quarantine(account, entry)
        receipts += [item for item in entry.items if isinstance(item, Receipt)]
        _count(entry)
    bulk.update(
        Delivery, [entry.row for entry in mapped], ("done_at", "accepted", "changed", "duplicate", "deleted", "quarantined", "receipts")
    )
    if receipts:
        plain = tuple(
            {
                "native_id": entry.native_id,
                "status": entry.status,
                "at": format_instant(entry.at),
                "detail": entry.detail,
                "reason": entry.reason,
                "intent": str(entry.intent) if entry.intent else None,
                "recipients": list(entry.recipients),
            }
            for entry in receipts
        )
        events.publish(ReceiptsHeard(organization=account.organization_id, account=account.id, receipts=plain))
    Account.objects.for_organization(account.organization_id).filter(pk=account.id).update(last_heard_at=now())


def _accept(account: Account, mapped: Sequence[Mapped]) -> None:
    places = [(entry, index) for entry in mapped for index, item in enumerate(entry.items) if isinstance(item, Mention | Deletion)]
    heard = [
        Heard(
            item=entry.items[index],
            received_at=entry.row.received_at,
            position=index,
            order=entry.row.serial * 10_000 + index,
            channel=account.channel,
        )
        for entry, index in places
    ]  # type: ignore[arg-type]
    contract = accounts.as_contract(account)
    for (entry, index), taken in zip(places, accept_apart(account.organization_id, contract, heard, imported=False), strict=True):
        entry.taken[index] = taken


def accept_apart(organization: UUID, account: object, heard: Sequence[Heard], *, imported: bool) -> list[Taken]:
    """Accept a batch; where it breaks, halves of it, down to the one item that breaks it."""
    if not heard:
        return []
    try:
        with transaction.atomic():
            return acceptor()(organization, account, heard, imported=imported)  # type: ignore[arg-type]
    except ENGINE_FAULTS:
        raise
    except Exception as error:
        if len(heard) == 1:
            _log.error("accept.failed", exc_info=error)
            return [Taken("quarantined", "accept_failed", f"It could not be taken in: {type(error).__name__}.")]
        middle = len(heard) // 2
        return accept_apart(organization, account, heard[:middle], imported=imported) + accept_apart(
            organization, account, heard[middle:], imported=imported
        )


def _quarantine(account: Account, entry: Mapped) -> None:
    rows = [
        quarantined_row(entry.row, account.channel, index, code=fault.code, reason=fault.reason, native_id=native_id, raw=raw)
        for index, fault, native_id, raw in _faults(entry)
    ]
    if rows:
        Quarantined.objects.add_all(rows)
        events.publish(ItemsQuarantined(organization=account.organization_id, account=account.id, count=len(rows)))
        realtime.tell(account.organization_id, "channels")


def _faults(entry: Mapped) -> Iterable[tuple[int, Taken, str | None, bytes]]:
    for index, item in enumerate(entry.items):
        if isinstance(item, Unmappable):
            yield index, Taken("quarantined", item.code, item.reason), item.native_id, item.raw
        elif index in entry.taken and entry.taken[index].outcome == "quarantined":
            yield index, entry.taken[index], getattr(item, "native_id", None), bytes(entry.row.body)


def quarantined_row(
    row: Delivery, channel: str, position: int, *, code: str, reason: str, native_id: str | None, raw: bytes
) -> Quarantined:
    """A quarantine row; what strangers wrote is cut to what its columns hold."""
    clean = native_id.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:500] if native_id else None
    return Quarantined(
        organization_id=row.organization_id, delivery_id=row.id, account_id=row.account_id, channel=channel, native_id=clean, code=code[:60],
        reason=reason.replace("\x00", "\ufffd")[:500], raw=raw, position=position, received_at=row.received_at,
    )  # fmt: skip


def _count(entry: Mapped) -> None:
    row = entry.row
    row.done_at = now()
    row.receipts = sum(isinstance(item, Receipt) for item in entry.items)
    row.quarantined = sum(isinstance(item, Unmappable) for item in entry.items)
    for taken in entry.taken.values():
        setattr(row, taken.outcome, getattr(row, taken.outcome) + 1)
        observability.mentions.labels(taken.outcome).inc()
