"""What happens to conversations and cases. No texts: what is behind an id is fetched with permission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cxm.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConversationEvent(Event):
    permission: ClassVar[str] = "conversations:read"

    conversation: UUID
    account: UUID
    unit: UUID
    channel: str
    kind: str

    @property
    def owner(self) -> str:
        """The conversation orders its own events."""
        return f"conversation:{self.conversation}"

    def public(self) -> dict[str, Any]:
        """Ids and kinds."""
        return {
            "conversation": str(self.conversation),
            "account_id": str(self.account),
            "unit": str(self.unit),
            "channel": self.channel,
            "kind": self.kind,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOpened(_ConversationEvent):
    """Somebody began, or began anew, to talk with us. ``imported``: history, which starts no clocks, rules or alerts."""

    name: ClassVar[str] = "love.conversation_opened"

    imported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationChanged(_ConversationEvent):
    """``what``: continued, answered, assigned, snoozed, woken, tagged, closed, reopened, noted, linked, rewritten."""

    name: ClassVar[str] = "love.conversation_changed"

    what: str
    state: str
    assignee: UUID | None = None
    by: str = ""

    def public(self) -> dict[str, Any]:
        """Ids, what changed, and the state it is in now."""
        shown = _ConversationEvent.public(self)
        return shown | {"what": self.what, "state": self.state, "assignee": str(self.assignee) if self.assignee else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChanged(Event):
    """``what``: opened, linked, unlinked, resolved, reopened."""

    name: ClassVar[str] = "love.case_changed"
    permission: ClassVar[str] = "conversations:read"

    case: UUID
    what: str
    state: str

    @property
    def owner(self) -> str:
        """The case orders its own events."""
        return f"case:{self.case}"

    def public(self) -> dict[str, Any]:
        """Ids alone."""
        return {"case": str(self.case), "what": self.what, "state": self.state}
