"""Rows of the platform itself."""

from __future__ import annotations

from django.db import models
from django.db.models import Func
from django.utils import timezone


class CurrentTransaction(Func):
    """The id of the running transaction, which orders the log by commit."""

    function = "pg_current_xact_id"
    template = "%(function)s()::text::bigint"
    output_field = models.BigIntegerField()


class EventLog(models.Model):
    """Everything that happened, in order. ``transaction`` lets a reader stop before what is still being written.

    ``payload`` is JSON as text: taking a batch of mentions apart for ``jsonb``, and putting it together again for its reader, cost
    more than everything else about it.
    """

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    name = models.CharField(max_length=80)
    owner = models.CharField(max_length=120)
    at = models.DateTimeField(default=timezone.now)
    transaction = models.BigIntegerField(db_default=CurrentTransaction())
    payload = models.TextField()
    public = models.JSONField(default=dict)
    permission = models.CharField(max_length=60)

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "transaction", "id"], name="event_log_order"),
            models.Index(fields=["at"], name="event_log_at"),
        ]

    objects = models.Manager()


class WaitingEvent(models.Model):
    """One event that waits for one subscriber: gone with the transaction that handles it. ``lane``: what is handled in order, one after
    another. ``failed_at``: set aside, because it failed for a day; ``error``: why it failed last, by kind and place; ``cut_offs``: tries that
    said that something else was away, while others went on."""

    event_id = models.BigIntegerField()
    subscriber = models.CharField(max_length=120)
    lane = models.CharField(max_length=250)
    at = models.DateTimeField(default=timezone.now)
    tries = models.IntegerField(default=0)
    cut_offs = models.IntegerField(default=0)
    error = models.CharField(max_length=200, default="")
    failed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["lane", "id"], name="waiting_event_lane"),
            models.Index(fields=["at"], name="waiting_event_at"),
            models.Index(fields=["failed_at"], name="waiting_event_failed", condition=models.Q(failed_at__isnull=False)),
        ]

    objects = models.Manager()


class EventCursor(models.Model):
    """How far a follower has read the log."""

    follower = models.CharField(max_length=120, primary_key=True)
    transaction = models.BigIntegerField(default=0)
    event = models.BigIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)

    objects = models.Manager()


class IdempotencyKey(models.Model):
    """What a POST under an Idempotency-Key answered; kept 24 h. ``status`` 0: the first is still running."""

    organization_id = models.UUIDField()
    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.IntegerField(default=0)
    body = models.TextField(default="")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization_id", "caller", "key"], name="idempotency_key_once")]


__all__ = ["CurrentTransaction", "EventCursor", "EventLog", "IdempotencyKey", "WaitingEvent"]
