"""Promises: those of a conversation, all of them, what became of them."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Q, QuerySet

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid
from cxm.love.contracts import PledgeCounts, PledgeView
from cxm.love.models import Conversation, Pledge
from cxm.love.selectors import inbox, shapes
from cxm.platform import paging

STATES = ("open", "kept", "late", "withdrawn")


def open_of(row: Conversation) -> tuple[PledgeView, ...]:
    """The open promises of one conversation, soonest first; not even asked for where there is none."""
    if row.promise_due is None:
        return ()
    found = Pledge.objects.for_organization(row.organization_id).filter(conversation=row, state="open").order_by("due_at", "id")
    return tuple(shapes.pledge_view(one) for one in found)


def pledges(actor: Actor, state: str | None = None, cursor: str | None = None, limit: int | None = None) -> paging.Page[PledgeView]:
    """Promises in the units the actor may read, what is due last first. Raises Invalid for a state that is none."""
    if state is not None and state not in STATES:
        raise Invalid(
            "state_invalid", f"“{state[:40]}” is no state.", f"Use {', '.join(STATES)}.", errors=(FieldError("state", ", ".join(STATES)),)
        )
    rows = _readable(actor)
    rows = rows.filter(state=state) if state is not None else rows
    return paging.page(rows, order=("-due_at", "-id"), cursor=cursor, limit=limit, as_item=shapes.pledge_view)


def pledge_counts(actor: Actor, after: datetime) -> PledgeCounts:
    """What became of the promises that came due since ``after``; one that was kept before its time counts when it was kept."""
    moment = now()
    came = Q(due_at__gt=after, due_at__lte=moment) | Q(due_at__gt=moment, settled_at__gt=after)
    found = (
        _readable(actor)
        .filter(came, due_at__gt=after)
        .aggregate(
            kept=Count("id", filter=Q(state="kept")), late=Count("id", filter=Q(state="late")), overdue=Count("id", filter=Q(state="open"))
        )
    )
    return PledgeCounts(**found)


def _readable(actor: Actor) -> QuerySet[Pledge]:
    rows = Pledge.objects.for_organization(actor.organization)
    return rows if actor.units("conversations:read") is None else rows.filter(conversation__in=inbox.readable(actor))
