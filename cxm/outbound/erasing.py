"""Replies to somebody who is erased: their words and where they went are taken away; that something was sent stays."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from cxm.connect.events import ReceiptsHeard
from cxm.kernel.clock import now
from cxm.outbound import suppressed, uploads
from cxm.outbound.events import Said
from cxm.outbound.gateway import CALL_SECONDS
from cxm.outbound.models import Attempt, Intent, Upload
from cxm.outbound.services import changed
from cxm.platform import redaction

_UNBEGUN = ("waiting", "queued", "held")


def under_way(organization: UUID, conversations: Collection[UUID]) -> set[UUID]:
    """Those of these conversations of which a reply is with its platform at this moment: seconds, then it is known what came of it.

    A claim that is older than any call may last was left behind by a process that ended.
    """
    rows = Intent.objects.for_organization(organization).filter(conversation_id__in=list(conversations), state="claimed")
    rows = rows.filter(attempts__at__gt=now() - timedelta(seconds=2 * CALL_SECONDS), attempts__outcome="")
    return {key for key in rows.values_list("conversation_id", flat=True) if key is not None}


def forget(organization: UUID, conversations: Collection[UUID]) -> list[tuple[UUID, str]]:
    """Empty the replies of these conversations: account and native id of those that were sent.

    What has not begun is cancelled; what nobody knows the outcome of is given up, for it can no longer be looked at.
    """
    rows = list(
        Intent.objects.for_organization(organization).filter(conversation_id__in=list(conversations)).order_by("id").select_for_update()
    )
    if not rows:
        return []
    sent = [(row.account_id, row.native_id) for row in rows if row.native_id]
    since = min(row.created_at for row in rows)
    suppressed.forget(organization, rows)
    for row in rows:
        _empty(row)
    Attempt.objects.for_organization(organization).filter(intent_id__in=[row.id for row in rows]).update(detail="")
    ids = [row.id for row in rows]
    redaction.every(lambda after: redaction.by_ids(organization, [Said.name], "reply", ids, _unsaid, since=since, after=after))
    natives = {native for _, native in sent}
    needles = [f'"native_id":{redaction.written(native)}' for native in natives]
    if needles:
        redaction.every(
            lambda after: redaction.by_words(
                organization, [ReceiptsHeard.name], needles, lambda told: _unexplained(told, natives), after=after
            )
        )
    return sent


def _unsaid(told: dict[str, Any]) -> bool:
    told |= {"native_id": "", "text": "", "title": None, "in_reply_to": None, "thread": None, "url": None, "media": []}
    return True


def _unexplained(told: dict[str, Any], natives: Collection[str]) -> bool:
    """What a platform says of a reply that failed often names whom it was for."""
    hits = [entry for entry in told["receipts"] if entry["native_id"] in natives and (entry.get("detail") or entry.get("recipients"))]
    for entry in hits:
        entry["detail"], entry["recipients"] = None, []
    return bool(hits)


def _empty(row: Intent) -> None:
    before = row.state
    if row.state in _UNBEGUN:
        row.state = "cancelled"
    elif row.state in ("claimed", "unknown"):
        row.state = "failed"
    carried = [UUID(entry["upload"]) for entry in row.media if entry.get("upload")]
    row.text, row.title, row.to, row.thread, row.in_reply_to, row.detail = "", None, None, None, None, ""
    row.media, row.context, row.copies, row.reports, row.native_id, row.native_url = [], {}, {}, [], None, None
    row.save(
        update_fields=[
            "state",
            "text",
            "title",
            "to",
            "thread",
            "in_reply_to",
            "detail",
            "native_id",
            "native_url",
            "media",
            "context",
            "copies",
            "reports",
        ]
    )
    uploads._forget(Upload.objects.for_organization(row.organization_id).filter(id__in=carried))
    if row.state != before:
        changed(row)
