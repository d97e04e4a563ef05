"""The stop: what it covers, the short section in which a send may begin, turning it on, lifting it after review."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Q

from cxm.govern import access, models
from cxm.govern.contracts import STOP_KINDS, HeldItem, HeldItems, Receipt, Stop
from cxm.govern.events import StopChanged
from cxm.govern.services import audit
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound, NotNow
from cxm.kernel.ids import parse_id
from cxm.platform import events, realtime

#: First key of the advisory locks (any fixed number that no other part uses); the second is derived from the organization.
_LOCK_SPACE = 0x57A9
#: How long turning a stop on waits for sends that are beginning; they take half a second at most.
_WAIT = "10s"
_held: HeldItems | None = None
_unit_of_account: Callable[[UUID, UUID], UUID | None] | None = None


def register_held_items(provider: HeldItems) -> None:
    """Say who knows what is held (``outbound``); called once by ``run``."""
    global _held
    _held = provider


def register_accounts(unit_of: Callable[[UUID, UUID], UUID | None]) -> None:
    """``unit_of(organization, account)`` is the account's unit, None where there is no such account (``connect``); called once by ``run``."""
    global _unit_of_account
    _unit_of_account = unit_of


def _keys(organization: UUID) -> list[int]:
    return [_LOCK_SPACE, int.from_bytes(organization.bytes[-4:], "big", signed=True)]


@contextlib.contextmanager
def beginning(organization: UUID) -> Iterator[None]:
    """The short section in which a send may begin: ask :func:`covering_stops` inside, and commit the mark that it begins inside.

    It holds a shared PostgreSQL advisory lock; turning a stop on waits until every open section has ended before it is
    acknowledged. Wait for no platform in it, beyond the moment in which a call leaves. Within a transaction the lock is kept until that transaction ends.
    """
    if connection.in_atomic_block:
        _lock("pg_advisory_xact_lock_shared", organization)
        yield
        return
    _lock("pg_advisory_lock_shared", organization)
    try:
        yield
    finally:
        _lock("pg_advisory_unlock_shared", organization)


def _lock(function: str, organization: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"select {function}(%s, %s)", _keys(organization))


def covering_stops(organization: UUID, *, unit: UUID | None, account: UUID | None, kind: str) -> list[Stop]:
    """The stops that cover something of ``kind`` on ``account`` in ``unit``, read afresh from the database.

    Raises the database's error where they cannot be read: then nothing may be sent. A unit nobody knows counts as covered by every
    unit's stop.
    """
    above = access.unit_tree(organization).above(unit) if unit is not None else []
    units = Q(kind="unit", target__in=[str(one) for one in above]) if above or unit is None else Q(kind="unit")
    where = Q(kind="organization") | units | Q(kind="kind", target=kind)
    if account is not None:
        where |= Q(kind="account", target=str(account))
    rows = models.Stop.objects.for_organization(organization).filter(where, lifted_at=None).order_by("on_at", "id")
    return [as_stop(row) for row in rows]


def stop_on(actor: Actor, scope: str, reason: str) -> Stop:
    """Stop what ``scope`` names. When this returns, nothing it covers begins any more.

    Raises Invalid for another scope, NotFound for a unit or account that is not there, NotNow where a send that was just
    beginning does not end (the stop is on nevertheless).
    """
    kind, target = _scope(actor, scope)
    with transaction.atomic(durable=True):  # an outer transaction would acknowledge what nobody else can see yet
        row = models.Stop.objects.add(
            actor.organization, kind=kind, target=target, reason=reason.strip(), by=actor.member, by_name=actor.name[:200], on_at=now()
        )
        stop = as_stop(row)
        audit.record(actor, "stop.turned_on", f"stop:{stop.id}", {"scope": stop.scope, "reason": stop.reason})
        _tell(stop)
    _wait_for_beginnings(actor.organization)
    return stop


def _wait_for_beginnings(organization: UUID) -> None:
    """The row is committed, so who asks from here on sees it; whoever asked before holds the shared lock until it is marked."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", [_WAIT])
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", _keys(organization))
            cursor.execute("select set_config('lock_timeout', '0', true)")
    except OperationalError as error:
        raise NotNow(
            "stop_unconfirmed",
            "The stop is on, but something that was just beginning to leave has not come to an end.",
            "Look at what is under way; nothing new begins.",
        ) from error


def _scope(actor: Actor, scope: str) -> tuple[str, str]:
    kind, _, target = scope.partition(":")
    if scope == "organization" or (kind == "kind" and target in STOP_KINDS):
        _may(actor, "stops:write", kind, target)
        return kind, target
    identity = parse_id(target)
    if kind not in ("unit", "account") or identity is None:
        raise Invalid(
            "scope_invalid",
            "That is not something a stop can cover.",
            errors=(FieldError("scope", "That is not something a stop can cover."),),
        )
    _may(actor, "stops:write", kind, str(identity), new=True)
    return kind, str(identity)


def _may(actor: Actor, permission: str, kind: str, target: str, *, new: bool = False) -> None:
    """The right must hold where the stop does: in its unit, or in the whole organization.

    For a ``new`` stop raises NotFound for what is not there; one whose account or unit is gone since can still be lifted by whoever
    holds the right everywhere.
    """
    identity = parse_id(target)
    unit, known = identity, True
    if kind == "unit":
        known = models.Unit.objects.for_organization(actor.organization).filter(id=identity).exists()
    elif kind == "account" and _unit_of_account is not None and identity is not None:
        unit = _unit_of_account(actor.organization, identity)
        known = unit is not None
    else:
        unit = None
    if not known and new:
        raise NotFound(kind)
    if known and unit is not None:
        access.require(actor, permission, unit)
    else:
        access.require_everywhere(actor, permission)


def stop_of(organization: UUID, stop: UUID) -> Stop:
    """One stop; raises NotFound."""
    return as_stop(_row(organization, stop))


def stops(organization: UUID, *, on: bool | None = None) -> list[Stop]:
    """Stops, the newest first; ``on``: only those that hold (True) or were lifted (False)."""
    rows = models.Stop.objects.for_organization(organization)
    if on is not None:
        rows = rows.filter(lifted_at__isnull=on)
    return [as_stop(row) for row in rows.order_by("-on_at", "-id")]


def held(organization: UUID, stop: UUID) -> list[HeldItem]:
    """What a stop holds, oldest first; for a lifted one, what came after its review."""
    found = stop_of(organization, stop)
    return list(_held.list(organization, found)) if _held is not None else []


def held_for(actor: Actor, stop: UUID) -> list[HeldItem]:
    """The same for somebody who may see it: texts of replies are shown only to whom the whole stop concerns."""
    row = _row(actor.organization, stop)
    _may(actor, "stops:read", row.kind, row.target)
    return held(actor.organization, stop)


def lift(actor: Actor, stop: UUID, release: Sequence[UUID] | str, seen_until: datetime | None = None) -> Receipt:
    """Lift a stop after review: ``release`` names what goes on (ids, ``all`` or ``none``), the rest of what was seen is cancelled.

    ``all`` needs ``seen_until``; what came after ``seen_until`` stays held (lift again to review it). An item that another stop
    covers stays held. Raises Invalid where the review is missing or names what is not held, Conflict where there is nothing left.
    """
    if release == "all" and seen_until is None:
        raise Invalid(
            "seen_until_missing",
            "To release all, say until when you looked.",
            errors=(FieldError("seen_until", "the time the list was read"),),
        )
    with transaction.atomic():
        # Exclusive: whoever is just holding something back has committed it, so the review misses nothing.
        _lock("pg_advisory_xact_lock", actor.organization)
        row = _row(actor.organization, stop, lock=True)
        _may(actor, "stops:write", row.kind, row.target)
        before = as_stop(row)
        items = list(_held.list(actor.organization, before)) if _held is not None else []
        if row.lifted_at is not None and not items:
            raise Conflict("stop_lifted", "This stop was lifted already.", "Its receipt says what became of what it held.")
        chosen, cancelled, later = _review(items, release, seen_until)
        lifted_at = row.lifted_at or now()
        if row.lifted_at is None:
            row.lifted_at, row.lifted_by, row.lifted_by_name = lifted_at, actor.member, actor.name[:200]
            row.save(update_fields=["lifted_at", "lifted_by", "lifted_by_name"])
        gone = list(_held.release(actor.organization, as_stop(row), chosen)) if _held is not None and chosen else []
        dropped = list(_held.cancel(actor.organization, as_stop(row), cancelled)) if _held is not None and cancelled else []
        still = [one for one in chosen if one not in set(gone)] + later
        receipt = Receipt(
            row.id, actor.member, actor.name, lifted_at, tuple(item.id for item in items), tuple(gone), tuple(dropped), tuple(still)
        )
        row.receipt = {"lifts": [*(row.receipt or {}).get("lifts", []), receipt_json(receipt)]}
        row.save(update_fields=["receipt"])
        audit.record(
            actor,
            "stop.lifted",
            f"stop:{row.id}",
            {"scope": before.scope, "held": len(items), "released": len(gone), "cancelled": len(dropped)},
        )
        _tell(as_stop(row))
    return receipt


def _review(
    items: Sequence[HeldItem], release: Sequence[UUID] | str, seen_until: datetime | None
) -> tuple[list[UUID], list[UUID], list[UUID]]:
    """(to release, to cancel, left held)."""
    seen = [item.id for item in items if seen_until is None or item.since <= seen_until]
    later = [item.id for item in items if item.id not in set(seen)]
    if isinstance(release, str):
        if release not in ("all", "none"):
            raise Invalid(
                "release_invalid", "“release” is a list of ids, “all” or “none”.", errors=(FieldError("release", "ids, all or none"),)
            )
        return (seen, [], later) if release == "all" else ([], seen, later)
    known = {item.id for item in items}
    unknown = tuple(FieldError(f"release.{index}", "not held by this stop") for index, one in enumerate(release) if one not in known)
    if unknown:
        raise Invalid("release_unknown", "Some of these are not held by this stop.", "Read the list of held items again.", errors=unknown)
    chosen = list(dict.fromkeys(release))
    return chosen, [one for one in seen if one not in set(chosen)], [one for one in later if one not in set(chosen)]


def _row(organization: UUID, stop: UUID, *, lock: bool = False) -> models.Stop:
    rows = models.Stop.objects.for_organization(organization)
    row = (rows.select_for_update() if lock else rows).filter(id=stop).first()
    if row is None:
        raise NotFound("stop")
    return row


def _tell(stop: Stop) -> None:
    events.publish(StopChanged(organization=stop.organization, stop=stop.id, scope=stop.scope, on=stop.on))
    realtime.tell(stop.organization, "stop")


def as_stop(row: models.Stop) -> Stop:
    """The row as it crosses the door."""
    scope = row.kind if row.kind == "organization" else f"{row.kind}:{row.target}"
    return Stop(
        row.id,
        row.organization_id,
        scope,
        row.reason,
        row.by,
        row.by_name,
        row.on_at,
        row.lifted_at,
        row.lifted_by,
        row.lifted_by_name,
        row.receipt,
    )


def receipt_json(receipt: Receipt) -> dict[str, object]:
    """The receipt as the API answers it."""
    return {
        "stop": str(receipt.stop),
        "lifted_by": None if receipt.lifted_by is None else str(receipt.lifted_by),
        "lifted_by_name": receipt.lifted_by_name,
        "lifted_at": format_instant(receipt.lifted_at),
        "held": [str(one) for one in receipt.held],
        "released": [str(one) for one in receipt.released],
        "cancelled": [str(one) for one in receipt.cancelled],
        "still_held": [str(one) for one in receipt.still_held],
    }
