"""The door of people: from authors to profiles, and what is known of a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cxm.kernel.actor import Actor
from cxm.kernel.errors import NotAllowed
from cxm.people import resolve as resolving
from cxm.people import selectors, services
from cxm.people.contracts import IdentityClaim, ProfileView, TimelineEntry, TimelineSource
from cxm.people.erasing import again as erase_again
from cxm.people.erasing import ask as erase
from cxm.people.erasing import carry_out as carry_out_erasure
from cxm.people.erasing import erasure_of, erasures, identity_key, register_holder, under_way
from cxm.people.erasing import lines as erasure_lines
from cxm.people.erasing import unfinished as unfinished_erasures
from cxm.platform.paging import Page

__all__ = [
    "carry_out_erasure",
    "current",
    "describe",
    "erase",
    "erase_again",
    "erasure_lines",
    "erasure_of",
    "erasures",
    "export",
    "identity_key",
    "merge",
    "profile",
    "profiles",
    "register_holder",
    "register_timeline",
    "resolve",
    "timeline",
    "under_way",
    "unfinished_erasures",
    "unlink",
]


#: Rights that an export takes, each in the whole organization.
EXPORT_NEEDS = ("profiles:read", "mentions:read", "conversations:read")


def resolve(organization: UUID, authors: Sequence[IdentityClaim]) -> list[UUID]:
    """The profile of each author, in the order given; identities and profiles that are not there yet are made.

    One identity has one profile; identities that share a proof share it. Safe in parallel, idempotent; call it once in a
    transaction. Batches of 1,000 are the intended size.
    """
    return resolving.resolve(organization, authors)


def profile(organization: UUID, key: UUID) -> ProfileView:
    """One profile; a merged one answers with the profile it became. Raises NotFound."""
    return selectors.profile(organization, key)


def current(organization: UUID, profiles: Collection[UUID]) -> dict[UUID, UUID]:
    """Where each profile's person is now: itself, or the one it was merged into. Unknown ones are left out."""
    return selectors.current(organization, profiles)


def profiles(organization: UUID, query: str = "", cursor: str | None = None, limit: int | None = None) -> Page[ProfileView]:
    """Profiles, newest first, whose handle, name or address holds every word of ``query``."""
    return selectors.profiles(organization, query, cursor, limit)


def merge(actor: Actor, profiles: Sequence[UUID], reason: str) -> UUID:
    """Join ``profiles`` into the oldest of them; undone by :func:`unlink`. Needs profiles:write; raises NotFound, Invalid."""
    return services.merge(actor, profiles, reason)


def unlink(actor: Actor, profile: UUID, identity: UUID, reason: str) -> UUID:
    """Part ``identity`` from ``profile``: back to the profile it came from, or to a new one, whose id is returned.

    Needs profiles:write; raises NotFound, Conflict (it is the only identity), Invalid (no reason).
    """
    return services.unlink(actor, profile, identity, reason)


def describe(actor: Actor, profile: UUID, *, name: str | None = None, note: str | None = None) -> None:
    """Give the profile a name of ours, or a note; None leaves it. Needs profiles:write."""
    services.describe(actor, profile, name=name, note=note)


def register_timeline(source: TimelineSource) -> None:
    """Wire a source of timeline entries (``cxm.run`` does)."""
    selectors.register_timeline(source)


def timeline(actor: Actor, profile: UUID | ProfileView, cursor: str | None = None, limit: int | None = None) -> Page[TimelineEntry]:
    """What happened with the person, newest first, in the units whose conversations ``actor`` may read. Needs profiles:read.

    ``profile``: its id, or the profile itself where it was just read.
    """
    services.require(actor, "profiles:read")
    return selectors.timeline(actor.organization, profile, cursor, limit, actor.units("conversations:read"))


def known_since(actor: Actor, profile: ProfileView) -> datetime:
    """When the person spoke for the first time, which may be years before we heard of it; in the units ``actor`` may read."""
    services.require(actor, "profiles:read")
    return selectors.known_since(actor.organization, profile, actor.units("conversations:read"))


def export(actor: Actor, profile: UUID) -> dict[str, Any]:
    """The profile, its identities and its whole timeline as JSON: all of it or nothing, since it is handed over as everything.

    Needs what reads it (:data:`EXPORT_NEEDS`) in the whole organization. Raises NotFound, NotAllowed, NotNow (a store that holds some of it is away).
    """
    services.require(actor, "profiles:read")
    if any(not actor.may(name) or actor.units(name) is not None for name in EXPORT_NEEDS):
        raise NotAllowed(
            "export_not_whole",
            "An export holds everything kept of a person, and you may not read everything.",
            "Ask somebody who may read profiles, mentions and conversations in the whole organization.",
        )
    return selectors.export(actor.organization, profile)
