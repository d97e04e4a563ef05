"""What this slice tells the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cxm.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChanged(Event):
    """A stop was turned on or lifted. ``scope`` as in ``POST /stops``."""

    name: ClassVar[str] = "govern.stop_changed"
    permission: ClassVar[str] = "stops:read"

    stop: UUID
    scope: str
    on: bool

    def public(self) -> dict[str, Any]:
        return {"stop": str(self.stop), "scope": self.scope, "on": self.on}


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsChanged(Event):
    """A member was removed, or was given another role or unit; without ``member``: a unit was moved, and anybody may hold less than before."""

    name: ClassVar[str] = "govern.rights_changed"
    permission: ClassVar[str] = "members:read"

    member: UUID | None

    def public(self) -> dict[str, Any]:
        return {"member": str(self.member) if self.member else None}
