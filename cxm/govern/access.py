"""Rights: the registry of permissions, and who holds which of them where."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from cxm.govern import models
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import NotAllowed, NotFound, NotSignedIn
from cxm.kernel.permissions import Permission
from cxm.platform.once import once

#: The session's key for the organization a member of several works in now.
ACTIVE = "cxm_organization"
TOKEN_PREFIX = "cxm_"  # noqa: S105 - a prefix, no secret
_USED_EVERY = timedelta(minutes=1)


class Registry:
    """Every permission of every slice, by name."""

    def __init__(self) -> None:
        self.permissions: dict[str, Permission] = {}

    def load(self) -> None:
        """Read ``cxm.<slice>.permissions.PERMISSIONS`` of each installed slice; a name declared twice is a fault of the program."""
        for config in apps.get_app_configs():
            if config.name.startswith("cxm.") and importlib.util.find_spec(f"{config.name}.permissions"):
                self.add(importlib.import_module(f"{config.name}.permissions").PERMISSIONS)

    def add(self, permissions: Iterable[Permission]) -> None:
        """Register ``permissions``."""
        for permission in permissions:
            known = self.permissions.setdefault(permission.name, permission)
            if known != permission:
                raise RuntimeError(f"The permission {permission.name} is declared twice, differently.")

    def of_role(self, role: str) -> frozenset[str]:
        """The names a role holds."""
        return frozenset(name for name, permission in self.permissions.items() if role in permission.roles)


registry = Registry()


class UnitTree:
    """The units of one organization, in memory: they are few."""

    def __init__(self, organization: UUID) -> None:
        self.rows = {row.id: row for row in models.Unit.objects.for_organization(organization).order_by("name", "id")}
        self.children: dict[UUID | None, list[UUID]] = {}
        for row in self.rows.values():
            self.children.setdefault(row.parent_id, []).append(row.id)

    @property
    def root(self) -> UUID:
        """The unit that has no parent."""
        return self.children[None][0]

    def below(self, unit: UUID) -> list[UUID]:
        """``unit`` and everything under it, parents first."""
        found = [unit]
        for known in found:
            found.extend(self.children.get(known, ()))
        return found

    def above(self, unit: UUID) -> list[UUID]:
        """``unit`` and everything over it, the root last; empty where there is no such unit."""
        found: list[UUID] = []
        at: UUID | None = unit
        while at is not None and at in self.rows:
            found.append(at)
            at = self.rows[at].parent_id
        return found


def unit_tree(organization: UUID) -> UnitTree:
    """The units as they are."""
    return once(("govern.unit_tree", organization), lambda: UnitTree(organization))


def grants_of(member: models.Member, tree: UnitTree | None = None) -> dict[str, frozenset[UUID] | None]:
    """What ``member`` may, and in which units (None: all)."""
    held: dict[str, frozenset[UUID] | None] = {}
    rows = list(models.Grant.objects.for_organization(member.organization_id).filter(member=member))
    if not rows:
        return held
    tree = tree or unit_tree(member.organization_id)
    for row in rows:
        units = None if row.unit_id == tree.root else frozenset(tree.below(row.unit_id))
        for name in registry.of_role(row.role):
            before = held.get(name, frozenset())
            held[name] = None if units is None or before is None else before | units
    return held


def limited(grants: Mapping[str, frozenset[UUID] | None], scopes: Iterable[str] | None) -> dict[str, frozenset[UUID] | None]:
    """``grants`` cut down to ``scopes`` (None: not cut)."""
    return dict(grants) if scopes is None else {name: grants[name] for name in scopes if name in grants}


def memberships(user_id: UUID) -> list[models.Member]:
    """Where a user works: joined, not removed; by organization name."""
    return once(("govern.memberships", user_id), lambda: _memberships(user_id))


def _memberships(user_id: UUID) -> list[models.Member]:
    rows = models.Member.everywhere.filter(
        user_id=user_id, user__is_active=True, joined_at__isnull=False, removed_at=None
    )  # everywhere: one person's own
    found = models.Organization.objects.filter(id__in=[row.organization_id for row in rows]).values_list("id", "name", "zone")
    known = {key: (name, zone) for key, name, zone in found}
    for row in rows:
        row.home_zone = known[row.organization_id][1]  # type: ignore[attr-defined]
    return sorted(rows, key=lambda row: known[row.organization_id][0].casefold())


def own_preferences(request: HttpRequest) -> dict[str, Any]:
    """What whoever is signed in chose for themselves, as it was when the request began."""
    row = getattr(request, "membership", None)
    return dict(row.preferences) if row is not None else {}


def zone_of(request: HttpRequest) -> str:
    """The time zone in which whoever is signed in reads: their own, else their organization's."""
    row = getattr(request, "membership", None)
    return (row.preferences.get("zone") or row.home_zone) if row is not None else "UTC"


def actor_of_member(member: models.Member) -> Actor:
    """The actor a member is."""
    return Actor(organization=member.organization_id, kind="member", name=member.name, member=member.id, grants=grants_of(member))


def actor_for(organization: UUID, member: UUID) -> Actor:
    """The actor an active member is, for commands and jobs that act for one; raises NotAllowed where they are not (any more)."""
    row = models.Member.objects.for_organization(organization).filter(id=member, joined_at__isnull=False, removed_at=None).first()
    if row is None:
        raise NotAllowed("no_member", "That member does not work here (any more).", "Choose another.")
    return actor_of_member(row)


def rights_of(organization: UUID, member: UUID) -> Actor:
    """What a member may, without acting for them: an invited one as they will once they join. Raises NotFound."""
    row = models.Member.objects.for_organization(organization).filter(id=member, removed_at=None).first()
    if row is None:
        raise NotFound("member")
    return actor_of_member(row)


def actor_of(request: HttpRequest) -> Actor:
    """Who acts in ``request``, computed once for it: by token under the API, else by session.

    Raises NotSignedIn where nobody is signed in, NotAllowed where the user works in no organization (any more).
    """
    known = getattr(request, "actor", None)
    if isinstance(known, Actor):
        return known
    user = getattr(request, "user", AnonymousUser())
    if not user.is_authenticated:
        raise NotSignedIn("not_signed_in", "You are not signed in.", "Sign in first.")
    row = _membership(user.pk, request.session.get(ACTIVE))
    actor = actor_of_member(row)
    request.actor, request.membership = actor, row  # type: ignore[attr-defined]
    return actor


def _membership(user_id: UUID, active: str | None) -> models.Member:
    found = memberships(user_id)
    if not found:
        raise NotAllowed("no_organization", "You are not a member of any organization here.", "Ask an owner to invite you.")
    return next((row for row in found if str(row.organization_id) == active), found[0])


def actor_of_session(session_key: str | None) -> Actor | None:
    """The actor of a browser session looked at anew (streams ask every few seconds); None once it ended or the membership did."""
    from importlib import import_module

    from allauth.core.internal.sessionkit import get_session_user
    from django.conf import settings

    if not session_key:
        return None
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_session_user(store)
    if user is None:
        return None
    try:
        return actor_of_member(_membership(user.pk, store.get(ACTIVE)))
    except NotAllowed:
        return None


def digest_of(secret: str) -> str:
    """What is stored of a secret: it is random, so a plain SHA-256 of it cannot be guessed back."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def actor_of_token(secret: str) -> Actor | None:
    """The actor behind a bearer token: its scopes cut with what its member may now. None for any token that does not (or no longer) count."""
    if not secret.startswith(TOKEN_PREFIX) or len(secret) > 200:
        return None
    moment = now()
    found = (
        models.Token.everywhere.select_related("member", "member__user").filter(digest=digest_of(secret)).first()
    )  # everywhere: the token says whose
    if found is None or not _counts(found):
        return None
    if found.last_used_at is None or moment - found.last_used_at > _USED_EVERY:
        models.Token.objects.for_organization(found.organization_id).filter(id=found.id).update(last_used_at=moment)
    return _of_token(found)


def _counts(token: models.Token) -> bool:
    """Whether a token counts (still), and its member works here."""
    if token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now()):
        return False
    return token.member.removed_at is None and token.member.joined_at is not None and token.member.user.is_active


def _of_token(token: models.Token) -> Actor:
    member = token.member
    return Actor(
        organization=member.organization_id,
        kind="token",
        name=f"{member.name} ({token.name})",
        member=member.id,
        token=token.id,
        grants=limited(grants_of(member), token.scopes),
    )


def actor_again(organization: UUID, member: UUID | None, token: UUID | None) -> Actor:
    """Who began something long, with the rights of this moment: the token it was begun with, else the member. Raises NotAllowed where neither counts any
    more."""
    if token is None:
        return actor_for(organization, member or UUID(int=0))
    found = models.Token.objects.for_organization(organization).select_related("member", "member__user").filter(id=token).first()
    if found is None or not _counts(found):
        raise NotAllowed("token_ended", "The token with which it was begun does not count any more.", "Begin it anew with another one.")
    return _of_token(found)


def require(actor: Actor, permission: str, unit: UUID | None = None) -> None:
    """Raise NotAllowed unless ``actor`` may ``permission`` (in ``unit``, where one is given)."""
    if actor.may(permission, unit):
        return
    text = registry.permissions[permission].text if permission in registry.permissions else permission
    hint = (
        f"The token needs the scope “{permission}”, and its member the right." if actor.kind == "token" else "Ask an owner for the right."
    )
    raise NotAllowed("not_allowed", f"This needs the right “{text}”.", hint)


def require_everywhere(actor: Actor, permission: str) -> None:
    """Raise NotAllowed unless ``actor`` may ``permission`` in the whole organization."""
    require(actor, permission)
    if actor.units(permission) is not None:
        raise NotAllowed("not_allowed", "This concerns the whole organization, and your right only some of its units.", "Ask an owner.")
