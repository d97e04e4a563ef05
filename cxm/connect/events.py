"""What connect tells upward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cxm.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsHeard(Event):
    """Platforms told what became of replies: each ``{native_id, status, at, detail, reason, intent, recipients}``."""

    name: ClassVar[str] = "connect.receipts_heard"
    permission: ClassVar[str] = "accounts:read"

    account: UUID
    receipts: tuple[dict[str, Any], ...]

    @property
    def owner(self) -> str:
        return str(self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Event):
    """An account was connected, changed, moved to another unit, paused, broke or was removed; then ``mentions`` says whether what was heard is kept (``keep``) or is
    being deleted (``delete``), else it is empty."""

    name: ClassVar[str] = "connect.account_changed"
    permission: ClassVar[str] = "accounts:read"

    account: UUID
    change: str
    mentions: str = ""

    def public(self) -> dict[str, Any]:
        return {"account": str(self.account), "change": self.change, "mentions": self.mentions}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsQuarantined(Event):
    """Some items of a delivery could not be taken; their bytes are kept for a replay."""

    name: ClassVar[str] = "connect.items_quarantined"
    permission: ClassVar[str] = "intake:read"

    account: UUID | None
    count: int

    def public(self) -> dict[str, Any]:
        return {"account": str(self.account) if self.account else None, "count": self.count}
