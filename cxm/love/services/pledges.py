"""Promises as clocks: “I'll write at noon” is noted, comes back in time, is kept by a reply or settled by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Min

from cxm.govern import api as govern
from cxm.kernel.actor import Actor, system
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound
from cxm.love.models import Conversation, Pledge
from cxm.love.services import members, rows
from cxm.love.tasks import pledge_due

_TEXT_LIMIT = 500
_LONGEST = timedelta(days=366)
_MOST = 20  # open ones of a conversation
#: A conversation that is not ours to go on with comes back this long before its promise is due.
AHEAD = timedelta(minutes=10)
#: What is written so soon after a promise was noted is the answer that gave it, not the one that keeps it.
GIVING = timedelta(minutes=5)
_NOTE = "conversations:note"


def promise(actor: Actor, conversation: UUID, text: str, due: datetime, zone: str = "UTC") -> UUID:
    """Note that ``text`` was promised for ``due`` (aware, within a year); ``zone`` is whose wall clock its line shows. Returns its id.

    Raises NotFound, NotAllowed, Invalid, Conflict (too many open ones).
    """
    kept = rows.fitting("text", text, _TEXT_LIMIT)
    if due.tzinfo is None or not now() < due <= now() + _LONGEST:
        raise Invalid(
            "due_invalid",
            "“due” is not within the coming year.",
            "Give a time to come, with its zone.",
            errors=(FieldError("due", "within the coming year"),),
        )
    with transaction.atomic():
        row = rows.locked(actor, conversation, _NOTE)
        if Pledge.objects.for_organization(actor.organization).filter(conversation=row, state="open").count() >= _MOST:
            raise Conflict("promises_too_many", f"{_MOST} promises are open here.", "Keep or withdraw some first.")
        made = Pledge.objects.add(actor.organization, conversation=row, text=kept, due_at=due, at=now(), by=actor.name, member=actor.member)
        _again(row)
        rows.line(row, "promised", actor.name, text=kept, due=format_instant(due), zone=zone)
        govern.record(actor, "promise.made", f"conversation:{row.id}", {"promise": str(made.id), "due": format_instant(due)})
        pledge_due.defer(schedule_at=max(now(), due - AHEAD), organization=str(actor.organization), pledge=str(made.id))
        rows.keep(row, "promised", actor.name)
    return made.id


def settle(actor: Actor, pledge: UUID, state: str) -> None:
    """Say by hand that it was ``kept`` (afterwards: kept late) or is ``withdrawn``. The same again changes nothing.

    Raises NotFound, NotAllowed, Invalid, Conflict (settled otherwise before).
    """
    if state not in ("kept", "withdrawn"):
        raise Invalid(
            "state_invalid",
            "“state” is neither kept nor withdrawn.",
            "Say one of them.",
            errors=(FieldError("state", "kept or withdrawn"),),
        )
    with transaction.atomic():
        found = Pledge.objects.for_organization(actor.organization).filter(id=pledge).first()
        if found is None:
            raise NotFound("promise")
        try:
            row = rows.locked(actor, found.conversation_id, _NOTE)  # type: ignore[attr-defined]
        except NotFound as error:
            raise NotFound("promise") from error
        one = Pledge.objects.for_organization(actor.organization).get(id=pledge)  # as it is under the lock
        if one.state != "open":
            if one.state == state or (state == "kept" and one.state == "late"):
                return
            raise Conflict("promise_settled", "That promise is settled already.", "Note a new one.")
        _settled(row, one, state, actor.name)
        govern.record(actor, f"promise.{one.state}", f"conversation:{row.id}", {"promise": str(one.id)})
        _again(row)
        rows.keep(row, "promise_settled", actor.name)


def kept_by_reply(row: Conversation, written: datetime, by: str) -> None:
    """An answer that was written at ``written`` is out: what was promised before is kept. The caller holds the row and saves it."""
    if row.promise_due is None:
        return
    for one in _open(row):
        if written - one.at > GIVING:
            _settled(row, one, "kept", by)
    _again(row)


def came_due(organization: UUID, pledge: UUID) -> None:
    """Its time is near: the conversation is ours again, and whoever promised is told. Settled or moved ones are passed over."""
    with transaction.atomic():
        key = (
            Pledge.objects.for_organization(organization).filter(id=pledge, state="open").values_list("conversation_id", flat=True).first()
        )
        row = Conversation.objects.for_organization(organization).select_for_update().filter(id=key).first() if key else None
        one = next((one for one in _open(row) if one.id == pledge), None) if row is not None else None
        if row is None or one is None:
            return
        if row.erased_at is not None:  # nobody goes on with it; what is promised to somebody who is gone is withdrawn
            withdrawn([row])
            return
        row = _where_it_goes_on(row, one)
        name = system(organization).name
        if row.state != "open":
            row.state, row.snoozed_until, row.closed_at, row.close_reason = "open", None, None, None
        rows.line(row, "promise_due", name, text=one.text)
        if one.member is not None:
            members.notify(row, [one.member], "promise_due", name, but=None)
        rows.keep(row, "promise_due", name)


def withdrawn(found: Iterable[Conversation]) -> None:
    """Their person is erased: what was promised them is over. The texts, a member's own, stay; the caller sets the clocks."""
    for one in (
        Pledge.everywhere.filter(conversation__in=found, state="open").select_related("conversation").order_by("id")
    ):  # everywhere: of rows at hand
        _settled(one.conversation, one, "withdrawn", system(one.organization_id).name)


def _where_it_goes_on(row: Conversation, one: Pledge) -> Conversation:
    """The conversation itself; where it is closed and a newer one with them is open, that one, and the promise with it."""
    if row.state != "closed":
        return row
    same = Conversation.objects.for_organization(row.organization_id).filter(key=row.key).exclude(state="closed")
    newer = same.select_for_update().first()
    if newer is None:
        return row
    one.conversation = newer
    one.save(update_fields=["conversation"])
    _again(row)
    rows.keep(row, "promise_settled", system(row.organization_id).name)
    _again(newer)
    return newer


def _settled(row: Conversation, one: Pledge, state: str, by: str) -> None:
    one.settled_at, one.settled_by = now(), by
    one.state = "late" if state == "kept" and one.settled_at > one.due_at else state
    one.save(update_fields=["state", "settled_at", "settled_by"])
    rows.line(row, "promise_settled", by, text=one.text, state=one.state)


def _open(row: Conversation) -> list[Pledge]:
    return list(Pledge.objects.for_organization(row.organization_id).filter(conversation=row, state="open").order_by("due_at", "id"))


def _again(row: Conversation) -> None:
    """The soonest of what is still open."""
    found = Pledge.objects.for_organization(row.organization_id).filter(conversation=row, state="open").aggregate(soonest=Min("due_at"))
    row.promise_due = found["soonest"]
