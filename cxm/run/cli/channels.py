"""``cxm channels``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxm.run.cli import kit

channels_app = typer.Typer(help="Connectors.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(channels_app, name="channels")


@channels_app.command("list")
def list_(as_json: kit.AsJson = False) -> None:
    """Every channel and what it can do. Example: cxm channels list"""
    from cxm.channels import registry

    found = [
        {
            "name": entry.name,
            "title": entry.manifest.title,
            "capabilities": list(entry.manifest.capabilities),
            "support": entry.manifest.support,
        }
        for entry in registry.channels()
    ]
    kit.show(found, as_json, [f"{entry['name']:16} {entry['title']:20} {', '.join(entry['capabilities'])}" for entry in found])


@channels_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and _.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path("cxm/channels"),
    polls: Annotated[bool, typer.Option("--polls", help="It asks the platform for what is new, instead of being told by webhook.")] = False,
) -> None:
    """Scaffold a channel. Example: cxm channels new nostr --polls"""
    from cxm.channels.scaffold import new as scaffold

    for path in scaffold(name, folder, polls=polls):
        print(path)
    print(f"next: cxm channels check {name if folder == Path('cxm/channels') else folder / name}")
    if folder == Path("cxm/channels"):
        print(f"then: add cxm.channels.{name} to the independence contract in .importlinter, where channels are kept apart")


@channels_app.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="One channel, or a folder; all without.")] = None,
    as_json: kit.AsJson = False,
) -> None:
    """Run the contract's checks over a channel. Example: cxm channels check webhook"""
    from cxm.channels import registry
    from cxm.channels.check import check as check_channel
    from cxm.channels.check import check_folder

    if name is None:
        results = [check_channel(entry) for entry in registry.channels()]
    elif Path(name).is_dir():
        results = [check_folder(Path(name))]
    else:
        results = [check_channel(registry.channel(name))]
    plain = [
        {"channel": r.channel, "ok": r.ok, "checks": [{"name": o.name, "ok": o.ok, "text": o.text} for o in r.outcomes]} for r in results
    ]
    marks = {True: "ok    ", False: "FAILED", None: "-     "}
    kit.show(plain, as_json, [f"{marks[o.ok]} {r.channel}: {o.promise} {o.text}".rstrip() for r in results for o in r.outcomes])
    if not all(result.ok for result in results):
        raise typer.Exit(1)


@channels_app.command("score")
def score(
    name: Annotated[str | None, typer.Argument(help="One channel; all without.")] = None,
    as_json: kit.AsJson = False,
) -> None:
    """Each channel's tier, computed from what its folder holds. Example: cxm channels score matrix"""
    from cxm.channels import registry
    from cxm.channels.score import score as score_channel
    from cxm.channels.score import scores

    found = scores() if name is None else (score_channel(registry.channel(name)),)
    plain = [
        {"channel": s.channel, "tier": s.tier, "never_run_live": s.never_run_live, "missing": [c.text for c in s.missing()]} for s in found
    ]
    kit.show(
        plain,
        as_json,
        [
            f"{s.channel:16} {s.tier:8} {'never run against the live service  ' if s.never_run_live else ''}{'; '.join(c.text for c in s.missing())}"
            for s in found
        ],
    )
