"""Members: the first owner, invitations, roles, leaving. Nobody gives or takes a right they do not hold, and one owner always stays."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from cxm.govern import access, models, tasks
from cxm.govern.contracts import Grant, Invited, Member
from cxm.govern.events import RightsChanged
from cxm.govern.services import audit, shifts
from cxm.govern.services.organizations import clean_name, create_organization, organization
from cxm.kernel.actor import Actor, system
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotAllowed, NotFound, Removed
from cxm.kernel.permissions import ROLES
from cxm.platform import events
from cxm.platform.config import settings

INVITATION_LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class SetUp:
    """What ``cxm setup`` found or made. ``created``: whether anything changed."""

    organization: UUID
    member: UUID
    created: bool


def set_up(organization: str, email: str, password: str) -> SetUp:
    """An organization with its owner. A second time with the same name changes nothing, the password included.

    Raises Invalid for an address, a name or a password that cannot be used. An existing user of another organization keeps the
    password they have.
    """
    name, address = clean_name(organization, "organization"), clean_email(email)
    with transaction.atomic():
        found = models.Organization.objects.filter(name=name).first()
        if found is not None:
            owner = models.Grant.objects.for_organization(found.id).filter(role="owner", member__removed_at=None).order_by("id").first()
            return SetUp(found.id, owner.member_id if owner else found.id, False)
        user = models.User.objects.filter(email=address).first()
        if user is None or not user.has_usable_password():
            user = _with_password(user or models.User(email=address), password)
        made = create_organization(name)
        moment = now()
        member = models.Member.objects.add(made.id, user=user, name=address.partition("@")[0], joined_at=moment)
        models.Grant.objects.add(made.id, member=member, role="owner", unit_id=access.UnitTree(made.id).root)
        audit.record(system(made.id), "organization.created", f"organization:{made.id}", {"owner": member.id})
    return SetUp(made.id, member.id, True)


def clean_email(text: str, path: str = "email") -> str:
    """An address as it is kept: lower case. Raises Invalid."""
    address = text.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        raise Invalid("email_invalid", "That is not a mail address.", errors=(FieldError(path, "a mail address"),)) from error
    return address


def _with_password(user: models.User, password: str) -> models.User:
    try:
        validate_password(password, user)
    except ValidationError as error:
        said = " ".join(error.messages)
        raise Invalid("password_weak", said, "Choose another one.", errors=(FieldError("password", said),)) from error
    if "\x00" in password:
        raise Invalid("password_weak", "A password has no NUL character.", errors=(FieldError("password", "no NUL"),))
    user.set_password(password)
    user.save()
    # Whoever holds the link was let in by an owner; the address itself is proved by mail only, so it is not marked verified.
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True, "verified": False})
    return user


def rows(organization: UUID) -> QuerySet[models.Member]:
    """Members who are not removed."""
    return models.Member.objects.for_organization(organization).filter(removed_at=None).select_related("user").prefetch_related("grants")


def members(organization: UUID) -> list[Member]:
    """Everybody who works here or is invited, by name."""
    return [as_member(row) for row in rows(organization).order_by("name", "id")]


def preferences(actor: Actor) -> dict[str, Any]:
    """What the acting member chose for themselves."""
    row = models.Member.objects.for_organization(actor.organization).filter(id=actor.member).first()
    return dict(row.preferences) if row is not None else {}


def prefer(actor: Actor, **chosen: Any) -> None:
    """Keep choices of the acting member's own; None takes one back. Nobody else sees them, so the audit log does not hold them."""
    with transaction.atomic():
        row = models.Member.objects.for_organization(actor.organization).select_for_update().filter(id=actor.member).first()
        if row is not None:
            row.preferences = {key: value for key, value in {**row.preferences, **chosen}.items() if value is not None}
            row.save(update_fields=["preferences"])


def who_may(organization: UUID, known: Iterable[Member], permissions: Iterable[str], unit: UUID) -> set[UUID]:
    """Which of ``known`` hold all of ``permissions`` in ``unit``; invited ones as they will once they join. One statement, however many."""
    above = set(access.UnitTree(organization).above(unit))
    wanted = set(permissions)
    held = {
        one.id: {name for grant in one.grants if grant.unit in above for name in access.registry.of_role(grant.role) if name in wanted}
        for one in known
    }
    return {key for key, names in held.items() if names == wanted}


def member(organization: UUID, identity: UUID) -> Member:
    """One member, a removed one too (state ``removed``), so that what they did keeps a name; raises NotFound."""
    row = models.Member.objects.for_organization(organization).select_related("user").prefetch_related("grants").filter(id=identity).first()
    if row is None:
        raise NotFound("member")
    return as_member(row)


def member_by_email(organization: UUID, email: str) -> Member:
    """The member with that address; raises NotFound."""
    row = rows(organization).filter(user__email=email.strip().lower()).first()
    if row is None:
        raise NotFound("member")
    return as_member(row)


def invite(actor: Actor, email: str, name: str, role: str, unit: UUID | None = None) -> Invited:
    """A new member in state ``invited`` and the link that lets them in (shown once; mail goes out where it is set up).

    Raises Conflict where they are here already, Invalid for the address or role, NotFound for the unit, NotAllowed where the role
    holds more than ``actor`` does.
    """
    address = clean_email(email)
    kept = clean_name(name or address.partition("@")[0])
    with transaction.atomic():
        at = _grantable(actor, role, unit)
        user = models.User.objects.filter(email=address).first() or models.User.objects.create_user(address)
        row = models.Member.objects.for_organization(actor.organization).select_for_update().filter(user=user).first()
        if row is not None and row.removed_at is None:
            raise Conflict("member_exists", f"{address} is a member here already.", "Change their role instead.")
        if row is None:
            row = models.Member.objects.add(actor.organization, user=user, name=kept)
        else:
            row.name, row.removed_at, row.joined_at = kept, None, None
            row.save()
        _set_grant(row, role, at)
        link, expires = _invitation(actor, row, role, at)
        audit.record(actor, "member.invited", f"member:{row.id}", {"role": role, "unit": at})
    return Invited(member(actor.organization, row.id), link, expires)


def invite_again(actor: Actor, identity: UUID) -> Invited:
    """A fresh link for somebody who has not joined yet; the former one stops working."""
    with transaction.atomic():
        row = _manageable(actor, identity)
        if row.joined_at is not None:
            raise Conflict("member_joined", "They have joined already.", "They can sign in with their password.")
        grant = models.Grant.objects.for_organization(actor.organization).filter(member=row).first()
        if grant is None:
            raise Conflict("member_without_role", "They have no role.", "Give them a role first.")
        models.Invitation.objects.for_organization(actor.organization).filter(member=row, accepted_at=None).update(expires_at=now())
        link, expires = _invitation(actor, row, grant.role, grant.unit_id)
        audit.record(actor, "member.invited_again", f"member:{row.id}")
    return Invited(member(actor.organization, row.id), link, expires)


def _invitation(actor: Actor, row: models.Member, role: str, unit: UUID) -> tuple[str, datetime]:
    secret = secrets.token_urlsafe(32)
    expires = now() + INVITATION_LIFE
    models.Invitation.objects.add(
        actor.organization,
        member=row,
        email=row.user.email,
        role=role,
        unit_id=unit,
        digest=access.digest_of(secret),
        invited_by=actor.member,
        expires_at=expires,
    )
    link = f"{settings().public_url.rstrip('/')}/accept-invitation/{secret}"
    _mail(actor, row.user.email, link)
    return link, expires


def _mail(actor: Actor, to: str, link: str) -> None:
    """Send the link, where the operator set mail up and the installation knows its own address."""
    if not settings().public_url:
        return
    places = {"who": actor.name, "organization": organization(actor.organization).name, "link": link}
    text = gettext(
        "%(who)s invites you to %(organization)s on OpenCXM.\n\n"
        "Open this address to choose a password and begin. It works once, within seven days:\n\n%(link)s\n\n"
        "If you expected nothing of the kind, leave it; nothing happens without you.\n"
    )
    tasks.mail_later(to, gettext("Your invitation to %(organization)s") % places, text % places)


def open_invitation(secret: str) -> models.Invitation:
    """The invitation behind a link. Raises NotFound, or Removed where it was used, replaced or is too old."""
    row = (
        models.Invitation.everywhere.select_related("member", "member__user").filter(digest=access.digest_of(secret)).first()
    )  # everywhere: the link names it
    if row is None:
        raise NotFound("invitation")
    if row.accepted_at is not None or row.expires_at <= now() or row.member.removed_at is not None:
        raise Removed(
            "invitation_over", "This invitation was used or is too old.", "Ask for a new one; or sign in, where you have joined already."
        )
    return row


def accept(secret: str, name: str, password: str) -> models.User:
    """Join by invitation: a new user sets ``password``, one who has an account proves it with theirs. Works once.

    Raises what :func:`open_invitation` does, Invalid for a weak or wrong password.
    """
    with transaction.atomic():
        first = open_invitation(secret)
        models.Invitation.objects.for_organization(first.organization_id).select_for_update().get(id=first.id)
        row = open_invitation(secret)
        user = models.User.objects.select_for_update().get(id=row.member.user_id)
        if not user.has_usable_password():
            user = _with_password(user, password)
        elif not user.check_password(password):
            raise Invalid(
                "password_wrong",
                "This address has an account here with another password.",
                "Enter the password you sign in with.",
                errors=(FieldError("password", "another password"),),
            )
        moment = now()
        models.Invitation.objects.for_organization(row.organization_id).filter(id=row.id).update(accepted_at=moment)
        joined = row.member
        joined.joined_at, joined.name = moment, clean_name(name) if name.strip() else joined.name
        joined.save(update_fields=["joined_at", "name"])
        audit.record(access.actor_of_member(joined), "member.joined", f"member:{joined.id}")
    return user


def change(actor: Actor, identity: UUID, *, name: str | None = None, role: str | None = None, unit: UUID | None = None) -> Member:
    """Rename a member, or give them another role or unit instead of those they have."""
    with transaction.atomic():
        _one_at_a_time(actor.organization)
        row = _manageable(actor, identity)
        if name is not None:
            row.name = clean_name(name)
            row.save(update_fields=["name"])
        if role is not None or unit is not None:
            held = models.Grant.objects.for_organization(actor.organization).filter(member=row).order_by("id").first()
            wanted = role or (held.role if held else None)
            if wanted is None:
                raise Invalid("role_missing", "They have no role yet.", errors=(FieldError("role", "one of the roles"),))
            at = _grantable(actor, wanted, unit or (held.unit_id if held else None))
            _set_grant(row, wanted, at)
            _keep_an_owner(actor.organization)
            events.publish(RightsChanged(organization=actor.organization, member=row.id))
        audit.record(actor, "member.changed", f"member:{row.id}", {"name": name, "role": role, "unit": unit})
    return member(actor.organization, identity)


def remove(actor: Actor, identity: UUID) -> None:
    """Let a member go: rights, tokens and open invitations end at once, and their sign-ins where they work nowhere else."""
    with transaction.atomic():
        _one_at_a_time(actor.organization)
        row = _manageable(actor, identity)
        moment = now()
        row.removed_at = moment
        row.save(update_fields=["removed_at"])
        models.Grant.objects.for_organization(actor.organization).filter(member=row).delete()
        models.Token.objects.for_organization(actor.organization).filter(member=row, revoked_at=None).update(revoked_at=moment)
        models.Invitation.objects.for_organization(actor.organization).filter(member=row, accepted_at=None).update(expires_at=moment)
        _keep_an_owner(actor.organization)
        audit.record(actor, "member.removed", f"member:{row.id}")
        events.publish(RightsChanged(organization=actor.organization, member=row.id))
        if not access.memberships(row.user_id):
            for session in UserSession.objects.filter(user_id=row.user_id):
                session.end()


def _one_at_a_time(organization: UUID) -> None:
    # Two owners who demote each other at once must not both succeed.
    models.Organization.objects.select_for_update().get(id=organization)


def _keep_an_owner(organization: UUID) -> None:
    owners = models.Grant.objects.for_organization(organization).filter(
        role="owner", unit__parent=None, member__removed_at=None, member__joined_at__isnull=False
    )
    if not owners.exists():
        raise Conflict("last_owner", "An organization keeps at least one owner.", "Make somebody else an owner first.")


def _grantable(actor: Actor, role: str, unit: UUID | None) -> UUID:
    if role not in ROLES:
        raise Invalid(
            "role_unknown",
            f"There is no role “{role[:40]}”.",
            f"Use one of {', '.join(ROLES)}.",
            errors=(FieldError("role", f"One of: {', '.join(ROLES)}."),),
        )
    tree = access.UnitTree(actor.organization)
    at = unit or tree.root
    if at not in tree.rows:
        raise NotFound("unit")
    access.require(actor, "members:write", at)
    _within(actor, access.registry.of_role(role), at, tree)
    return at


def _within(actor: Actor, rights: frozenset[str], unit: UUID, tree: access.UnitTree) -> None:
    """``actor`` holds each of ``rights`` in ``unit`` (everywhere, where it is the root)."""
    for right in rights:
        units = actor.units(right)
        if units is not None and (unit == tree.root or unit not in units):
            raise NotAllowed("role_above_own", "That role holds rights you do not have yourself.", "Ask an owner to do it.")


def _manageable(actor: Actor, identity: UUID) -> models.Member:
    row = models.Member.objects.for_organization(actor.organization).select_related("user").filter(id=identity, removed_at=None).first()
    if row is None:
        raise NotFound("member")
    tree = access.UnitTree(actor.organization)
    access.require(actor, "members:write")
    for grant in models.Grant.objects.for_organization(actor.organization).filter(member=row):
        access.require(actor, "members:write", grant.unit_id)
        _within(actor, access.registry.of_role(grant.role), grant.unit_id, tree)
    return row


def _set_grant(row: models.Member, role: str, unit: UUID) -> None:
    models.Grant.objects.for_organization(row.organization_id).filter(member=row).delete()
    models.Grant.objects.add(row.organization_id, member=row, role=role, unit_id=unit)


def as_member(row: models.Member) -> Member:
    """The row as it crosses the door."""
    state = "removed" if row.removed_at is not None else "invited" if row.joined_at is None else "active"
    grants = tuple(Grant(grant.role, grant.unit_id) for grant in row.grants.all())
    return Member(row.id, row.user_id, row.user.email, row.name, state, grants, row.created_at, shifts.of(row))
