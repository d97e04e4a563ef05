"""What the operator registered at platforms so that accounts can sign in there: one client for each organization and way."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from cxm.channels.authorization import Client, Way
from cxm.channels.registry import Channel
from cxm.connect.models import Account, PlatformClient
from cxm.kernel.errors import FieldError, Invalid
from cxm.platform import secrets
from cxm.platform.config import settings

#: Where platforms send people back to, and where they read who we are.
CALLBACK, METADATA = "/channels/authorized", "/channels/clients/{channel}.json"
_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Typed:
    """What an operator typed."""

    id: str = ""
    secret: str = field(default="", repr=False)


def needs(way: Way) -> list[str]:
    """What an operator must bring for a way."""
    return ["client_id", "client_secret"][: {"post": 2, "basic": 2, "public": 1}.get(way.client, 0)]


def stored(organization: UUID, channel: str, way: str) -> PlatformClient | None:
    """What is kept of that way; None where nothing is."""
    return PlatformClient.objects.for_organization(organization).filter(channel=channel, way=way).first()


def chosen(organization: UUID, known: Channel, way: Way, typed: Typed) -> Typed:
    """What is typed, with the rest as it was kept. Raises Invalid where something is needed and neither."""
    if way.client == "none":
        return Typed()
    kept = stored(organization, known.name, way.name)
    identifier = typed.id.strip() or (kept.client_id if kept else "")
    secret = typed.secret.strip() or (
        secrets.unseal(kept.sealed_secret) if kept and kept.sealed_secret and identifier == kept.client_id else ""
    )
    faults: list[FieldError] = []
    for path, value, needed in (("client_id", identifier, True), ("client_secret", secret, way.client != "public")):
        if needed and not value:
            faults.append(FieldError(path, "This is needed."))
        elif len(value) > _LIMIT or any(not 32 < ord(sign) < 127 for sign in value):
            faults.append(FieldError(path, f"At most {_LIMIT} characters, and no blanks."))
    if faults:
        raise Invalid("client_invalid", f"What was registered at {way.title} is needed first.", "Enter the client ID and secret as they stand there.", errors=tuple(faults))  # fmt: skip
    return Typed(identifier, secret)


def keep(organization: UUID, channel: str, way: Way, typed: Typed) -> None:
    """Keep what proved right, for every account of the organization that signs in this way."""
    if way.client != "none":
        PlatformClient.objects.for_organization(organization).update_or_create(
            channel=channel, way=way.name,
            defaults={"organization_id": organization, "client_id": typed.id, "sealed_secret": secrets.seal(typed.secret) if typed.secret else ""},
        )  # fmt: skip


def client(known: Channel, typed: Typed, base: str) -> Client:
    """Who we are to a platform. ``base``: the address this installation was reached by when somebody began to sign in."""
    return Client(
        redirect_uri=base + CALLBACK,
        id=typed.id,
        secret=typed.secret,
        metadata_url=base + METADATA.format(channel=known.name) if base.startswith("https://") else "",
        keys=secrets.derived(f"oauth2:{known.name}"),
    )


def client_of(row: Account) -> Client:
    """The client of an account that has signed in."""
    from cxm.channels import registry

    kept = stored(row.organization_id, row.channel, row.way)
    typed = Typed(kept.client_id, secrets.unseal(kept.sealed_secret) if kept.sealed_secret else "") if kept else Typed()
    return client(registry.channel(row.channel), typed, settings().public_url.rstrip("/"))


def forget_unused(organization: UUID, channel: str) -> None:
    """Forget those that no account signs in by any more."""
    used = Account.objects.for_organization(organization).filter(channel=channel, removed_at=None).values_list("way", flat=True)
    PlatformClient.objects.for_organization(organization).filter(channel=channel).exclude(way__in=set(used)).delete()
