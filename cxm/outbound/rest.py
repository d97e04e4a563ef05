"""REST of outbound: a reply's state, taking it back, settling the unknown."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import BaseModel, ConfigDict

from cxm.govern import api as govern
from cxm.kernel.errors import NotFound, TooLarge
from cxm.outbound import api as outbound
from cxm.outbound import suppressed_rest
from cxm.outbound.contracts import Reply
from cxm.outbound.events import public_delivery

router = govern.router(tags=["replies"])


class AttemptOut(BaseModel):
    """One try. ``outcome``: sent, refused, later, not_sent, unknown, held, asked or under_way."""

    at: datetime
    outcome: str
    detail: str


class CopyOut(BaseModel):
    """One whom a copy was to go to. ``state``: waiting, sent, not_sent, unknown (as the reply); withheld (by us: ``reason`` suppressed or ours), refused (by their
    mail server, or nobody can be written to: ``reason`` unwritable), and nothing of these is tried again; or what was told of it since: delayed, delivered, read,
    failed, complained. ``detail`` in their mail server's words."""

    model_config = ConfigDict(from_attributes=True)

    address: str
    state: str
    reason: str
    detail: str


class ReportOut(BaseModel):
    """What was told of one of several recipients without saying of whom. ``status``: delayed, failed or complained."""

    model_config = ConfigDict(from_attributes=True)

    status: str
    reason: str
    detail: str
    at: datetime


class ReplyOut(BaseModel):
    """A reply. ``state``: waiting (undo), queued, sent, failed, unknown, held, cancelled; ``delivery`` by receipts alone:
    delivered, read or failed; ``reason``: why it was not, as a word, or ``later`` while it is late, ``complained`` where they called it spam; ``suppressed`` while it
    waits because nothing is sent to their address, ``signed_out`` while its account's sign-in is lost. ``can_be_taken_back``: it has surely not left."""

    id: UUID
    state: str
    conversation: UUID | None
    text: str
    created_at: datetime
    sent_at: datetime | None
    native_id: str | None
    delivery: str | None
    reason: str
    detail: str
    copies: list[CopyOut]
    reports: list[ReportOut]
    can_be_taken_back: bool
    attempts: list[AttemptOut]


class SettleIn(govern.Body):
    """What a person found out: ``outcome`` sent or failed."""

    outcome: str
    native_id: str | None = None
    reason: str = ""


class UploadOut(BaseModel):
    """A file that can go with a reply, as one of its ``media``. ``kind``: image, video, audio, file; ``size`` in bytes."""

    id: UUID
    name: str
    kind: str
    content_type: str
    size: int


@router.post(
    "/uploads",
    response={201: UploadOut},
    summary="Upload a file",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
@govern.requires("conversations:reply")
def upload(request: HttpRequest, name: str, type: str = "") -> Any:
    """The body is the file (at most 25 MB; no programs); it waits 30 days for a reply of yours that names its id in ``media``."""
    made = outbound.upload(govern.actor_of(request), name, _body(request), type)
    return Status(201, asdict(made))


def _body(request: HttpRequest) -> bytes:
    """The file. Raises TooLarge before it is read where the sender says how large it is."""
    said = request.headers.get("Content-Length", "")
    if said.isdecimal() and int(said[:20]) > outbound.UPLOAD_LIMIT:
        raise TooLarge(
            "file_too_large", f"The file is larger than {outbound.UPLOAD_LIMIT // 1_000_000} MB.", "Send a smaller one, or a link to it."
        )
    return request.body


@router.get("/replies/{reply}", response=ReplyOut, summary="A reply and its attempts")
@govern.requires("conversations:read")
def get_reply(request: HttpRequest, reply: UUID) -> Any:
    """Its state, and what each attempt came to."""
    return as_out(_visible(request, reply, "conversations:read"))


@router.delete("/replies/{reply}", response=ReplyOut, summary="Take a reply back")
@govern.requires("conversations:reply")
def take_back(request: HttpRequest, reply: UUID) -> Any:
    """As long as it has surely not left (``can_be_taken_back``): while it waits, is held, or is queued for its account, its turn or its platform. 409 once it is
    being sent, was sent, or may have been."""
    _visible(request, reply, "conversations:reply")
    return as_out(outbound.take_back(govern.actor_of(request), reply))


@router.post("/replies/{reply}/settle", response=ReplyOut, summary="Settle an unknown outcome")
@govern.requires("conversations:reply")
def settle(request: HttpRequest, reply: UUID, body: SettleIn) -> Any:
    """A person says what became of it; 409 where the outcome is not unknown."""
    _visible(request, reply, "conversations:reply")
    return as_out(outbound.settle(govern.actor_of(request), reply, outcome=body.outcome, native_id=body.native_id, reason=body.reason))


def as_out(reply: Reply) -> dict[str, Any]:
    """A reply as JSON."""
    names = (
        "id",
        "state",
        "conversation",
        "text",
        "created_at",
        "sent_at",
        "native_id",
        "delivery",
        "reason",
        "detail",
        "copies",
        "reports",
        "can_be_taken_back",
    )
    attempts = [{"at": entry.at, "outcome": entry.outcome, "detail": entry.detail} for entry in reply.attempts]
    return {**{name: getattr(reply, name) for name in names}, "delivery": public_delivery(reply.delivery), "attempts": attempts}


def _visible(request: HttpRequest, reply: UUID, permission: str) -> Reply:
    actor = govern.actor_of(request)
    found = outbound.reply(actor.organization, reply)
    if not actor.may(permission, found.unit):
        raise NotFound("reply")
    return found


ROUTES = [("", router), ("/suppressions", suppressed_rest.router)]
