"""What happens to profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cxm.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileErased(Event):
    """A person is erased: whoever keeps a copy of them, or of what they said, is to delete it. Their mentions are told one by one as deleted."""

    name: ClassVar[str] = "people.profile_erased"
    permission: ClassVar[str] = "profiles:read"

    profile: UUID
    erasure: UUID

    def public(self) -> dict[str, Any]:
        """Ids alone."""
        return {"profile": str(self.profile), "erasure": str(self.erasure)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitiesMoved(Event):
    """Identities now belong to ``profile``: each of ``identities`` is ``{id, channel, account, native_id}`` (account may be None)."""

    name: ClassVar[str] = "people.identities_moved"
    permission: ClassVar[str] = "profiles:read"

    profile: UUID
    source: UUID
    kind: str
    identities: tuple[dict[str, Any], ...]

    def public(self) -> dict[str, Any]:
        """Ids alone."""
        return {
            "profile": str(self.profile),
            "source": str(self.source),
            "kind": self.kind,
            "identities": [str(entry["id"]) for entry in self.identities],
        }
