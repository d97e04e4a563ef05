"""What outbound tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cxm.kernel.events import Event


def public_delivery(delivery: str | None) -> str | None:
    """What was told of a reply, in the three words that the interface promises: what is late is not there yet, what was complained about was.

    Which of both it is stands in its ``reason``.
    """
    return {"delayed": None, "complained": "delivered"}.get(delivery or "", delivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentChanged(Event):
    """An intent reached another state, or a receipt came for it."""

    name: ClassVar[str] = "outbound.intent_changed"
    permission: ClassVar[str] = "conversations:read"

    intent: UUID
    conversation: UUID | None
    account: UUID
    state: str
    delivery: str | None

    @property
    def owner(self) -> str:
        return str(self.intent)

    def public(self) -> dict[str, Any]:
        return {
            "reply": str(self.intent), "conversation": str(self.conversation) if self.conversation else None, "state": self.state,
            "delivery": public_delivery(self.delivery),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Event):
    """We said something: an intent was sent. ``listen`` makes it a mention of ours."""

    name: ClassVar[str] = "outbound.said"
    permission: ClassVar[str] = "conversations:read"

    intent: UUID
    account: UUID
    conversation: UUID | None
    native_id: str
    text: str
    title: str | None
    private: bool
    in_reply_to: str | None
    thread: str | None
    url: str | None
    at: str
    by: UUID | None
    by_name: str
    media: tuple[dict[str, Any], ...]

    def public(self) -> dict[str, Any]:
        return {"reply": str(self.intent), "conversation": str(self.conversation) if self.conversation else None}
