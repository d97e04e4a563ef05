"""Copies of a reply: who gets one, who does not and why, and what was told of each.

``row.copies`` holds, by address as mail servers write it, only those of whom more is known than of the reply itself. Whom we ourselves keep
from getting one is written down when the reply is about to leave, before anything does; nothing here is ever sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cxm.channels.contracts import DELIVERIES, LeftOut
from cxm.connect import api as connect
from cxm.kernel.clock import format_instant
from cxm.outbound import suppressed
from cxm.outbound.contracts import CopyView, ReportView
from cxm.outbound.models import Intent

WITHHELD = "withheld"
#: What is told of a copy where nothing is known but what became of the reply.
_AS_THE_REPLY = {"sent": "sent", "failed": "not_sent", "cancelled": "not_sent", "unknown": "unknown"}
_RANK = {status: rank for rank, status in enumerate(DELIVERIES, 1)}
_UNWELCOME = ("delayed", "failed", "complained")
_REPORTS = 20


def wanted(row: Intent) -> list[str]:
    """Whom a member wanted a copy to go to, as they were named."""
    return [str(one) for one in row.context.get("cc") or ()]


def keep_back(row: Intent) -> None:
    """Write down who gets no copy: who is on the list of those not written to, and our own accounts, for two of them could answer each other for ever."""
    row.copies = {}
    if not (asked := wanted(row)) or not connect.addressed_by_mail(row.organization_id, row.account_id):
        return
    ours = {suppressed.wire(one) for one in connect.own_mail_addresses(row.organization_id)}
    on_the_list = suppressed.among(row.organization_id, asked)
    for one in asked:
        key = suppressed.wire(one)
        if key in ours or key in on_the_list:
            row.copies[key] = {"state": WITHHELD, "reason": "ours" if key in ours else suppressed.HELD}


def context_of(row: Intent) -> dict[str, Any]:
    """The reply's context as its connector gets it: without those who were kept back."""
    if not row.context.get("cc"):
        return row.context
    kept = {key for key, known in row.copies.items() if known.get("state") == WITHHELD}
    return {**row.context, "cc": [one for one in wanted(row) if suppressed.wire(one) not in kept]}


def note_left_out(row: Intent, left_out: Sequence[LeftOut]) -> None:
    """Write down whom the platform took no copy for."""
    for one in left_out:
        row.copies[suppressed.wire(one.recipient)] = {"state": "refused", "reason": one.reason[:20], "detail": one.detail[:500]}


def note_receipt(row: Intent, address: str, told: Mapping[str, Any]) -> bool:
    """Write down what was told of one copy; whether that was news. A later word never turns back a stronger one."""
    key, status = suppressed.wire(address), str(told["status"])
    before = row.copies.get(key, {}).get("state", "")
    if _RANK.get(status, 0) <= _RANK.get(before, 0):
        return False
    unwelcome = status in _UNWELCOME
    row.copies[key] = {
        "state": status,
        "reason": str(told.get("reason") or "")[:20] if unwelcome else "",
        "detail": str(told.get("detail") or "")[:500] if unwelcome else "",
    }
    return True


def note_report(row: Intent, told: Mapping[str, Any], at: datetime) -> bool:
    """Write down what was told of one of several whom nobody names; whether that was news. The account says so too, and nobody is held for it."""
    status, reason = str(told["status"]), str(told.get("reason") or "")[:20]
    if status not in _UNWELCOME or len(row.reports) >= _REPORTS:
        return False
    if any((one["status"], one["reason"]) == (status, reason) for one in row.reports):
        return False
    row.reports = [
        *row.reports,
        {"status": status, "reason": reason, "detail": str(told.get("detail") or "")[:500], "at": format_instant(at)},
    ]
    if status != "delayed":
        connect.note_report(row.organization_id, row.account_id, status, at)
    return True


def views(row: Intent) -> tuple[CopyView, ...]:
    """Each copy and what became of it."""
    fallback = _AS_THE_REPLY.get(row.state, "waiting")
    known = ((one, row.copies.get(suppressed.wire(one), {})) for one in wanted(row))
    return tuple(CopyView(one, told.get("state") or fallback, told.get("reason", ""), told.get("detail", "")) for one, told in known)


def reports(row: Intent) -> tuple[ReportView, ...]:
    """What was told of recipients whom nobody names."""
    return tuple(ReportView(one["status"], one["reason"], one["detail"], one["at"]) for one in row.reports)
