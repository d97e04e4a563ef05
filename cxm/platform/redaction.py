"""Taking words out of what is otherwise never changed: events of the log in place, and answers kept for repeated requests.

An event keeps its id, its place, its name and what it told outside; only its payload is written anew. Whoever rebuilds from the log
then gets what a live system has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

#: Events changed in one step, and looked at: a transaction that stays open would hold up whoever follows the log.
STEP, WINDOW = 20, 2_000
Change = Callable[[dict[str, Any]], bool]


def by_words(
    organization: UUID,
    names: Sequence[str],
    needles: Sequence[str],
    change: Change,
    *,
    after: int = 0,
    until: int = 2**62,
    limit: int = STEP,
) -> tuple[int, int]:
    """Rewrite events of these ``names`` whose payload holds one of ``needles``, letter for letter: those after the event ``after``
    and not after ``until``.

    ``change`` is handed each payload and says whether it changed it. Returns where to go on (0: there are no more) and how
    many were changed. Within the caller's transaction; the rows stay locked until it ends.
    """
    holds = "exists (select 1 from unnest(%s::text[]) as n where strpos(payload, n) > 0)"
    return _rewrite(organization, names, holds, [list(needles)], change, after=after, until=until, limit=limit)


def by_ids(
    organization: UUID,
    names: Sequence[str],
    key: str,
    ids: Collection[UUID],
    change: Change,
    *,
    since: datetime | None = None,
    after: int = 0,
    limit: int = STEP,
) -> tuple[int, int]:
    """The same for events whose public part names one of ``ids`` under ``key``; ``since``: none before it does."""
    wanted = [str(each) for each in ids]
    holds = "(public->%s ?| %s::text[]) and (%s::timestamptz is null or at >= %s)"
    return _rewrite(organization, names, holds, [key, wanted, since, since], change, after=after, until=2**62, limit=limit)


def _rewrite(
    organization: UUID, names: Sequence[str], holds: str, parameters: list[Any], change: Change, *, after: int, until: int, limit: int
) -> tuple[int, int]:
    last = min(until, last_event())
    upper = min(after + WINDOW, last)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select id, payload from platform_eventlog where id > %s and id <= %s and organization_id = %s and name = any(%s) and {holds} order by id limit %s for update",  # noqa: S608 - conditions of our own
            [after, upper, organization, list(names), *parameters, limit],
        )
        rows = cursor.fetchall()
        changed = 0
        for identifier, payload in rows:
            told = orjson.loads(payload)
            if change(told):
                changed += 1
                cursor.execute("update platform_eventlog set payload = %s where id = %s", [orjson.dumps(told).decode(), identifier])
    following = rows[-1][0] if len(rows) == limit else upper
    return (following if following < last else 0), changed


def every(step: Callable[[int], tuple[int, int]]) -> None:
    """Take ``step`` (:func:`by_words` or :func:`by_ids`, given where to begin) to the end of the log, each in a transaction of its own."""
    after = -1
    while after:
        with transaction.atomic():
            after, _ = step(max(after, 0))


def answers(organization: UUID, ids: Collection[UUID]) -> None:
    """Empty what was answered to requests under an Idempotency-Key and names one of ``ids``; the keys go on counting as used."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update platform_idempotencykey set body = '{}' where organization_id = %s and exists (select 1 from unnest(%s::text[]) as n where strpos(body, n) > 0)",
            [organization, [str(each) for each in ids]],
        )


def last_event() -> int:
    """The newest event that was committed, or that this transaction wrote."""
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(max(id), 0) from platform_eventlog")
        row = cursor.fetchone()
    return row[0] if row else 0


def written(text: str) -> str:
    """``text`` as it stands in an event's payload, letter for letter."""
    return orjson.dumps(text).decode()
