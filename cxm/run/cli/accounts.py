"""``cxm account``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cxm.kernel.errors import NotFound
from cxm.run.cli import kit

accounts_app = typer.Typer(help="Our handles on channels.", no_args_is_help=True)
Which = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id, or channel/name.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(accounts_app, name="account")


@accounts_app.command("add")
def add(
    channel: Annotated[str, typer.Argument(help="The channel; see cxm channels list.")],
    name: Annotated[str, typer.Option(help="The handle, address or a name.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; again for more.")] = None,
    credentials_stdin: Annotated[
        bool, typer.Option("--credentials-stdin", help="Read credentials as a JSON object from standard input.")
    ] = False,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Connect an account; secrets are asked for or read from standard input, never taken from the command line.

    Example: cxm account add email --name care@example.com --set imap_host=imap.example.com --set smtp_host=smtp.example.com
    """
    with kit.engines(data):
        from cxm.channels import registry
        from cxm.channels.kit import schemas
        from cxm.connect import api as connect

        known = registry.channel(channel)
        settings = schemas.from_text(known.manifest.settings, dict(_pair(text) for text in set_ or []))
        credentials = _credentials(known, credentials_stdin)
        actor = kit.actor_of(kit.organization_of(organization))
        account, secret = connect.connect(actor, channel=channel, name=name, settings=settings, credentials=credentials)
    plain: dict[str, Any] = {"id": str(account.id), "channel": channel, "name": account.name, "secret": secret}
    kit.show(
        plain,
        as_json,
        [f"account: {account.id}", *([f"secret (shown once): {secret}"] if secret else []), f"next: cxm account test {account.id}"],
    )


def _pair(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark:
        raise typer.BadParameter(f"“{text}” is not KEY=VALUE.")
    return key.strip(), value


def _credentials(known: Any, from_stdin: bool, keys: list[str] | None = None) -> dict[str, str]:
    if from_stdin:
        given = json.load(sys.stdin)
        if not isinstance(given, dict):
            raise typer.BadParameter("Standard input holds no JSON object.")
        return {str(key): str(value) for key, value in given.items()}
    properties = known.manifest.credentials.get("properties", {})
    if unknown := [key for key in keys or () if key not in properties]:
        raise typer.BadParameter(f"{known.manifest.title} knows no credential “{unknown[0]}”; use {', '.join(properties) or 'none'}.")
    required = keys or [key for key in known.manifest.credentials.get("required", []) if not known.manifest.auth.secret_made_here]
    return {key: kit.secret(properties[key].get("title", key), not sys.stdin.isatty()) for key in required}


@accounts_app.command("list")
def list_(data: kit.Data = None, organization: kit.Organization = None, as_json: kit.AsJson = False) -> None:
    """Accounts with their health. Example: cxm account list --json"""
    with kit.engines(data):
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        counted = connect.source_sums(where)
        plain = [_plain(entry, connect.health_of(entry, counted.get(entry.id))) for entry in connect.accounts(where)]
    lines = [f"{entry['id']}  {entry['channel']:10}  {entry['name']:30}  {entry['state']}  {entry['summary']}" for entry in plain]
    kit.show(plain, as_json, lines or ["no accounts yet; see cxm account add --help"])


@accounts_app.command("show")
def show(account: Which, data: kit.Data = None, organization: kit.Organization = None, as_json: kit.AsJson = False) -> None:
    """How one account is: when it was heard, what is wrong and how to mend it, its sources and gaps. Example: cxm account show rss/News"""
    with kit.engines(data):
        from datetime import timedelta

        from cxm.connect import api as connect
        from cxm.kernel.clock import now

        where = kit.organization_of(organization)
        found = connect.account(where, _find(where, account))
        counted = connect.source_sums(where, found.id).get(found.id)
        told = connect.health_of(found, counted)
        told = connect.silence_of(found) or told if told.ok else told
        plain = _plain(found, told)
        plain["sources"] = {"total": counted.total, "paused": counted.paused, "failing": counted.failing} if counted else None
        plain["gaps"] = [
            {key: gap[key] for key in ("began_at", "ended_at", "filled_at", "reason")}
            for gap in connect.gaps(where, since=now() - timedelta(days=90), account=found.id)
        ]
    kit.show(plain, as_json, _lines(plain))


def _plain(found: Any, told: Any) -> dict[str, Any]:
    return {
        "id": str(found.id), "channel": found.channel, "name": found.name, "state": found.state, "ok": told.ok, "summary": told.text, "advice": told.mend,
        "health": found.health, "mend": found.mend, "last_heard_at": found.last_heard_at, "last_ok_at": found.last_ok_at, "next_look_at": found.next_look_at,
        "limits": [{"host": one.host, "left": one.left, "of": one.of, "resets_at": one.resets_at} for one in found.limits],
    }  # fmt: skip


def _lines(plain: dict[str, Any]) -> list[str]:
    """An account for people, a fact a line."""
    lines = [f"{plain['channel']}/{plain['name']}: {plain['summary']}"]
    lines += [f"what to do: {plain['advice']}"] if plain["advice"] else []
    lines += [f"last heard: {plain['last_heard_at'] or 'nothing yet'}", f"next look: {plain['next_look_at'] or '-'}"]
    lines += [f"calls left at {one['host']}: {one['left']}" + (f" of {one['of']}" if one["of"] else "") for one in plain["limits"]]
    if plain["sources"]:
        lines.append("sources: {total} ({paused} paused, {failing} cannot be heard)".format(**plain["sources"]))
    for gap in plain["gaps"]:
        end = "filled" if gap["filled_at"] else "still cut" if gap["ended_at"] is None else "not filled"
        lines.append(f"gap: {gap['began_at']} to {gap['ended_at'] or 'now'}, {end}: {gap['reason']}")
    return lines


@accounts_app.command("test")
def test(account: Which, data: kit.Data = None, organization: kit.Organization = None, as_json: kit.AsJson = False) -> None:
    """Try each step of the connection. Example: cxm account test email/care@example.com"""
    with kit.engines(data):
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        steps = connect.test_account(where, _find(where, account))
    kit.show(
        [{"name": step.name, "ok": step.ok, "text": step.text} for step in steps],
        as_json,
        [f"{'ok    ' if step.ok else 'FAILED'} {step.name}: {step.text}" for step in steps],
    )
    if not all(step.ok for step in steps):
        raise typer.Exit(1)


@accounts_app.command("pause")
def pause(
    account: Which,
    resume: Annotated[bool, typer.Option("--resume", help="Go on instead.")] = False,
    data: kit.Data = None,
    organization: kit.Organization = None,
) -> None:
    """Stop listening and answering on an account, or go on. Example: cxm account pause email/care@example.com"""
    with kit.engines(data):
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        changed = connect.change(kit.actor_of(where), _find(where, account), state="active" if resume else "paused")
    print(f"{changed.name}: {changed.state}")


@accounts_app.command("resume")
def resume(account: Which, data: kit.Data = None, organization: kit.Organization = None) -> None:
    """Go on where a pause began: what was missed is fetched where the platform still has it. Example: cxm account resume rss/News"""
    pause(account, True, data, organization)


@accounts_app.command("sign-in")
def sign_in(
    account: Which,
    keys: Annotated[
        list[str] | None, typer.Option("--key", metavar="NAME", help="A credential to ask for; again for more. All where left out.")
    ] = None,
    credentials_stdin: Annotated[
        bool, typer.Option("--credentials-stdin", help="Read credentials as a JSON object from standard input.")
    ] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Store them without a test, for a server that is away.")] = False,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """New credentials over the old: its place, its sources and all that was heard stay. They are tried first, and the old are kept where
    they are refused. A webhook gets a fresh secret, shown once.

    Example: cxm account sign-in email/care@example.com --key password
    """
    with kit.engines(data):
        from cxm.channels import registry
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        found = connect.account(where, _find(where, account))
        given = _credentials(registry.channel(found.channel), credentials_stdin, keys)
        _, secret, steps = connect.sign_in_anew(kit.actor_of(where), found.id, given, anyway=anyway)
    plain = {"id": str(found.id), "secret": secret, "steps": [{"name": step.name, "ok": step.ok, "text": step.text} for step in steps]}
    lines = [f"ok     {step.name}: {step.text}" for step in steps] + ["the new credentials are stored"]
    kit.show(plain, as_json, [*lines, *([f"secret (shown once): {secret}"] if secret else [])])


@accounts_app.command("authorize")
def authorize(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id, or channel/name; a new one is named channel/name.")],
    way: Annotated[str, typer.Option(help="Which sign-in, such as google, where the channel has several.")] = "",
    client_id: Annotated[str, typer.Option(help="As registered at the platform; kept once it proved right.")] = "",
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the client secret from standard input.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of a new account; again for more.")
    ] = None,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Sign in by OAuth2: prints an address to open in a browser in which somebody who may change accounts is signed in to OpenCXM.

    Example: cxm account authorize email/care@example.com --way google --set address=care@example.com --client-id 123.apps.example
    """
    with kit.engines(data):
        from cxm.channels import registry
        from cxm.channels.kit import schemas
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        app = connect.PlatformApp(client_id, kit.secret("Client secret", True) if secret_stdin else "")
        try:
            begun = connect.begin_sign_in_anew(kit.actor_of(where), _find(where, account), way=way, client=app)
        except NotFound:
            channel, _, name = account.partition("/")
            settings = schemas.from_text(registry.channel(channel).manifest.settings, dict(_pair(text) for text in set_ or []))
            begun = connect.begin_sign_in(kit.actor_of(where), channel=channel, name=name, settings=settings, way=way, client=app)
    plain = {"url": begun.url, "redirect_uri": begun.redirect_uri, "expires_at": begun.expires_at}
    kit.show(
        plain,
        as_json,
        [f"open: {begun.url}", f"within 15 minutes; the platform must know this address to come back to: {begun.redirect_uri}"],
    )


@accounts_app.command("feeds")
def feeds(
    account: Which,
    opml: Annotated[
        Path, typer.Option("--opml", metavar="FILE", help="A list of feeds as other readers export it.", exists=True, dir_okay=False)
    ],
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Listen to every feed of a list (OPML) on an account for feeds; the same as cxm source import.

    Example: cxm account feeds rss/News --opml subscriptions.opml
    """
    take_list(account, opml, data, organization, as_json)


def take_list(account: str, file: Path, data: Path | None, organization: str | None, as_json: bool) -> None:
    """Take a list of sources and say what became of it."""
    with kit.engines(data):
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        done = connect.take_list(kit.actor_of(where), _find(where, account), file.read_bytes())
    plain = {
        "read": done.read, "added": done.added, "known": done.known, "refused": [{"url": name, "reason": reason} for name, reason in done.refused],
    }  # fmt: skip
    lines = [f"read: {done.read}", f"added: {done.added}", f"known: {done.known}", f"refused: {len(done.refused)}"]
    kit.show(plain, as_json, lines + [f"  {name}: {reason}" for name, reason in done.refused])


@accounts_app.command("remove")
def remove(
    account: Which,
    mentions: Annotated[str, typer.Option("--mentions", metavar="keep|delete", help="What happens to what was heard there.")] = "keep",
    data: kit.Data = None,
    organization: kit.Organization = None,
) -> None:
    """Disconnect an account; its mentions stay, or are deleted for good. Example: cxm account remove email/care@example.com --mentions keep"""
    with kit.engines(data):
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        found = _find(where, account)
        connect.remove(kit.actor_of(where), found, mentions=mentions)
    if mentions == "keep":
        print("removed; its mentions stay")
    else:
        print(f"removed; its mentions are deleted in the background while OpenCXM runs\nhow far that is: cxm account removal {found}")


@accounts_app.command("removal")
def removal(
    account: Annotated[str, typer.Argument(metavar="ID", help="The id of an account that was removed.")],
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """How far the deletion of a removed account's mentions is. Example: cxm account removal 01936a00-0000-7000-8000-000000000000"""
    with kit.engines(data):
        from cxm.connect import api as connect

        try:
            identifier = UUID(account)
        except ValueError:
            raise NotFound("account") from None
        found = connect.removal(kit.organization_of(organization), identifier)
    plain = {"account": str(found.account), "mentions": found.mentions, "deleted": found.deleted, "left": found.left}
    left = "not counted yet" if found.left is None else found.left
    kit.show(plain, as_json, [f"{found.channel}/{found.name}: {found.mentions}, {found.deleted} deleted, {left} left"])


def _find(organization: UUID, text: str) -> UUID:
    from cxm.connect import api as connect

    channel, _, name = text.partition("/")
    for entry in connect.accounts(organization):
        if str(entry.id) == text or (entry.channel == channel and entry.name == name):
            return entry.id
    raise NotFound("account")
