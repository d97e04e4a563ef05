"""The audit log: a hash chain for each organization, in which every entry seals the one before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from cxm.govern.contracts import Audited, ChainReport
from cxm.govern.models import AuditEntry, AuditHead
from cxm.kernel.actor import Actor
from cxm.kernel.actor import system as system_actor
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import NotFound
from cxm.kernel.ids import new_id

_START = "0" * 64


def record(actor: Actor, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> UUID:
    """Write that ``actor`` did ``action`` (``member.removed``) to ``subject`` (``member:<id>``). No texts of customers, no secrets."""
    return _append(actor, "record", action, subject, detail, None)


def intent(actor: Actor, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> UUID:
    """Write what is about to happen outside, before it does; :func:`outcome` takes the returned id. Commit before the effect."""
    return _append(actor, "intent", action, subject, detail, None)


def outcome(audit_id: UUID, outcome: str, detail: Mapping[str, Any] | None = None) -> UUID:
    """Write what became of an intent. Raises NotFound where there is no such intent."""
    begun = AuditEntry.everywhere.filter(id=audit_id, kind="intent").first()  # everywhere: the id names its organization
    if begun is None:
        raise NotFound("intent")
    return _append(
        system_actor(begun.organization_id), "outcome", begun.action, begun.subject, {"outcome": outcome, **(detail or {})}, audit_id
    )


def entries(organization: UUID, *, before: int | None = None, limit: int = 50) -> list[Audited]:
    """The newest entries, or those before ``before`` (a seq), newest first."""
    rows = AuditEntry.objects.for_organization(organization)
    if before is not None:
        rows = rows.filter(seq__lt=before)
    return [
        Audited(row.id, row.seq, row.kind, row.intent, row.at, row.actor_name, row.action, row.subject, row.detail)
        for row in rows.order_by("-seq")[:limit]
    ]


def unmatched_intents(organization: UUID) -> list[UUID]:
    """Intents without an outcome, oldest first: what was begun and never told."""
    rows = AuditEntry.objects.for_organization(organization)
    told = rows.filter(kind="outcome").values("intent")
    return list(rows.filter(kind="intent").exclude(id__in=told).order_by("seq").values_list("id", flat=True))


def verify(organization: UUID) -> ChainReport:
    """Walk the whole chain: each hash computed anew, numbers without a gap, the end where the head says. Constant memory."""
    expected, previous, broken = 1, _START, None
    problem = ""
    for row in AuditEntry.objects.for_organization(organization).order_by("seq").iterator(chunk_size=2000):
        problem = _fault(row, expected, previous)
        if problem:
            broken = expected
            break
        expected, previous = expected + 1, row.hash
    count = expected - 1
    head = AuditHead.objects.filter(organization_id=organization).first()
    if broken is None and (head.seq if head else 0, head.hash if head else _START) != (count, previous):
        broken, problem = count + 1, "Entries at the end are missing."
    return ChainReport(organization, count, broken, problem, tuple(unmatched_intents(organization)))


def _fault(row: AuditEntry, expected: int, previous: str) -> str:
    if row.seq != expected:
        return f"Entry {expected} is missing."
    if row.previous != previous:
        return f"Entry {expected} does not follow the one before it."
    return "" if row.hash == _seal(row) else f"Entry {expected} was changed."


def _append(actor: Actor, kind: str, action: str, subject: str, detail: Mapping[str, Any] | None, of: UUID | None) -> UUID:
    with transaction.atomic():
        AuditHead.objects.bulk_create([AuditHead(organization_id=actor.organization, hash=_START)], ignore_conflicts=True)
        head = AuditHead.objects.select_for_update().get(organization_id=actor.organization)
        row = AuditEntry(
            id=new_id(),
            organization_id=actor.organization,
            seq=head.seq + 1,
            kind=kind,
            intent=of,
            at=now(),
            actor_kind=actor.kind,
            actor_id=actor.token or actor.member,
            actor_name=actor.name[:200],
            action=action,
            subject=subject[:200],
            detail=orjson.loads(orjson.dumps(dict(detail or {}), default=_plain)),
            previous=head.hash,
        )
        row.hash = _seal(row)
        row.save(force_insert=True)
        head.seq, head.hash = row.seq, row.hash
        head.save(update_fields=["seq", "hash"])
    return row.id


def _seal(row: AuditEntry) -> str:
    """SHA-256 over the entry's canonical JSON (sorted keys, UTF-8, no blanks) and the hash before it."""
    said = {
        "id": str(row.id),
        "organization": str(row.organization_id),
        "seq": row.seq,
        "kind": row.kind,
        "intent": None if row.intent is None else str(row.intent),
        "at": format_instant(row.at),
        "actor": [row.actor_kind, None if row.actor_id is None else str(row.actor_id), row.actor_name],
        "action": row.action,
        "subject": row.subject,
        "detail": row.detail,
        "previous": row.previous,
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(value: object) -> str:
    return format_instant(value) if isinstance(value, datetime) else str(value)
