"""The gateway: carries out one intent, at most once.

In order: not before its time; no stop covers it; its account may speak; whom it is for may be written to; nobody else is carrying it out; the attempt is written
and committed; the stop is read once more inside ``govern.beginning``; only then the connector is called. What comes back is one of
sent, refused, later or unknown. Unknown is read back where the platform can tell, sent again under the same id where the platform
promises that is one effect, else left to a person. It is never sent blindly again.
"""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import wait
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from cxm.channels.contracts import Media, Outgoing, Sent
from cxm.connect import api as connect
from cxm.connect.contracts import SendRules
from cxm.govern import api as govern
from cxm.kernel.actor import Actor, system
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import CxmError, NotFound
from cxm.kernel.network import AuthExpired, ConnectorError, Gone, RateLimited, Rejected, Unavailable
from cxm.outbound import copies, suppressed, uploads
from cxm.outbound.events import Said
from cxm.outbound.models import Attempt, Intent
from cxm.outbound.services import SIGNED_OUT, changed, stopped
from cxm.platform import events, observability

#: A call is given up after this many seconds; only then may an unknown outcome be read back.
CALL_SECONDS = 30
#: A stop waits this long for a call that has begun: what is on the wire has then arrived, and nothing arrives after its acknowledgement.
WIRE_SECONDS = 0.4
READ_BACK_TRIES = 12
#: Replies of one account on their way at once.
CALLS_AT_ONCE = 8
_log = structlog.get_logger(__name__)


def carry_out(intent: UUID) -> None:
    """One step for one intent, whatever state it is in; called by its job, again and again until it is settled."""
    row = Intent.everywhere.filter(pk=intent).first()  # everywhere: a job knows only the intent
    if row is None or row.state in ("sent", "failed", "held", "cancelled"):
        return
    if row.state == "unknown" or (row.state == "claimed" and _abandoned(row)):
        _find_out(row.id)
    elif row.state == "claimed":
        _again(row, CALL_SECONDS)  # another process is at it, or died; look once its call must be over
    elif row.not_before > now():
        _again(row, (row.not_before - now()).total_seconds())
    else:
        _try(row)


def _try(row: Intent) -> None:
    rules = _rules(row)
    attempt = _claim(row, rules)
    if attempt is None:
        return
    try:
        outgoing = outgoing_of(row, whole=True)
    except ConnectorError as error:  # a file of it is gone
        _after(row.id, attempt, _judge(error), rules, None)
        return
    audit = govern.intent(system(row.organization_id), "reply.send", f"reply:{row.id}", {"attempt": str(attempt.id)})
    try:
        sent = _begin(row, outgoing)
    except _Stopped:
        with transaction.atomic():
            _undo_claim(row, attempt)
            govern.outcome(audit, "held")
        return
    except Exception as error:
        _after(row.id, attempt, _judge(error), rules, audit)
        return
    _after(row.id, attempt, _Outcome("sent", sent=sent), rules, audit)


class _Stopped(Exception):
    """A stop came between the claim and the call."""


def _begin(row: Intent, outgoing: Outgoing) -> Sent:
    """Call the connector; the stop is read for the last time where no acknowledged stop can slip in between."""
    with govern.beginning(row.organization_id):
        if stopped(row):
            raise _Stopped
        call = connect.send(row.organization_id, row.account_id, outgoing)
        wait([call], WIRE_SECONDS)
    return call.result(CALL_SECONDS)


def _claim(known: Intent, rules: SendRules | None) -> Attempt | None:
    """Make this process the one that carries it out, the attempt written down; None where it may not begin.

    In the section to its end, entered before any row is locked: the review of a stop just being lifted must not miss what is held now.
    """
    with transaction.atomic(), govern.beginning(known.organization_id):
        row = Intent.everywhere.select_for_update().get(pk=known.pk)  # everywhere: its own job
        if row.state not in ("waiting", "queued"):
            return None
        if stopped(row):
            row.state = "held"
            row.save(update_fields=["state"])
            changed(row)
            return None
        if rules is None:
            conclude(row, "failed", detail="The account was disconnected.")
            return None
        if not rules.active:
            _put_back(row, 60, "The account is paused; the reply waits for it.")
            return None
        if rules.held:
            _put_back(row, 60, rules.held, reason=SIGNED_OUT)
            return None
        if why := suppressed.why_not(row):
            _put_back(row, 60, why, reason=suppressed.HELD)
            return None
        if _earlier_open(row) or _calls_under_way(row) >= CALLS_AT_ONCE:
            _put_back(row, 1, "")
            return None
        row.state, row.detail, row.reason = "claimed", "", ""
        copies.keep_back(row)
        row.save(update_fields=["state", "detail", "reason", "copies"])
        known.copies = row.copies
        return Attempt.objects.add(row.organization_id, intent=row, at=now())


def _earlier_open(row: Intent) -> bool:
    """Replies of one conversation go out in the order they were written."""
    earlier = Intent.objects.for_organization(row.organization_id).filter(lane=row.lane, state__in=("waiting", "queued", "claimed"))
    return earlier.filter(Q(created_at__lt=row.created_at) | Q(created_at=row.created_at, id__lt=row.id)).exists()


def _calls_under_way(row: Intent) -> int:
    """How many replies of the account are with its platform just now; a slow one must not take every line there is."""
    return Intent.objects.for_organization(row.organization_id).filter(account_id=row.account_id, state="claimed").count()


class _Outcome:
    """What a call came to: ``name`` sent, refused, later, not_sent or unknown; ``reason``: why it waits, as a word."""

    def __init__(self, name: str, *, sent: Sent | None = None, detail: str = "", wait: float = 0, reason: str = "") -> None:
        self.name, self.sent, self.detail, self.wait, self.reason = name, sent, detail, wait, reason


def _judge(error: Exception) -> _Outcome:
    if isinstance(error, Rejected | Gone):
        return _Outcome("refused", detail=error.text)
    if isinstance(error, AuthExpired):
        return _Outcome("later", detail=f"{error.text} {error.mend}".strip(), wait=300, reason=SIGNED_OUT)
    if isinstance(error, RateLimited):
        return _Outcome("later", detail=error.text, wait=min(max(error.retry_after or 30, 1), 3600))
    if isinstance(error, Unavailable) and not error.effect_possible:
        return _Outcome("not_sent", detail=error.text, wait=min(max(error.retry_after or 0, 0), 3600))
    if isinstance(error, CxmError) and not isinstance(error, ConnectorError):
        return _Outcome("not_sent", detail=str(error))  # our own engines, before the call
    if isinstance(error, Unavailable | TimeoutError | FutureTimeout):
        return _Outcome("unknown", detail=getattr(error, "text", "") or "The platform did not answer in time.")
    _log.error("send.broke", exc_info=error)
    return _Outcome("unknown", detail=f"The connector broke: {type(error).__name__}.")


def _channel(row: Intent) -> str:
    """For figures: an account that was disconnected meanwhile has no channel to ask."""
    try:
        return connect.account(row.organization_id, row.account_id).channel
    except NotFound:
        return "removed"


def _after(intent: UUID, attempt: Attempt, outcome: _Outcome, rules: SendRules | None, audit: UUID | None) -> None:
    """Write what came of it: the reply's state, and the audit log's outcome with it."""
    with transaction.atomic():
        _settle(intent, attempt, outcome, rules)
        if audit is not None:  # last: every outcome of the organization waits for the end of its log
            govern.outcome(audit, outcome.name, {"native_id": outcome.sent.native_id[:200]} if outcome.sent else None)


def _settle(intent: UUID, attempt: Attempt, outcome: _Outcome, rules: SendRules | None) -> None:
    row = Intent.everywhere.select_for_update().get(pk=intent)  # everywhere: its own job
    observability.sends.labels(_channel(row), outcome.name).inc()
    _end(attempt, outcome.name, outcome.detail)
    if row.state not in ("claimed", "unknown"):
        return  # a person settled it meanwhile
    if outcome.name == "sent" and outcome.sent is not None:
        copies.note_left_out(row, outcome.sent.left_out)
        conclude(row, "sent", native_id=outcome.sent.native_id, url=outcome.sent.url)
    elif outcome.name == "refused":
        conclude(row, "failed", detail=outcome.detail)
    elif outcome.name in ("later", "not_sent"):
        tries = row.attempts.count()
        _put_back(row, outcome.wait or min(2**tries, 900), outcome.detail, reason=outcome.reason)
    else:
        _unknown(row, outcome.detail, rules)


def _unknown(row: Intent, detail: str, rules: SendRules | None) -> None:
    row.state, row.detail = "unknown", detail[:1000]
    row.save(update_fields=["state", "detail"])
    changed(row)
    if rules is not None and (rules.reads_back or rules.idempotent):
        _again(row, CALL_SECONDS if rules.reads_back else 5)


def _find_out(intent: UUID) -> None:
    """Learn what became of an unknown intent, no sooner than its call must be over."""
    with transaction.atomic():
        row = Intent.everywhere.select_for_update().get(pk=intent)  # everywhere: its own job
        last = row.attempts.order_by("-at").first()
        if row.state == "claimed" and last is not None and not last.outcome:
            _end(last, "unknown", "The process ended during the call.")
        if row.state not in ("claimed", "unknown"):
            return
        rules = _rules(row)
        if row.state == "claimed":
            _unknown(row, "The process ended during the call.", rules)
            return
    if rules is None or last is None:
        return
    over = (last.at + timedelta(seconds=CALL_SECONDS) - now()).total_seconds()
    if rules.reads_back and over > 0:
        _again(row, over)
    elif rules.reads_back:
        _read_back(row, last, rules)
    elif rules.idempotent:
        _send_again(row, last)


def _read_back(row: Intent, last: Attempt, rules: SendRules) -> None:
    try:
        sent = connect.read_back(row.organization_id, row.account_id, replace(outgoing_of(row), others=_known(row)))
    except Exception as error:  # still away: ask again later, with patience, then a person decides
        _log.info("read_back.failed", reply=str(row.id), error=type(error).__name__)
        asked = row.attempts.filter(outcome="asked").count()
        if asked < READ_BACK_TRIES:
            Attempt.objects.add(
                row.organization_id,
                intent=row,
                at=last.at,
                ended_at=now(),
                outcome="asked",
                detail=getattr(error, "text", type(error).__name__)[:1000],
            )
            _again(row, min(10 * 2**asked, 3600))
        return
    with transaction.atomic():
        same = _same_words(row).order_by("id").select_for_update()  # of two that are read back at once, one is first
        fresh = next((one for one in same if one.pk == row.pk), None)
        if fresh is None or fresh.state != "unknown":
            return
        if sent is not None and any(one.native_id == sent.native_id for one in same):
            _again(row, 1)
            return
        row.attempts.filter(outcome="unknown").update(outcome="sent" if sent else "not_sent", detail="Read back.", ended_at=now())
        if sent is not None:
            conclude(fresh, "sent", native_id=sent.native_id, url=sent.url)
        else:
            _put_back(fresh, 0, "It had not been sent; it is sent now.")


def _same_words(row: Intent) -> QuerySet[Intent]:
    """This intent and those that say the same in the same place: one outcome cannot stand for two of them."""
    rows = Intent.objects.for_organization(row.organization_id)
    if row.conversation_id is None:
        return rows.filter(pk=row.pk)
    return rows.filter(conversation_id=row.conversation_id, account_id=row.account_id, text=row.text)


def _known(row: Intent) -> tuple[str, ...]:
    others = _same_words(row).exclude(pk=row.pk).filter(native_id__isnull=False).order_by("-created_at")
    return tuple(native for native in others.values_list("native_id", flat=True)[:200] if native)


def _send_again(row: Intent, last: Attempt) -> None:
    """Under the same id, where the platform promises that this is one effect."""
    with transaction.atomic():
        fresh = Intent.everywhere.select_for_update().get(pk=row.pk)  # everywhere: its own job
        if fresh.state != "unknown":
            return
        _end(last, "unknown", last.detail)
        _put_back(fresh, min(2 ** fresh.attempts.count(), 900), "Its outcome was unknown; it is sent again under the same id.")


def _undo_claim(known: Intent, attempt: Attempt) -> None:
    """A stop came between the claim and the call: held, or tried again where it was lifted in this very moment."""
    with transaction.atomic(), govern.beginning(known.organization_id):
        row = Intent.everywhere.select_for_update().get(pk=known.pk)  # everywhere: its own job
        _end(attempt, "held", "Held by a stop.")
        if row.state != "claimed":
            return
        if stopped(row):
            row.state, row.detail = "held", ""
            row.save(update_fields=["state", "detail"])
            changed(row)
        else:
            _put_back(row, 0, "")


def _put_back(row: Intent, seconds: float, detail: str, *, reason: str = "") -> None:
    told = (row.state, row.detail)
    row.state, row.detail, row.reason, row.not_before = "queued", detail[:1000], reason, now() + timedelta(seconds=seconds)
    row.save(update_fields=["state", "detail", "reason", "not_before"])
    if told != (row.state, row.detail):
        changed(row)
    _again(row, seconds)


def _again(row: Intent, seconds: float) -> None:
    from cxm.outbound.tasks import carry_out as job

    job.defer(
        lock=f"lane:{row.lane}" if row.state in ("waiting", "queued") else None,
        schedule_at=now() + timedelta(seconds=max(seconds, 0.05)),
        intent=str(row.id),
    )


def _end(attempt: Attempt, outcome: str, detail: str) -> None:
    attempt.ended_at, attempt.outcome, attempt.detail = now(), outcome, detail[:1000]
    attempt.save(update_fields=["ended_at", "outcome", "detail"])


def _abandoned(row: Intent) -> bool:
    last = row.attempts.order_by("-at").first()
    return last is None or bool(last.outcome) or now() - last.at > timedelta(seconds=CALL_SECONDS * 2)


def _rules(row: Intent) -> SendRules | None:
    try:
        return connect.rules(row.organization_id, row.account_id)
    except NotFound:
        return None


def conclude(row: Intent, outcome: str, *, native_id: str | None = None, url: str | None = None, detail: str = "") -> None:
    """The end of an intent: sent (then it becomes a mention of ours) or failed. Within the caller's transaction."""
    row.state, row.detail = outcome, detail[:1000]
    if outcome == "sent":
        row.sent_at = now()
        row.native_id = (native_id or f"unconfirmed:{row.id}")[:1000]
        row.native_url = url
    row.save()
    changed(row)
    if outcome == "sent":
        events.publish(
            Said(
                organization=row.organization_id, intent=row.id, account=row.account_id, conversation=row.conversation_id, native_id=row.native_id or "", text=row.text,
                title=row.title, private=row.private, in_reply_to=row.in_reply_to, thread=row.thread, url=url, at=format_instant(row.sent_at or now()), by=row.created_by,
                by_name=row.created_by_name, media=tuple(row.media),
            )
        )  # fmt: skip


def outgoing_of(row: Intent, *, whole: bool = False) -> Outgoing:
    """The intent as its connector gets it; ``whole`` with the bytes of its files. Raises Rejected where one of them is gone."""
    media: list[Media] = [_media(row.organization_id, entry, whole=whole) for entry in row.media]
    return Outgoing(
        id=row.id, kind=row.kind, text=row.text, private=row.private, in_reply_to=row.in_reply_to, thread=row.thread, title=row.title, to=row.to,
        media=tuple(media), context=copies.context_of(row),
    )  # fmt: skip


def _media(organization: UUID, entry: dict[str, Any], *, whole: bool) -> Media:
    if entry.get("upload"):
        try:
            content = uploads.content(organization, entry) if whole else None
        except NotFound as error:
            raise Rejected(f"The file {entry['name']} is no longer kept.", "Attach it again.") from error
        return Media(kind=entry["kind"], name=entry["name"], content_type=entry["content_type"], content=content)
    return Media(kind=entry.get("kind", "file"), url=entry.get("url"), alt=entry.get("alt"), name=entry.get("name"))


def rehearse(actor: Actor) -> UUID:
    """An intent of the kind “call” to nobody, walked through the gateway; under a stop it ends held. For the stop drill."""
    unit = govern.root_unit(actor.organization)
    with transaction.atomic():
        row = Intent.objects.add(
            actor.organization, kind="call", account_id=actor.organization, unit_id=unit, text="Stop drill", lane=f"drill:{actor.organization}", state="queued",
            created_by_name=actor.name,
        )  # fmt: skip
    carry_out(row.id)
    return row.id
