"""Key rotation: every stored credential sealed with the newest master key."""

from __future__ import annotations

from django.db import transaction

from cxm.connect.models import Account, Webhook
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
    return count + _rotate_webhooks()


def _rotate_webhooks() -> int:
    count = 0
    for row in Webhook.everywhere.iterator():  # everywhere: a key belongs to the installation
        if all(not sealed or secrets.is_current(sealed) for sealed in (row.sealed_secret, row.sealed_former_secret)):
            continue
        with transaction.atomic():
            fresh = Webhook.everywhere.select_for_update().filter(pk=row.pk).first()  # everywhere: as above
            if fresh is None:
                continue
            fresh.sealed_secret = secrets.seal(secrets.unseal(fresh.sealed_secret))
            if fresh.sealed_former_secret:
                fresh.sealed_former_secret = secrets.seal(secrets.unseal(fresh.sealed_former_secret))
            fresh.save(update_fields=["sealed_secret", "sealed_former_secret"])
        count += 1
    return count
