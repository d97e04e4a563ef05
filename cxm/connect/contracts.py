"""What crosses the door of connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from cxm.channels.contracts import Deletion, Mention


@dataclass(frozen=True, slots=True)
class Account:
    """One of our handles on a channel. Credentials are never here."""

    id: UUID
    organization: UUID
    channel: str
    name: str
    unit: UUID
    settings: Mapping[str, Any]
    state: str  # active, paused, broken
    health: str  # one sentence
    mend: str
    created_at: datetime
    last_heard_at: datetime | None
    last_ok_at: datetime | None
    next_look_at: datetime | None
    limits: tuple[LimitLeft, ...] = ()
    #: By which of its channel's ways it signed in by OAuth2, and when the access token ends that is renewed before.
    way: str | None = None
    token_expires_at: datetime | None = None
    #: What was last reported of an answer with copies without saying of whom: complained or failed, empty where nothing was.
    reported: str = ""
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was begun: the person goes to ``url`` (at ``host``) before ``expires_at`` and agrees there to ``scopes``;
    ``redirect_uri`` is where the platform sends them back to, and must be registered there."""

    url: str
    host: str
    title: str
    scopes: tuple[str, ...]
    redirect_uri: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LimitLeft:
    """How many calls the platform still lets us make at ``host``: ``left`` of ``of`` (where it says that) until ``resets_at``."""

    host: str
    left: int
    of: int | None
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class Source:
    """Something an account listens to beside its own inbound. ``account`` is the account's name, ``name`` how people know the source.

    ``health`` is empty where it was heard well at the last look, else says why not, and ``mend`` what to do. Times are None where its
    channel tells nothing of single sources.
    """

    id: UUID
    channel: str
    account: str
    account_id: UUID
    kind: str
    settings: Mapping[str, Any]
    created_at: datetime
    name: str = ""
    state: str = "active"  # active, paused
    health: str = ""
    mend: str = ""
    last_heard_at: datetime | None = None
    last_ok_at: datetime | None = None
    next_look_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceSum:
    """An account's sources, counted; ``failing`` are those of the active that could not be heard, ``first`` the name of one of them."""

    total: int = 0
    paused: int = 0
    failing: int = 0
    first: str = ""


@dataclass(frozen=True, slots=True)
class SourcesAdded:
    """What became of a list of sources: ``read = added + known + len(refused)``; ``refused`` are (name, reason)."""

    read: int
    added: int
    known: int
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """One mapped item on its way to ``listen.accept``: in the provider's order within its delivery."""

    item: Mention | Deletion
    received_at: datetime
    position: int
    #: The provider's order over all deliveries of one account: breaks ties of ``published_at``.
    order: int
    #: For imports: the names the line itself gave.
    channel: str
    account_name: str | None = None
    #: What a :class:`Preparer` found ahead of its turn; for the acceptor alone.
    prepared: Any = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one item: ``outcome`` accepted, changed, deleted, duplicate or quarantined (then with code and reason)."""

    outcome: str
    code: str = ""
    reason: str = ""


class Preparer(Protocol):
    """What ``listen`` can work out about mentions before their turn, one result for each: nothing is read from a database, so that a thread may
    do it while the batch before is being written."""

    def __call__(self, items: Sequence[Mention]) -> Sequence[Any]: ...


class Acceptor(Protocol):
    """What connect needs from above: ``listen.accept``, wired by run. One outcome for each item, in order."""

    def __call__(self, organization: UUID, account: Account | None, heard: Sequence[Heard], *, imported: bool) -> list[Taken]: ...


@dataclass(frozen=True, slots=True)
class LineFault:
    """One imported line that could not be taken; ``line`` counts from 1."""

    line: int
    code: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """``read = accepted + duplicate + quarantined``."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    lines: list[LineFault] = field(default_factory=list[LineFault])


@dataclass(frozen=True, slots=True)
class QuarantinedItem:
    """Something that could not be mapped, with its bytes kept."""

    id: UUID
    received_at: datetime
    channel: str
    account: UUID | None
    native_id: str | None
    code: str
    reason: str
    size: int
    state: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class MailboxSum:
    """Items heard by what became of them, for coverage: received = the sum of the others once ``waiting`` is 0."""

    deliveries: int
    waiting: int
    accepted: int
    changed: int
    duplicate: int
    deleted: int
    quarantined: int
    receipts: int


@dataclass(frozen=True, slots=True)
class SendRules:
    """What an account can send and what its platform promises about it."""

    active: bool
    can_reply: bool
    private: bool
    public: bool
    reads_back: bool
    idempotent: bool
    text_limit: int | None
    counted: str
    window_hours: int | None
    #: Whether files can go with an answer; how many (None: as many as we take), and how many bytes together.
    media: bool = False
    media_count: int | None = None
    media_bytes: int | None = None
    #: Why nothing can leave until somebody signs in anew; empty where nobody must.
    held: str = ""


@dataclass(frozen=True, slots=True)
class Removal:
    """An account that was removed. ``mentions``: keep, deleting or deleted; ``deleted``: how many are gone; ``left``: how many were still
    there when they were last counted, None before that."""

    account: UUID
    channel: str
    name: str
    unit: UUID
    removed_at: datetime
    mentions: str
    deleted: int
    left: int | None
