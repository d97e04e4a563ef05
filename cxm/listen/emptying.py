"""Deleting all that was heard on an account that was removed: everything leaves tombstones, and the words go as those of any deletion do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.connect import api as connect
from cxm.kernel.clock import now
from cxm.listen import erasure
from cxm.listen.models import Record


def empty(organization: UUID, account: UUID) -> bool:
    """Delete batch after batch, each in a transaction of its own, so that it can be cut off anywhere and goes on; whether all of it is done.

    What had come in and waited is taken in first: nothing must become a mention afterwards.
    """
    if connect.removal(organization, account).mentions != "deleting":
        return True
    if not connect.drain_removed(organization, account):
        return False
    connect.note_removal(organization, account, left=_living(organization, account).count())
    while keys := list(_living(organization, account).order_by("pk").values_list("pk", flat=True)[: erasure.BATCH]):
        with transaction.atomic():
            gone = erasure.entomb(organization, keys, now(), erasure=None, erased=False)
            connect.note_removal(organization, account, deleted=gone)
    connect.finish_removal(organization, account)
    erasure.purge_later()
    return True


def empty_later(organization: UUID, account: UUID) -> None:
    """One job at most waits for an account."""
    from cxm.listen.tasks import empty_account

    lock = f"listen.empty:{account}"
    empty_account.defer(lock=lock, queueing_lock=lock, organization=str(organization), account=str(account))


def _living(organization: UUID, account: UUID) -> Any:
    return Record.objects.filter(organization_id=organization, account_id=account, deleted_at=None)
