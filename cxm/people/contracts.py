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


@dataclass(frozen=True, slots=True)
class ErasedIdentity:
    """One identity of somebody who is being erased. ``known``: what they are called there, and their proofs."""

    id: UUID
    channel: str
    account: UUID | None
    native_id: str
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erased:
    """Somebody whose profile is gone and whose words are to follow: all that was heard of them until ``at``, which is until the event ``until``.

    Whatever is heard later is somebody else's, also under the same name.
    """

    organization: UUID
    erasure: UUID
    at: datetime
    identities: tuple[ErasedIdentity, ...]
    profiles: tuple[UUID, ...]
    until: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of erasing did. ``cursor``: where the next begins (None: this holder is done). ``wait``: nothing can be done just now."""

    cursor: dict[str, Any] | None
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    wait: bool = False


@dataclass(frozen=True, slots=True)
class ErasureView:
    """An erasure as others see it; ``counts`` by what went."""

    id: UUID
    profile: UUID
    reason: str
    by: str
    state: str
    asked_at: datetime
    done_at: datetime | None
    counts: Mapping[str, int]


class Holder(Protocol):
    """A higher slice that holds something of people. ``cxm.run`` wires them by ``people.api.register_holder``."""

    name: str

    def ready(self, organization: UUID, channels: frozenset[str], until: datetime) -> bool:
        """Whether all that came over these channels until then was taken in, as far as this slice knows; helps it along."""
        ...

    def begin(self, person: Erased) -> None:
        """The person is gone now, in the same transaction, in which nothing is heard: what they left may be joined by nothing that comes."""
        ...

    def erase(self, person: Erased, cursor: dict[str, Any]) -> Step:
        """The next step, in a transaction of its own, again and again until it is done; the same twice changes nothing."""
        ...


class TimelineSource(Protocol):
    """What a higher slice knows of a person. ``cxm.run`` wires the sources by ``people.api.register_timeline``."""

    def entries(
        self,
        organization: UUID,
        who: ProfileView,
        *,
        before: tuple[datetime, UUID] | None,
        limit: int,
        units: frozenset[UUID] | None,
        whole: bool = False,
    ) -> Sequence[TimelineEntry]:
        """At most ``limit`` entries, newest first by (at, id), all strictly before ``before``; only of ``units`` (None: all).

        What cannot be read just now is left out; with ``whole``, NotNow is raised instead."""
        ...

    def first(self, organization: UUID, who: ProfileView, *, units: frozenset[UUID] | None) -> datetime | None:
        """When the earliest of them was."""
        ...
