"""What was heard on an account that was removed, where it is to be deleted with it: what of that connect keeps, and how far it has come.

Whoever keeps the mentions deletes them, a batch at a time, and says so here; then their bytes go.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import F

from cxm.connect import mailbox
from cxm.connect.contracts import Removal
from cxm.connect.models import Account, Delivery, Quarantined
from cxm.kernel.clock import now
from cxm.kernel.errors import NotFound
from cxm.platform import realtime

#: For so long after it is done, people are told that it is.
_TOLD = timedelta(days=7)
#: Deliveries emptied in one statement.
_STEP = 1000


def removals(organization: UUID) -> list[Removal]:
    """Removed accounts whose mentions are being deleted, or were in the last days; newest first."""
    rows = Account.objects.for_organization(organization).filter(mentions__in=("deleting", "deleted"))
    return [_told(row) for row in rows.order_by("-removed_at") if row.mentions == "deleting" or row.removed_at > now() - _TOLD]


def removal(organization: UUID, account: UUID) -> Removal:
    """How far the removal of one account has come. NotFound for one that is connected, or another organization's."""
    row = Account.objects.for_organization(organization).filter(pk=account, removed_at__isnull=False).first()
    if row is None:
        raise NotFound("account")
    return _told(row)


def unfinished() -> list[tuple[UUID, UUID]]:
    """Organization and account of every deletion that is under way."""
    rows = Account.everywhere.filter(mentions="deleting")  # everywhere: a watch over all
    return list(rows.values_list("organization_id", "id"))


def drained(organization: UUID, account: UUID) -> bool:
    """Take in what waits in the mailbox of a removed account; whether nothing is left that could become a mention."""
    row = Account.objects.for_organization(organization).get(pk=account)
    waiting = Delivery.objects.for_organization(organization).filter(account_id=account, done_at=None)
    while waiting.exists() and mailbox.take_in_batch(row):
        pass
    return not waiting.exists()


def note(organization: UUID, account: UUID, *, deleted: int = 0, left: int | None = None) -> None:
    """So many more are gone; ``left``: so many were still there when they were counted."""
    rows = Account.objects.for_organization(organization).filter(pk=account)
    if left is not None:
        rows.update(mentions_left=left)
    elif deleted:
        rows.update(mentions_deleted=F("mentions_deleted") + deleted, mentions_left=F("mentions_left") - deleted)
    realtime.tell(organization, "channels")


def finish(organization: UUID, account: UUID) -> None:
    """All mentions are gone: so are the bytes they came in, in the mailbox and in quarantine. Ids and counts stay, and every sum with them."""
    deliveries = Delivery.objects.for_organization(organization).filter(account_id=account).exclude(body=b"", headers={})
    while ids := list(deliveries.values_list("pk", flat=True)[:_STEP]):
        Delivery.objects.for_organization(organization).filter(pk__in=ids).update(body=b"", headers={})
    held = Quarantined.objects.for_organization(organization).filter(account_id=account)
    held.update(raw=b"", native_id=None, reason="", code="erased", state="erased")
    Account.objects.for_organization(organization).filter(pk=account).update(mentions="deleted", mentions_left=0)
    realtime.tell(organization, "channels")


def _told(row: Account) -> Removal:
    return Removal(
        account=row.id, channel=row.channel, name=row.name, unit=row.unit_id, removed_at=row.removed_at, mentions=row.mentions or "keep",
        deleted=row.mentions_deleted, left=row.mentions_left,
    )  # fmt: skip
