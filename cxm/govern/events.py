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
