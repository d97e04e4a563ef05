"""An account that belongs to another unit takes along all that was heard on it: the ledger, the store, and the conversations, which hear of it
as of any other change of a mention."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from cxm.connect import api as connect
from cxm.kernel.errors import NotFound
from cxm.listen.events import MentionsChanged
from cxm.listen.models import Record
from cxm.platform import events, realtime

BATCH = 1000


def move_later(organization: UUID, account: UUID) -> None:
    """One job at most waits for an account. It shares the mailbox's lock: what was being taken in for the former unit is in by then."""
    from cxm.listen.tasks import move_account

    move_account.defer(
        lock=f"mailbox:{account}", queueing_lock=f"listen.move:{account}", organization=str(organization), account=str(account)
    )


def move(organization: UUID, account: UUID) -> None:
    """Batch after batch, each in a transaction of its own: where it breaks off it is simply done again."""
    try:
        unit = connect.account(organization, account).unit
    except NotFound:  # removed meanwhile
        return
    after: UUID | None = UUID(int=0)
    while after is not None:
        after = _move_some(organization, account, unit, after)
    realtime.tell(organization, "mentions")


def _move_some(organization: UUID, account: UUID, unit: UUID, after: UUID) -> UUID | None:
    """Up to ``BATCH`` mentions with ids beyond ``after``; the last of them, None where there was none."""
    with transaction.atomic():
        of_account = Record.objects.filter(organization_id=organization, account_id=account, pk__gt=after).exclude(unit_id=unit)
        rows = list(of_account.order_by("pk").select_for_update()[:BATCH])
        if not rows:
            return None
        for row in rows:
            row.unit_id = unit
            row.version += 1
        Record.objects.bulk_update(rows, ["unit_id", "version"])
        told = tuple({"id": str(row.pk), "version": row.version, "set": {"unit": str(unit)}} for row in rows if row.deleted_at is None)
        if told:
            events.publish(MentionsChanged(organization=organization, account=account, mentions=told, whole=False))
        return rows[-1].pk
