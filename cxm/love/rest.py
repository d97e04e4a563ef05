"""REST of love: conversations and replies."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Status
from pydantic import BaseModel, ConfigDict, Field

from cxm.govern import api as govern
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import rest_cases, rest_hours, rest_pledges, rest_queues
from cxm.love.contracts import InboxFilter
from cxm.love.selectors import shapes

router = govern.router(tags=["conversations"])
ROUTES = [("", router), ("", rest_cases.router), ("", rest_hours.router), ("", rest_pledges.router), ("", rest_queues.router)]


class ConversationOut(BaseModel):
    """A conversation. ``state``: open (our turn), waiting (theirs), snoozed, closed. ``author`` and ``last_mention`` as everywhere."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    channel: str
    account: str
    account_id: UUID
    unit: UUID
    author: dict[str, Any]
    kind: Literal["private", "public"]
    state: Literal["open", "waiting", "snoozed", "closed"]
    assignee: UUID | None
    queue: UUID | None
    case: UUID | None
    tags: list[str]
    subject: str
    language: str
    opened_at: str
    last_at: str
    first_answer_due: str | None
    first_answered_at: str | None
    answer_due: str | None
    promise_due: str | None
    resolution_due: str | None
    snoozed_until: str | None
    closed_at: str | None
    close_reason: str | None
    version: int
    last_mention: dict[str, Any] | None


class ConversationWhole(ConversationOut):
    """A conversation with its newest 200 mentions, oldest first; ``before`` (a mention's id, or null) asks for the ones before."""

    mentions: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    promises: list[rest_pledges.PledgeOut]
    before: UUID | None


class ConversationList(BaseModel):
    """One page."""

    items: list[ConversationOut]
    next: str | None


class Narrowed(BaseModel):
    """Filters; several values of one are separated by commas. ``assignee``: an id, me, nobody or mine_or_nobody; ``queue``: an id, a name, or none."""

    state: str = ""
    assignee: str = ""
    queue: str | None = None
    channel: str = ""
    language: str = ""
    account: UUID | None = None
    kind: str | None = None
    unit: UUID | None = None
    tag: str | None = None
    case: UUID | None = None
    profile: UUID | None = None
    late: bool = False
    promised: bool = False
    sort: str = "newest"


class ListQuery(Narrowed):
    """Filters, order and page."""

    cursor: str | None = None
    limit: int | None = None


class NoteIn(govern.Body):
    """A note for ourselves; “@name” tells a member."""

    text: str


class NoteOut(BaseModel):
    """The note that was written."""

    id: UUID


class AssignIn(govern.Body):
    """A member's id, ``me``, or null for nobody."""

    member: UUID | Literal["me"] | None


class SnoozeIn(govern.Body):
    """Until when (with a zone), within a year."""

    until: datetime


class MoveIn(govern.Body):
    """A queue's id, or null for none."""

    queue: UUID | None


class Filter(Narrowed):
    """The same as in ``GET /conversations``; what is not a filter is refused."""

    model_config = ConfigDict(extra="forbid")


class BulkIn(govern.Body):
    """``action`` is assign (``member``: an id, ``me`` or null), tag (``add``, ``remove``), close (``reason``), snooze (``until``), queue
    (``queue``: an id or null) or case (``case``: the id of an open one), for ``conversations`` or for all that ``filter`` finds (at most 20,000)."""

    action: Literal["assign", "tag", "close", "snooze", "queue", "case"]
    conversations: list[UUID] = Field(default_factory=list, max_length=20_000)
    filter: Filter | None = None
    member: UUID | Literal["me"] | None = None
    add: list[str] = Field(default_factory=list, max_length=50)
    remove: list[str] = Field(default_factory=list, max_length=500)
    reason: str = ""
    until: datetime | None = None
    queue: UUID | None = None
    case: UUID | None = None


class BulkOut(BaseModel):
    """How far it is. ``state``: running, done, cancelled, undoing, undone; ``undo_until`` null: it is too late, or not over yet.
    ``ending``: right_gone where it was cancelled because the token it was begun with, the member or their right is gone; else empty."""

    id: UUID
    action: str
    state: str
    total: int
    done: int
    refused: int
    undone: int
    undo_until: str | None
    ending: str = ""


class TagsIn(govern.Body):
    """Tags to put on and to take off."""

    add: list[str] = Field(default_factory=list, max_length=50)
    remove: list[str] = Field(default_factory=list, max_length=500)


class CloseIn(govern.Body):
    """Why: answered, no_answer_needed, handed_over, expired, unreachable, or in your own words."""

    reason: str = ""


class ReplyIn(govern.Body):
    """An answer. ``visibility`` is the conversation's own unless given; ``media``: ``{url}`` or uploaded ids.
    ``copies``: to the others they wrote to as well (mail: those in its To and Cc that are not ours); ``copies_of``: the mention whose others
    you were shown: 409 ``copies_changed`` where the one that is answered was written to others."""

    text: str = ""
    visibility: Literal["private", "public"] | None = None
    in_reply_to: UUID | None = None
    media: list[dict[str, Any] | str] = Field(default_factory=list, max_length=10)
    copies: bool = False
    copies_of: UUID | None = None
    undo_seconds: int = 0


class Accepted(BaseModel):
    """Taken in. ``state``: waiting (undo), queued or held."""

    id: UUID
    state: str


@router.get("/conversations", response=ConversationList, summary="The inbox")
@govern.requires("conversations:read")
def list_conversations(request: HttpRequest, query: Query[ListQuery]) -> Any:
    """Newest first (or due soonest), in the units you may read."""
    found = love.conversations(govern.actor_of(request), _wanted(query), query.cursor, query.limit)
    return {"items": [shapes.conversation_json(view) for view in found.items], "next": found.next}


@router.get("/conversations/{conversation}", response=ConversationWhole, summary="One conversation")
@govern.requires("conversations:read")
def get_conversation(request: HttpRequest, conversation: UUID, before: str | None = None) -> Any:
    """Its newest 200 mentions, oldest first; ``before`` (a mention's id, or an instant) for the ones before."""
    return shapes.detail_json(love.conversation(govern.actor_of(request), conversation, before))


@router.post("/conversations/{conversation}/notes", response={201: NoteOut}, summary="Write a note")
@govern.requires("conversations:note")
def write_note(request: HttpRequest, conversation: UUID, body: NoteIn) -> Any:
    """Seen by members alone."""
    return Status(201, {"id": love.note(govern.actor_of(request), conversation, body.text)})


@router.post("/conversations/{conversation}/assign", response=ConversationOut, summary="Assign")
@govern.requires("conversations:manage")
def assign(request: HttpRequest, conversation: UUID, body: AssignIn) -> Any:
    """Give it to a member, or to nobody."""
    actor = govern.actor_of(request)
    love.assign(actor, conversation, actor.member if body.member == "me" else body.member)
    return _one(request, conversation)


@router.post("/conversations/{conversation}/snooze", response=ConversationOut, summary="Snooze")
@govern.requires("conversations:manage")
def snooze(request: HttpRequest, conversation: UUID, body: SnoozeIn) -> Any:
    """Out of sight until then, or until they write."""
    love.snooze(govern.actor_of(request), conversation, body.until)
    return _one(request, conversation)


@router.post("/conversations/{conversation}/tags", response=ConversationOut, summary="Tag")
@govern.requires("conversations:manage")
def tag(request: HttpRequest, conversation: UUID, body: TagsIn) -> Any:
    """Put tags on, take tags off."""
    love.tag(govern.actor_of(request), conversation, body.add, body.remove)
    return _one(request, conversation)


@router.post("/conversations/{conversation}/queue", response=ConversationOut, summary="Move to a queue")
@govern.requires("conversations:manage")
def move_to_queue(request: HttpRequest, conversation: UUID, body: MoveIn) -> Any:
    """By hand, whatever its rule says."""
    love.move_to_queue(govern.actor_of(request), conversation, body.queue)
    return _one(request, conversation)


@router.post("/conversations/{conversation}/close", response=ConversationOut, summary="Close")
@govern.requires("conversations:manage")
def close(request: HttpRequest, conversation: UUID, body: CloseIn) -> Any:
    """What still waits for an answer gets its end state by the reason."""
    love.close(govern.actor_of(request), conversation, body.reason)
    return _one(request, conversation)


@router.post("/conversations/{conversation}/reopen", response=ConversationOut, summary="Reopen")
@govern.requires("conversations:manage")
def reopen(request: HttpRequest, conversation: UUID) -> Any:
    """Take it up again; 409 where a newer conversation with them is open."""
    love.reopen(govern.actor_of(request), conversation)
    return _one(request, conversation)


@router.post("/conversations/{conversation}/replies", response={202: Accepted}, summary="Answer")
@govern.requires("conversations:reply")
def reply(request: HttpRequest, conversation: UUID, body: ReplyIn) -> Any:
    """Taken in, not yet sent: look at ``GET /replies/{id}``."""
    media = [{"id": entry} if isinstance(entry, str) else entry for entry in body.media]
    made = love.reply(
        govern.actor_of(request),
        conversation,
        body.text,
        visibility=body.visibility,
        in_reply_to=body.in_reply_to,
        media=media,
        copies=body.copies,
        copies_of=body.copies_of,
        undo_seconds=body.undo_seconds,
    )
    return Status(202, {"id": made.id, "state": made.state})


@router.post("/bulk", response={202: BulkOut}, summary="Do the same to many conversations")
@govern.requires("conversations:manage")
def start_bulk(request: HttpRequest, body: BulkIn) -> Any:
    """Up to 200 are done when it answers; more go on as a job: look at ``GET /bulk/{id}``."""
    actor = govern.actor_of(request)
    values = body.model_dump(include={"add", "remove", "reason", "until", "queue", "case"})
    values["member"] = actor.member if body.member == "me" else body.member
    wanted = _wanted(body.filter) if body.filter is not None and not body.conversations else None
    return Status(202, shapes.bulk_json(love.bulk(actor, body.action, values, conversations=body.conversations, wanted=wanted)))


@router.get("/bulk/{bulk}", response=BulkOut, summary="How far a bulk action is")
@govern.requires("conversations:manage")
def get_bulk(request: HttpRequest, bulk: UUID) -> Any:
    """One's own alone."""
    return shapes.bulk_json(love.bulk_status(govern.actor_of(request), bulk))


@router.post("/bulk/{bulk}/cancel", response=BulkOut, summary="Cancel a bulk action")
@govern.requires("conversations:manage")
def cancel_bulk(request: HttpRequest, bulk: UUID) -> Any:
    """What is done stays done, and can be undone."""
    return shapes.bulk_json(love.cancel_bulk(govern.actor_of(request), bulk))


@router.post("/bulk/{bulk}/undo", response=BulkOut, summary="Undo a bulk action")
@govern.requires("conversations:manage")
def undo_bulk(request: HttpRequest, bulk: UUID) -> Any:
    """Within ten minutes of its end, once; what somebody changed since stays."""
    return shapes.bulk_json(love.undo_bulk(govern.actor_of(request), bulk))


def _one(request: HttpRequest, conversation: UUID) -> dict[str, Any]:
    return shapes.conversation_json(love.conversation_row(govern.actor_of(request), conversation))


def _wanted(query: Narrowed) -> InboxFilter:
    return InboxFilter(
        states=_several(query.state),
        assignee=_assignee(query.assignee),
        queue=parse_id(query.queue or "") or query.queue or None,
        channels=_several(query.channel),
        accounts=frozenset({query.account}) if query.account else frozenset(),
        languages=_several(query.language),
        kind=query.kind,
        unit=query.unit,
        tag=query.tag,
        case=query.case,
        profile=query.profile,
        late=query.late,
        promised=query.promised,
        sort=query.sort,
    )


def _several(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _assignee(text: str) -> str | UUID | None:
    return parse_id(text) or text or None
