"""``cxm setup``, ``cxm doctor``, ``cxm secrets rotate``, ``cxm audit verify``, ``cxm reindex``."""

from __future__ import annotations

import os
import secrets as random
import sys
from pathlib import Path
from typing import Annotated

import typer

from cxm.run.cli import kit

secrets_app = typer.Typer(help="The keys that seal stored credentials.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit log.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(setup)
    app.command()(doctor)
    app.command()(reindex)
    app.add_typer(secrets_app, name="secrets")
    app.add_typer(audit_app, name="audit")


def ensure_key(data: Path | None) -> Path | None:
    """Write a fresh key where none is configured; the path of a key made now."""
    kit.choose(data)
    from cxm.platform.config import settings

    options = settings()
    path = options.data / "secret.key"
    if options.secret_key or options.secret_key_file or path.exists():
        return None
    options.data.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(random.token_hex(32) + "\n")
    return path


def setup(
    organization: Annotated[str, typer.Option("--organization", metavar="NAME", help="The organization's name.")],
    email: Annotated[str, typer.Option(help="The owner's address; they sign in with it.")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    data: kit.Data = None,
    as_json: kit.AsJson = False,
) -> None:
    """Make an organization and its owner; a second time changes nothing.

    Example: echo "a long password" | cxm setup --organization "Marlow Coffee" --email ines@example.com --password-stdin
    """
    password = kit.secret("Password", password_stdin)
    made_key = ensure_key(data)
    with kit.engines(data):
        from cxm.govern import api as govern

        done = govern.set_up(organization, email, password)
    if made_key:
        print(
            f"A secret key was written to {made_key}. Keep a copy of it apart from backups: without it, stored credentials cannot be read.",
            file=sys.stderr,
        )
    words = "made" if done.created else "was there already; nothing was changed"
    kit.show(
        {"organization": str(done.organization), "member": str(done.member), "created": done.created},
        as_json,
        [f"organization: {organization} ({words})", "next: cxm serve"],
    )


def doctor(data: kit.Data = None, as_json: kit.AsJson = False) -> None:
    """Say what is wrong with this installation and how to mend it. Example: cxm doctor"""
    from cxm.run.doctor import examine

    kit.choose(data)
    findings = examine()
    kit.show(
        [{"check": f.check, "ok": f.ok, "text": f.text} for f in findings],
        as_json,
        [f"{'ok   ' if f.ok else 'WRONG'} {f.check}: {f.text}" for f in findings],
    )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def reindex(data: kit.Data = None) -> None:
    """Rebuild the mention store from the events. Stop “cxm serve” first. Example: cxm reindex"""
    if kit.serving(data):
        print("cxm: the store is in use by a running cxm serve.\n     Stop it, then run cxm reindex again.", file=sys.stderr)
        raise typer.Exit(1)
    with kit.engines(data):
        from cxm.listen.rebuild import rebuild

        count = rebuild(lambda done: print(f"\r{done:,} mentions", end="", file=sys.stderr) if sys.stderr.isatty() else None)
    print(f"rebuilt: {count}")


@secrets_app.command("rotate")
def rotate(data: kit.Data = None) -> None:
    """Seal every stored credential with the newest key. Put the new key on the first line of the key file, the former below it.

    Example: cxm secrets rotate
    """
    with kit.engines(data):
        from cxm.connect.rotation import rotate as rotate_accounts

        count = rotate_accounts()
    print(f"sealed anew: {count}")


@audit_app.command("verify")
def verify(data: kit.Data = None, organization: kit.Organization = None, as_json: kit.AsJson = False) -> None:
    """Verify the audit log's hash chain and list intents without an outcome. Example: cxm audit verify"""
    with kit.engines(data):
        from cxm.govern import api as govern

        report = govern.verify_audit(kit.organization_of(organization))
    unmatched = [str(intent) for intent in report.unmatched_intents]
    lines = [
        f"entries: {report.entries}",
        f"chain: {'whole' if report.whole else f'broken at {report.broken_at}: {report.problem}'}",
        f"unmatched intents: {len(unmatched)}",
        *unmatched,
    ]
    kit.show(
        {
            "entries": report.entries,
            "whole": report.whole,
            "broken_at": report.broken_at,
            "problem": report.problem,
            "unmatched_intents": unmatched,
        },
        as_json,
        lines,
    )
    if not report.whole:
        raise typer.Exit(1)
