"""Intents: proposed, taken back, settled by a person. What carries them out is in ``gateway``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.connect import api as connect
from cxm.connect.contracts import SendRules
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotAllowed, NotFound
from cxm.kernel.ids import parse_id
from cxm.outbound import uploads
from cxm.outbound.contracts import NewIntent, Reply
from cxm.outbound.events import IntentChanged
from cxm.outbound.models import Intent
from cxm.outbound.selectors import as_reply, surely_here
from cxm.outbound.tasks import carry_out
from cxm.platform import egress, events, realtime

UNDO_LIMIT = 600
#: Why a reply waits: its account's sign-in is lost, until somebody mends it.
SIGNED_OUT = "signed_out"
PERMISSION = "conversations:reply"


def stopped(row: Intent) -> bool:
    """Whether a stop covers it, by the unit it was written in or by the one that its account belongs to now: an account may move."""
    units = {row.unit_id}
    with contextlib.suppress(NotFound):  # none, or removed
        units.add(connect.account(row.organization_id, row.account_id).unit)
    return any(govern.covering_stops(row.organization_id, unit=unit, account=row.account_id, kind=row.kind) for unit in units)


def propose(actor: Actor, new: NewIntent) -> Reply:
    """Take in an intention; it is carried out after its undo time, unless taken back or stopped.

    Raises Invalid (empty, too long for the platform, visibility it has not), NotAllowed without the right in its unit.
    """
    if not actor.may(PERMISSION, new.unit):
        raise NotAllowed("not_allowed", "You may not answer for this unit.", "Ask a manager of it.")
    media = _check(actor, new)
    begins = now() + timedelta(seconds=new.undo_seconds)
    lane = str(new.conversation or new.account)
    # In the section until the commit, and before any other lock: the review of a stop just being lifted must not miss what is held now.
    with transaction.atomic(), govern.beginning(actor.organization):
        row = Intent.objects.add(
            actor.organization, kind=new.kind, account_id=new.account, unit_id=new.unit, conversation_id=new.conversation, in_reply_to_mention=new.in_reply_to_mention,
            in_reply_to=new.in_reply_to_native, thread=new.thread, to=new.to, title=new.title, text=new.text, media=media,
            context=dict(new.context), private=new.private, lane=lane, state="waiting" if new.undo_seconds else "queued", created_by=actor.member,
            created_by_name=actor.name, not_before=begins,
        )  # fmt: skip
        uploads.taken(actor.organization, media)
        govern.record(actor, "reply.propose", f"reply:{row.id}", {"account": str(new.account), "private": new.private})
        if stopped(row):
            row.state = "held"
            row.save(update_fields=["state"])
        else:
            carry_out.defer(lock=f"lane:{lane}", schedule_at=begins if new.undo_seconds else None, intent=str(row.id))
        changed(row)
    return as_reply(row, [])


def take_back(actor: Actor, intent: UUID) -> Reply:
    """Cancel what has surely not left; Conflict once it may have, or is over. Under the row's lock, as the gateway's claim: one of the two is first."""
    with transaction.atomic():
        row = find(actor.organization, intent, lock=True)
        _may(actor, row)
        if not surely_here(row.state, row.attempts.all()):
            raise Conflict(
                "too_late", "It can no longer be taken back.", "It was sent, is being sent, or was cancelled before; look at its state."
            )
        row.state = "cancelled"
        row.save(update_fields=["state"])
        uploads.taken(actor.organization, row.media, sent=False)
        govern.record(actor, "reply.take_back", f"reply:{row.id}")
        changed(row)
    return as_reply(row)


def settle(actor: Actor, intent: UUID, *, outcome: str, native_id: str | None = None, reason: str = "") -> Reply:
    """A person says what became of an unknown intent; Conflict for any other."""
    if outcome not in ("sent", "failed"):
        raise Invalid(
            "outcome_invalid",
            "“outcome” is neither sent nor failed.",
            "Say sent or failed.",
            errors=(FieldError("outcome", "sent or failed"),),
        )
    if native_id is not None and not 0 < len(native_id) <= 1000:
        raise Invalid("native_id_invalid", "“native_id” is empty or too long.", errors=(FieldError("native_id", "1 to 1000 characters"),))
    with transaction.atomic():
        row = find(actor.organization, intent, lock=True)
        _may(actor, row)
        if row.state != "unknown":
            raise Conflict("not_unknown", "Only an unknown outcome is settled by a person.", f"This reply is {public_state(row)}.")
        from cxm.outbound.gateway import conclude

        row.settled_by = actor.member
        govern.record(actor, "reply.settle", f"reply:{row.id}", {"outcome": outcome})
        conclude(row, outcome, native_id=native_id, detail=reason or f"Settled by {actor.name}.")
    return as_reply(row)


def find(organization: UUID, intent: UUID, *, lock: bool = False) -> Intent:
    """The row, or NotFound."""
    rows = Intent.objects.for_organization(organization).filter(pk=intent)
    row = (rows.select_for_update() if lock else rows).first()
    if row is None:
        raise NotFound("reply")
    return row


def public_state(row: Intent) -> str:
    """The state as told outside."""
    return "queued" if row.state == "claimed" else row.state


def changed(row: Intent) -> None:
    """Tell that ``row`` reached its present state."""
    events.publish(
        IntentChanged(
            organization=row.organization_id,
            intent=row.id,
            conversation=row.conversation_id,
            account=row.account_id,
            state=public_state(row),
            delivery=row.delivery,
        )
    )
    if row.conversation_id:
        realtime.tell(row.organization_id, f"conversation:{row.conversation_id}", "inbox")


def _may(actor: Actor, row: Intent) -> None:
    if not actor.may(PERMISSION, row.unit_id):
        raise NotFound("reply")


def _check(actor: Actor, new: NewIntent) -> list[dict[str, Any]]:
    """What is wrong with it, told at once; else its files as the intent carries them."""
    rules = connect.rules(actor.organization, new.account)
    faults: list[FieldError] = []
    if not new.text.strip() and not new.media:
        faults.append(FieldError("text", "Write something first."))
    if rules.text_limit is not None and _length(new.text, rules.counted) > rules.text_limit:
        faults.append(FieldError("text", f"Longer than this platform takes ({rules.text_limit:,} {rules.counted})."))
    if not rules.can_reply:
        faults.append(FieldError("text", "This account only listens; it has no way to answer. Set one on its page."))
    if not (rules.private if new.private else rules.public):
        faults.append(
            FieldError("visibility", "This platform has no private answers." if new.private else "This platform has no public answers.")
        )
    if not 0 <= new.undo_seconds <= UNDO_LIMIT:
        faults.append(FieldError("undo_seconds", f"0 to {UNDO_LIMIT}."))
    if rules.window_hours and new.last_heard_at and now() - new.last_heard_at > timedelta(hours=rules.window_hours):
        faults.append(FieldError("text", f"This platform takes answers only within {rules.window_hours} h of their last message."))
    media = [_carried(actor, index, entry, faults) for index, entry in enumerate(new.media)]
    faults += _too_much(rules, media)
    if faults:
        raise Invalid(
            "reply_invalid", " ".join(fault.text for fault in faults), "Mend it and send again; nothing was sent.", errors=tuple(faults)
        )
    return media


def _carried(actor: Actor, index: int, entry: Mapping[str, Any], faults: list[FieldError]) -> dict[str, Any]:
    """One file as the intent carries it; what is wrong with it is added to ``faults``."""
    wanted = entry.get("id")
    if wanted is None:
        faults += _media_faults(index, entry)
        return dict(entry)
    key = parse_id(wanted) if isinstance(wanted, str) and len(entry) == 1 else None
    try:
        if key is None:
            raise NotFound("upload")
        return uploads.carried(actor, key)
    except NotFound:
        faults.append(FieldError(f"media.{index}", "There is no such upload of yours; upload it again."))
        return {}


def _too_much(rules: SendRules, media: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    if not media:
        return []
    if not rules.media:
        return [FieldError("media", "This platform takes no files with an answer.")]
    if rules.media_count is not None and len(media) > rules.media_count:
        return [FieldError("media", f"This platform takes at most {rules.media_count} files with an answer.")]
    if rules.media_bytes is not None and sum(int(entry.get("size") or 0) for entry in media) > rules.media_bytes:
        return [FieldError("media", f"Together the files are larger than this platform takes ({rules.media_bytes / 1_000_000:g} MB).")]
    return []


def _media_faults(index: int, entry: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with one file; what would silently not be sent is refused. Raises Invalid for an address the guard refuses."""
    if not isinstance(entry.get("url"), str) or not entry["url"]:
        return [FieldError(f"media.{index}", "Give a “url”, or the id of an uploaded file.")]
    egress.check_url(entry["url"], path=f"media.{index}.url")
    wrong = [
        key for key, value in entry.items() if key not in ("url", "alt", "kind", "name") or not (value is None or isinstance(value, str))
    ]
    return [FieldError(f"media.{index}", "A file has “url”, “alt”, “kind” and “name”, all of them texts.")] if wrong else []


def _length(text: str, counted: str) -> int:
    if counted == "bytes":
        return len(text.encode())
    if counted == "utf16":
        return len(text.encode("utf-16-le")) // 2
    if counted == "graphemes":
        import regex

        return len(regex.findall(r"\X", text))
    return len(text)
