"""``cxm token``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from cxm.run.cli import kit

tokens_app = typer.Typer(help="API tokens.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(tokens_app, name="token")


@tokens_app.callback()
def _group() -> None:
    """API tokens."""


@tokens_app.command("create")
def create(
    email: Annotated[str, typer.Option(help="Whose rights it has.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="A right it has; again for more. All of the member's without.")] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires; never without.")] = None,
    data: kit.Data = None,
    organization: kit.Organization = None,
    as_json: kit.AsJson = False,
) -> None:
    """Print a new API token, alone on its line, this once.

    Example: cxm token create --email ines@example.com --name "data warehouse" --scope mentions:read
    """
    with kit.engines(data):
        from cxm.govern import api as govern
        from cxm.kernel.clock import now

        where = kit.organization_of(organization)
        actor = govern.actor_for(where, govern.member_by_email(where, email).id)
        expires = now() + timedelta(days=days) if days else None
        token, secret = govern.create_token(actor, name, scopes=scope, expires_at=expires)
    plain = {"token": secret, "id": str(token.id), "name": token.name, "scopes": list(token.scopes), "expires_at": token.expires_at}
    kit.show(plain, as_json, [secret])
