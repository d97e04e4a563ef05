"""Reads of people."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from cxm.kernel.clock import format_instant
from cxm.kernel.errors import NotFound
from cxm.kernel.text import fold, normalise
from cxm.people.contracts import ErasureView, IdentityView, MergeEntry, ProfileView, Proof, TimelineEntry, TimelineSource
from cxm.people.keys import proof_id
from cxm.people.models import Identity, MergeLog, Profile, ProofRow
from cxm.platform import paging

_sources: list[TimelineSource] = []
#: Longest search for a person (characters) and most words of it.
_QUERY_LIMIT = 200
_EXPORT_PAGE = 500


def register_timeline(source: TimelineSource) -> None:
    """Let a higher slice tell what it knows of people; once for each source."""
    if source not in _sources:
        _sources.append(source)


def current(organization: UUID, profiles: Collection[UUID]) -> dict[UUID, UUID]:
    """Where each profile's person is now: itself, or the one it was merged into. Unknown ones are left out."""
    rows = Profile.objects.for_organization(organization).filter(id__in=profiles).values_list("id", "merged_into")
    return {key: merged or key for key, merged in rows}


def profile(organization: UUID, key: UUID) -> ProfileView:
    """One profile with its identities and history; a merged one answers with the profile it became. Raises NotFound."""
    rows = Profile.objects.for_organization(organization)
    row = rows.filter(id=key).first()
    if row is not None and row.merged_into:
        row = rows.filter(id=row.merged_into).first()
    if row is None:
        raise NotFound("profile")
    history = MergeLog.objects.for_organization(organization).filter(Q(into=row.id) | Q(source=row.id)).order_by("-at", "-id")[:200]
    return _views(organization, [row], history)[0]


def profiles(organization: UUID, query: str, cursor: str | None, limit: int | None) -> paging.Page[ProfileView]:
    """Profiles, newest first, whose handle, name or address holds every word of ``query`` (all of them where it is empty)."""
    rows = Profile.objects.for_organization(organization).filter(merged_into=None)
    text = fold(normalise(query[:_QUERY_LIMIT])).strip()
    if text:
        rows = rows.filter(_matches(organization, text))
    found = paging.page(rows, order=("-created_at", "-id"), cursor=cursor, limit=limit, as_item=lambda row: row)
    return paging.Page(_views(organization, found.items), found.next)


def _matches(organization: UUID, text: str) -> Q:
    identities, own = Identity.objects.for_organization(organization), ~Q(search="")  # as the index has it: few are named by hand
    for word in text.lstrip("@").split():
        holds = _holds(word)
        identities, own = identities.filter(holds), own & holds
    proven = ProofRow.objects.for_organization(organization).filter(
        id__in=[proof_id(organization, Proof(kind, text)) for kind in ("email", "phone", "account")]
    )
    return own | Q(id__in=identities.values("profile_id")) | Q(id__in=proven.values("profile_id"))


def _holds(word: str) -> Q:
    if len(word) >= 3:  # fewer have no trigram of their own: there only beginnings of words are looked up
        return Q(search__contains=word)
    return Q(search__startswith=word) | Q(search__contains=f" {word}")


def _views(organization: UUID, rows: Sequence[Profile], history: Sequence[MergeLog] | Any = ()) -> list[ProfileView]:
    owned: dict[UUID, list[Identity]] = {}
    for identity in (
        Identity.objects.for_organization(organization).filter(profile_id__in=[row.id for row in rows]).order_by("created_at", "id")
    ):
        owned.setdefault(identity.profile_id, []).append(identity)  # type: ignore[attr-defined]
    keys = {key for identities in owned.values() for identity in identities for key in identity.proof_keys}
    proofs = (
        {row.id: Proof(row.kind, row.value) for row in ProofRow.objects.for_organization(organization).filter(id__in=keys)} if keys else {}
    )
    entries = tuple(
        MergeEntry(log.id, log.kind, log.into, log.source, tuple(log.identities), log.reason, log.by, log.at, log.undone_at)
        for log in history
    )
    return [_view(row, [_identity(entry, proofs) for entry in owned.get(row.id, ())], entries) for row in rows]


def _view(row: Profile, identities: list[IdentityView], history: tuple[MergeEntry, ...]) -> ProfileView:
    called = (
        row.name,
        *(entry.name for entry in identities),
        *(entry.handle for entry in identities),
        *(entry.native_id for entry in identities),
    )
    name = next((text for text in called if text and text.strip()), "?")
    return ProfileView(row.id, name, row.note, row.created_at, tuple(identities), history)


def _identity(row: Identity, proofs: dict[UUID, Proof]) -> IdentityView:
    return IdentityView(
        id=row.id,
        profile=row.profile_id,  # type: ignore[attr-defined]
        channel=row.channel,
        account=row.account_id,
        native_id=row.native_id,
        handle=row.handle,
        name=row.name,
        url=row.url,
        followers=row.followers,
        reason=row.reason,
        proofs=tuple(proofs[key] for key in row.proof_keys if key in proofs),
        first_heard_at=row.created_at,
    )


def timeline(
    organization: UUID, who: UUID | ProfileView, cursor: str | None, limit: int | None, units: frozenset[UUID] | None
) -> paging.Page[TimelineEntry]:
    """What happened with the person, newest first, from every source that knows something; ``units`` as in the actor's rights."""
    count = paging.check_limit(limit)
    before = _position(cursor)
    known = who if isinstance(who, ProfileView) else profile(organization, who)
    entries = _gather(organization, known, before, count + 1, units)
    following = paging.pack([entries[count - 1].at, entries[count - 1].id]) if len(entries) > count else None
    return paging.Page(entries[:count], following)


def _position(cursor: str | None) -> tuple[datetime, UUID] | None:
    if not cursor:
        return None
    match paging.unpack(cursor):
        case [datetime() as at, UUID() as key]:
            return at, key
        case _:
            raise paging.foreign()


def _gather(
    organization: UUID,
    who: ProfileView,
    before: tuple[datetime, UUID] | None,
    limit: int,
    units: frozenset[UUID] | None,
    *,
    whole: bool = False,
) -> list[TimelineEntry]:
    found: dict[tuple[str, UUID], TimelineEntry] = {}
    for source in _sources:
        for entry in source.entries(organization, who, before=before, limit=limit, units=units, whole=whole):
            found.setdefault((entry.kind, entry.id), entry)
    return sorted(found.values(), key=lambda entry: (entry.at, entry.id), reverse=True)[:limit]


def known_since(organization: UUID, who: ProfileView, units: frozenset[UUID] | None) -> datetime:
    """When they spoke for the first time, as far as any source knows; else when we first heard of them."""
    firsts = (source.first(organization, who, units=units) for source in _sources)
    return min((at for at in firsts if at is not None), default=who.created_at)


def export(organization: UUID, key: UUID) -> dict[str, Any]:
    """Everything kept of the person, as JSON: what they may ask for (GDPR article 15). Raises NotNow where a source cannot tell all it holds."""
    view = profile(organization, key)
    entries: list[TimelineEntry] = []
    before: tuple[datetime, UUID] | None = None
    while True:
        chunk = _gather(organization, view, before, _EXPORT_PAGE, None, whole=True)
        entries += chunk
        if len(chunk) < _EXPORT_PAGE:
            break
        before = (chunk[-1].at, chunk[-1].id)
    return profile_json(view) | {"timeline": [timeline_json(entry) for entry in entries]}


def profile_json(view: ProfileView) -> dict[str, Any]:
    """A profile as the REST interface shows it."""
    return {
        "id": str(view.id),
        "name": view.name,
        "note": view.note,
        "created_at": format_instant(view.created_at),
        "identities": [identity_json(entry) for entry in view.identities],
        "history": [
            {
                "id": str(entry.id),
                "kind": entry.kind,
                "into": str(entry.into),
                "source": str(entry.source),
                "identities": [str(key) for key in entry.identities],
                "reason": entry.reason,
                "by": entry.by,
                "at": format_instant(entry.at),
                "undone_at": format_instant(entry.undone_at) if entry.undone_at else None,
            }
            for entry in view.history
        ],
    }


def identity_json(entry: IdentityView) -> dict[str, Any]:
    """An identity as the REST interface shows it."""
    return {
        "id": str(entry.id),
        "channel": entry.channel,
        "account_id": str(entry.account) if entry.account else None,
        "native_id": entry.native_id,
        "handle": entry.handle,
        "name": entry.name,
        "url": entry.url,
        "followers": entry.followers,
        "reason": entry.reason,
        "proofs": [{"kind": proof.kind, "value": proof.value} for proof in entry.proofs],
        "first_heard_at": format_instant(entry.first_heard_at),
    }


def timeline_json(entry: TimelineEntry) -> dict[str, Any]:
    """A timeline entry as the REST interface shows it."""
    return {"at": format_instant(entry.at), "kind": entry.kind, "id": str(entry.id), **entry.data}


def erasure_json(view: ErasureView) -> dict[str, Any]:
    """An erasure as the REST interface shows it."""
    return {
        "id": str(view.id),
        "profile": str(view.profile),
        "reason": view.reason,
        "by": view.by,
        "state": view.state,
        "asked_at": format_instant(view.asked_at),
        "done_at": format_instant(view.done_at) if view.done_at else None,
        "counts": dict(view.counts),
    }
