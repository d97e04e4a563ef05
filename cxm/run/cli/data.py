"""``cxm import``, ``cxm export``, ``cxm query``, ``cxm enrich``."""

from __future__ import annotations

import gc
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from cxm.run.cli import kit

#: From this many bytes of files, or lines of what cannot be measured, an import starts a worker beside itself.
BESIDE_BYTES, BESIDE_LINES = 1_000_000, 4000

export_app = typer.Typer(help="Export data.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("import")(import_)
    app.add_typer(export_app, name="export")
    app.command()(query)
    app.command()(enrich)


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON lines or CSV; - for standard input.")],
    format: Annotated[str, typer.Option(help="jsonl, csv, or auto: by the file's name.")] = "auto",
    channel: Annotated[str | None, typer.Option(help="The channel of lines that name none.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when a line was quarantined.")] = False,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Import mentions; what is in already counts as duplicate, so an interrupted import is simply run again.

    Example: cxm import export-of-another-tool.jsonl reviews.csv
    """
    if format not in ("auto", "jsonl", "csv"):
        raise typer.BadParameter("--format is jsonl, csv or auto.")
    for path in files:
        if str(path) != "-" and not path.is_file():
            raise typer.BadParameter(f"There is no file {path}.")
    totals: dict[str, Any] = {"read": 0, "accepted": 0, "duplicate": 0, "quarantined": 0, "lines": []}
    with kit.engines(data) as postgres:
        from cxm.platform import eventlog
        from cxm.run import serving

        where = kit.organization_of(organization)
        gc.freeze()
        gc.set_threshold(serving.GARBAGE_FROM, 10, 10)
        eventlog.RECENT.limit = 0  # whoever handles what is told here is another process
        size = sum(path.stat().st_size for path in files if str(path) != "-")
        held = [postgres.fileno()] if postgres is not None else []
        with ahead(not kit.serving(data), held, at_once=size > BESIDE_BYTES) as note:
            for path in files:
                _import_file(where, path, format, channel, totals, note)
    kit.show(
        totals,
        as_json,
        [
            *(f"{key}: {totals[key]}" for key in ("read", "accepted", "duplicate", "quarantined")),
            *(f"line {entry['line']}: {entry['reason']} ({entry['code']})" for entry in totals["lines"][:50]),
        ],
    )
    if strict and totals["quarantined"]:
        raise typer.Exit(1)


@contextmanager
def ahead(own: bool, held: Sequence[int], *, at_once: bool = False) -> Iterator[Callable[[int], None]]:
    """Where no serve works the jobs off, do it here: small imports afterwards, large ones in a worker process beside, on the other core:
    ``at_once``, or as soon as there are many lines. ``held`` are open files that are none of its business.

    Yields what is to be called with the number of lines read so far.
    """
    from cxm.run import beside

    workers: list[Any] = []

    def note(read: int) -> None:
        if own and not workers and (at_once or read >= BESIDE_LINES):
            kit.close_connections()  # each process opens its own
            workers.append(beside.worker(held))

    try:
        note(0)
        yield note
        if workers:
            _wait_until_worked_off(workers[0])
    finally:
        for process in workers:
            process.terminate()
            process.wait()
    if own:
        from cxm.platform import jobs

        jobs.work_off()


def _wait_until_worked_off(worker: Any) -> None:
    from cxm.listen.subscribers import STORE
    from cxm.platform import events, jobs

    while worker.poll() is None and (events.lag(STORE) or jobs.waiting_count().get("events")):
        time.sleep(0.1)


def _import_file(
    organization: Any, path: Path, kind: str, channel: str | None, totals: dict[str, Any], note: Callable[[int], None]
) -> None:
    from cxm.connect import api as connect

    with _opened(path) as file:
        as_csv = kind == "csv" or (kind == "auto" and path.suffix.lower() == ".csv")
        lines = connect.json_lines_of_csv(io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")) if as_csv else file
        report = connect.import_lines(organization, lines, channel=channel, progress=_progress(path, note))
    for key in ("read", "accepted", "duplicate", "quarantined"):
        totals[key] += getattr(report, key)
    totals["lines"] += [{"line": fault.line, "code": fault.code, "reason": fault.reason} for fault in report.lines]


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file


def _progress(path: Path, note: Callable[[int], None]) -> Callable[[Any], None]:
    shown = sys.stderr.isatty()

    def progress(report: Any) -> None:
        note(report.read)
        if shown:
            print(f"\r{path.name}: {report.read:,} read, {report.quarantined:,} quarantined", end="", file=sys.stderr)

    return progress


@export_app.callback()
def _group() -> None:
    """Export data."""


@export_app.command("mentions")
def export_mentions(
    query: Annotated[str, typer.Option("--query", help="Which mentions; all without.")] = "",
    after: Annotated[str | None, typer.Option("--from", help="From this instant on, such as 2026-01-01T00:00:00Z.")] = None,
    before: Annotated[str | None, typer.Option("--to", help="Before this instant.")] = None,
    format: Annotated[str, typer.Option(help="jsonl, csv or parquet.")] = "jsonl",
    output: Annotated[Path | None, typer.Option(help="The file; standard output without.")] = None,
    data: kit.Data = None,
    organization: kit.Organization = None,
) -> None:
    """Stream mentions, oldest first, in constant memory.

    Example: cxm export mentions --query "sentiment:negative lang:de" --format csv --output complaints.csv
    """
    if format == "parquet" and output is None and sys.stdout.isatty():
        raise typer.BadParameter("A Parquet file is no text: name a file with --output.")
    with kit.engines(data):
        from cxm.listen import api as listen

        actor = kit.actor_of(kit.organization_of(organization))
        chunks = listen.export(listen.scan(actor, query, after=_instant(after), before=_instant(before)), format)
        target: Any = output.open("wb") if output else sys.stdout.buffer
        try:
            for chunk in chunks:
                target.write(chunk)
            target.flush()
        finally:
            if output:
                target.close()


def query(
    text: Annotated[str, typer.Argument(metavar="Q", help="The query; “” finds everything.")],
    after: Annotated[str | None, typer.Option("--from", help="From this instant on.")] = None,
    before: Annotated[str | None, typer.Option("--to", help="Before this instant.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many to show.")] = 20,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Search from the terminal. Example: cxm query '"cinnamon bun" sentiment:positive' --limit 5"""
    with kit.engines(data):
        from cxm.listen import api as listen

        found = listen.search(
            kit.actor_of(kit.organization_of(organization)), text, after=_instant(after), before=_instant(before), limit=limit
        )
    lines = [
        f"{item['published_at']}  {item['channel']:10}  {(item['author'].get('name') or item['author'].get('handle') or '')[:24]:24}  {_one_line(item)}"
        for item in found.items
    ]
    kit.show({"count": found.count, "items": found.items, "next": found.next}, as_json, [*lines, f"{found.count} found"])


def enrich(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="JSON lines with “text”; standard input without.")] = None,
    tier: Annotated[str, typer.Option(help="fast; the deep tier comes later.")] = "fast",
    explain: Annotated[bool, typer.Option("--explain", help="Tell which words carried each verdict.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
) -> None:
    """Language, sentiment, emotions, intents and spam of each line; no server, no database.

    Example: echo '{"text": "Das Brot war großartig"}' | cxm enrich
    """
    if tier not in ("fast", "deep", "both"):
        raise typer.BadParameter("--tier is fast, deep or both.")
    from cxm.understanding.cli_enrich import enrich_lines

    with _opened(file or Path("-")) as source:
        for line in enrich_lines(source, tier=tier, explain=explain, workers=workers):
            sys.stdout.buffer.write(line if line.endswith(b"\n") else line + b"\n")
    sys.stdout.buffer.flush()


def _one_line(item: dict[str, Any]) -> str:
    text = " ".join((item.get("title") or item.get("text") or "").split())
    return text[:100] + ("…" if len(text) > 100 else "")


def _instant(text: str | None) -> datetime | None:
    from cxm.kernel.clock import parse_instant

    if text is None:
        return None
    return parse_instant(text if "T" in text else f"{text}T00:00:00Z")
