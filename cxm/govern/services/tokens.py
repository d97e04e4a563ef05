"""API tokens and sign-ins: made, listed, ended. A secret is shown once and kept only as a digest."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import QuerySet

from cxm.govern import access, models
from cxm.govern.contracts import SignIn, Token
from cxm.govern.services import audit
from cxm.govern.services.organizations import clean_name
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid, NotFound


def create_token(actor: Actor, name: str, scopes: Sequence[str] | None = None, expires_at: datetime | None = None) -> tuple[Token, str]:
    """A token of the acting member, and its secret (never given again). Without ``scopes`` it may what the member may.

    Raises Invalid for an unknown scope, one the actor does not hold, or an end in the past.
    """
    if actor.member is None:
        raise Invalid("member_needed", "A token belongs to a member.", "Sign in as one.")
    kept = clean_name(name)
    wanted = _scopes(actor, scopes)
    if expires_at is not None and expires_at <= now():
        raise Invalid("expiry_past", "The token would have ended already.", errors=(FieldError("expires_at", "a time to come"),))
    secret = access.TOKEN_PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = models.Token.objects.add(
            actor.organization, member_id=actor.member, name=kept, digest=access.digest_of(secret), scopes=wanted, expires_at=expires_at
        )
        audit.record(actor, "token.created", f"token:{row.id}", {"name": kept, "scopes": wanted})
    return token(actor, row.id), secret


def _scopes(actor: Actor, scopes: Sequence[str] | None) -> list[str] | None:
    if scopes is None:
        # A token that makes a token gives no more than it has itself.
        return sorted(actor.grants) if actor.kind == "token" else None
    unknown = tuple(
        FieldError(f"scopes.{index}", "no such scope") for index, name in enumerate(scopes) if name not in access.registry.permissions
    )
    if unknown:
        raise Invalid("scope_unknown", "There is no such scope.", "GET /api/v1/permissions lists them.", errors=unknown)
    above = tuple(FieldError(f"scopes.{index}", "not yours to give") for index, name in enumerate(scopes) if not actor.may(name))
    if above:
        raise Invalid(
            "scope_above_own", "A token cannot hold a right that you do not have.", "Leave it out, or ask an owner.", errors=above
        )
    return sorted(set(scopes))


def token_rows(actor: Actor) -> QuerySet[models.Token]:
    """Tokens the actor may see: their own, or everybody's with ``members:write`` in the whole organization; not the revoked ones."""
    found = (
        models.Token.objects.for_organization(actor.organization).filter(revoked_at=None, member__removed_at=None).select_related("member")
    )
    return found if actor.units("members:write") is None else found.filter(member_id=actor.member)


def tokens(actor: Actor) -> list[Token]:
    """Those of :func:`token_rows`, the newest first."""
    return [as_token(row) for row in token_rows(actor).order_by("-created_at", "-id")]


def token(actor: Actor, identity: UUID) -> Token:
    """One of them; raises NotFound."""
    row = token_rows(actor).filter(id=identity).first()
    if row is None:
        raise NotFound("token")
    return as_token(row)


def rename_token(actor: Actor, identity: UUID, name: str) -> Token:
    """Another name; raises NotFound."""
    kept = clean_name(name)
    if not token_rows(actor).filter(id=identity).update(name=kept):
        raise NotFound("token")
    return token(actor, identity)


def revoke_token(actor: Actor, identity: UUID) -> None:
    """End a token at once; raises NotFound."""
    with transaction.atomic():
        if not token_rows(actor).filter(id=identity).update(revoked_at=now()):
            raise NotFound("token")
        audit.record(actor, "token.revoked", f"token:{identity}")


def as_token(row: models.Token) -> Token:
    """The row as it crosses the door; the scopes are what it may at present."""
    grants = access.limited(access.grants_of(row.member), row.scopes)
    return Token(row.id, row.name, row.member_id, tuple(sorted(grants)), row.created_at, row.expires_at, row.last_used_at, row.revoked_at)


def sign_ins(user_id: UUID, current_key: str | None) -> list[SignIn]:
    """Browsers in which a user is signed in, the newest first."""
    user = models.User.objects.get(id=user_id)
    found = sorted(UserSession.objects.purge_and_list(user), key=lambda row: row.created_at, reverse=True)
    return [SignIn(row.pk, row.ip, row.user_agent, row.created_at, row.session_key == current_key) for row in found]


def end_sign_in(user_id: UUID, identity: int) -> None:
    """Sign a user out of one browser at once; raises NotFound where it is not one of theirs."""
    row = UserSession.objects.filter(user_id=user_id, pk=identity).first()
    if row is None:
        raise NotFound("sign-in")
    row.end()


def end_other_sign_ins(user_id: UUID, current_key: str | None) -> int:
    """Sign a user out everywhere but here; returns how many were ended."""
    others = list(UserSession.objects.filter(user_id=user_id).exclude(session_key=current_key or ""))
    for row in others:
        row.end()
    return len(others)
