"""What the REST routes of the slice take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Schema
from pydantic import AwareDatetime, Field

from cxm.govern.contracts import HeldItem, Invited, Member, Stop, Token, Unit
from cxm.govern.doors import Body
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import FieldError, Invalid
from cxm.kernel.weekly import WEEKDAYS, Shifts, written
from cxm.platform import paging

Name = Annotated[str, Field(min_length=1, max_length=200)]
Role = Literal["owner", "manager", "agent", "publisher", "analyst", "privacy_officer"]


class Paging(Schema):
    """``limit`` (50, at most 500) and ``cursor`` (the ``next`` of the page before)."""

    limit: int | None = Field(None, ge=1, le=500)
    cursor: str | None = Field(None, max_length=1000)


class Following(Schema):
    """``after``: the ``id`` of the last event one has."""

    after: str | None = Field(None, max_length=60)
    limit: int | None = Field(None, ge=1, le=500)


class UnitOut(Schema):
    id: UUID
    name: str
    parent: UUID | None


class UnitList(Schema):
    items: list[UnitOut]
    next: str | None


class UnitIn(Body):
    name: Name
    parent: UUID | None = Field(None, description="The root unit unless given.")


class UnitChange(Body):
    name: Name | None = None
    parent: UUID | None = None


class GrantOut(Schema):
    role: str
    unit: UUID


class Week(Body):
    """Spans such as 09:00-17:00 by weekday; a night ends at 24:00 and goes on the day after."""

    monday: list[str] = Field(default_factory=list, max_length=20)
    tuesday: list[str] = Field(default_factory=list, max_length=20)
    wednesday: list[str] = Field(default_factory=list, max_length=20)
    thursday: list[str] = Field(default_factory=list, max_length=20)
    friday: list[str] = Field(default_factory=list, max_length=20)
    saturday: list[str] = Field(default_factory=list, max_length=20)
    sunday: list[str] = Field(default_factory=list, max_length=20)


class ShiftsIn(Body):
    """When a member works; without any day nothing is said of them."""

    days: Week


class ShiftsOut(Schema):
    zone: str = Field(description="The member's own, else the organization's.")
    days: dict[str, list[str]]
    off_until: str | None = Field(description="When they work next; null while they do.")


class MemberOut(Schema):
    id: UUID
    email: str
    name: str
    role: str | None
    unit: UUID | None
    grants: list[GrantOut]
    state: str = Field(description="invited, active or removed")
    created_at: str
    shifts: ShiftsOut | None = Field(description="When they work; null where nobody said.")


class MemberList(Schema):
    items: list[MemberOut]
    next: str | None


class InvitedOut(MemberOut):
    link: str | None = Field(description="The way in, given this once.")
    link_expires_at: str


class MemberIn(Body):
    email: Annotated[str, Field(min_length=3, max_length=254)]
    name: Annotated[str, Field(max_length=200)] = ""
    role: Role
    unit: UUID | None = Field(None, description="The root unit unless given.")


class MemberChange(Body):
    name: Name | None = None
    role: Role | None = None
    unit: UUID | None = None


class TokenOut(Schema):
    id: UUID
    name: str
    member: UUID
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class TokenList(Schema):
    items: list[TokenOut]
    next: str | None


class TokenMade(TokenOut):
    token: str | None = Field(description="The secret, given this once.")


class TokenIn(Body):
    name: Name
    scopes: Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=200)] | None = Field(
        None, description="All of the member's rights unless given."
    )
    expires_at: AwareDatetime | None = None


class TokenChange(Body):
    name: Name


class PermissionOut(Schema):
    name: str
    text: str
    roles: list[str]


class PermissionList(Schema):
    items: list[PermissionOut]
    next: str | None


class StopOut(Schema):
    id: UUID
    scope: str
    reason: str
    on: bool
    by: UUID | None
    by_name: str
    on_at: str
    lifted_at: str | None
    lifted_by: UUID | None
    lifted_by_name: str | None
    receipts: list[dict[str, Any]]


class StopList(Schema):
    items: list[StopOut]
    next: str | None


class StopIn(Body):
    scope: Annotated[
        str,
        Field(min_length=1, max_length=60, description="organization, unit:<id>, account:<id> or kind:reply|post|campaign|survey|ad|call"),
    ]
    reason: Annotated[str, Field(max_length=2000)] = ""


class LiftIn(Body):
    release: list[UUID] | Literal["all", "none"] = Field(description="What goes on; the rest of what was seen is cancelled.")
    seen_until: AwareDatetime | None = Field(None, description="When the list was read; needed for “all”. What came later stays held.")


class ReceiptOut(Schema):
    stop: UUID
    lifted_by: UUID | None
    lifted_by_name: str
    lifted_at: str
    held: list[UUID]
    released: list[UUID]
    cancelled: list[UUID]
    still_held: list[UUID]


class HeldOut(Schema):
    id: UUID
    kind: str
    account: UUID | None
    text: str
    since: str


class HeldList(Schema):
    items: list[HeldOut]
    next: str | None


class EventOut(Schema):
    id: str
    name: str
    at: str
    data: dict[str, Any]


class EventList(Schema):
    items: list[EventOut]
    next: str | None


def unit_json(unit: Unit) -> dict[str, Any]:
    """A unit as the API gives it."""
    return {"id": unit.id, "name": unit.name, "parent": unit.parent}


def member_json(member: Member) -> dict[str, Any]:
    """A member as the API gives it; ``role`` and ``unit`` are those of the first grant."""
    first = member.grants[0] if member.grants else None
    return {
        "id": member.id,
        "email": member.email,
        "name": member.name,
        "role": first.role if first else None,
        "unit": first.unit if first else None,
        "grants": [{"role": grant.role, "unit": grant.unit} for grant in member.grants],
        "state": member.state,
        "created_at": format_instant(member.created_at),
        "shifts": _shifts_json(member.shifts),
    }


def _shifts_json(shifts: Shifts | None) -> dict[str, Any] | None:
    if shifts is None:
        return None
    off = shifts.off_until(now())
    days = {name: [written(one) for one in spans] for name, spans in zip(WEEKDAYS, shifts.days, strict=True) if spans}
    return {"zone": shifts.zone, "days": days, "off_until": format_instant(off) if off else None}


def invited_json(request: HttpRequest, invited: Invited) -> dict[str, Any]:
    """A new member with the link, absolute as called where no public address is set."""
    link = invited.link if "://" in invited.link else request.build_absolute_uri(invited.link)
    return {**member_json(invited.member), "link": link, "link_expires_at": format_instant(invited.expires_at)}


def token_json(token: Token) -> dict[str, Any]:
    """A token as the API gives it, without its secret."""
    return {
        "id": token.id,
        "name": token.name,
        "member": token.member,
        "scopes": list(token.scopes),
        "created_at": format_instant(token.created_at),
        "expires_at": _instant(token.expires_at),
        "last_used_at": _instant(token.last_used_at),
    }


def stop_json(stop: Stop) -> dict[str, Any]:
    """A stop as the API gives it."""
    return {
        "id": stop.id,
        "scope": stop.scope,
        "reason": stop.reason,
        "on": stop.on,
        "by": stop.by,
        "by_name": stop.by_name,
        "on_at": format_instant(stop.on_at),
        "lifted_at": _instant(stop.lifted_at),
        "lifted_by": stop.lifted_by,
        "lifted_by_name": stop.lifted_by_name or None,
        "receipts": list((stop.receipt or {}).get("lifts", [])),
    }


def page_of_held(items: list[HeldItem], cursor: str | None, limit: int | None) -> dict[str, Any]:
    """One page of held items, by ``since`` and id."""
    count = paging.check_limit(limit)
    ordered = sorted(items, key=lambda item: (item.since, item.id))
    if cursor:
        since, identity = _place(cursor)
        ordered = [item for item in ordered if (item.since, item.id) > (since, identity)]
    shown = ordered[:count]
    following = paging.pack([shown[-1].since, shown[-1].id]) if len(ordered) > count else None
    listed = [
        {"id": item.id, "kind": item.kind, "account": item.account, "text": item.text, "since": format_instant(item.since)}
        for item in shown
    ]
    return {"items": listed, "next": following}


def _place(cursor: str) -> tuple[datetime, UUID]:
    values = paging.unpack(cursor)
    if len(values) != 2 or not isinstance(values[0], datetime) or not isinstance(values[1], UUID):
        raise Invalid("cursor_invalid", "“cursor” belongs to another list.", errors=(FieldError("cursor", "the next of the page before"),))
    return values[0], values[1]


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else format_instant(moment)
