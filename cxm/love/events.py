"""What happens to conversations and cases. No texts: what is behind an id is fetched with permission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cxm.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationsOpened(Event):
    """People began, or began anew, to talk with us. Each is ``{conversation, account_id, unit, channel, kind, state, imported}``;
    ``imported``: history, which starts no clocks, rules or alerts."""

    name: ClassVar[str] = "love.conversations_opened"
    permission: ClassVar[str] = "conversations:read"

    conversations: tuple[dict[str, Any], ...]

    def public(self) -> dict[str, Any]:
        """The same: there are no words in it."""
        return {"conversations": list(self.conversations)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationsContinued(Event):
    """New mentions joined conversations. Each is ``{conversation, account_id, unit, channel, kind, state}``."""

    name: ClassVar[str] = "love.conversations_continued"
    permission: ClassVar[str] = "conversations:read"

    conversations: tuple[dict[str, Any], ...]

    def public(self) -> dict[str, Any]:
        """The same: there are no words in it."""
        return {"conversations": list(self.conversations)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationChanged(Event):
    """``what``: answered, assigned, snoozed, woken, tagged, closed, reopened, noted, linked, rewritten, queued, promised,
    promise_due, promise_settled, continued (by words of ours)."""

    name: ClassVar[str] = "love.conversation_changed"
    permission: ClassVar[str] = "conversations:read"

    conversation: UUID
    account: UUID
    unit: UUID
    channel: str
    kind: str
    what: str
    state: str
    assignee: UUID | None = None
    by: str = ""

    def public(self) -> dict[str, Any]:
        """Ids, what changed, and the state it is in now."""
        return {
            "conversation": str(self.conversation), "account_id": str(self.account), "unit": str(self.unit), "channel": self.channel, "kind": self.kind,
            "what": self.what, "state": self.state, "assignee": str(self.assignee) if self.assignee else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChanged(Event):
    """``what``: opened, linked, unlinked, merged, split, undone, resolved, reopened."""

    name: ClassVar[str] = "love.case_changed"
    permission: ClassVar[str] = "conversations:read"

    case: UUID
    what: str
    state: str

    def public(self) -> dict[str, Any]:
        """Ids alone."""
        return {"case": str(self.case), "what": self.what, "state": self.state}
