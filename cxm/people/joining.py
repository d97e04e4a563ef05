"""Joining and parting profiles. Every such write in one organization holds one advisory lock, so they never cross."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.db import connection

from cxm.channels.contracts import Proof
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict
from cxm.people.events import IdentitiesMoved
from cxm.people.models import Identity, MergeLog, Profile, ProofRow
from cxm.platform import events

#: First key of the two-key advisory lock; the second is the organization.
_LOCK = 0x70656F70  # "peop"


def lock(organization: UUID) -> None:
    """Hold the organization's lock on joining until the transaction ends; take it before any row is locked."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, str(organization)])


def homes(organization: UUID, proofs: Collection[UUID]) -> dict[UUID, UUID]:
    """The profile each known proof stands for."""
    return dict(ProofRow.objects.for_organization(organization).filter(id__in=proofs).values_list("id", "profile_id"))


def attach(organization: UUID, brought: Mapping[UUID, Mapping[UUID, Proof]], profiles: Mapping[UUID, UUID]) -> None:
    """Record new proofs of identities; profiles that turn out to share one are joined, the newer into the older."""
    rows: dict[UUID, ProofRow] = {}
    for identity, proofs in brought.items():
        for key, proof in proofs.items():
            rows.setdefault(
                key, ProofRow(id=key, organization_id=organization, kind=proof.kind[:20], value=proof.value, profile_id=profiles[identity])
            )
    ProofRow.objects.add_all([rows[key] for key in sorted(rows)], ignore_conflicts=True)
    list(Identity.objects.for_organization(organization).filter(id__in=list(brought)).order_by("id").select_for_update().values_list("id"))
    pairs = [(identity, key) for identity, proofs in brought.items() for key in proofs]
    with connection.cursor() as cursor:
        cursor.execute(_ATTACH, [[pair[0] for pair in pairs], [pair[1] for pair in pairs], organization])
    known = homes(organization, rows)
    for identity, proofs in brought.items():
        if any(known[key] != profiles[identity] for key in proofs):
            _join_all(organization, identity, list(proofs), proofs)


_ATTACH = """
with brought as (select identity, array_agg(proof) as proofs from unnest(%s::uuid[], %s::uuid[]) as t(identity, proof) group by identity)
update people_identity as i
set proof_keys = array(select distinct unnest(i.proof_keys || brought.proofs))
from brought where i.id = brought.identity and i.organization_id = %s
"""


def _join_all(organization: UUID, identity: UUID, keys: list[UUID], proofs: Mapping[UUID, Proof]) -> None:
    owners = set(homes(organization, keys).values()) | {
        Identity.objects.for_organization(organization).values_list("profile_id", flat=True).get(id=identity)
    }
    if len(owners) < 2:
        return
    oldest, *newer = Profile.objects.for_organization(organization).filter(id__in=owners).order_by("created_at", "id")
    shared = ", ".join(sorted({proof.kind for proof in proofs.values()}))
    for profile in newer:
        join(organization, into=oldest, source=profile, kind="proof", reason=f"same verified {shared}", by="OpenCXM")


def join(organization: UUID, *, into: Profile, source: Profile, kind: str, reason: str, by: str) -> MergeLog:
    """Move everything of ``source`` to ``into``; the caller holds :func:`lock`."""
    moved = list(Identity.objects.for_organization(organization).filter(profile=source).order_by("id").select_for_update())
    Identity.objects.for_organization(organization).filter(id__in=[row.id for row in moved]).update(profile=into, reason=kind)
    ProofRow.objects.for_organization(organization).filter(profile=source).update(profile=into)
    Profile.objects.for_organization(organization).filter(merged_into=source.id).update(merged_into=into.id)
    source.merged_into = into.id
    source.save(update_fields=["merged_into"])
    entry = MergeLog.objects.add(
        organization, kind=kind, into=into.id, source=source.id, identities=[row.id for row in moved], reason=reason, by=by, at=now()
    )
    _tell(organization, into.id, source.id, kind, moved)
    return entry


def part(organization: UUID, identity: Identity, *, reason: str, by: str) -> UUID:
    """Take ``identity`` out of its profile: back to the one it came from, or to a new one. The caller holds :func:`lock`.

    Raises Conflict where it is the profile's only identity. Its proofs stay with it, so the same proof heard again does not
    join them anew; a different one may.
    """
    former = identity.profile_id  # type: ignore[attr-defined]
    siblings = list(Identity.objects.for_organization(organization).filter(profile_id=former).exclude(id=identity.id))
    if not siblings:
        raise Conflict(
            "identity_alone",
            "This is the profile's only identity; there is nothing to part it from.",
            "Merge it into another profile instead.",
        )
    target = _way_back(organization, identity, former)
    shared = {key for row in siblings for key in row.proof_keys}
    own = [key for key in identity.proof_keys if key not in shared]
    identity.profile, identity.reason = target, "parted"
    identity.save(update_fields=["profile", "reason"])
    ProofRow.objects.for_organization(organization).filter(id__in=own).update(profile=target)
    MergeLog.objects.add(
        organization, kind="parted", into=target.id, source=former, identities=[identity.id], reason=reason, by=by, at=now()
    )
    _tell(organization, target.id, former, "parted", [identity])
    return target.id


def _way_back(organization: UUID, identity: Identity, former: UUID) -> Profile:
    logs = MergeLog.objects.for_organization(organization).filter(
        into=former, kind__in=("proof", "hand"), identities__contains=[identity.id], undone_at=None
    )
    came = logs.order_by("-at", "-id").first()
    origin = Profile.objects.for_organization(organization).filter(id=came.source).first() if came else None
    if came is None or origin is None:
        return Profile.objects.add(organization, name=identity.name or identity.handle or "", created_at=now())
    if origin.merged_into is not None:
        origin.merged_into = None
        origin.save(update_fields=["merged_into"])
    if (
        not Identity.objects.for_organization(organization)
        .filter(id__in=came.identities, profile_id=former)
        .exclude(id=identity.id)
        .exists()
    ):
        came.undone_at = now()
        came.save(update_fields=["undone_at"])
    return origin


def _tell(organization: UUID, profile: UUID, source: UUID, kind: str, moved: Sequence[Identity]) -> None:
    entries = tuple(
        {"id": str(row.id), "channel": row.channel, "account": str(row.account_id) if row.account_id else None, "native_id": row.native_id}
        for row in moved
    )
    events.publish(IdentitiesMoved(organization=organization, profile=profile, source=source, kind=kind, identities=entries))
