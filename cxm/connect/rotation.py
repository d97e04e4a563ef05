"""Key rotation: every stored credential sealed with the newest master key."""

from __future__ import annotations

from django.db import transaction

from cxm.connect.models import Account
from cxm.platform import secrets


def rotate() -> int:
    """Seal anew what a former key sealed; returns how many. May be run again at any time."""
    count = 0
    for row in Account.everywhere.exclude(sealed_credentials="").iterator():  # everywhere: a key belongs to the installation
        if secrets.is_current(row.sealed_credentials):
            continue
        with transaction.atomic():
            fresh = Account.everywhere.select_for_update().get(pk=row.pk)  # everywhere: as above
            fresh.sealed_credentials = secrets.seal(secrets.unseal(fresh.sealed_credentials))
            fresh.save(update_fields=["sealed_credentials"])
        count += 1
    return count
