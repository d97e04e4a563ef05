"""``cxm stop``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cxm.kernel.clock import format_instant, now
from cxm.run.cli import kit

stops_app = typer.Typer(help="The stop: nothing outbound leaves while one is on.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(stops_app, name="stop")


@stops_app.command("on")
def on(
    scope: Annotated[
        str, typer.Option(help="organization, unit:<id>, account:<id> or kind:reply|post|campaign|survey|ad|call.")
    ] = "organization",
    reason: Annotated[str, typer.Option(help="Why; everybody sees it.")] = "",
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Stop what reaches customers, at once. Example: cxm stop on --reason "wrong prices in every answer" """
    with kit.engines(data):
        from cxm.govern import api as govern

        stop = govern.stop_on(kit.actor_of(kit.organization_of(organization)), scope, reason or "from the command line")
    kit.show(
        {"id": str(stop.id), "scope": stop.scope, "on_at": stop.on_at},
        as_json,
        [f"stop: {stop.id}", f"scope: {stop.scope}", "Nothing it covers leaves any more."],
    )


@stops_app.command("status")
def status(data: kit.Data = None, organization: kit.Organization = None, as_json: kit.AsJson = False) -> None:
    """Stops that are on, with what each holds. Example: cxm stop status"""
    with kit.engines(data):
        plain = _status(kit.organization_of(organization))
    lines = [f"{entry['id']}  {entry['scope']}  since {entry['on_at']}  {entry['held']} held  {entry['reason']}" for entry in plain]
    kit.show(plain, as_json, lines or ["no stop is on"])


def _status(organization: Any) -> list[dict[str, Any]]:
    from cxm.govern import api as govern

    found = govern.stops(organization, on=True)
    return [
        {
            "id": str(stop.id),
            "scope": stop.scope,
            "reason": stop.reason,
            "on_at": format_instant(stop.on_at),
            "held": len(govern.held(organization, stop.id)),
        }
        for stop in found
    ]


@stops_app.command("off")
def off(
    stop: Annotated[str | None, typer.Argument(metavar="STOP", help="Its id; needed where several are on.")] = None,
    release: Annotated[str | None, typer.Option(help="all, none, or a file with the ids to release, one a line.")] = None,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Lift a stop; what is held is released or cancelled item by item. Example: cxm stop off --release all"""
    with kit.engines(data):
        from cxm.govern import api as govern

        where = kit.organization_of(organization)
        chosen = _choose(govern.stops(where, on=True), stop)
        seen = now()
        held = govern.held(where, chosen)
        if held and release is None:
            raise typer.BadParameter(f"{len(held)} items are held. Say --release all, --release none, or --release FILE.")
        receipt = govern.lift(kit.actor_of(where), chosen, release=_released(release), seen_until=seen)
    plain = {
        "stop": str(receipt.stop),
        "held": len(receipt.held),
        "released": [str(one) for one in receipt.released],
        "cancelled": [str(one) for one in receipt.cancelled],
    }
    kit.show(
        plain,
        as_json,
        [
            f"lifted: {receipt.stop}",
            f"held: {len(receipt.held)}",
            f"released: {len(receipt.released)}",
            f"cancelled: {len(receipt.cancelled)}",
        ],
    )


def _choose(found: list[Any], stop: str | None) -> Any:
    if stop is None and len(found) == 1:
        return found[0].id
    for entry in found:
        if str(entry.id) == stop:
            return entry.id
    raise typer.BadParameter("No stop is on." if not found else f"Name one of: {', '.join(str(entry.id) for entry in found)}.")


def _released(release: str | None) -> Any:
    from uuid import UUID

    if release in (None, "none"):
        return "none"
    if release == "all":
        return "all"
    return [UUID(line.strip()) for line in Path(release).read_text().splitlines() if line.strip()]


@stops_app.command("drill")
def drill(data: kit.Data = None, organization: kit.Organization = None) -> None:
    """Show that the stop works: turns one on, proposes a rehearsal reply to nobody, sees it held, lifts the stop, sees it cancelled.

    Example: cxm stop drill
    """
    with kit.engines(data):
        from cxm.run.drill import drill as rehearse

        steps = rehearse(kit.organization_of(organization))
    for step in steps:
        print(f"{'ok    ' if step.ok else 'FAILED'} {step.name} ({step.seconds * 1000:.0f} ms)")
    if not all(step.ok for step in steps):
        raise typer.Exit(1)
