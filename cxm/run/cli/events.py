"""``cxm events``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cxm.kernel.clock import format_instant
from cxm.run.cli import kit

events_app = typer.Typer(help="What happened inside and could not be handled.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(events_app, name="events")


@events_app.command("failed")
def failed(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many to show.")] = 50,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Events that failed for a day and were set aside, newest first; nobody's words. Example: cxm events failed"""
    with kit.engines(data):
        from cxm.govern import api as govern

        found = govern.failed_events(kit.actor_of(kit.organization_of(organization)), limit=limit).items
    lines = [
        f"{one.id}  {one.event} -> {one.subscriber}  since {format_instant(one.since)}  {one.tries} tries  {one.error}  [{one.lane}]"
        for one in found
    ]
    kit.show([asdict(one) for one in found], as_json, lines or ["no event was set aside"])


@events_app.command("again")
def again(
    event: Annotated[int | None, typer.Argument(metavar="ID", help="Its id in the list.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every one of them.")] = False,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Give one or all back for one more try, after a fix. Example: cxm events again --all"""
    if (event is None) == (not all_):
        raise typer.BadParameter("Name one by its id, or give --all.")
    with kit.engines(data):
        from cxm.govern import api as govern

        count = govern.give_back_events(kit.actor_of(kit.organization_of(organization)), None if event is None else [event])
    plain: dict[str, Any] = {"given_back": count}
    kit.show(plain, as_json, [f"given back: {count}"])
