"""Events set aside: listed without what anybody said, and given back for one more try.

What fails for a day is set aside by :mod:`cxm.platform.deliveries`, so that those behind it go on. A fault may also look like the database or
an engine being away: such tries count only where others went on meanwhile, since one that is away is nobody's fault and may be so for days.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery

from cxm.kernel.clock import now
from cxm.kernel.errors import NotFound, NotNow
from cxm.platform import jobs, paging
from cxm.platform.models import EventLog, WaitingEvent

#: Errors that say of themselves that something else is away.
CUT_OFF = (OperationalError, InterfaceError, NotNow)
#: After so many tries, about a day, an event is set aside; and after so many that were cut off while others went on, about an hour.
TRIES, CUT_OFFS = jobs.Patience.most, 1_800
_HERE = Path(__file__).parents[1]
#: How often lanes of each kind went on in this process; and how it stood when a lane was last cut off.
_went: dict[str, int] = {}
_stood: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that one subscriber could not handle. ``error``: its kind and the line of ours that raised it, never a customer's words."""

    id: int
    event: str
    subscriber: str
    lane: str
    since: datetime
    failed_at: datetime
    tries: int
    error: str


def went_on(lane: str) -> None:
    """A lane handed over what waited."""
    kind = lane.partition(":")[0]
    _went[kind] = _went.get(kind, 0) + 1
    _stood.pop(lane, None)


def others_go_on(lane: str, error: Exception) -> bool:
    """Whether other lanes went on since ``lane`` was last cut off: for the database any, for an engine those that need it too."""
    kind = lane.partition(":")[0]
    stands = _went.get(kind, 0) if isinstance(error, NotNow) else sum(_went.values())
    if len(_stood) > 10_000:
        _stood.clear()
    before = _stood.get(lane)
    _stood[lane] = stands
    return before is not None and stands > before


def note(row: WaitingEvent, error: Exception) -> bool:
    """Count a failed try of an event; whether it was the last, and the event is set aside."""
    field, most = ("cut_offs", CUT_OFFS) if isinstance(error, CUT_OFF) else ("tries", TRIES)
    known = WaitingEvent.objects.filter(pk=row.pk)
    known.update(**{field: F(field) + 1, "error": described(error)})
    return bool(known.filter(**{f"{field}__gte": most}).update(failed_at=now()))


def described(error: BaseException) -> str:
    """Kind and place of an error; its text may hold what a customer said."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_HERE) and path.parent.name != "platform":
            place = f" in {path.relative_to(_HERE.parent).as_posix()}, line {frame.lineno}"
    return f"{type(error).__name__}{place}"[:200]


def count(organization: UUID | None = None) -> int:
    """How many wait for a person: of one organization, or of all."""
    return _rows(organization, None).count()


def listed(
    organization: UUID, *, permissions: Set[str] | None, cursor: str | None = None, limit: int | None = None
) -> paging.Page[SetAside]:
    """Newest first. ``permissions``: only events that may be read with one of them (None: all)."""
    rows = _rows(organization, permissions).annotate(event=Subquery(EventLog.objects.filter(pk=OuterRef("event_id")).values("name")[:1]))
    return paging.page(rows, order=("-id",), cursor=cursor, limit=limit, as_item=_contract)


def again(organization: UUID, ids: Sequence[int] | None, *, permissions: Set[str] | None) -> int:
    """Give these (None: all) back to their lanes, before whatever waits there, for one try; how many. NotFound where one is not there."""
    with transaction.atomic():
        rows = _rows(organization, permissions).select_for_update()
        found = list(rows.order_by("id") if ids is None else rows.filter(pk__in=ids).order_by("id"))
        if ids is not None and len(found) < len(set(ids)):
            raise NotFound("event that was set aside")
        WaitingEvent.objects.filter(pk__in=[row.pk for row in found]).update(
            failed_at=None, at=now(), tries=TRIES - 1, cut_offs=CUT_OFFS - 1
        )
        from cxm.platform.deliveries import deliver  # it needs this module itself

        for lane in dict.fromkeys(row.lane for row in found):
            deliver.defer(lock=f"deliver:{lane}", queueing_lock=f"deliver:{lane}", lane=lane)
    return len(found)


def _rows(organization: UUID | None, permissions: Set[str] | None) -> QuerySet[WaitingEvent]:
    rows = WaitingEvent.objects.filter(failed_at__isnull=False)
    if organization is None:
        return rows
    theirs = EventLog.objects.filter(organization_id=organization)
    if permissions is not None:
        theirs = theirs.filter(permission__in=permissions)
    return rows.filter(event_id__in=theirs.values("id"))


def _contract(row: WaitingEvent) -> SetAside:
    event: str = row.event  # type: ignore[attr-defined]  # annotated
    return SetAside(row.pk, event, row.subscriber, row.lane, row.at, row.failed_at or row.at, row.tries, row.error)
