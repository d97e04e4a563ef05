"""Reads of listen: search, counts, one mention, coverage. The store answers; the ledger proves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from cxm.channels.contracts import STATES
from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, in_utc
from cxm.kernel.errors import NotFound, Removed
from cxm.listen import engine, topics
from cxm.listen.models import Record
from cxm.listen.store.port import Aggregated, By, Page
from cxm.query import api as language

#: Keys of the stored mention that are our own business.
_INNER = ("organization", "context", "provider_order", "imported", "addressed", "automatic")


def understood(actor: Actor, text: str) -> language.Query:
    """A query with this organization's topics and unit names resolved; raises BadInput ``query_invalid`` with the position."""
    folded = text.casefold()
    if "topic" not in folded and "unit" not in folded:
        return _understood(text)

    def units(name: str) -> tuple[str, ...] | None:
        """A unit's name stands for it and everything below it."""
        found = [unit.id for unit in govern.units(actor.organization) if unit.name.casefold() == name.casefold()]
        return tuple(str(each) for unit in found for each in govern.descendants(actor.organization, unit)) or None

    return language.parse(text, topics=topics.resolver(actor.organization), names={"unit": units})


@lru_cache(maxsize=1024)
def _understood(text: str) -> language.Query:
    """A query that means the same to everybody: pages ask the same ones again and again."""
    return language.parse(text)


def _units(actor: Actor) -> list[str] | None:
    held = actor.units("mentions:read")
    return None if held is None else [str(unit) for unit in held]


def _period(after: datetime | None, before: datetime | None) -> dict[str, datetime | None]:
    """The bounds of a search where every time zone has dates for them."""
    return {"after": after and in_utc(after), "before": before and in_utc(before)}


def search(
    actor: Actor,
    query: str,
    *,
    after: datetime | None = None,
    before: datetime | None = None,
    sort: str = "newest",
    limit: int = 50,
    cursor: str | None = None,
    highlight: bool = False,
) -> Page:
    """A page of mentions the actor may see, with the exact count."""
    found = engine.store().search(
        actor.organization,
        understood(actor, query),
        **_period(after, before),
        sort=sort,
        limit=limit,
        cursor=cursor,
        highlight=highlight,
        units=_units(actor),
    )
    return Page([public(item) for item in found.items], found.next, found.count)


def aggregate(
    actor: Actor,
    query: str,
    by: Sequence[By],
    *,
    after: datetime | None = None,
    before: datetime | None = None,
    time_zone: str = "UTC",
    distinct: str | None = None,
) -> Aggregated:
    """Counts by fields and over time."""
    return engine.store().aggregate(
        actor.organization,
        understood(actor, query),
        by,
        **_period(after, before),
        time_zone=time_zone,
        distinct=distinct,
        units=_units(actor),
    )


def scan(actor: Actor, query: str, *, after: datetime | None = None, before: datetime | None = None) -> Iterator[dict[str, Any]]:
    """All that match, oldest first, in constant memory (exports). A query that cannot be understood, and a store that cannot be read, are told now
    and not in the middle of an answer that has begun."""
    found = engine.store().scan(actor.organization, understood(actor, query), **_period(after, before), units=_units(actor))
    first = list(itertools.islice(found, 1))
    return (public(item) for item in itertools.chain(first, found))


def mention(actor: Actor, mention_id: UUID) -> dict[str, Any]:
    """One mention, whole. Removed (410) for a deleted one, NotFound for another organization's."""
    row = Record.objects.filter(pk=mention_id, organization_id=actor.organization).first()
    if row is None or not actor.may_for("mentions:read", row.unit_id):
        raise NotFound("mention")
    if row.deleted_at is not None:
        raise Removed(
            "mention_deleted",
            "This mention was deleted by its author or the platform.",
            id=str(row.pk),
            deleted_at=format_instant(row.deleted_at),
        )
    return public(whole(row))


def whole(row: Record) -> dict[str, Any]:
    """A mention with everything the ledger decided since; from the store, or from the event where the store is behind."""
    found = engine.store().get(row.organization_id, [str(row.pk)]).get(str(row.pk)) or _from_events(row)
    return {**found, "state": row.state, **(row.overrides or {})}


def _from_events(row: Record) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select m from platform_eventlog e, jsonb_array_elements(e.payload::jsonb->'mentions') m where e.organization_id = %s and e.name in "
            "('listen.mentions_heard', 'listen.mentions_changed') and m->>'id' = %s and m ? 'text' and e.at >= now() - interval '1 hour' order by e.id desc limit 1",
            [row.organization_id, str(row.pk)],
        )
        found = cursor.fetchone()
    if found is None:
        raise NotFound("mention")
    import json

    return json.loads(found[0]) if isinstance(found[0], str) else found[0]


def public(item: dict[str, Any]) -> dict[str, Any]:
    """The mention as the interface shows it."""
    return {key: value for key, value in item.items() if key not in _INNER}


@dataclass(frozen=True, slots=True)
class Coverage:
    """Where every mention we heard ended. ``heard`` = the sum of ``states`` + ``deleted``; ``quarantined`` and ``waiting_deliveries`` are what the mailbox still holds.

    These and ``duplicate`` are counted for the whole organization: None for whoever may see only some of its units."""

    heard: int
    states: dict[str, int]
    deleted: int
    waiting_deliveries: int | None
    quarantined: int | None
    duplicate: int | None


def coverage(actor: Actor, *, after: datetime | None = None, before: datetime | None = None) -> Coverage:
    """The sum over all end states; it equals the number heard, or something is lost."""
    counted = {str(state): (living, gone) for state, living, gone in _ledger(actor, after, before).order_by().values_list("state").annotate(living=Count("id", filter=Q(deleted_at=None)), gone=Count("id", filter=Q(deleted_at__isnull=False)))}  # fmt: skip
    deleted = sum(gone for _living, gone in counted.values())
    states = {state: counted.get(state, (0, 0))[0] for state in STATES}
    return Coverage(sum(states.values()) + deleted, states, deleted, *_mailbox(actor))


def _mailbox(actor: Actor) -> tuple[int | None, int | None, int | None]:
    if actor.units("mentions:read") is not None:
        return None, None, None
    found = connect.mailbox_sum(actor.organization)
    return found.waiting, found.quarantined, found.duplicate


def coverage_by(actor: Actor, field: str, *, after: datetime | None = None, before: datetime | None = None) -> list[dict[str, Any]]:
    """The same by ``account_id``, ``language``, ``channel``, ``unit_id`` or ``day`` (on the reader's clock; in UTC where there is no reader): rows of key, heard and each state."""
    rows = _ledger(actor, after, before)
    if field == "day":
        rows = rows.annotate(day=TruncDate("published_at", tzinfo=timezone.get_current_timezone()))
    found: dict[Any, dict[str, Any]] = {}
    for row in rows.annotate(gone=Q(deleted_at__isnull=False)).values(field, "state", "gone").annotate(n=Count("id")).order_by():
        entry = found.setdefault(row[field], {"key": row[field], "heard": 0, "deleted": 0, **dict.fromkeys(STATES, 0)})
        entry["heard"] += row["n"]
        entry["deleted" if row["gone"] else row["state"]] += row["n"]
    return sorted(found.values(), key=lambda entry: -entry["heard"])


def _ledger(actor: Actor, after: datetime | None, before: datetime | None) -> QuerySet[Record]:
    rows = Record.objects.filter(organization_id=actor.organization)
    units = actor.units("mentions:read")
    if units is not None:
        rows = rows.filter(unit_id__in=units)
    # In UTC: PostgreSQL takes no offsets of 16 hours and more.
    if after:
        rows = rows.filter(published_at__gte=in_utc(after))
    return rows.filter(published_at__lt=in_utc(before)) if before else rows
