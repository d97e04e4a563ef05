"""From authors to profiles: one identity, one profile; shared proofs, shared profile; never by a name.

The fast path is one SELECT for a batch and one statement for those never heard before. Work on new proofs in one organization
is serialised by an advisory lock, taken before any row lock; everything else converges on derived ids in sorted order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection, transaction

from cxm.kernel.clock import now
from cxm.kernel.text import fold, normalise
from cxm.people import joining
from cxm.people.contracts import IdentityClaim, Proof
from cxm.people.keys import identity_id, proof_id

#: Longest kept of what strangers call themselves (characters).
_LIMIT = 500
_URL_LIMIT = 2000
#: First key of the two-key advisory lock that keeps hearing and erasing apart; the second is the organization.
_ERASING = 0x65726173  # "eras"


@dataclass(slots=True)
class _Known:
    profile: UUID
    handle: str | None
    name: str | None
    url: str | None
    followers: int | None
    proofs: frozenset[UUID]


@dataclass(slots=True)
class _Work:
    """One batch: the claims by identity id, and the proofs each brings."""

    organization: UUID
    claims: dict[UUID, IdentityClaim]
    proofs: dict[UUID, dict[UUID, Proof]] = field(default_factory=dict[UUID, dict[UUID, Proof]])

    def unproven(self, known: dict[UUID, _Known]) -> list[UUID]:
        """Identities that bring a proof we have not seen with them."""
        return [key for key, brought in self.proofs.items() if key not in known or not known[key].proofs.issuperset(brought)]


def resolve(organization: UUID, authors: Sequence[IdentityClaim]) -> list[UUID]:
    """The profile of each author, in the order given; makes identities and profiles that are not there yet.

    Call it once in a transaction: it takes locks in sorted order, and a second call could wait for one that waits for it.
    """
    ids = [identity_id(organization, claim.channel, claim.account, claim.native_id) for claim in authors]
    work = _Work(organization, {})
    for key, claim in zip(ids, authors, strict=True):
        work.claims[key] = claim
        if claim.proofs:
            work.proofs.setdefault(key, {}).update((proof_id(organization, proof), proof) for proof in claim.proofs)
    _hold(organization)
    known = _read(organization, list(work.claims))
    if len(known) < len(work.claims) or (work.proofs and work.unproven(known)):
        with transaction.atomic():
            known = _complete(work, known)
    _refresh(work, known)
    return [known[key].profile for key in ids]


def _hold(organization: UUID) -> None:
    """Until the transaction ends nobody of this organization is erased: who was looked up is still there when what they said is written."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock_shared(%s, hashtext(%s))", [_ERASING, str(organization)])


def alone(organization: UUID) -> None:
    """Wait for whatever is being heard, and keep the rest waiting, until the transaction ends; taken before any row is locked."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [_ERASING, str(organization)])


def _complete(work: _Work, known: dict[UUID, _Known]) -> dict[UUID, _Known]:
    unproven = work.unproven(known)
    homes: dict[UUID, UUID] = {}
    if unproven:
        joining.lock(work.organization)
        known = _read(work.organization, list(work.claims))  # anew: what the last holder of the lock wrote counts
        unproven = work.unproven(known)
        homes = joining.homes(work.organization, {key for identity in unproven for key in work.proofs[identity]})
    missing = [key for key in work.claims if key not in known]
    if missing:
        _insert(work, sorted(missing), homes)
        known |= _read(work.organization, missing)
    if unproven:
        joining.attach(
            work.organization, {identity: work.proofs[identity] for identity in unproven}, {key: row.profile for key, row in known.items()}
        )
        known |= _read(work.organization, unproven)
    return known


def _read(organization: UUID, keys: list[UUID]) -> dict[UUID, _Known]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, profile_id, handle, name, url, followers, proof_keys from people_identity where organization_id = %s and id = any(%s::uuid[])",
            [organization, keys],
        )
        return {row[0]: _Known(row[1], row[2], row[3], row[4], row[5], frozenset(row[6])) for row in cursor.fetchall()}


def _insert(work: _Work, missing: list[UUID], homes: dict[UUID, UUID]) -> None:
    """New identities, each with the profile its proofs lead to or one of its own; a parallel writer's row wins silently."""
    rows: list[tuple[object, ...]] = []
    for key in missing:
        claim = work.claims[key]
        home = next((homes[proof] for proof in sorted(work.proofs.get(key, ())) if proof in homes), None)
        handle, name, url = _kept(claim.handle), _kept(claim.name), _kept(claim.url, _URL_LIMIT)
        search = search_text(claim.handle, claim.name, claim.native_id)
        reason = "proof" if home else "heard"
        rows.append(
            (
                key,
                home or key,
                reason,
                claim.channel,
                claim.account,
                normalise(claim.native_id),
                handle,
                name,
                url,
                _count(claim.followers),
                search,
            )
        )
    columns = list(zip(*rows, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [*(list(column) for column in columns), work.organization, now(), work.organization, now()])


_INSERT = """
with fresh as (
  select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[])
    as t(id, profile, reason, channel, account, native_id, handle, name, url, followers, search)
), profiles as (
  insert into people_profile (id, organization_id, name, note, search, created_at)
  select id, %s, '', '', '', %s from fresh where profile = id order by id
  on conflict (id) do nothing
)
insert into people_identity (id, organization_id, profile_id, channel, account_id, native_id, handle, name, url, followers, reason, proof_keys, search, created_at)
select id, %s, profile, channel, account, native_id, handle, name, url, followers, reason, '{}'::uuid[], search, %s from fresh order by id
on conflict (id) do nothing
"""


def _refresh(work: _Work, known: dict[UUID, _Known]) -> None:
    """Names change; what is being written by somebody else just now is left for the next mention."""
    changed = [key for key, claim in work.claims.items() if _differs(claim, known[key])]
    if not changed:
        return
    rows: list[tuple[object, ...]] = []
    for key in changed:
        claim, row = work.claims[key], known[key]
        search = search_text(claim.handle or row.handle, claim.name or row.name, claim.native_id)
        rows.append((key, _kept(claim.handle), _kept(claim.name), _kept(claim.url, _URL_LIMIT), _count(claim.followers), search))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REFRESH, [changed, work.organization, *(list(column) for column in zip(*rows, strict=True))])


_REFRESH = """
with free as (select id from people_identity where id = any(%s::uuid[]) and organization_id = %s order by id for update skip locked)
update people_identity as i
set handle = coalesce(t.handle, i.handle), name = coalesce(t.name, i.name), url = coalesce(t.url, i.url), followers = coalesce(t.followers, i.followers), search = t.search
from free, unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[]) as t(id, handle, name, url, followers, search)
where i.id = free.id and t.id = free.id
"""


def _differs(claim: IdentityClaim, row: _Known) -> bool:
    if (
        (claim.handle and _kept(claim.handle) != row.handle)
        or (claim.name and _kept(claim.name) != row.name)
        or (claim.url and _kept(claim.url, _URL_LIMIT) != row.url)
    ):
        return True
    # Followers change with every mention; a tenth more or less is worth a write.
    followers = _count(claim.followers)
    return followers is not None and (row.followers is None or abs(followers - row.followers) * 10 > max(row.followers, 1))


def search_text(*parts: str | None) -> str:
    """What a search for a person looks through: handle, name, native id (an address on mail), folded."""
    return fold(normalise(" ".join(part[:200] for part in parts if part)))


def _kept(text: str | None, limit: int = _LIMIT) -> str | None:
    return normalise(text[:limit]) if text else None


def _count(value: int | None) -> int | None:
    return None if value is None else max(0, min(int(value), 2**62))
