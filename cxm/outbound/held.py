"""What a stop holds: listed, released item by item, cancelled. Implements ``govern.contracts.HeldItems``."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.govern.contracts import HeldItem, Stop
from cxm.kernel.clock import now
from cxm.outbound.models import Intent
from cxm.outbound.services import changed, stopped
from cxm.outbound.tasks import carry_out

_STOPPABLE = ("held", "waiting", "queued")


class HeldReplies:
    """Intents under a stop; those still in their undo time included."""

    def list(self, organization: UUID, stop: Stop) -> Sequence[HeldItem]:
        """What ``stop`` holds, oldest first."""
        rows = list(_under(organization, stop).order_by("created_at", "id"))
        if stop.lifted_at is not None:  # what came after its review; what another stop holds is that one's to list
            rows = [row for row in rows if row.state == "held" and not stopped(row)]
        return [HeldItem(id=row.id, kind=row.kind, account=row.account_id, text=row.text, since=row.created_at) for row in rows]

    def release(self, organization: UUID, stop: Stop, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Let ``ids`` go on, those that no other stop covers."""
        gone: list[UUID] = []
        for row in _under(organization, stop).filter(pk__in=ids).select_for_update().order_by("created_at", "id"):
            if stopped(row):
                if row.state != "held":
                    _set(row, "held")
                continue
            if row.state == "held":
                row.not_before = now()
                _set(row, "queued")
                carry_out.defer(lock=f"lane:{row.lane}", intent=str(row.id))
            gone.append(row.id)
        return gone

    def cancel(self, organization: UUID, stop: Stop, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Cancel ``ids``."""
        rows = list(_under(organization, stop).filter(pk__in=ids).select_for_update())
        for row in rows:
            row.detail = "Cancelled when the stop was lifted."
            _set(row, "cancelled")
        return [row.id for row in rows]


def _set(row: Intent, state: str) -> None:
    row.state = state
    row.save(update_fields=["state", "not_before", "detail"])
    changed(row)


def _under(organization: UUID, stop: Stop) -> QuerySet[Intent]:
    rows = Intent.objects.for_organization(organization).filter(state__in=_STOPPABLE)
    kind, _, target = stop.scope.partition(":")
    if kind == "account":
        return rows.filter(account_id=target)
    if kind == "kind":
        return rows.filter(kind=target)
    if kind == "unit":
        units = govern.descendants(organization, UUID(target))
        accounts = [one.id for one in connect.accounts(organization) if one.unit in units]
        return rows.filter(Q(unit_id__in=units) | Q(account_id__in=accounts))
    return rows
