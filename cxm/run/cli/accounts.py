"""``cxm account``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cxm.kernel.errors import Conflict, Invalid, NotFound
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


def _credentials(known: Any, from_stdin: bool) -> dict[str, str]:
    if from_stdin:
        given = json.load(sys.stdin)
        if not isinstance(given, dict):
            raise typer.BadParameter("Standard input holds no JSON object.")
        return {str(key): str(value) for key, value in given.items()}
    required = [key for key in known.manifest.credentials.get("required", []) if not known.manifest.auth.secret_made_here]
    return {key: kit.secret(known.manifest.credentials["properties"][key].get("title", key), not sys.stdin.isatty()) for key in required}


@accounts_app.command("list")
def list_(data: kit.Data = None, organization: kit.Organization = None, as_json: kit.AsJson = False) -> None:
    """Accounts with their health. Example: cxm account list --json"""
    with kit.engines(data):
        from cxm.connect import api as connect

        found = connect.accounts(kit.organization_of(organization))
    plain = [
        {
            "id": str(entry.id),
            "channel": entry.channel,
            "name": entry.name,
            "state": entry.state,
            "health": entry.health,
            "mend": entry.mend,
        }
        for entry in found
    ]
    kit.show(
        plain,
        as_json,
        [f"{entry['id']}  {entry['channel']:10}  {entry['name']:30}  {entry['state']}  {entry['health']}" for entry in plain]
        or ["no accounts yet; see cxm account add --help"],
    )


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
    """Listen to every feed of a list (OPML) on an account for feeds.

    Example: cxm account feeds rss/News --opml subscriptions.opml
    """
    with kit.engines(data):
        from cxm.channels.rss import finding

        where = kit.organization_of(organization)
        try:
            listed = finding.in_list(opml.read_bytes())
        except ValueError as error:
            raise Invalid("not_a_list", str(error), "Export the list from your reader as OPML.") from error
        done = _add_feeds(kit.actor_of(where), _find(where, account), listed)
    lines = [f"read: {done['read']}", f"added: {done['added']}", f"known: {done['known']}", f"refused: {len(done['refused'])}"]
    kit.show(done, as_json, lines + [f"  {one['url']}: {one['reason']}" for one in done["refused"]])


def _add_feeds(actor: Any, account: UUID, listed: list[Any]) -> dict[str, Any]:
    from cxm.connect import api as connect

    done: dict[str, Any] = {"read": len(listed), "added": 0, "known": 0, "refused": []}
    known: set[str] = set()
    cursor: str | None = None
    while True:
        found = connect.source_page(actor, channel=None, account=account, kind="feed", cursor=cursor, limit=500)
        known |= {str(source.settings.get("url")) for source in found.items}
        if (cursor := found.next) is None:
            break
    for one in listed:
        url = "https:" + one.url.partition(":")[2]
        if url in known:
            done["known"] += 1
            continue
        told = {"url": url, "title": one.title, "folder": " / ".join(one.folders)[:400]}
        try:
            connect.add_source(actor, account=str(account), kind="feed", settings={key: value for key, value in told.items() if value})
        except (Invalid, Conflict) as error:
            done["refused"].append({"url": url, "reason": error.text})
            continue
        known.add(url)
        done["added"] += 1
    return done


@accounts_app.command("remove")
def remove(account: Which, data: kit.Data = None, organization: kit.Organization = None) -> None:
    """Disconnect an account; its mentions stay. Example: cxm account remove email/care@example.com"""
    with kit.engines(data):
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        connect.remove(kit.actor_of(where), _find(where, account))
    print("removed")


def _find(organization: UUID, text: str) -> UUID:
    from cxm.connect import api as connect

    channel, _, name = text.partition("/")
    for entry in connect.accounts(organization):
        if str(entry.id) == text or (entry.channel == channel and entry.name == name):
            return entry.id
    raise NotFound("account")
