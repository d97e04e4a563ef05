"""The base of every domain event: a frozen fact in the past tense, with an owner that orders it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in one organization.

    A subclass sets ``name`` (``listen.mentions_heard``), stable because it is stored and shown by ``GET /events``, and
    ``permission``, what one must hold to read it there. ``owner`` orders events: two of one owner are handled in order.
    Fields are JSON-able by ``platform.events`` (UUID, datetime, tuples and mappings of plain values).
    """

    name: ClassVar[str] = ""
    permission: ClassVar[str] = "organization:read"

    organization: UUID

    @property
    def owner(self) -> str:
        """Whose order it keeps; the organization unless a subclass says otherwise."""
        return str(self.organization)

    def public(self) -> dict[str, Any]:
        """What ``GET /events`` shows of it: no texts, no addresses."""
        return {}
