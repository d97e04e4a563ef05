"""Accounts and the mailbox."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from cxm.platform.tenancy import OrganizationModel


class Account(OrganizationModel):
    """One of our handles on a channel."""

    unit_id = models.UUIDField()
    channel = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    settings = models.JSONField(default=dict)
    sealed_credentials = models.TextField(default="")
    state = models.CharField(max_length=10, default="active")
    health = models.CharField(max_length=500, default="")
    mend = models.CharField(max_length=500, default="")
    created_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True)
    last_heard_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    next_look_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    #: Which process claimed it last; it stays its own to look at until another one does.
    leased_by = models.UUIDField(null=True)
    failures = models.IntegerField(default=0)
    cursor = models.JSONField(null=True)
    #: What the platform last said of our limits there: ``[{host, left, of, resets_at}]``.
    limits = models.JSONField(default=list)
    #: By which of its channel's ways it signed in by OAuth2; empty where by typed credentials, or by none.
    way = models.CharField(max_length=40, default="")
    sealed_tokens = models.TextField(default="")
    #: When the access token ends; null where that is unknown, or where a person must sign in anew.
    token_expires_at = models.DateTimeField(null=True)
    #: One process is renewing the tokens until then at the latest.
    renewing_until = models.DateTimeField(null=True)
    #: What was last reported of an answer with copies without saying of whom (complained, failed), and when.
    reported = models.CharField(max_length=20, default="")
    reported_at = models.DateTimeField(null=True)
    #: Of one that was removed, what becomes of what was heard: keep, deleting, deleted; how many are gone and, as last counted, still there.
    mentions = models.CharField(max_length=10, default="")
    mentions_deleted = models.IntegerField(default=0)
    mentions_left = models.IntegerField(null=True)

    class Meta(OrganizationModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "channel", "name"], condition=Q(removed_at=None), name="account_name_once")
        ]
        indexes = [models.Index(fields=["next_look_at"], condition=Q(state="active", removed_at=None), name="account_due")]


class SignIn(OrganizationModel):
    """A sign-in by OAuth2 that somebody has begun and not finished: used once, by whom it was begun. ``digest`` is of the state that the
    platform gives back; ``sealed`` holds what is needed then."""

    digest = models.CharField(max_length=64, unique=True)
    member_id = models.UUIDField(null=True)
    session_digest = models.CharField(max_length=64, default="")
    account_id = models.UUIDField(null=True)
    sealed = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "created_at"], name="sign_in_order")]


class PlatformClient(OrganizationModel):
    """What the operator registered at a platform so that accounts can sign in there: one for each organization and way."""

    channel = models.CharField(max_length=40)
    way = models.CharField(max_length=40)
    client_id = models.CharField(max_length=500)
    sealed_secret = models.TextField(default="")

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "channel", "way"], name="platform_client_once")]


class Source(OrganizationModel):
    """Something an account listens to beside its own inbound: a folder, a room, a feed, a search. ``fingerprint`` is of the settings;
    ``health`` and the times are what the connector last told of it."""

    account_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    settings = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(max_length=10, default="active")  # active, paused
    health = models.CharField(max_length=500, default="")
    mend = models.CharField(max_length=500, default="")
    created_at = models.DateTimeField(default=timezone.now)
    last_heard_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    next_look_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "account_id", "kind", "fingerprint"], name="source_once")]
        indexes = [models.Index(fields=["organization_id", "-created_at", "-id"], name="source_newest")]


class Delivery(OrganizationModel):
    """The raw mailbox: bytes as they came. ``account_id`` is null for imports, which name their accounts themselves."""

    serial = models.BigIntegerField(
        db_default=models.Func(function="nextval", template="nextval('connect_delivery_serial')", output_field=models.BigIntegerField())
    )
    account_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=10, default="webhook")  # webhook, poll, stream, import
    delivery_id = models.CharField(max_length=300)
    fingerprint = models.BinaryField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    received_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)
    accepted = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    duplicate = models.IntegerField(default=0)
    deleted = models.IntegerField(default=0)
    quarantined = models.IntegerField(default=0)
    receipts = models.IntegerField(default=0)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["account_id", "delivery_id"], name="delivery_once")]
        indexes = [
            models.Index(fields=["account_id", "serial"], condition=Q(done_at=None), name="delivery_waiting"),
            models.Index(fields=["organization_id", "received_at"], name="delivery_received"),
        ]


class Quarantined(OrganizationModel):
    """One item that could not be taken, with its bytes."""

    delivery_id = models.UUIDField()
    account_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=40)
    native_id = models.CharField(max_length=500, null=True)
    code = models.CharField(max_length=60)
    reason = models.CharField(max_length=500)
    raw = models.BinaryField()
    position = models.IntegerField(default=0)
    received_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=12, default="quarantined")  # quarantined, accepted
    replayed_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "received_at", "id"], name="quarantine_order")]


class Gap(OrganizationModel):
    """From when to when an account could not be heard, and why; ``filled_at`` once what was missed was fetched."""

    account_id = models.UUIDField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    filled_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "account_id", "began_at"], name="gap_order")]


class Webhook(OrganizationModel):
    """An integrator's address that is told what happens. ``position``: the last event of the log it has, as ``GET /events`` counts."""

    url = models.TextField()
    events = models.JSONField(default=list)
    sealed_secret = models.TextField()
    sealed_former_secret = models.TextField(default="")
    former_until = models.DateTimeField(null=True)
    member_id = models.UUIDField()
    rights = models.JSONField(default=list)
    state = models.CharField(max_length=10, default="active")  # active, paused
    reason = models.CharField(max_length=500, default="")
    revision = models.IntegerField(default=0)
    position = models.CharField(max_length=60, default="")
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_ok_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "id"], name="webhook_order"),
            models.Index(fields=["due_at"], condition=Q(state="active"), name="webhook_due"),
        ]
