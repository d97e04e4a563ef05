"""The ledger of what was heard, and topics. The words themselves live in the mention store."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from cxm.platform.tenancy import OrganizationModel


class Record(models.Model):
    """One mention in the ledger: that it was heard, its end state, and what people decided about it.

    It is what makes "nothing is lost" provable: every accepted mention has exactly one row, by id, for ever; a tombstone stays.
    ``version`` grows with each change, so that the store never turns back time.
    """

    id = models.UUIDField(primary_key=True)
    organization_id = models.UUIDField()
    account_id = models.UUIDField(null=True)
    unit_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=40)
    native_id = models.CharField(max_length=1000)
    language = models.CharField(max_length=35, default="und")
    state = models.CharField(max_length=20)
    media_type = models.CharField(max_length=10, default="earned")
    private = models.BooleanField(default=False)
    imported = models.BooleanField(default=False)
    version = models.IntegerField(default=1)
    stored_version = models.IntegerField(default=0)
    digest = models.BinaryField()
    overrides = models.JSONField(null=True)
    published_at = models.DateTimeField()
    heard_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    objects = models.Manager()

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "published_at"], name="record_published"),
            models.Index(fields=["organization_id", "state", "published_at"], condition=Q(deleted_at=None), name="record_state"),
        ]


class KeptFile(OrganizationModel):
    """That a mention needs a file (``platform.blobs``): it goes when the last mention that needs it is deleted."""

    mention_id = models.UUIDField()
    digest = models.CharField(max_length=64)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "mention_id", "digest"], name="kept_file_once")]
        indexes = [models.Index(fields=["organization_id", "digest"], name="kept_file_digest")]


class FetchedFile(OrganizationModel):
    """A mention's file that lies elsewhere, as it was fetched: a cache of :mod:`cxm.listen.remote`.

    ``place``: the digest of its address; ``fault``: why it could not be had, empty where the bytes are in the data directory.
    """

    mention_id = models.UUIDField()
    place = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, default="")
    width = models.IntegerField(default=0)
    height = models.IntegerField(default=0)
    size = models.BigIntegerField(default=0)
    fault = models.CharField(max_length=20, default="")
    at = models.DateTimeField(default=timezone.now)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "mention_id", "place"], name="fetched_file_once")]
        indexes = [
            models.Index(fields=["organization_id", "at"], name="fetched_file_at"),
        ]


class Removal(OrganizationModel):
    """A deletion whose words still lie in the event log or the mailbox; gone as soon as they do not. ``id``: the mention's.

    ``needle``: its native id, by which deliveries are found; ``since``: nothing of it is older. ``erasure``: the person's, where they are erased.
    """

    erasure = models.UUIDField(null=True)
    account_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=40)
    needle = models.TextField(default="")
    since = models.DateTimeField()
    at = models.DateTimeField(default=timezone.now)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "erasure"], name="removal_open")]


class Topic(OrganizationModel):
    """A saved query."""

    name = models.CharField(max_length=120)
    query = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.UUIDField(null=True)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "name"], name="topic_name_once")]
