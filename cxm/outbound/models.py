"""Intents to speak, and each attempt at carrying one out."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from cxm.platform.tenancy import OrganizationModel

#: What an intent may be. ``claimed`` is shown as ``queued``: an attempt is under way.
STATES = ("waiting", "queued", "claimed", "sent", "failed", "unknown", "held", "cancelled")


class Intent(OrganizationModel):
    """One thing somebody wants said, at most once."""

    kind = models.CharField(max_length=10, default="reply")
    account_id = models.UUIDField()
    unit_id = models.UUIDField()
    conversation_id = models.UUIDField(null=True)
    in_reply_to_mention = models.UUIDField(null=True)
    in_reply_to = models.CharField(max_length=1000, null=True)
    thread = models.CharField(max_length=1000, null=True)
    to = models.CharField(max_length=1000, null=True)
    title = models.TextField(null=True)
    text = models.TextField()
    media = models.JSONField(default=list)
    context = models.JSONField(default=dict)
    private = models.BooleanField(default=False)
    lane = models.CharField(max_length=120)
    state = models.CharField(max_length=10, default="waiting")
    detail = models.CharField(max_length=1000, default="")
    delivery = models.CharField(max_length=10, null=True)
    reason = models.CharField(max_length=20, default="")
    native_id = models.CharField(max_length=1000, null=True)
    native_url = models.CharField(max_length=2000, null=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.UUIDField(null=True)
    created_by_name = models.CharField(max_length=200, default="")
    not_before = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    #: What became of each copy (by its address, as servers write it) of which more is known than of the reply; see ``copies``.
    copies = models.JSONField(default=dict)
    #: What was reported of nobody in particular, where there were copies: ``[{status, reason, detail, at}]``.
    reports = models.JSONField(default=list)
    settled_by = models.UUIDField(null=True)
    version = models.IntegerField(default=1)

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "conversation_id", "created_at"], name="intent_conversation"),
            models.Index(fields=["organization_id", "account_id", "native_id"], name="intent_native"),
            models.Index(fields=["not_before"], condition=Q(state__in=("waiting", "queued", "claimed", "unknown")), name="intent_open"),
            models.Index(
                fields=["organization_id", "state"], condition=Q(state__in=("waiting", "queued", "held")), name="intent_stoppable"
            ),
            models.Index(
                fields=["organization_id", "lane", "created_at"],
                condition=Q(state__in=("waiting", "queued", "claimed")),
                name="intent_lane",
            ),
        ]


class Attempt(OrganizationModel):
    """One try: written before the call, its outcome after. One without an outcome means we died in between: unknown."""

    intent = models.ForeignKey(Intent, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, default="")
    detail = models.CharField(max_length=1000, default="")
    audit_id = models.UUIDField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["intent", "at"], name="attempt_order")]


class Suppressed(OrganizationModel):
    """An address nothing is sent to. ``at``: when it was last reported; whoever writes to us after that is answered."""

    address = models.CharField(max_length=320)
    reason = models.CharField(max_length=20)
    detail = models.CharField(max_length=1000, default="")
    at = models.DateTimeField()

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "address"], name="suppressed_once")]


class Upload(OrganizationModel):
    """A file a member attached; its bytes lie in ``platform.blobs``. ``sent``: an intent carries it."""

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    content_type = models.CharField(max_length=130)
    size = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    created_by = models.UUIDField()
    at = models.DateTimeField()
    sent = models.BooleanField(default=False)

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "created_by"], name="upload_waiting", condition=Q(sent=False)),
            models.Index(fields=["organization_id", "digest"], name="upload_digest"),
        ]
