"""``cxm serve``, ``cxm web``, ``cxm worker``, ``cxm streams``."""

from __future__ import annotations

from typing import Annotated

import typer

from cxm.run.cli import kit
from cxm.run.cli.installation import ensure_key

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (serve, web, worker, streams):
        app.command()(command)


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data: kit.Data = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="With the demo company; only in a data directory without another organization.")
    ] = False,
) -> None:
    """Everything at once on embedded engines; Ctrl-C or SIGTERM drains and stops what it started.

    Example: cxm serve --demo --port 8000
    """
    kit.choose(data)
    if demo:
        ensure_key(data)
    from cxm.run import figures

    figures.share()
    from cxm.run import serving

    serving.serve(host, port, demo=demo, parts=frozenset({"web", "worker", "streams"}))


def web(host: Host = "127.0.0.1", port: Port = 8000, data: kit.Data = None) -> None:
    """Pages, API and inbound door alone. Example: cxm web --port 8000"""
    _apart(host, port, data, "web")


def worker(
    queues: Annotated[str | None, typer.Option(help="Queues, separated by commas: intake, events, outbound, default. All without.")] = None,
    data: kit.Data = None,
) -> None:
    """Jobs alone. Example: cxm worker --queues outbound"""
    _apart("127.0.0.1", 0, data, "worker", [name.strip() for name in queues.split(",")] if queues else None)


def streams(data: kit.Data = None) -> None:
    """Polls and streams of accounts alone. Example: cxm streams"""
    _apart("127.0.0.1", 0, data, "streams")


def _apart(host: str, port: int, data: object, part: str, queues: list[str] | None = None) -> None:
    kit.choose(data)  # type: ignore[arg-type]
    from cxm.run import serving

    serving.serve(host, port, demo=False, parts=frozenset({part}), queues=queues)
