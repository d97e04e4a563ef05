"""What outbound listens to."""

from __future__ import annotations

from cxm.connect.events import ReceiptsHeard
from cxm.outbound.models import Intent
from cxm.outbound.services import changed
from cxm.platform import events

#: A later receipt never turns back an earlier, stronger one.
_RANK = {None: 0, "delivered": 1, "read": 2, "failed": 3}


@events.on(ReceiptsHeard)
def note_receipts(event: ReceiptsHeard) -> None:
    """Platforms tell what became of replies; ``delivery`` moves forward only."""
    by_native = {entry["native_id"]: entry for entry in event.receipts}
    rows = (
        Intent.objects.for_organization(event.organization)
        .filter(account_id=event.account, native_id__in=list(by_native))
        .select_for_update()
    )
    for row in rows:
        receipt = next(entry for entry in reversed(event.receipts) if entry["native_id"] == row.native_id)
        best = max(
            (entry["status"] for entry in event.receipts if entry["native_id"] == row.native_id), key=lambda status: _RANK.get(status, 0)
        )
        if _RANK.get(best, 0) > _RANK.get(row.delivery, 0):
            row.delivery = best
            row.detail = (receipt.get("detail") or row.detail)[:1000] if best == "failed" else row.detail
            row.save(update_fields=["delivery", "detail"])
            changed(row)
