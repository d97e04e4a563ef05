"""REST of listen: import, search, counts, one mention, topics, queries, coverage."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.kernel.errors import BadInput, TooLarge
from cxm.listen import api as listen
from cxm.listen import exports, media, sending, topics
from cxm.listen.store.port import By
from cxm.query import api as language

router = govern.router(tags=["mentions"])
IMPORT_LIMIT = 50_000_000
UNPACKED_LIMIT = 500_000_000


class MentionOut(BaseModel):
    """A mention, as in imports and exports."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    channel: str
    native_id: str
    kind: str
    text: str | None
    published_at: datetime
    state: str


class MentionPage(BaseModel):
    """A page of mentions with the exact count of all that match."""

    items: list[MentionOut]
    next: str | None
    count: int


class FaultOut(BaseModel):
    """One line that could not be taken; ``line`` counts from 1."""

    line: int
    code: str
    reason: str


class ImportOut(BaseModel):
    """``read = accepted + duplicate + quarantined``."""

    read: int
    accepted: int
    duplicate: int
    quarantined: int
    lines: list[FaultOut]


class SearchIn(govern.Body):
    """``from`` is included, ``to`` is not."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    query: str = ""
    after: AwareDatetime | None = Field(default=None, alias="from")
    before: AwareDatetime | None = Field(default=None, alias="to")
    sort: Literal["newest", "oldest", "relevance", "engagement"] = "newest"
    limit: int = Field(default=50, ge=1, le=500)
    cursor: str | None = None
    highlight: bool = False


class ByIn(govern.Body):
    """One list of counts."""

    field: str
    size: int = Field(default=10, ge=1, le=1000)
    interval: Literal["hour", "day", "week", "month"] | None = None


class AggregateIn(govern.Body):
    """One list of ``{key, count}`` for each entry of ``by``, in order."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    query: str = ""
    after: AwareDatetime | None = Field(default=None, alias="from")
    before: AwareDatetime | None = Field(default=None, alias="to")
    by: list[ByIn] = Field(default_factory=list, max_length=20)
    time_zone: str = "UTC"
    distinct: Literal["author"] | None = None


class AggregateOut(BaseModel):
    """Counts. ``exact`` is false where people had to be estimated."""

    count: int
    by: list[list[dict[str, Any]]]
    exact: bool


class QueryIn(govern.Body):
    """A query."""

    query: str


class QueryOut(BaseModel):
    """Its canonical form, and what it finds in words."""

    query: str
    explanation: str


class MentionChange(govern.Body):
    """What is given changes; ``corrections`` has keys of the verdicts."""

    state: str | None = None
    tags: list[str] | None = None
    corrections: dict[str, Any] | None = None


class TopicIn(govern.Body):
    """A saved query."""

    name: str
    query: str


class TopicChange(govern.Body):
    """What is given changes."""

    name: str | None = None
    query: str | None = None


class TopicOut(BaseModel):
    """A saved query."""

    id: UUID
    name: str
    query: str
    created_at: datetime


class TopicPage(BaseModel):
    """A page of topics."""

    items: list[TopicOut]
    next: str | None


class CoverageOut(BaseModel):
    """``heard`` is the sum of ``states`` and ``deleted``. The last three are of the whole organization, null for whoever may see only some of its
    units."""

    heard: int
    states: dict[str, int]
    deleted: int
    waiting_deliveries: int | None
    quarantined: int | None
    duplicate: int | None


@router.post(
    "/mentions/import",
    response=ImportOut,
    summary="Import mentions (NDJSON)",
    openapi_extra={"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
@govern.requires("mentions:import")
def import_mentions(request: HttpRequest) -> Any:
    """One mention a line, up to 50 MB, gzip allowed (``Content-Encoding: gzip``). Starts no clocks, rules or alerts.

    Lines may name any account, change what is known and vouch for people: the right must hold in the whole organization.
    """
    actor = govern.actor_of(request)
    govern.require_everywhere(actor, "mentions:import")
    report = connect.import_lines(actor.organization, _lines(request))
    return {
        "read": report.read, "accepted": report.accepted, "duplicate": report.duplicate, "quarantined": report.quarantined,
        "lines": [{"line": fault.line, "code": fault.code, "reason": fault.reason} for fault in report.lines],
    }  # fmt: skip


def _lines(request: HttpRequest) -> Iterator[bytes]:
    body = request.body
    if len(body) > IMPORT_LIMIT:
        raise TooLarge("import_too_large", "The body is larger than 50 MB.", "Split the file, or use “cxm import”.")
    if request.headers.get("Content-Encoding", "").lower() != "gzip":
        return iter(io.BytesIO(body))
    return _unpacked(body)


def _unpacked(body: bytes) -> Iterator[bytes]:
    read = 0
    try:
        with gzip.open(io.BytesIO(body)) as stream:
            while line := stream.readline(10_000_000):
                read += len(line)
                if read > UNPACKED_LIMIT:
                    raise TooLarge("import_too_large", "The body unpacks to more than 500 MB.", "Split the file, or use “cxm import”.")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(
            "not_gzip", "The body is not valid gzip.", "Lines before the fault were taken; import again, what is in counts as duplicate."
        ) from error


@router.post("/mentions/search", response=MentionPage, summary="Search mentions")
@govern.requires("mentions:read")
def search_mentions(request: HttpRequest, body: SearchIn) -> Any:
    """In the query language, with exact count."""
    found = listen.search(
        govern.actor_of(request),
        body.query,
        after=body.after,
        before=body.before,
        sort=body.sort,
        limit=body.limit,
        cursor=body.cursor,
        highlight=body.highlight,
    )
    return {"items": found.items, "next": found.next, "count": found.count}


@router.post("/mentions/aggregate", response=AggregateOut, summary="Count mentions")
@govern.requires("mentions:read")
def aggregate_mentions(request: HttpRequest, body: AggregateIn) -> Any:
    """By fields and over time; days in UTC unless ``time_zone`` is given."""
    by = [By(entry.field, entry.size, entry.interval) for entry in body.by]
    found = listen.aggregate(
        govern.actor_of(request), body.query, by, after=body.after, before=body.before, time_zone=body.time_zone, distinct=body.distinct
    )
    return {"count": found.count, "by": found.by, "exact": found.exact}


@router.get("/mentions/export", summary="Export mentions")
@govern.requires("mentions:export")
def export_mentions(request: HttpRequest, query: str = "", format: str = "jsonl") -> Any:
    """Streams JSONL, CSV or Parquet, oldest first, in constant memory.

    Once the token is revoked or the right gone it ends; the last line of JSONL and CSV then says so, and a Parquet file cannot be read.
    """
    actor = exports.exporting(govern.actor_of(request))
    chunks = listen.export(exports.watched(actor, listen.scan(actor, query)), format)
    return sending.Sent(
        chunks, content_type=exports.FORMATS[format], headers={"Content-Disposition": f'attachment; filename="mentions.{format}"'}
    )


@router.get("/mentions/{mention}", response=MentionOut, summary="One mention")
@govern.requires("mentions:read")
def get_mention(request: HttpRequest, mention: UUID) -> Any:
    """410 with ``deleted_at`` for a deleted one."""
    return listen.mention(govern.actor_of(request), mention)


@router.get("/mentions/{mention}/media/{index}", summary="A file of a mention")
@govern.requires("mentions:read")
def get_media(request: HttpRequest, mention: UUID, index: int) -> Any:
    """Its bytes, as an attachment; ``index`` counts the mention's ``media`` from 0.

    What only lies at a foreign address is fetched by this installation, which keeps it for a while: at most 20 MB, in 20 seconds.
    """
    return media.response(govern.actor_of(request), mention, index)


@router.patch("/mentions/{mention}", response=MentionOut, summary="Change state, tags, verdicts")
@govern.requires("mentions:write")
def change_mention(request: HttpRequest, mention: UUID, body: MentionChange) -> Any:
    """A correction is a person's word; models never overwrite it."""
    actor = govern.actor_of(request)
    listen.patch(actor, mention, state=body.state, tags=body.tags, corrections=body.corrections)
    return listen.mention(actor, mention)


@router.post("/queries/parse", response=QueryOut, summary="Check a query")
@govern.requires("mentions:read")
def parse_query(request: HttpRequest, body: QueryIn) -> Any:
    """400 ``query_invalid`` with ``position``, ``length`` and ``suggestion`` where it cannot be understood."""
    query = listen.understood(govern.actor_of(request), body.query)
    return {"query": language.canonical(query), "explanation": language.explain(query)}


@router.get("/topics", response=TopicPage, summary="Saved queries", tags=["topics"])
@govern.requires("mentions:read")
def list_topics(request: HttpRequest, limit: int | None = None, cursor: str | None = None) -> Any:
    """Newest first."""
    found = topics.topics(govern.actor_of(request).organization, cursor=cursor, limit=limit)
    return {"items": [_topic(row) for row in found.items], "next": found.next}


@router.post("/topics", response={201: TopicOut}, summary="Save a query as a topic", tags=["topics"])
@govern.requires("topics:write")
def add_topic(request: HttpRequest, body: TopicIn) -> Any:
    """409 where the name is taken. Topics belong to everybody: the right must hold in the whole organization."""
    return Status(201, _topic(topics.save(govern.actor_of(request), name=body.name, query=body.query)))


@router.get("/topics/{topic}", response=TopicOut, summary="One topic", tags=["topics"])
@govern.requires("mentions:read")
def get_topic(request: HttpRequest, topic: UUID) -> Any:
    """Its query."""
    return _topic(topics.topic(govern.actor_of(request).organization, topic))


@router.patch("/topics/{topic}", response=TopicOut, summary="Change a topic", tags=["topics"])
@govern.requires("topics:write")
def change_topic(request: HttpRequest, topic: UUID, body: TopicChange) -> Any:
    """What is given changes. The right must hold in the whole organization."""
    return _topic(topics.save(govern.actor_of(request), topic_id=topic, name=body.name, query=body.query))


@router.delete("/topics/{topic}", response={204: None}, summary="Delete a topic", tags=["topics"])
@govern.requires("topics:write")
def delete_topic(request: HttpRequest, topic: UUID) -> Any:
    """Mentions stay. The right must hold in the whole organization."""
    topics.delete(govern.actor_of(request), topic)
    return Status(204, None)


@router.get("/coverage", response=CoverageOut, summary="Where every mention ended", tags=["coverage"])
@govern.requires("mentions:read")
def get_coverage(request: HttpRequest, after: AwareDatetime | None = None, before: AwareDatetime | None = None) -> Any:
    """The sum of the end states is the number heard."""
    found = listen.coverage(govern.actor_of(request), after=after, before=before)
    return {name: getattr(found, name) for name in ("heard", "states", "deleted", "waiting_deliveries", "quarantined", "duplicate")}


def _topic(row: Any) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "query": row.query, "created_at": row.created_at}


ROUTES = [("", router)]
