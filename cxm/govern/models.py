"""Rows of the slice. Indexes lead with the organization; users alone are beside organizations, since one may work in several."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from cxm.kernel.clock import now
from cxm.kernel.ids import new_id
from cxm.platform.tenancy import OrganizationModel


class UserManager(BaseUserManager["User"]):
    """Addresses are kept in lower case, so that one address is one user."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user, saved; without ``password`` nobody can sign in as them until an invitation is accepted."""
        user = self.model(email=email.lower(), **fields)
        user.set_password(password) if password else user.set_unusable_password()
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """By address, in any case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """Somebody who can sign in, by mail address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True, max_length=254)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_lower_case")]


class Organization(models.Model):
    """A tenant."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    zone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(default=now)

    objects: ClassVar[models.Manager[Organization]] = models.Manager()


class Unit(OrganizationModel):
    """A business unit; the one without a parent is the root, made with the organization."""

    name = models.CharField(max_length=200)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField(default=now)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "parent"], name="unit_children")]
        constraints = [
            models.UniqueConstraint(fields=["organization_id"], condition=models.Q(parent=None), name="unit_one_root"),
            models.UniqueConstraint(fields=["organization_id", "parent", "name"], name="unit_name_once_below_parent"),
        ]


class Member(OrganizationModel):
    """A user in an organization. ``joined_at`` is empty until the invitation is accepted; removed ones stay for the record.

    ``preferences``: ``zone`` (theirs, where it is not the organization's), ``tour`` (where they are in the guided tour),
    ``shifts`` (seven days, Monday first, each with its spans in minutes since midnight): the one colleagues see.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=now)
    joined_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)
    preferences = models.JSONField(default=dict)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "user"], name="member_once")]


class Grant(OrganizationModel):
    """A role of a member, in a unit and everything below it."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="grants", db_index=False)
    role = models.CharField(max_length=40)
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "unit"], name="grant_unit")]
        constraints = [models.UniqueConstraint(fields=["organization_id", "member", "role", "unit"], name="grant_once")]


class Invitation(OrganizationModel):
    """A way in for one address, once. Only the digest of its link is kept."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="invitations", db_index=False)
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=40)
    unit = models.ForeignKey(Unit, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "member"], name="invitation_member")]


class Token(OrganizationModel):
    """An API token: the digest of its secret, its scopes (``None``: whatever the member may), its life."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="tokens", db_index=False)
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(null=True)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "member"], name="token_member")]


class Stop(OrganizationModel):
    """While ``lifted_at`` is empty nothing that ``kind`` and ``target`` cover may leave."""

    kind = models.CharField(max_length=20)  # organization, unit, account, kind
    target = models.CharField(max_length=40, default="")
    reason = models.TextField(default="")
    by = models.UUIDField(null=True)
    by_name = models.CharField(max_length=200, default="")
    on_at = models.DateTimeField(default=now)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.UUIDField(null=True)
    lifted_by_name = models.CharField(max_length=200, default="")
    receipt = models.JSONField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "on_at"], name="stop_by_time"),
            models.Index(fields=["organization_id", "kind", "target"], condition=models.Q(lifted_at=None), name="stop_on"),
        ]


class AuditHead(models.Model):
    """Where each organization's chain ends; its row is the lock under which the next entry is added."""

    organization_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="")

    objects: ClassVar[models.Manager[AuditHead]] = models.Manager()


class AuditEntry(OrganizationModel):
    """One line of the log: a record, an intent, or the outcome of an intent; each carries the hash of the one before."""

    seq = models.BigIntegerField()
    kind = models.CharField(max_length=10)  # record, intent, outcome
    intent = models.UUIDField(null=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=200)
    action = models.CharField(max_length=80)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "seq"], name="audit_seq_once")]
        indexes = [
            models.Index(fields=["organization_id", "kind", "intent"], name="audit_pairs"),
            models.Index(fields=["organization_id", "subject"], name="audit_subject"),
        ]
