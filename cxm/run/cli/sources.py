"""``cxm source``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cxm.kernel.errors import NotFound
from cxm.run.cli import kit
from cxm.run.cli.accounts import Which, _find, _pair, take_list

sources_app = typer.Typer(help="What accounts listen to beside their own inbound: folders, feeds, rooms, searches.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(sources_app, name="source")


@sources_app.command("add")
def add(
    account: Which,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What the account's channel knows; see GET /channels/{name}.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; again for more.")] = None,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Let an account listen to one more thing. Example: cxm source add email/care@example.com folder --set folder=Returns"""
    with kit.engines(data):
        from cxm.channels import registry
        from cxm.channels.kit import schemas
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        found = connect.account(where, _find(where, account))
        known = registry.channel(found.channel).source_kind(kind)
        texts = dict(_pair(text) for text in set_ or [])
        settings = schemas.from_text(known.settings, texts) if known else texts
        made = connect.add_source(kit.actor_of(where), account=str(found.id), kind=kind, settings=settings)
    kit.show(_plain(made), as_json, [f"source: {made.id}"])


@sources_app.command("list")
def list_(
    failing: Annotated[bool, typer.Option("--failing", help="Only those that cannot be heard.")] = False,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """What every account listens to, each with its health. Example: cxm source list --failing"""
    with kit.engines(data):
        from cxm.connect import api as connect

        actor = kit.actor_of(kit.organization_of(organization))
        plain: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = connect.source_page(actor, channel=None, account=None, kind=None, cursor=cursor, limit=500, failing=failing)
            plain += [_plain(source) for source in page.items]
            if (cursor := page.next) is None:
                break
    lines = [
        f"{entry['id']}  {entry['channel']}/{entry['account']}  {entry['kind']}  {_words(entry['settings'])}{_state(entry)}"
        for entry in plain
    ]
    kit.show(plain, as_json, lines or ["no sources yet; see cxm source add --help"])


@sources_app.command("remove")
def remove(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its id.")], data: kit.Data = None, organization: kit.Organization = None
) -> None:
    """Listen to it no more; what was heard stays. Example: cxm source remove 01936a00-0000-7000-8000-000000000000"""
    identifier = _id(source)
    with kit.engines(data):
        from cxm.connect import api as connect

        connect.remove_source(kit.actor_of(kit.organization_of(organization)), identifier)
    print("removed")


@sources_app.command("change")
def change(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its id.")],
    set_: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting; again for more. What is not named stays.")],
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Change what is listened to; its place and what was heard stay. Example: cxm source change 01936a00-0000-7000-8000-000000000000 --set query=acme"""
    identifier = _id(source)
    with kit.engines(data):
        from cxm.channels import registry
        from cxm.channels.kit import schemas
        from cxm.connect import api as connect

        actor = kit.actor_of(kit.organization_of(organization))
        found = connect.source(actor, identifier)
        known = registry.channel(found.channel).source_kind(found.kind)
        texts = dict(_pair(text) for text in set_)
        changed = connect.change_source(actor, identifier, schemas.from_text(known.settings, texts) if known else texts)
    kit.show(_plain(changed), as_json, [f"{changed.name}: {_words(dict(changed.settings))}"])


@sources_app.command("pause")
def pause(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its id.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on instead.")] = False,
    data: kit.Data = None,
    organization: kit.Organization = None,
) -> None:
    """Listen to it no more for now, or go on. Example: cxm source pause 01936a00-0000-7000-8000-000000000000"""
    identifier = _id(source)
    with kit.engines(data):
        from cxm.connect import api as connect

        actor = kit.actor_of(kit.organization_of(organization))
        changed = connect.change_source(actor, identifier, state="active" if resume else "paused")
    print(f"{changed.name}: {changed.state}")


@sources_app.command("import")
def import_(
    account: Which,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A list as other programs export it: OPML for feeds.", exists=True, dir_okay=False)
    ],
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Listen to everything a list names; what is known is passed over. Example: cxm source import rss/News subscriptions.opml"""
    take_list(account, file, data, organization, as_json)


@sources_app.command("export")
def export(
    account: Which,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where to; standard output unless given.")] = None,
    data: kit.Data = None,
    organization: kit.Organization = None,
) -> None:
    """The list of an account's sources for other programs: OPML for feeds. Example: cxm source export rss/News --output feeds.opml"""
    with kit.engines(data):
        from cxm.connect import api as connect

        where = kit.organization_of(organization)
        _, _, body = connect.give_list(kit.actor_of(where), _find(where, account))
    if output is None:
        print(body.decode())
    else:
        output.write_bytes(body)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("source") from None


def _state(entry: dict[str, Any]) -> str:
    if entry["state"] == "paused":
        return "  (paused)"
    return f"  ({entry['health']} {entry['mend']})" if entry["health"] else ""


def _plain(source: Any) -> dict[str, Any]:
    return {
        "id": str(source.id), "channel": source.channel, "account": source.account, "account_id": str(source.account_id), "kind": source.kind, "settings": source.settings,
        "created_at": source.created_at, "name": source.name, "state": source.state, "health": source.health, "mend": source.mend,
        "last_heard_at": source.last_heard_at, "last_ok_at": source.last_ok_at, "next_look_at": source.next_look_at,
    }  # fmt: skip


def _words(settings: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())
