"""REST of people: profiles, their timeline, merging and parting, export, erasing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, Field

from cxm.govern import api as govern
from cxm.kernel.clock import format_instant
from cxm.people import api as people
from cxm.people import selectors

router = govern.router(tags=["profiles"])
ROUTES = [("", router)]


class ProofOut(BaseModel):
    """What was proven: a verified address, a number, a signed-in account."""

    kind: str
    value: str


class IdentityOut(BaseModel):
    """One handle on one channel. ``reason``, how we know: heard, proof, hand, parted."""

    id: UUID
    channel: str
    account_id: UUID | None
    native_id: str
    handle: str | None
    name: str | None
    url: str | None
    followers: int | None
    reason: str
    proofs: list[ProofOut]
    first_heard_at: str


class MergeOut(BaseModel):
    """One line of a profile's history. ``kind``: proof, hand, parted."""

    id: UUID
    kind: str
    into: UUID
    source: UUID
    identities: list[UUID]
    reason: str
    by: str
    at: str
    undone_at: str | None


class ProfileOut(BaseModel):
    """A customer and the identities we know to be theirs."""

    id: UUID
    name: str
    note: str
    created_at: str
    identities: list[IdentityOut]
    history: list[MergeOut]


class ProfileDetail(ProfileOut):
    """``known_since``: when they spoke for the first time, which may be years before we heard of it."""

    known_since: str


class ProfileList(BaseModel):
    """One page."""

    items: list[ProfileOut]
    next: str | None


class Timeline(BaseModel):
    """What happened with a person, newest first: ``{at, kind, id, …}``."""

    items: list[dict[str, Any]]
    next: str | None


class Export(ProfileOut):
    """A profile with its whole timeline."""

    timeline: list[dict[str, Any]]


class MergeIn(govern.Body):
    """Profiles to join with the one in the address; the oldest of all stays."""

    profiles: list[UUID] = Field(min_length=1, max_length=100)
    reason: str


class UnlinkIn(govern.Body):
    """An identity to take out of the profile."""

    identity: UUID
    reason: str


class EraseIn(govern.Body):
    """Why the person is erased; it is kept when they are gone, so it names nobody."""

    reason: str


class ErasureOut(BaseModel):
    """An erasure. ``state``: waiting (what came before is being taken in), running, done; ``counts``: how much of what went."""

    id: UUID
    profile: UUID
    reason: str
    by: str
    state: str
    asked_at: str
    done_at: str | None
    counts: dict[str, int]


class ErasureList(BaseModel):
    """One page."""

    items: list[ErasureOut]
    next: str | None


class ProfileChange(govern.Body):
    """What is given changes, the rest stays."""

    name: str | None = None
    note: str | None = None


@router.get("/profiles", response=ProfileList, summary="Find people")
@govern.requires("profiles:read")
def list_profiles(request: HttpRequest, query: str = "", cursor: str | None = None, limit: int | None = None) -> Any:
    """Newest first; ``query`` looks through handles, names and addresses."""
    found = people.profiles(govern.actor_of(request).organization, query, cursor, limit)
    return {"items": [selectors.profile_json(view) for view in found.items], "next": found.next}


@router.get("/profiles/{profile}", response=ProfileDetail, summary="One person")
@govern.requires("profiles:read")
def get_profile(request: HttpRequest, profile: UUID) -> Any:
    """A profile that was merged answers with the one it became."""
    actor = govern.actor_of(request)
    view = people.profile(actor.organization, profile)
    return selectors.profile_json(view) | {"known_since": format_instant(people.known_since(actor, view))}


@router.patch("/profiles/{profile}", response=ProfileDetail, summary="Name or note")
@govern.requires("profiles:write")
def change_profile(request: HttpRequest, profile: UUID, body: ProfileChange) -> Any:
    """A name of ours, a note."""
    people.describe(govern.actor_of(request), profile, name=body.name, note=body.note)
    return get_profile(request, profile)


@router.get("/profiles/{profile}/timeline", response=Timeline, summary="What happened with a person")
@govern.requires("profiles:read")
def timeline(request: HttpRequest, profile: UUID, cursor: str | None = None, limit: int | None = None) -> Any:
    """Newest first, in the units whose conversations you may read."""
    found = people.timeline(govern.actor_of(request), profile, cursor, limit)
    return {"items": [selectors.timeline_json(entry) for entry in found.items], "next": found.next}


@router.post("/profiles/{profile}/merge", response=ProfileOut, summary="These are one person")
@govern.requires("profiles:write")
def merge(request: HttpRequest, profile: UUID, body: MergeIn) -> Any:
    """Undone by taking identities out again."""
    actor = govern.actor_of(request)
    return selectors.profile_json(people.profile(actor.organization, people.merge(actor, [profile, *body.profiles], body.reason)))


@router.post("/profiles/{profile}/unlink", response=ProfileOut, summary="This identity is somebody else")
@govern.requires("profiles:write")
def unlink(request: HttpRequest, profile: UUID, body: UnlinkIn) -> Any:
    """Answers with the profile the identity has now."""
    actor = govern.actor_of(request)
    return selectors.profile_json(people.profile(actor.organization, people.unlink(actor, profile, body.identity, body.reason)))


@router.get("/profiles/{profile}/export", response=Export, summary="Everything kept of a person")
@govern.requires("profiles:read")
def export(request: HttpRequest, profile: UUID) -> Any:
    """As JSON, to hand over: all of it, or 403 (``export_not_whole``) for whoever may not read profiles, mentions and conversations in the whole organization."""
    return people.export(govern.actor_of(request), profile)


@router.post("/profiles/{profile}/erase", response={202: ErasureOut}, summary="Erase a person")
@govern.requires("profiles:erase")
def erase(request: HttpRequest, profile: UUID, body: EraseIn) -> Any:
    """Everything they said, wherever it is kept, and what we know of them; it cannot be undone.

    Answers at once and goes on by itself. Asked again for the same person: the same erasure.
    """
    return Status(202, selectors.erasure_json(people.erase(govern.actor_of(request), profile, body.reason)))


@router.get("/profiles/{profile}/erase", response=ErasureOut, summary="How far an erasure is")
@govern.requires("profiles:erase")
def erasure(request: HttpRequest, profile: UUID) -> Any:
    """The newest erasure of this profile, also when it is done."""
    return selectors.erasure_json(people.erasure_of(govern.actor_of(request), profile))


@router.get("/erasures", response=ErasureList, summary="Who was erased, by whom and why")
@govern.requires("profiles:erase")
def list_erasures(request: HttpRequest, cursor: str | None = None, limit: int | None = None) -> Any:
    """Newest first; an erasure names nobody."""
    found = people.erasures(govern.actor_of(request), cursor, limit)
    return {"items": [selectors.erasure_json(view) for view in found.items], "next": found.next}
