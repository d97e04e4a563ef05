"""REST routes of the slice: units, members, tokens, permissions, stops, events. Shapes as in the public interfaces."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Status

from cxm.govern import access, failed_rest, models
from cxm.govern.contracts import Unit
from cxm.govern.doors import requires, router
from cxm.govern.services import members, organizations, shifts, stops, tokens
from cxm.govern.shapes import (
    EventList,
    Following,
    HeldList,
    InvitedOut,
    LiftIn,
    MemberChange,
    MemberIn,
    MemberList,
    MemberOut,
    Paging,
    PermissionList,
    ReceiptOut,
    ShiftsIn,
    StopIn,
    StopList,
    StopOut,
    TokenChange,
    TokenIn,
    TokenList,
    TokenMade,
    TokenOut,
    UnitChange,
    UnitIn,
    UnitList,
    UnitOut,
    invited_json,
    member_json,
    page_of_held,
    stop_json,
    token_json,
    unit_json,
)
from cxm.kernel.actor import Actor
from cxm.kernel.clock import chosen_instant, format_instant
from cxm.kernel.permissions import ROLES
from cxm.platform import events, paging
from cxm.platform.idempotency import own_transaction

units_routes = router(tags=["units"])
members_routes = router(tags=["members"])
tokens_routes = router(tags=["tokens"])
permissions_routes = router(tags=["permissions"])
stops_routes = router(tags=["stops"])
events_routes = router(tags=["events"])
ROUTES = [
    ("/units", units_routes),
    ("/members", members_routes),
    ("/tokens", tokens_routes),
    ("/permissions", permissions_routes),
    ("/stops", stops_routes),
    ("/events", events_routes),
    ("/events", failed_rest.routes),
]


def _actor(request: HttpRequest) -> Actor:
    return access.actor_of(request)


# units


@units_routes.get("", response=UnitList)
@requires("organization:read")
def list_units(request: HttpRequest, page: Paging = Query(...)) -> Any:
    """Units, by time of making; ``parent`` makes the tree."""
    rows = models.Unit.objects.for_organization(_actor(request).organization)
    return paging.page(
        rows, order=("id",), cursor=page.cursor, limit=page.limit, as_item=lambda row: unit_json(Unit(row.id, row.name, row.parent_id))
    )


@units_routes.post("", response={201: UnitOut})
@requires("units:write")
def create_unit(request: HttpRequest, body: UnitIn) -> Any:
    """A unit below ``parent``."""
    return Status(201, unit_json(organizations.create_unit(_actor(request), body.name, body.parent)))


@units_routes.get("/{unit}", response=UnitOut)
@requires("organization:read")
def get_unit(request: HttpRequest, unit: UUID) -> Any:
    """One unit."""
    return unit_json(organizations.unit(_actor(request).organization, unit))


@units_routes.patch("/{unit}", response=UnitOut)
@requires("units:write")
def change_unit(request: HttpRequest, unit: UUID, body: UnitChange) -> Any:
    """Rename or move."""
    return unit_json(organizations.change_unit(_actor(request), unit, name=body.name, parent=body.parent))


@units_routes.delete("/{unit}", response={204: None})
@requires("units:write")
def delete_unit(request: HttpRequest, unit: UUID) -> Any:
    """Delete an empty unit."""
    organizations.delete_unit(_actor(request), unit)
    return Status(204, None)


# members


@members_routes.get("", response=MemberList)
@requires("members:read")
def list_members(request: HttpRequest, page: Paging = Query(...)) -> Any:
    """Everybody who works here or is invited."""
    rows = members.rows(_actor(request).organization)
    return paging.page(rows, order=("id",), cursor=page.cursor, limit=page.limit, as_item=lambda row: member_json(members.as_member(row)))


@members_routes.post("", response={201: InvitedOut})
@requires("members:write")
def invite_member(request: HttpRequest, body: MemberIn) -> Any:
    """Invite; ``link`` lets them in once and within seven days."""
    return Status(201, invited_json(request, members.invite(_actor(request), body.email, body.name, body.role, body.unit)))


@members_routes.post("/{member}/invitation", response={201: InvitedOut})
@requires("members:write")
def invite_member_again(request: HttpRequest, member: UUID) -> Any:
    """A fresh link for somebody who has not joined; the former one stops working."""
    return Status(201, invited_json(request, members.invite_again(_actor(request), member)))


@members_routes.get("/{member}", response=MemberOut)
@requires("members:read")
def get_member(request: HttpRequest, member: UUID) -> Any:
    """One member, a removed one too."""
    return member_json(members.member(_actor(request).organization, member))


@members_routes.patch("/{member}", response=MemberOut)
@requires("members:write")
def change_member(request: HttpRequest, member: UUID, body: MemberChange) -> Any:
    """Another name, role or unit."""
    return member_json(members.change(_actor(request), member, name=body.name, role=body.role, unit=body.unit))


@members_routes.put("/{member}/shifts", response=MemberOut, summary="Set when a member works")
@requires("members:read")
def set_shifts(request: HttpRequest, member: UUID, body: ShiftsIn) -> Any:
    """One's own, or with ``members:write`` those of members one manages. In place of what was set."""
    shifts.save(_actor(request), member, body.days.model_dump())
    return member_json(members.member(_actor(request).organization, member))


@members_routes.delete("/{member}", response={204: None})
@requires("members:write")
def remove_member(request: HttpRequest, member: UUID) -> Any:
    """Let a member go; their tokens end with it. The last owner stays."""
    members.remove(_actor(request), member)
    return Status(204, None)


# tokens


@tokens_routes.get("", response=TokenList)
@requires("tokens:write")
def list_tokens(request: HttpRequest, page: Paging = Query(...)) -> Any:
    """One's own tokens, or everybody's with ``members:write``; never their secrets."""
    rows = tokens.token_rows(_actor(request))
    return paging.page(rows, order=("id",), cursor=page.cursor, limit=page.limit, as_item=lambda row: token_json(tokens.as_token(row)))


@tokens_routes.post("", response={201: TokenMade})
@requires("tokens:write")
def create_token(request: HttpRequest, body: TokenIn) -> Any:
    """A token for the member behind this one; ``token`` is given this once."""
    expires_at = None if body.expires_at is None else chosen_instant(body.expires_at, "expires_at")
    made, secret = tokens.create_token(_actor(request), body.name, body.scopes, expires_at)
    return Status(201, {**token_json(made), "token": secret})


@tokens_routes.get("/{token}", response=TokenOut)
@requires("tokens:write")
def get_token(request: HttpRequest, token: UUID) -> Any:
    """One token, without its secret."""
    return token_json(tokens.token(_actor(request), token))


@tokens_routes.patch("/{token}", response=TokenOut)
@requires("tokens:write")
def rename_token(request: HttpRequest, token: UUID, body: TokenChange) -> Any:
    """Another name; scopes never change."""
    return token_json(tokens.rename_token(_actor(request), token, body.name))


@tokens_routes.delete("/{token}", response={204: None})
@requires("tokens:write")
def revoke_token(request: HttpRequest, token: UUID) -> Any:
    """End it at once."""
    tokens.revoke_token(_actor(request), token)
    return Status(204, None)


# permissions


@permissions_routes.get("", response=PermissionList)
def list_permissions(request: HttpRequest) -> Any:
    """Every scope, what it allows, and the roles that hold it."""
    known = sorted(access.registry.permissions.values(), key=lambda one: one.name)
    return {
        "items": [{"name": one.name, "text": one.text, "roles": [role for role in ROLES if role in one.roles]} for one in known],
        "next": None,
    }


# stops


@stops_routes.get("", response=StopList)
@requires("stops:read")
def list_stops(request: HttpRequest, on: bool | None = None, page: Paging = Query(...)) -> Any:
    """Stops, the newest first; ``on=true`` only those that hold."""
    rows = models.Stop.objects.for_organization(_actor(request).organization)
    if on is not None:
        rows = rows.filter(lifted_at__isnull=on)
    return paging.page(
        rows, order=("-on_at", "-id"), cursor=page.cursor, limit=page.limit, as_item=lambda row: stop_json(stops.as_stop(row))
    )


@stops_routes.post("", response={201: StopOut})
@own_transaction
@requires("stops:write")
def turn_stop_on(request: HttpRequest, body: StopIn) -> Any:
    """Stop; once this is answered nothing it covers begins to leave."""
    return Status(201, stop_json(stops.stop_on(_actor(request), body.scope, body.reason)))


@stops_routes.get("/{stop}", response=StopOut)
@requires("stops:read")
def get_stop(request: HttpRequest, stop: UUID) -> Any:
    """One stop, with the receipts of its lifting."""
    return stop_json(stops.stop_of(_actor(request).organization, stop))


@stops_routes.get("/{stop}/held", response=HeldList)
@requires("stops:read")
def list_held(request: HttpRequest, stop: UUID, page: Paging = Query(...)) -> Any:
    """What it holds, oldest first, those still in their undo time included."""
    items = stops.held_for(_actor(request), stop)
    return page_of_held(items, page.cursor, page.limit)


@stops_routes.post("/{stop}/lift", response=ReceiptOut)
@own_transaction
@requires("stops:write")
def lift_stop(request: HttpRequest, stop: UUID, body: LiftIn) -> Any:
    """Lift after review; answers the receipt."""
    actor = _actor(request)
    seen_until = None if body.seen_until is None else chosen_instant(body.seen_until, "seen_until")
    return stops.receipt_json(stops.lift(actor, stop, body.release, seen_until))


# events


@events_routes.get("", response=EventList)
@requires("events:read")
def list_events(request: HttpRequest, page: Following = Query(...)) -> Any:
    """What happened after the event ``after``, in order; only what one may read in the whole organization."""
    actor = _actor(request)
    count = paging.check_limit(page.limit)
    readable = {name for name in actor.grants if actor.units(name) is None}
    found = events.since(actor.organization, page.after, permissions=readable, limit=count)
    items = [{"id": one.position, "name": one.name, "at": format_instant(one.at), "data": dict(one.data)} for one in found]
    return {"items": items, "next": found[-1].position if len(found) == count else None}
