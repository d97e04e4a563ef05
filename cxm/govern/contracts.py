"""What crosses the door of this slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from cxm.kernel.weekly import Shifts

#: Kinds of outbound things a stop can name.
STOP_KINDS = ("reply", "post", "campaign", "survey", "ad", "call")


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant. ``zone``: a place of the IANA database, by whose wall clock its members read times unless they chose another."""

    id: UUID
    name: str
    slug: str
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Unit:
    """A business unit. ``parent`` is None for the root; ``depth`` 0 there."""

    id: UUID
    name: str
    parent: UUID | None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, in a unit and all below it."""

    role: str
    unit: UUID


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who works here. ``state``: invited, active, removed. ``shifts``: None where nobody said when they work."""

    id: UUID
    user: UUID
    email: str
    name: str
    state: str
    grants: tuple[Grant, ...]
    created_at: datetime
    shifts: Shifts | None = None


@dataclass(frozen=True, slots=True)
class Invited:
    """A new member and the link that lets them in, known only now. ``expires_at`` is when it stops working."""

    member: Member
    link: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """An API token without its secret. ``scopes`` are the rights it has at present, by name."""

    id: UUID
    name: str
    member: UUID
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SignIn:
    """A browser in which a member is signed in. ``id`` ends it; ``current`` is the one that asks."""

    id: int
    address: str
    browser: str
    since: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop. ``scope`` is ``organization``, ``unit:<id>``, ``account:<id>`` or ``kind:<kind>``; it is on while ``lifted_at`` is None."""

    id: UUID
    organization: UUID
    scope: str
    reason: str
    by: UUID | None
    by_name: str
    on_at: datetime
    lifted_at: datetime | None = None
    lifted_by: UUID | None = None
    lifted_by_name: str = ""
    receipt: Mapping[str, Any] | None = None

    @property
    def on(self) -> bool:
        """Whether it still holds."""
        return self.lifted_at is None


@dataclass(frozen=True, slots=True)
class HeldItem:
    """Something a stop holds back: a reply's or a post's own ``id``; ``since`` is when it came to be held."""

    id: UUID
    kind: str
    account: UUID | None
    text: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What lifting a stop did. ``still_held``: released here, yet another stop covers them (or they came after the review)."""

    stop: UUID
    lifted_by: UUID | None
    lifted_by_name: str
    lifted_at: datetime
    held: tuple[UUID, ...]
    released: tuple[UUID, ...]
    cancelled: tuple[UUID, ...]
    still_held: tuple[UUID, ...] = ()


class HeldItems(Protocol):
    """Implemented by ``outbound``, wired by ``run``. All three run inside the caller's transaction."""

    def list(self, organization: UUID, stop: Stop) -> Sequence[HeldItem]:
        """What ``stop`` holds or would hold, oldest first: held items it covers and those still in their undo time.

        For a lifted stop: what it left held because it came after the review.
        """
        ...

    def release(self, organization: UUID, stop: Stop, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Let ``ids`` go on unless another stop covers them (ask ``covering_stops`` again); returns those that went on."""
        ...

    def cancel(self, organization: UUID, stop: Stop, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Cancel ``ids``; returns those that were cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Audited:
    """One line of the audit log. ``kind``: record, intent, outcome."""

    id: UUID
    seq: int
    kind: str
    intent: UUID | None
    at: datetime
    actor_name: str
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What verifying a chain found. ``broken_at`` is the first entry (seq) that does not fit, None where all do."""

    organization: UUID
    entries: int
    broken_at: int | None
    problem: str
    unmatched_intents: tuple[UUID, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing was changed, removed or put in."""
        return self.broken_at is None
