"""The inbox: lists, counts, what stands above and below."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid
from cxm.love.contracts import KINDS, STATES, ConversationView, Counts, InboxFilter, Neighbours, NotificationView
from cxm.love.models import Conversation, Notification
from cxm.love.selectors import shapes
from cxm.platform import paging
from cxm.platform.once import known, once

_ORDERS = {"newest": ("-last_at", "-id"), "due": ("due_order", "id")}
_READ = "conversations:read"


def conversations(actor: Actor, wanted: InboxFilter, cursor: str | None = None, limit: int | None = None) -> paging.Page[ConversationView]:
    """One page of the conversations ``wanted`` that the actor may read. Raises Invalid for a filter that is none."""
    found = paging.page(_rows(actor, wanted), order=_order(wanted), cursor=cursor, limit=limit, as_item=lambda row: row)
    return paging.Page(shapes.views(actor.organization, found.items, actor.member), found.next)


def ids(actor: Actor, wanted: InboxFilter, most: int) -> list[UUID]:
    """The ids of all conversations ``wanted``, at most ``most``; in no order."""
    return list(_rows(actor, wanted).order_by().values_list("id", flat=True)[:most])


def units_of(actor: Actor, wanted: InboxFilter | None, ids: Sequence[UUID]) -> list[UUID]:
    """The units in which conversations lie: those ``wanted``, else those of ``ids`` that the actor may read."""
    rows = _rows(actor, wanted) if wanted is not None else readable(actor).filter(id__in=ids)
    return list(rows.order_by().values_list("unit_id", flat=True).distinct())


def readable(actor: Actor) -> QuerySet[Conversation]:
    """Every conversation in the units whose conversations the actor may read."""
    rows = Conversation.objects.for_organization(actor.organization)
    units = actor.units(_READ)
    return rows if units is None else rows.filter(unit_id__in=units)


def _order(wanted: InboxFilter) -> tuple[str, ...]:
    if wanted.sort not in _ORDERS:
        raise Invalid(
            "sort_invalid", "“sort” is neither newest nor due.", "Say one of them.", errors=(FieldError("sort", "newest or due"),)
        )
    return _ORDERS[wanted.sort]


def _rows(actor: Actor, wanted: InboxFilter) -> QuerySet[Conversation]:
    if unknown := wanted.states - set(STATES):
        raise Invalid(
            "state_invalid",
            f"“{min(unknown)[:40]}” is no state.",
            f"Use {', '.join(STATES)}.",
            errors=(FieldError("state", ", ".join(STATES)),),
        )
    if wanted.kind is not None and wanted.kind not in KINDS:
        raise Invalid(
            "kind_invalid", "“kind” is neither private nor public.", "Say one of them.", errors=(FieldError("kind", "private or public"),)
        )
    rows = readable(actor)
    if wanted.states:
        rows = rows.filter(state__in=wanted.states) if len(wanted.states) > 1 else rows.filter(state=min(wanted.states))
    if wanted.late:
        rows = rows.exclude(state="closed").filter(due_order__lt=now())
    if wanted.queue is not None:
        rows = rows.filter(_queued(wanted.queue))
    if wanted.promised:
        rows = rows.filter(promise_due__isnull=False)
    equal = {"kind": wanted.kind, "unit_id": wanted.unit, "case_id": wanted.case, "profile_id": wanted.profile}
    rows = rows.filter(**{name: value for name, value in equal.items() if value is not None})
    within = {"channel__in": wanted.channels, "account_id__in": wanted.accounts, "language__in": wanted.languages}
    rows = rows.filter(**{name: value for name, value in within.items() if value})
    if wanted.tag is not None:
        rows = rows.filter(tags__contains=[wanted.tag])
    return rows if wanted.assignee is None else rows.filter(_assigned(actor, wanted.assignee))


def _queued(queue: UUID | str) -> Q:
    if queue == "none":
        return Q(queue=None)
    return Q(queue_id=queue) if isinstance(queue, UUID) else Q(queue__name=queue)


def _assigned(actor: Actor, assignee: str | UUID) -> Q:
    if isinstance(assignee, UUID):
        return Q(assignee=assignee)
    if assignee == "nobody":
        return Q(assignee=None)
    mine = Q(assignee=actor.member) if actor.member is not None else Q(pk__in=[])
    if assignee == "me":
        return mine
    if assignee == "mine_or_nobody":
        return mine | Q(assignee=None)
    raise Invalid(
        "assignee_invalid",
        "“assignee” is no member's id.",
        "Use an id, or me, nobody, mine_or_nobody.",
        errors=(FieldError("assignee", "an id, me, nobody or mine_or_nobody"),),
    )


def counts(actor: Actor) -> Counts:
    """How many of each kind are not closed; one pass over an index."""
    return once(_counts_of(actor), lambda: _counts(actor))


def _counts_of(actor: Actor) -> tuple[Any, ...]:
    return "love.counts", actor.organization, actor.member, actor.units(_READ)


def _counts(actor: Actor) -> Counts:
    mine = Q(assignee=actor.member) if actor.member is not None else Q(pk__in=[])
    ours = Q(state="open")
    found = (
        readable(actor)
        .exclude(state="closed")
        .aggregate(
            open=Count("id", filter=ours),
            mine=Count("id", filter=ours & mine),
            nobody=Count("id", filter=ours & Q(assignee=None)),
            late=Count("id", filter=ours & Q(due_order__lt=now())),
            waiting=Count("id", filter=Q(state="waiting")),
            snoozed=Count("id", filter=Q(state="snoozed")),
            promised=Count("id", filter=Q(promise_due__isnull=False)),
        )
    )
    return Counts(**found)


def queue_counts(actor: Actor) -> dict[UUID, int]:
    """How many wait for us in each queue; one pass over an index of what is queued and not closed."""
    rows = readable(actor).filter(state="open", queue__isnull=False)
    return dict(rows.values_list("queue_id").annotate(n=Count("id")).order_by())


def waiting_count(actor: Actor) -> int:
    """How many wait for this member: open, theirs or nobody's."""
    counted: Counts | None = known(_counts_of(actor))
    if counted is not None:
        return counted.mine + counted.nobody
    return readable(actor).filter(_assigned(actor, "mine_or_nobody"), state="open").count()


def neighbours(actor: Actor, wanted: InboxFilter, conversation: UUID) -> Neighbours:
    """What stands above and below ``conversation`` in the list ``wanted``; it need not be in the list itself (any more)."""
    order = _order(wanted)
    here = readable(actor).filter(id=conversation).values_list(order[0].lstrip("-"), "id").first()
    if here is None:
        return Neighbours(None, None)
    rows = _rows(actor, wanted).exclude(id=conversation)
    backwards = tuple(name[1:] if name.startswith("-") else f"-{name}" for name in order)
    return Neighbours(previous=_beyond(rows, backwards, here), next=_beyond(rows, order, here))


def _beyond(rows: QuerySet[Conversation], order: tuple[str, ...], here: tuple[datetime, UUID]) -> UUID | None:
    name, operator = order[0].lstrip("-"), "lt" if order[0].startswith("-") else "gt"
    after = Q(**{f"{name}__{operator}": here[0]}) | Q(**{name: here[0], f"id__{operator}": here[1]})
    return rows.filter(after).order_by(*order).values_list("id", flat=True).first()


def next_one(actor: Actor, wanted: InboxFilter, conversation: UUID) -> UUID | None:
    """Where to go after ``conversation`` is done: the one below, else the one above."""
    around = neighbours(actor, wanted, conversation)
    return around.next or around.previous


def notifications(actor: Actor, *, unread: bool = False, limit: int = 50) -> list[NotificationView]:
    """The acting member's notifications, newest first."""
    if actor.member is None:
        return []
    rows = Notification.objects.for_organization(actor.organization).filter(member=actor.member)
    rows = (rows.filter(read_at=None) if unread else rows).filter(conversation__in=readable(actor)).order_by("-at", "-id")[:limit]
    return [NotificationView(row.id, row.conversation_id, row.what, row.by, row.at, row.read_at) for row in rows]  # type: ignore[attr-defined]
