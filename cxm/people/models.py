"""Rows of people. The id of an identity is derived from what it names, so ten deliveries of a new author make one row."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from cxm.platform.tenancy import OrganizationModel


class Profile(OrganizationModel):
    """A customer. ``search`` holds the folded name a member gave; ``merged_into`` leads on from a profile that was merged, so that old links still find the person."""

    name = models.TextField(default="", blank=True)
    note = models.TextField(default="", blank=True)
    search = models.TextField(default="", blank=True)
    created_at = models.DateTimeField()
    merged_into = models.UUIDField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "-created_at", "-id"], name="people_profile_newest"),
            GinIndex(
                fields=["organization_id", "search"],
                opclasses=["uuid_ops", "gin_trgm_ops"],
                name="people_profile_search",
                condition=~models.Q(search=""),
            ),
            models.Index(
                fields=["organization_id", "merged_into"], name="people_profile_merged", condition=models.Q(merged_into__isnull=False)
            ),
        ]


class Identity(OrganizationModel):
    """One handle on one channel. ``id`` is ``keys.identity_id`` of organization, channel, account and native id."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="identities", db_index=False)
    channel = models.CharField(max_length=40)
    account_id = models.UUIDField(null=True)
    native_id = models.TextField()
    handle = models.TextField(null=True)
    name = models.TextField(null=True)
    url = models.TextField(null=True)
    followers = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=20, default="heard")
    proof_keys = ArrayField(models.UUIDField(), default=list)
    search = models.TextField(default="")
    created_at = models.DateTimeField()

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "profile"], name="people_identity_profile"),
            GinIndex(fields=["organization_id", "search"], opclasses=["uuid_ops", "gin_trgm_ops"], name="people_identity_search"),
        ]


class ProofRow(OrganizationModel):
    """One proven address, number or signed-in account, and the profile it stands for. ``id`` is ``keys.proof_id``."""

    kind = models.CharField(max_length=20)
    value = models.TextField()
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="proofs", db_index=False)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "profile"], name="people_proof_profile")]


class MergeLog(OrganizationModel):
    """Who was joined with whom, or parted, why and by whom; what moved stands beside it, so that it can be undone."""

    kind = models.CharField(max_length=10)
    into = models.UUIDField()
    source = models.UUIDField()
    identities = ArrayField(models.UUIDField(), default=list)
    reason = models.TextField(default="")
    by = models.TextField()
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "into", "-at"], name="people_merge_into"),
            models.Index(fields=["organization_id", "source", "-at"], name="people_merge_source"),
        ]


class Erasure(OrganizationModel):
    """That a person was erased: who asked, when, why, how much went; never who it was. ``state``: waiting, running, done.

    ``work`` holds what the job needs to find their words (names among it) and is empty as soon as it is done. ``profile``, and the ids of
    ``identities`` and ``profiles``, are digests: they keep a restored backup from bringing the person back.
    """

    profile = models.UUIDField()
    identities = ArrayField(models.UUIDField(), default=list)
    profiles = ArrayField(models.UUIDField(), default=list)
    reason = models.TextField()
    by = models.TextField()
    member = models.UUIDField(null=True)
    state = models.CharField(max_length=10, default="waiting")
    asked_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    work = models.JSONField(null=True)
    audit = models.UUIDField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "-asked_at", "-id"], name="people_erasure_newest"),
            models.Index(fields=["organization_id", "profile"], name="people_erasure_profile"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "profile"], condition=~models.Q(state="done"), name="people_erasure_once")
        ]
