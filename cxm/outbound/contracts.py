"""What crosses the door of outbound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NewIntent:
    """An intention to speak, as ``love`` proposes it. ``context`` is that of the mention it answers; texts are plain.

    ``media``: each ``{url, alt, kind, name}`` of a public address, or ``{id}`` of a file the acting member uploaded.
    """

    account: UUID
    unit: UUID
    text: str
    private: bool
    kind: str = "reply"
    conversation: UUID | None = None
    in_reply_to_mention: UUID | None = None
    in_reply_to_native: str | None = None
    thread: str | None = None
    to: str | None = None
    title: str | None = None
    media: Sequence[Mapping[str, Any]] = ()
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    undo_seconds: int = 0
    #: Newest message of theirs, for channels with a window in which one may answer.
    last_heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try and what came of it."""

    at: datetime
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class CopyView:
    """One whom a copy was to go to. ``state``: waiting, sent, not_sent, unknown (as the reply); withheld (by us: ``reason`` suppressed or ours), refused
    (their server, or nobody can be written to: ``reason`` unwritable); then what was told of it: delayed, delivered, read, failed, complained."""

    address: str
    state: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReportView:
    """What was told of one of several recipients whom nobody names: ``status`` delayed, failed or complained."""

    status: str
    reason: str
    detail: str
    at: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An intent as others see it. ``state``: waiting (undo), queued, sent, failed, unknown, held, cancelled.

    ``delivery``: what its platform told of it after it left (delayed, delivered, read, failed, complained), None where nothing; ``reason``: why it was
    not delivered, as one of the channels' ``REASONS``. ``can_be_taken_back``: as long as it has surely not left.
    """

    id: UUID
    state: str
    kind: str
    account: UUID
    unit: UUID
    conversation: UUID | None
    text: str
    private: bool
    created_at: datetime
    created_by: UUID | None
    created_by_name: str
    undo_until: datetime | None
    sent_at: datetime | None
    native_id: str | None
    delivery: str | None
    detail: str
    attempts: tuple[AttemptView, ...]
    media: tuple[Mapping[str, Any], ...] = ()
    reason: str = ""
    copies: tuple[CopyView, ...] = ()
    reports: tuple[ReportView, ...] = ()
    can_be_taken_back: bool = False


@dataclass(frozen=True, slots=True)
class UploadView:
    """A file that waits to go with an answer. ``kind``: image, video, audio, file; ``size`` in bytes."""

    id: UUID
    name: str
    kind: str
    content_type: str
    size: int
