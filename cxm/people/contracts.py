"""What crosses the door of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from cxm.channels.contracts import Proof as Proof


@dataclass(frozen=True, slots=True)
class IdentityClaim:
    """Who said something, as a channel tells it.

    ``account`` is given only where the channel's author ids are unique within one of our accounts. ``proofs`` come from the
    channel's mapping alone; a name, a handle or an unverified sender line is never one.
    """

    channel: str
    account: UUID | None
    native_id: str
    handle: str | None = None
    name: str | None = None
    url: str | None = None
    followers: int | None = None
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class IdentityView:
    """One handle on one channel, the profile it belongs to, and how we know (``reason``: heard, proof, hand, parted)."""

    id: UUID
    profile: UUID
    channel: str
    account: UUID | None
    native_id: str
    handle: str | None
    name: str | None
    url: str | None
    followers: int | None
    reason: str
    proofs: tuple[Proof, ...]
    first_heard_at: datetime


@dataclass(frozen=True, slots=True)
class MergeEntry:
    """One line of a profile's history: ``kind`` proof (joined by one), hand (merged by a member), parted (unlinked)."""

    id: UUID
    kind: str
    into: UUID
    source: UUID
    identities: tuple[UUID, ...]
    reason: str
    by: str
    at: datetime
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A customer: ``name`` to show (never empty), and every identity we know to be theirs, oldest first."""

    id: UUID
    name: str
    note: str
    created_at: datetime
    identities: tuple[IdentityView, ...]
    history: tuple[MergeEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened with a person: ``kind`` (mention, conversation, note), its id, and plain values to show."""

    at: datetime
    kind: str
    id: UUID
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


class TimelineSource(Protocol):
    """What a higher slice knows of a person. ``cxm.run`` wires the sources by ``people.api.register_timeline``."""

    def entries(
        self,
        organization: UUID,
        identities: Sequence[IdentityView],
        *,
        before: tuple[datetime, UUID] | None,
        limit: int,
        units: frozenset[UUID] | None,
    ) -> Sequence[TimelineEntry]:
        """At most ``limit`` entries, newest first by (at, id), all strictly before ``before``; only of ``units`` (None: all)."""
        ...
