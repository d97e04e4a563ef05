"""Key rotation: every stored credential sealed with the newest master key."""

from __future__ import annotations

from django.db import transaction

from cxm.connect.models import Account, PlatformClient, SignIn, Webhook
from cxm.platform import secrets


def rotate() -> int:
    """Seal anew what a former key sealed; returns how many. May be run again at any time."""
    count = 0
    for row in Account.everywhere.iterator():  # everywhere: a key belongs to the installation
        if all(not sealed or secrets.is_current(sealed) for sealed in (row.sealed_credentials, row.sealed_tokens)):
            continue
        with transaction.atomic():
            fresh = Account.everywhere.select_for_update().get(pk=row.pk)  # everywhere: as above
            for name in ("sealed_credentials", "sealed_tokens"):
                if sealed := getattr(fresh, name):
                    setattr(fresh, name, secrets.seal(secrets.unseal(sealed)))
            fresh.save(update_fields=["sealed_credentials", "sealed_tokens"])
        count += 1
    return count + _rotate_clients() + _rotate_webhooks()


def _rotate_clients() -> int:
    SignIn.everywhere.all().delete()  # everywhere: as above; whoever is signing in this very moment begins again
    count = 0
    for row in PlatformClient.everywhere.exclude(sealed_secret="").iterator():  # everywhere: a key belongs to the installation
        if not secrets.is_current(row.sealed_secret):
            fresh = secrets.seal(secrets.unseal(row.sealed_secret))
            count += PlatformClient.everywhere.filter(pk=row.pk, sealed_secret=row.sealed_secret).update(
                sealed_secret=fresh
            )  # everywhere: as above
    return count


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
