"""``cxm addresses``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cxm.kernel.clock import format_instant
from cxm.run.cli import kit

addresses_app = typer.Typer(help="Addresses nothing is sent to: they complained, or do not exist any more.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(addresses_app, name="addresses")


@addresses_app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many to show.")] = 50,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """All of them, newest first. Example: cxm addresses list"""
    with kit.engines(data):
        from cxm.outbound import api as outbound

        found = outbound.suppressions(kit.actor_of(kit.organization_of(organization)), limit=limit).items
    lines = [f"{one.address}  {one.reason}  since {format_instant(one.since)}  {one.detail}".rstrip() for one in found]
    kit.show([asdict(one) for one in found], as_json, lines or ["nobody is on the list"])


@addresses_app.command("lift")
def lift(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="As it stands on the list.")],
    reason: Annotated[str, typer.Option(help="Why they may be written to again; it stands in the audit log.")],
    data: kit.Data = None,
    organization: kit.Organization = None,
) -> None:
    """Take one off the list. Example: cxm addresses lift ann@example.com --reason "she rang and asked for an answer" """
    with kit.engines(data):
        from cxm.outbound import api as outbound

        outbound.lift_suppression(kit.actor_of(kit.organization_of(organization)), address, reason)
    kit.show(None, False, [f"off the list: {address}"])
