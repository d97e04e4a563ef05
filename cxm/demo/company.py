"""Builds the company: organization, units, members, accounts, topics. Each step finds what a former start made."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.connect import api as connect
from cxm.connect.contracts import Account
from cxm.demo import telling
from cxm.demo.state import State
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import frozen_at
from cxm.kernel.errors import Conflict
from cxm.listen import api as listen

#: Every member of the demo signs in with the owner's password, so that a newcomer can look through each role's eyes.
DOMAIN = "marlow.example"


def check_directory(known: State | None) -> None:
    """Raises Conflict where this installation holds another organization, or one of the demo's name that the demo did not make."""
    name = telling.company()["name"]
    for one in govern.organizations():
        if one.name != name:
            raise Conflict(
                "demo_needs_own_directory", f"This data directory holds the organization “{one.name}”; the demo company is not put beside it.",
                "Start with another --data directory, or without --demo.",
            )  # fmt: skip
        if known is None:
            raise Conflict(
                "demo_not_ours", f"This data directory holds an organization “{name}” that --demo did not make.",
                "Start with another --data directory, or without --demo.",
            )  # fmt: skip


def new_password() -> str:
    """Something one can type: four groups of four letters and digits without look-alikes (about 79 bits)."""
    signs = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(random.choice(signs) for _ in range(4)) for _ in range(4))


def build(password: str, secret_of: Mapping[str, str], address: str, since: datetime) -> UUID:
    """Everything but what people say; returns the organization. ``address``: the root of the simulated platforms; ``since``: when the
    accounts were connected, which is before the first word on them."""
    plan = telling.company()
    made = govern.set_up(plan["name"], plan["email"], password)
    ines = govern.actor_for(made.organization, made.member)
    govern.change_member(ines, made.member, name=plan["owner"])
    units = _units(ines, plan["units"])
    _members(ines, plan["members"], units, password)
    with frozen_at(since):
        _accounts(ines, plan["accounts"], units, secret_of, address)
    known = {row.name for row in listen.topics(made.organization).items}
    for name, query in plan["topics"].items():
        if name not in known:
            listen.save_topic(ines, name=name, query=query)
    return made.organization


def join(where: UUID, password: str) -> None:
    """The members who need not be there at once join; each password takes a quarter of a second to hash, so this runs beside serving."""
    plan = telling.company()
    ines = actors(where)["ines"]
    _members(ines, plan["joining"], _unit_paths(ines), password)


def organization() -> UUID:
    """The demo's organization."""
    return govern.organization_named(telling.company()["name"]).id


def accounts(where: UUID) -> dict[str, Account]:
    """Our accounts by their key in the stories."""
    by_name = {account.name: account for account in connect.accounts(where)}
    return {key: by_name[plan["name"]] for key, plan in telling.company()["accounts"].items() if plan["name"] in by_name}


def point(where: UUID, address: str) -> None:
    """Tell accounts where the simulated platforms listen this time."""
    ines = actors(where)["ines"]
    for key, account in accounts(where).items():
        url = f"{address}/{key}"
        if account.settings.get("reply_url") != url:
            connect.change(ines, account.id, settings={"reply_url": url})


def actors(where: UUID) -> dict[str, Actor]:
    """Members as actors, by the first part of their address."""
    return {
        member.email.partition("@")[0]: govern.actor_for(where, member.id) for member in govern.members(where) if member.state == "active"
    }


def _units(ines: Actor, paths: list[str]) -> dict[str, UUID]:
    units = _unit_paths(ines)
    for path in paths:
        parent, _, name = path.rpartition("/")
        if path not in units:
            units[path] = govern.create_unit(ines, name, units[parent]).id
    return units


def _unit_paths(ines: Actor) -> dict[str, UUID]:
    names: dict[UUID, str] = {govern.root_unit(ines.organization): ""}
    for unit in govern.units(ines.organization):
        if unit.parent is not None:
            names[unit.id] = f"{names[unit.parent]}/{unit.name}".lstrip("/")
    return {name: identity for identity, name in names.items()}


def _members(ines: Actor, plan: list[list[str]], units: Mapping[str, UUID], password: str) -> None:
    states = {member.email: member.state for member in govern.members(ines.organization)}
    for key, name, role, unit in plan:
        address = f"{key}@{DOMAIN}"
        if address not in states:
            with transaction.atomic():
                link = govern.invite(ines, address, name, role, units[unit]).link
                govern.accept_invitation(link.rpartition("/")[2], name, password)
    _shifts(ines)


def _shifts(ines: Actor) -> None:
    """When they work: for whom nobody has said so yet, and in their own zone."""
    plan = telling.company()["shifts"]
    for member in govern.members(ines.organization):
        zone, week = plan.get(member.email.partition("@")[0], ("", {}))
        if member.shifts is None and week and member.state == "active":
            with transaction.atomic():
                govern.prefer(govern.actor_for(ines.organization, member.id), zone=zone or None)
                govern.save_shifts(ines, member.id, {day: spans.split(", ") for day, spans in week.items()})


def _accounts(
    ines: Actor, plan: Mapping[str, Mapping[str, Any]], units: Mapping[str, UUID], secret_of: Mapping[str, str], address: str
) -> None:
    known = accounts(ines.organization)
    for key, entry in plan.items():
        if key not in known:
            settings = {"reply_url": f"{address}/{key}", "reads_back": True, "idempotent": True}
            connect.connect(
                ines,
                channel="webhook",
                name=entry["name"],
                unit=units[entry["unit"]],
                settings=settings,
                credentials={"secret": secret_of[key]},
            )
