"""What crosses the door of love."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from cxm.outbound.contracts import Reply

#: States of a conversation: open (our turn), waiting (theirs), snoozed, closed.
STATES = ("open", "waiting", "snoozed", "closed")
KINDS = ("private", "public")


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """Which conversations a list shows; what is None or empty does not narrow.

    ``assignee``: ``me``, ``nobody``, ``mine_or_nobody``, or a member's id. ``queue``: an id, a name, or ``none``. ``late``: only those whose answer, or what was
    promised, is overdue. ``promised``: only those with an open promise.
    ``sort``: ``newest`` (last mention first) or ``due`` (what is due soonest first).
    """

    states: frozenset[str] = frozenset()
    assignee: str | UUID | None = None
    queue: UUID | str | None = None
    channels: frozenset[str] = frozenset()
    accounts: frozenset[UUID] = frozenset()
    languages: frozenset[str] = frozenset()
    kind: str | None = None
    unit: UUID | None = None
    tag: str | None = None
    case: UUID | None = None
    profile: UUID | None = None
    late: bool = False
    promised: bool = False
    sort: str = "newest"


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation as lists show it. ``author`` and ``last_mention`` are JSON as in the public interface.

    ``answer_due`` is the clock that runs now (None: nothing waits); ``promise_due`` the soonest open promise; ``unread``: newer than this member has seen.
    """

    id: UUID
    channel: str
    account: str
    account_id: UUID
    unit: UUID
    author: Mapping[str, Any]
    profile: UUID | None
    kind: str
    state: str
    assignee: UUID | None
    queue: UUID | None
    case: UUID | None
    tags: tuple[str, ...]
    subject: str
    language: str
    opened_at: datetime
    last_at: datetime
    first_answer_due: datetime | None
    first_answered_at: datetime | None
    answer_due: datetime | None
    promise_due: datetime | None
    resolution_due: datetime | None
    snoozed_until: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    version: int
    last_mention: Mapping[str, Any] | None
    unread: bool = False
    #: The person was erased: nobody can add anything.
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Former:
    """What a mention said before it was edited, and until when."""

    text: str | None
    title: str | None
    until: str


@dataclass(frozen=True, slots=True)
class MentionItem:
    """One mention in its place: public JSON, whose it is, whether it was edited or deleted (then it has no words).

    ``told``: what a reader should know of how it came: ``marks``, the ``alias`` of ours it was written to, what our server found of its sender
    (``authentication``), each only where there is any.
    """

    at: datetime
    id: UUID
    mention: Mapping[str, Any]
    ours: bool
    waiting: bool
    edited: bool
    deleted_at: datetime | None
    history: tuple[Former, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shape: str = "mention"


@dataclass(frozen=True, slots=True)
class NoteItem:
    """What a member wrote to us. ``mentions``: members it names."""

    at: datetime
    id: UUID
    text: str
    by: str
    member: UUID | None
    mentions: tuple[UUID, ...]
    shape: str = "note"


@dataclass(frozen=True, slots=True)
class LineItem:
    """A quiet line: ``what`` (assigned, let_go, closed, reopened, snoozed, woken, tagged, linked, unlinked, case_undone, queued, promised, ...), ``detail`` plain values."""

    at: datetime
    id: UUID
    what: str
    detail: Mapping[str, Any]
    by: str
    shape: str = "line"


@dataclass(frozen=True, slots=True)
class ReplyItem:
    """A reply of ours that is not (yet) a mention: waiting, queued, failed, unknown, held, cancelled."""

    at: datetime
    id: UUID
    state: str
    text: str
    private: bool
    by: str
    undo_until: datetime | None
    detail: str
    shape: str = "reply"


@dataclass(frozen=True, slots=True)
class PledgeView:
    """What a member promised, and for when. ``state``: open, kept, late (kept, but afterwards), withdrawn."""

    id: UUID
    conversation: UUID
    text: str
    due_at: datetime
    at: datetime
    by: str
    member: UUID | None
    state: str
    settled_at: datetime | None
    settled_by: str


@dataclass(frozen=True, slots=True)
class PledgeCounts:
    """What became of the promises that came due in a time: kept, kept late, still open though overdue; withdrawn ones are not counted."""

    kept: int
    late: int
    overdue: int

    @property
    def due(self) -> int:
        """All of them."""
        return self.kept + self.late + self.overdue


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """An answer of somebody else that came since one began to write: who, when, the words."""

    by: str
    at: datetime
    text: str


Item = MentionItem | NoteItem | LineItem | ReplyItem


@dataclass(frozen=True, slots=True)
class DraftView:
    """What a member has begun to write here in one way: ``visibility`` is public, private or note. ``media``: ids of uploaded files."""

    text: str
    visibility: str
    in_reply_to: UUID | None
    at: datetime
    media: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Onlooker:
    """A colleague who has the conversation open now; ``typing``: wrote within the last seconds."""

    member: UUID
    typing: bool


@dataclass(frozen=True, slots=True)
class ConversationDetail:
    """One conversation: ``items`` oldest first (mentions, notes, lines, replies that are not out), ``earlier``: there is more before.

    ``replies``: all of ours, whatever became of them. ``drafts``: the reader's own, newest first. ``pledges``: the open ones, soonest first.
    """

    conversation: ConversationView
    items: tuple[Item, ...]
    earlier: bool
    drafts: tuple[DraftView, ...] = ()
    pledges: tuple[PledgeView, ...] = ()
    replies: tuple[Reply, ...] = ()

    @property
    def mentions(self) -> tuple[MentionItem, ...]:
        """The mentions alone, oldest first."""
        return tuple(item for item in self.items if isinstance(item, MentionItem))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many conversations that are not closed: ``open`` (our turn), of those mine, nobody's, late; theirs; snoozed;
    in which of all something is promised."""

    open: int
    mine: int
    nobody: int
    late: int
    waiting: int
    snoozed: int
    promised: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The conversations above and below one in a list."""

    previous: UUID | None
    next: UUID | None


@dataclass(frozen=True, slots=True)
class CaseView:
    """A matter to be settled. ``state``: open, resolved, merged (then ``merged_into`` goes on with it)."""

    id: UUID
    title: str
    state: str
    opened_at: datetime
    opened_by: str
    resolution_due: datetime | None
    resolved_at: datetime | None
    conversations: tuple[UUID, ...]
    version: int
    merged_into: UUID | None = None


@dataclass(frozen=True, slots=True)
class CaseMoveView:
    """Conversations (``count``) that changed their case. ``what``: linked, unlinked, merged, split; ``undo_until``: None where it is too late."""

    id: UUID
    case: UUID
    what: str
    count: int
    by: str
    at: datetime
    undone: bool
    undo_until: datetime | None


@dataclass(frozen=True, slots=True)
class NotificationView:
    """Somebody should look: ``what`` is named (in a note) or assigned."""

    id: UUID
    conversation: UUID
    what: str
    by: str
    at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class HoursView:
    """The opening hours a unit keeps, and how soon it answers within them.

    ``set_on``: the unit they are set on, itself or one above; None where nobody set any. ``days``: seven, Monday first, each with spans
    in minutes of the day. Times of answers and ``resolution`` are minutes of open time.
    """

    unit: UUID
    set_on: UUID | None
    zone: str
    days: tuple[tuple[tuple[int, int], ...], ...]
    holidays: tuple[tuple[date, str], ...]
    first_private: int
    first_public: int
    next_private: int
    next_public: int
    resolution: int


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue and its rule; what is empty asks nothing. ``position`` counts from 1: the first that fits takes a conversation.

    ``default``: takes what fits nowhere. ``broken``: its query cannot be understood any more, so it takes nothing by rule.
    """

    id: UUID
    name: str
    position: int
    query: str
    channel: str
    account: UUID | None
    language: str
    default: bool
    broken: bool = False


@dataclass(frozen=True, slots=True)
class BulkView:
    """The same done to many conversations. ``state``: running, done, cancelled, undoing, undone; figures count conversations.

    ``done`` and ``refused`` grow up to ``total``, ``undone`` up to ``done``. ``undo_until``: None where it is too late, or not over yet.
    """

    id: UUID
    action: str
    state: str
    total: int
    done: int
    refused: int
    undone: int
    undo_until: datetime | None
    #: Why it ended early: ``right_gone``; empty where somebody cancelled it, or nobody did.
    ending: str = ""

    @property
    def busy(self) -> bool:
        """Whether it still goes on."""
        return self.state in ("running", "undoing")
