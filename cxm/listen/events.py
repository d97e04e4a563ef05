"""What listen tells: batches of mentions of one account, whole, so that whoever handles them needs to ask nobody. ``account`` is None for what
was imported for none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cxm.kernel.events import Event

#: A mention whose words were taken out of the log again: it says this and nothing else, and nobody is told of it any more.
REDACTED = "redacted"


def _living(mentions: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    return (
        tuple(mention for mention in mentions if REDACTED not in mention) if any(REDACTED in mention for mention in mentions) else mentions
    )


def _owner(event: MentionsHeard | MentionsChanged | MentionsDeleted) -> str:
    """The account on which they were heard keeps their order: what is said on a busy one delays no other."""
    return str(event.account or event.organization)


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionsHeard(Event):
    """New mentions, in the provider's order. Each is the mention JSON of the interface plus ``organization``, ``unit``,
    ``private``, ``addressed``, ``automatic``, ``quoted``, ``context``, ``imported``, ``version``, ``heard_at``, ``provider_order``, ``reply``."""

    name: ClassVar[str] = "listen.mentions_heard"
    permission: ClassVar[str] = "mentions:read"

    mentions: tuple[dict[str, Any], ...]
    account: UUID | None = None

    @property
    def owner(self) -> str:
        return _owner(self)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mentions", _living(self.mentions))

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
    account: UUID | None = None

    @property
    def owner(self) -> str:
        return _owner(self)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mentions", _living(self.mentions))

    def public(self) -> dict[str, Any]:
        return {"mentions": [mention["id"] for mention in self.mentions]}


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionsDeleted(Event):
    """Mentions that were taken back: their words go from the store, the inbox, the log and the raw mailbox. ``erased``: because the person
    was, so that nothing in the inbox says who they were either."""

    name: ClassVar[str] = "listen.mentions_deleted"
    permission: ClassVar[str] = "mentions:read"

    ids: tuple[str, ...]
    at: str
    erased: bool = False
    account: UUID | None = None

    @property
    def owner(self) -> str:
        return _owner(self)

    def public(self) -> dict[str, Any]:
        return {"mentions": list(self.ids), "deleted_at": self.at}
