"""What outbound listens to."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from cxm.channels.contracts import DELIVERIES
from cxm.connect import api as connect
from cxm.connect.events import AccountChanged, ReceiptsHeard
from cxm.kernel.clock import now, parse_instant
from cxm.kernel.errors import CxmError, NotFound
from cxm.outbound import copies, suppressed
from cxm.outbound.gateway import conclude
from cxm.outbound.models import Intent
from cxm.outbound.services import SIGNED_OUT, changed
from cxm.outbound.tasks import carry_out
from cxm.platform import events

#: A later receipt never turns back an earlier, stronger one.
_RANK = {None: 0} | {status: rank for rank, status in enumerate(DELIVERIES, 1)}
_UNBEGUN = ("waiting", "queued", "held")
_UNWELCOME = ("delayed", "failed", "complained")


@events.on(AccountChanged, when=lambda event: event.change == "removed")
def cancel_over_removed(event: AccountChanged) -> None:
    """Nothing goes out over an account that was removed: what waits, also under a stop, is cancelled and says so."""
    rows = Intent.objects.for_organization(event.organization).filter(account_id=event.account, state__in=_UNBEGUN)
    for row in rows.order_by("created_at", "id").select_for_update():
        row.state, row.detail = "cancelled", "The account was removed; nothing of it was sent."
        row.save(update_fields=["state", "detail"])
        changed(row)


@events.on(AccountChanged, when=lambda event: event.change == "moved")
def move_along(event: AccountChanged) -> None:
    """What has not begun belongs to the unit that its account belongs to now: who reads there may take it back."""
    with contextlib.suppress(NotFound):
        unit = connect.account(event.organization, event.account).unit
        Intent.objects.for_organization(event.organization).filter(account_id=event.account, state__in=_UNBEGUN).update(unit_id=unit)


@events.on(AccountChanged, when=lambda event: event.change in ("changed", "active"))
def go_on(event: AccountChanged) -> None:
    """Somebody changed the account: replies that wait for its sign-in are tried now, and not only when their turn comes again."""
    rows = Intent.objects.for_organization(event.organization).filter(account_id=event.account, state="queued", reason=SIGNED_OUT)
    for row in rows.order_by("created_at", "id").select_for_update():
        row.not_before = now()
        row.save(update_fields=["not_before"])
        carry_out.hasten(f"lane:{row.lane}", intent=str(row.id))


@events.on(ReceiptsHeard)
def note_receipts(event: ReceiptsHeard) -> None:
    """Platforms tell what became of replies; ``delivery`` moves forward only."""
    _known_to_have_left(event)
    by_native = {entry["native_id"]: entry for entry in event.receipts}
    rows = (
        Intent.objects.for_organization(event.organization)
        .filter(account_id=event.account, native_id__in=list(by_native))
        .select_for_update()
    )
    for row in rows:
        told = [(entry, suppressed.whose(row, entry)) for entry in event.receipts if entry["native_id"] == row.native_id]
        for entry, whose in told:
            suppressed.learn(row, whose, entry, _moment(entry))
        main = suppressed.address_of(row)
        news = [_note(row, entry, whose, main) for entry, whose in told]
        if any(news):
            row.save(update_fields=["delivery", "reason", "detail", "copies", "reports"])
            changed(row)


def _note(row: Intent, told: Mapping[str, Any], whose: str | None, main: str) -> bool:
    """Note one report; whether it was news. Of a copy, or where nobody says of whom, the one who was answered may well have it."""
    if whose is None:
        return not told.get("recipients") and copies.note_report(row, told, _moment(told))
    if whose != main:
        return copies.note_receipt(row, whose, told)
    if _RANK.get(told["status"], 0) <= _RANK.get(row.delivery, 0):
        return False
    row.delivery = told["status"]
    row.reason = str(told.get("reason") or "")[:20] if row.delivery in _UNWELCOME else ""
    row.detail = str(told.get("detail") or "")[:1000] if row.delivery in _UNWELCOME else ""
    return True


def _moment(told: Mapping[str, Any]) -> datetime:
    try:
        return min(parse_instant(str(told.get("at") or "")), now())
    except CxmError:
        return now()


def _known_to_have_left(event: ReceiptsHeard) -> None:
    """What comes back, or is read, has left: replies of which nobody knew it are sent."""
    told = {UUID(entry["intent"]): entry["native_id"] for entry in event.receipts if entry.get("intent")}
    rows = Intent.objects.for_organization(event.organization).filter(account_id=event.account, id__in=list(told), state="unknown")
    for row in rows.select_for_update() if told else ():
        conclude(row, "sent", native_id=told[row.id])
