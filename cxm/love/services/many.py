"""The same done to many conversations: at once up to 200, as a job above, in steps, with progress; cancelled and undone.

Every conversation is changed by the verb that changes one, with the rights of whoever asked as they are at that moment. What was before is kept
with each, so that undoing brings it back where nobody changed it since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from cxm.govern import api as govern
from cxm.kernel.actor import Actor, system
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.errors import Conflict, CxmError, FieldError, Invalid, NotAllowed, NotFound
from cxm.love.contracts import BulkView, InboxFilter
from cxm.love.models import BulkItem, BulkRun, CaseRecord, Conversation
from cxm.love.selectors import inbox
from cxm.love.selectors.cases import case
from cxm.love.services import bulk, cases, handling, queues, rows
from cxm.love.tasks import bulk_step
from cxm.platform import realtime

ACTIONS = ("assign", "tag", "close", "snooze", "queue", "case")
#: Up to so many are done before the answer; more are a job.
AT_ONCE = 200
#: The most one run takes.
MOST = 20_000
#: Conversations of one step, all in one transaction.
STEP = 100
#: How long a run can be undone after its end.
UNDO_WITHIN = timedelta(minutes=10)
#: How long runs are kept.
_KEPT = timedelta(days=1)
_MANAGE = "conversations:manage"
Before = dict[str, Any]


def run(
    actor: Actor,
    action: str,
    values: Mapping[str, Any],
    *,
    conversations: Sequence[UUID] = (),
    wanted: InboxFilter | None = None,
) -> BulkView:
    """Do ``action`` to ``conversations``, or to all that ``wanted`` finds. ``values``: ``member`` (id or None) for assign, ``add`` and
    ``remove`` for tag, ``reason`` for close, ``until`` (an instant) for snooze, ``queue`` (id or None) for queue, ``case`` (id) for
    case: each is put under it, and away from another one.

    Raises Invalid (no such action, none or too many conversations, a value that no conversation could take), NotAllowed, NotFound (the member,
    the queue, the case), Conflict (the case is not open).
    """
    govern.require(actor, _MANAGE)
    kept = _judged(actor, action, values)
    found = inbox.ids(actor, wanted, MOST + 1) if wanted is not None else list(dict.fromkeys(conversations))
    if not 1 <= len(found) <= MOST:
        raise Invalid(
            "bulk_invalid",
            f"Between 1 and {MOST} conversations at once.",
            "Choose some, or narrow the list.",
            errors=(FieldError("conversations", f"between 1 and {MOST}"),),
        )
    with transaction.atomic():
        old = BulkRun.objects.for_organization(actor.organization).filter(member=actor.member, at__lt=now() - _KEPT)
        old.delete()
        made = BulkRun.objects.add(
            actor.organization,
            member=actor.member,
            action=action,
            values=kept,
            total=len(found),
            by=actor.name,
            at=now(),
            token=actor.token,
        )
        bulk.insert([BulkItem(organization_id=actor.organization, run=made, conversation_id=key) for key in found])
        govern.record(actor, f"conversations.{action}_many", f"bulk:{made.id}", {"conversations": len(found), "filter": wanted is not None})
        if len(found) > AT_ONCE:
            bulk_step.defer(organization=str(actor.organization), run=str(made.id))
    if len(found) <= AT_ONCE:
        _to_the_end(actor, made.id)
    return status(actor, made.id)


def status(actor: Actor, key: UUID) -> BulkView:
    """How far a run of one's own is. Raises NotFound."""
    return _view(_mine(actor, key))


def going_on(actor: Actor) -> list[BulkView]:
    """The acting member's runs that are not over."""
    if actor.member is None:
        return []
    found = BulkRun.objects.for_organization(actor.organization).filter(member=actor.member, at__gt=now() - _KEPT)
    return [_view(row) for row in found.filter(state__in=("running", "undoing")).order_by("-at", "-id")[:5]]


def cancel(actor: Actor, key: UUID) -> BulkView:
    """Stop it where it is; what is done stays done, and can be undone. Over already: nothing changes. Raises NotFound."""
    with transaction.atomic():
        row = _mine(actor, key, lock=True)
        if row.state == "running":
            _ended(row, "cancelled")
            govern.record(actor, "conversations.many_cancelled", f"bulk:{key}", {"done": row.done})
    return _view(row)


def undo(actor: Actor, key: UUID) -> BulkView:
    """Bring back what was before, where nobody changed it since. Raises NotFound, Conflict (not over, undone already, too long ago)."""
    with transaction.atomic():
        row = _mine(actor, key, lock=True)
        if row.state not in ("done", "cancelled") or row.ended_at is None or now() - row.ended_at > UNDO_WITHIN:
            raise Conflict("bulk_not_undoable", "That cannot be undone (any more).", "It can be within ten minutes of its end, once.")
        row.state, row.token, row.ending = "undoing", actor.token, ""
        row.save(update_fields=["state", "token", "ending"])
        govern.record(actor, "conversations.many_undone", f"bulk:{key}", {"conversations": row.done})
        if row.done > AT_ONCE:
            bulk_step.defer(organization=str(actor.organization), run=str(key))
        todo = row.done
    if todo <= AT_ONCE:
        _to_the_end(actor, key)
    return status(actor, key)


def step(organization: UUID, key: UUID) -> None:
    """The next step of a run, as a job: with the rights that whoever began it has now; a token that ended, a member who left and a right that is
    gone end it."""
    with transaction.atomic():
        row = BulkRun.objects.for_organization(organization).select_for_update().filter(id=key).first()
        if row is None or row.state not in ("running", "undoing"):
            return
        try:
            actor = govern.actor_again(organization, row.member, row.token)
            govern.require(actor, _MANAGE)
        except NotAllowed:
            row.ending = "right_gone"
            _ended(row, "cancelled")
            govern.record(system(organization), "conversations.many_cancelled", f"bulk:{key}", {"done": row.done, "why": row.ending})
            return
        if _step(actor, row):
            bulk_step.defer(organization=str(organization), run=str(key))


def _to_the_end(actor: Actor, key: UUID) -> None:
    more = True
    while more:
        with transaction.atomic():
            row = _mine(actor, key, lock=True)
            more = row.state in ("running", "undoing") and _step(actor, row)


def _step(actor: Actor, row: BulkRun) -> bool:
    """Do or undo some; whether any are left. Items are taken in the order of their conversations, so that two runs wait instead of clashing."""
    undoing = row.state == "undoing"
    todo = BulkItem.objects.for_organization(row.organization_id).filter(run=row, outcome="done" if undoing else "waiting")
    items = list(todo.order_by("conversation_id")[: STEP + 1])
    if row.action == "case":
        _cases_first(row, items[:STEP])
    for item in items[:STEP]:
        if undoing:
            item.outcome = _undone(actor, row, item)
            row.undone += item.outcome == "undone"
        else:
            item.outcome, item.before = _done(actor, row, item.conversation_id)
            row.refused += item.outcome == "refused"
            row.done += item.outcome != "refused"
    BulkItem.everywhere.bulk_update(items[:STEP], ["outcome", "before"])  # everywhere: rows of one organization, already read within it
    left = len(items) > STEP
    if not left:
        _ended(row, "undone" if undoing else "done")
    row.save()
    realtime.tell(row.organization_id, f"bulk:{row.id}")
    return left


def _done(actor: Actor, row: BulkRun, key: UUID) -> tuple[str, Before | None]:
    try:
        with transaction.atomic():
            before = _ACTS[row.action](actor, rows.locked(actor, key, _MANAGE), row.values)
    except CxmError as refused:
        if refused.status >= 500:
            raise
        return "refused", None
    return ("done", before) if before is not None else ("same", None)


def _undone(actor: Actor, row: BulkRun, item: BulkItem) -> str:
    try:
        with transaction.atomic():
            held = rows.locked(actor, item.conversation_id, _MANAGE)
            return "undone" if _UNDOES[row.action](actor, held, row.values, item.before or {}) else "kept"
    except CxmError as refused:
        if refused.status >= 500:
            raise
        return "kept"


# --- what is done to each, and how it is brought back --------------------------------------------------------------------


def _assign(actor: Actor, row: Conversation, values: Mapping[str, Any]) -> Before | None:
    wanted = _id(values.get("member"))
    if row.assignee == wanted:
        return None
    before = {"member": str(row.assignee) if row.assignee else None}
    handling.assign(actor, row.id, wanted)
    return before


def _assign_back(actor: Actor, row: Conversation, values: Mapping[str, Any], before: Before) -> bool:
    if row.assignee != _id(values.get("member")):
        return False
    handling.assign(actor, row.id, _id(before["member"]))
    return True


def _tag(actor: Actor, row: Conversation, values: Mapping[str, Any]) -> Before | None:
    former = list(row.tags)
    handling.tag(actor, row.id, values["add"], values["remove"])
    row.refresh_from_db(fields=["tags"])
    before = {"added": [name for name in row.tags if name not in former], "removed": [name for name in former if name not in row.tags]}
    return before if before["added"] or before["removed"] else None


def _tag_back(actor: Actor, row: Conversation, values: Mapping[str, Any], before: Before) -> bool:
    handling.tag(actor, row.id, before["removed"], before["added"])
    return True


def _close(actor: Actor, row: Conversation, values: Mapping[str, Any]) -> Before | None:
    if row.state == "closed":
        return None
    usual = "answered" if row.first_answered_at and row.answer_due is None else "no_answer_needed"
    before = {"state": row.state, "until": format_instant(row.snoozed_until) if row.snoozed_until else None}
    handling.close(actor, row.id, values["reason"] or usual)
    return before


def _close_back(actor: Actor, row: Conversation, values: Mapping[str, Any], before: Before) -> bool:
    if row.state != "closed":
        return False
    handling.reopen(actor, row.id)
    return _state_back(actor, row, before)


def _snooze(actor: Actor, row: Conversation, values: Mapping[str, Any]) -> Before | None:
    until = parse_instant(values["until"])
    if row.state == "snoozed" and row.snoozed_until == until:
        return None
    before = {"state": row.state, "until": format_instant(row.snoozed_until) if row.snoozed_until else None}
    handling.snooze(actor, row.id, until)
    return before


def _snooze_back(actor: Actor, row: Conversation, values: Mapping[str, Any], before: Before) -> bool:
    if row.state != "snoozed" or row.snoozed_until != parse_instant(values["until"]):
        return False
    handling.reopen(actor, row.id)
    return _state_back(actor, row, before)


def _state_back(actor: Actor, row: Conversation, before: Before) -> bool:
    """Opened again; whose turn it was, or how long it slept, as before."""
    if before["state"] == "snoozed" and before["until"] and parse_instant(before["until"]) > now():
        handling.snooze(actor, row.id, parse_instant(before["until"]))
    elif before["state"] == "waiting":
        row.refresh_from_db()
        row.state = "waiting"
        rows.keep(row, "reopened", actor.name)
    return True


def _queue(actor: Actor, row: Conversation, values: Mapping[str, Any]) -> Before | None:
    former: UUID | None = row.queue_id  # type: ignore[attr-defined]
    if former == _id(values.get("queue")):
        return None
    queues.move(actor, row.id, _id(values.get("queue")))
    return {"queue": str(former) if former else None}


def _queue_back(actor: Actor, row: Conversation, values: Mapping[str, Any], before: Before) -> bool:
    if row.queue_id != _id(values.get("queue")):  # type: ignore[attr-defined]
        return False
    queues.move(actor, row.id, _id(before["queue"]))
    return True


def _case(actor: Actor, row: Conversation, values: Mapping[str, Any]) -> Before | None:
    former: UUID | None = row.case_id  # type: ignore[attr-defined]
    state = row.case.state if row.case else ""
    moved = cases.link(actor, UUID(values["case"]), row.id)
    return {"case": str(former) if former else None, "state": state} if moved else None


def _case_back(actor: Actor, row: Conversation, values: Mapping[str, Any], before: Before) -> bool:
    if row.case_id != UUID(values["case"]):  # type: ignore[attr-defined]
        return False
    former = _id(before["case"])
    if former is None:
        cases.unlink(actor, UUID(values["case"]), row.id)
        return True
    cases.link(actor, former, row.id)
    if before["state"] == "open":
        cases.resolve(actor, former, resolved=False)
    return True


def _cases_first(row: BulkRun, items: Sequence[BulkItem]) -> None:
    """Cases are locked before conversations, all of them in the order of their ids: the one that takes, and those that lose or get back."""
    inside = Conversation.objects.for_organization(row.organization_id).filter(id__in=[item.conversation_id for item in items])
    touched = {key for key in inside.values_list("case_id", flat=True) if key}
    back = {UUID(item.before["case"]) for item in items if item.before and item.before.get("case")}
    held = CaseRecord.objects.for_organization(row.organization_id).filter(id__in=touched | back | {UUID(row.values["case"])})
    list(held.order_by("id").select_for_update().values_list("id"))


_ACTS: dict[str, Callable[[Actor, Conversation, Mapping[str, Any]], Before | None]] = {
    "assign": _assign, "tag": _tag, "close": _close, "snooze": _snooze, "queue": _queue, "case": _case,
}  # fmt: skip
_UNDOES: dict[str, Callable[[Actor, Conversation, Mapping[str, Any], Before], bool]] = {
    "assign": _assign_back, "tag": _tag_back, "close": _close_back, "snooze": _snooze_back, "queue": _queue_back, "case": _case_back,
}  # fmt: skip


# --- what is asked -----------------------------------------------------------------------------------------------------


def _judged(actor: Actor, action: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept; what no conversation could take is refused now."""
    if action not in ACTIONS:
        raise Invalid(
            "action_invalid",
            f"“{action[:40]}” cannot be done.",
            f"Use {', '.join(ACTIONS)}.",
            errors=(FieldError("action", ", ".join(ACTIONS)),),
        )
    if action == "assign":
        member = values.get("member")
        if member is not None:
            govern.member(actor.organization, member)
        return {"member": str(member) if member else None}
    if action == "queue":
        key = values.get("queue")
        if key is not None:
            queues.queue(actor.organization, key)
        return {"queue": str(key) if key else None}
    if action == "case":
        return {"case": str(_open_case(actor, values.get("case")))}
    if action == "tag":
        return handling.tags_fitting(values.get("add") or (), values.get("remove") or ())
    if action == "close":
        reason = str(values.get("reason") or "").strip()
        return {"reason": rows.fitting("reason", reason, handling.REASON_LIMIT) if reason else ""}
    until = values.get("until")
    if until is None:
        raise Invalid(
            "until_invalid", "“until” is missing.", "Give a time to come, with its zone.", errors=(FieldError("until", "is missing"),)
        )
    handling.snoozable(until)
    return {"until": format_instant(until)}


def _open_case(actor: Actor, key: UUID | None) -> UUID:
    if key is None:
        raise Invalid(
            "case_missing",
            _("No case was chosen."),
            _("Choose the one they go under."),
            errors=(FieldError("case", _("No case was chosen.")),),
        )
    if case(actor, key).state != "open":
        raise Conflict("case_not_open", _("This case is settled."), _("Take it up again first, or choose another one."))
    return key


def _id(text: Any) -> UUID | None:
    return UUID(text) if text else None


def _mine(actor: Actor, key: UUID, *, lock: bool = False) -> BulkRun:
    found = BulkRun.objects.for_organization(actor.organization)
    row = (found.select_for_update() if lock else found).filter(id=key, member=actor.member).first()
    if row is None:
        raise NotFound("bulk action")
    return row


def _ended(row: BulkRun, state: str) -> None:
    row.state, row.ended_at = state, now()
    row.save()
    realtime.tell(row.organization_id, f"bulk:{row.id}")


def _view(row: BulkRun) -> BulkView:
    over = row.state in ("done", "cancelled") and row.ended_at is not None and row.done > 0
    until = row.ended_at + UNDO_WITHIN if over and row.ended_at and now() - row.ended_at <= UNDO_WITHIN else None
    return BulkView(row.id, row.action, row.state, row.total, row.done, row.refused, row.undone, until, row.ending)
