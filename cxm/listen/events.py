"""What listen tells: batches of mentions, whole, so that whoever handles them needs to ask nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from cxm.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionsHeard(Event):
    """New mentions, in the provider's order. Each is the mention JSON of the interface plus ``organization``, ``unit``,
    ``private``, ``addressed``, ``automatic``, ``quoted``, ``context``, ``imported``, ``version``, ``heard_at``, ``provider_order``, ``reply``."""

    name: ClassVar[str] = "listen.mentions_heard"
    permission: ClassVar[str] = "mentions:read"

    mentions: tuple[dict[str, Any], ...]

    def public(self) -> dict[str, Any]:
        return {"mentions": [mention["id"] for mention in self.mentions]}


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionsChanged(Event):
    """Mentions after an edit by their author or a decision of ours. Where ``whole``, each is a whole mention; else
    ``{id, version, set: {key: value}}``."""

    name: ClassVar[str] = "listen.mentions_changed"
    permission: ClassVar[str] = "mentions:read"

    mentions: tuple[dict[str, Any], ...]
    whole: bool

    def public(self) -> dict[str, Any]:
        return {"mentions": [mention["id"] for mention in self.mentions]}


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionsDeleted(Event):
    """Mentions that were taken back; their words are gone from the store and the inbox (the log and the raw mailbox keep them, ADR 0003)."""

    name: ClassVar[str] = "listen.mentions_deleted"
    permission: ClassVar[str] = "mentions:read"

    ids: tuple[str, ...]
    at: str

    def public(self) -> dict[str, Any]:
        return {"mentions": list(self.ids), "deleted_at": self.at}
