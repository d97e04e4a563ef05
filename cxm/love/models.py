"""Rows of love. Whole mentions lie here as JSON, so the inbox works while the mention store is away."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from cxm.platform.tenancy import OrganizationModel

OPEN_STATES = ("open", "waiting", "snoozed")


class CaseRecord(OrganizationModel):
    """A matter to be settled, over one or more conversations."""

    title = models.TextField()
    state = models.CharField(max_length=10, default="open")  # open, resolved, merged
    merged_into = models.UUIDField(null=True)
    opened_at = models.DateTimeField()
    resolution_due = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    opened_by = models.TextField(default="")
    version = models.IntegerField(default=1)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "state", "-opened_at", "-id"], name="love_case_newest")]


class CaseMove(OrganizationModel):
    """Conversations that changed their case, and what it takes to undo that.

    ``what``: linked, unlinked, merged, split. ``moved``: {conversation, before, after} with ids of cases or None. ``before``: what each
    case touched was ({state, resolved_at, merged_into} by id; None: it was made by this). ``versions``: of these cases, afterwards.
    """

    case = models.ForeignKey(CaseRecord, on_delete=models.CASCADE, related_name="moves", db_index=False)
    what = models.CharField(max_length=10)
    moved = models.JSONField()
    before = models.JSONField()
    versions = models.JSONField()
    by = models.TextField()
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "case", "-at", "-id"], name="love_case_moves")]


class Queue(OrganizationModel):
    """Where conversations wait. The first one, by ``position``, whose whole rule fits the opening mention takes it; else the default one.

    Empty parts of a rule ask nothing; a queue without any part takes only what it is given.
    """

    name = models.CharField(max_length=120)
    position = models.IntegerField()
    query = models.TextField(default="")
    channel = models.CharField(max_length=40, default="")
    account_id = models.UUIDField(null=True)
    language = models.CharField(max_length=35, default="")
    is_default = models.BooleanField(default=False)

    class Meta(OrganizationModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "name"], name="love_queue_name_once"),
            models.UniqueConstraint(fields=["organization_id"], condition=Q(is_default=True), name="love_queue_one_default"),
        ]


class Conversation(OrganizationModel):
    """An exchange between one author and us on one account.

    ``key`` is derived from account, author and thread; one conversation of a key is not closed at any time. ``state``: open (it is
    our turn), waiting (theirs), snoozed, closed. ``first_answer_due`` stands for the opening, ``answer_due`` for whatever waits now.
    """

    key = models.UUIDField()
    channel = models.CharField(max_length=40)
    account_id = models.UUIDField()
    account = models.TextField(default="")
    unit_id = models.UUIDField()
    author_id = models.TextField()
    author = models.JSONField(default=dict)
    profile_id = models.UUIDField(null=True)
    thread = models.TextField(null=True)
    thread_key = models.UUIDField(null=True)  # account and thread, for what we said there ourselves
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=10)
    assignee = models.UUIDField(null=True)
    queue = models.ForeignKey(Queue, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    case = models.ForeignKey(CaseRecord, null=True, on_delete=models.SET_NULL, related_name="conversations", db_index=False)
    tags = ArrayField(models.TextField(), default=list)
    subject = models.TextField(default="")
    language = models.TextField(default="und")
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    last_entry = models.UUIDField(null=True)
    first_answer_due = models.DateTimeField(null=True)
    first_answered_at = models.DateTimeField(null=True)
    answer_due = models.DateTimeField(null=True)
    promise_due = models.DateTimeField(null=True)  # the soonest of the open promises
    due_order = models.DateTimeField()  # what is due first of an answer and a promise, or the far future: what "due soonest" sorts by
    resolution_due = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    close_reason = models.TextField(null=True)
    erased_at = models.DateTimeField(null=True)  # the person was erased: nobody goes on with it
    version = models.IntegerField(default=1)

    class Meta(OrganizationModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "key"], condition=~Q(state="closed"), name="love_one_open_conversation")
        ]
        indexes = [
            models.Index(fields=["organization_id", "key", "-opened_at"], name="love_conversation_key"),
            models.Index(fields=["organization_id", "-last_at", "-id"], name="love_conversation_newest"),
            models.Index(fields=["organization_id", "state", "-last_at", "-id"], name="love_conversation_state"),
            models.Index(fields=["organization_id", "assignee", "-last_at", "-id"], name="love_conversation_assignee"),
            models.Index(fields=["organization_id", "due_order", "id"], name="love_conversation_due", condition=~Q(state="closed")),
            models.Index(fields=["organization_id", "profile_id"], name="love_conversation_profile"),
            models.Index(fields=["organization_id", "thread_key"], name="love_conversation_thread", condition=Q(thread_key__isnull=False)),
            models.Index(
                fields=["organization_id", "queue", "-last_at", "-id"], name="love_conversation_queue", condition=Q(queue__isnull=False)
            ),
            models.Index(
                fields=["organization_id", "state", "queue", "unit_id"],
                name="love_conversation_queued",
                include=["id"],
                condition=Q(queue__isnull=False) & ~Q(state="closed"),
            ),
            models.Index(fields=["organization_id", "case"], name="love_conversation_case", condition=Q(case__isnull=False)),
            models.Index(
                fields=["organization_id", "state", "assignee", "unit_id", "due_order", "promise_due"],
                name="love_conversation_figures",
                include=["id"],
                condition=~Q(state="closed"),
            ),
        ]


class Entry(OrganizationModel):
    """One mention in a conversation, whole. Order: ``published_at``, then the provider's, then arrival (the id)."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="entries", db_index=False)
    mention_id = models.UUIDField()
    mention = models.JSONField()
    published_at = models.DateTimeField()
    provider_order = models.BigIntegerField(default=0)
    ours = models.BooleanField(default=False)
    waiting = models.BooleanField(default=False)
    deleted_at = models.DateTimeField(null=True)
    history = models.JSONField(default=list)  # former texts: {text, title, until}
    version = models.BigIntegerField(default=0)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "mention_id"], name="love_entry_mention")]
        indexes = [
            models.Index(fields=["organization_id", "conversation", "published_at", "provider_order", "id"], name="love_entry_order"),
            models.Index(fields=["organization_id", "conversation"], name="love_entry_waiting", condition=Q(waiting=True)),
        ]


class Note(OrganizationModel):
    """What members tell each other; never leaves the company."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="notes", db_index=False)
    text = models.TextField()
    by = models.TextField()
    member = models.UUIDField(null=True)
    at = models.DateTimeField()
    mentions = ArrayField(models.UUIDField(), default=list)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "conversation", "at", "id"], name="love_note_order")]


class EventLine(OrganizationModel):
    """A quiet line in a conversation: ``what`` (opened, assigned, closed, ...), ``detail`` plain values, who, when."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="lines", db_index=False)
    what = models.CharField(max_length=30)
    detail = models.JSONField(default=dict)
    by = models.TextField()
    at = models.DateTimeField()

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "conversation", "at", "id"], name="love_line_order")]


class Answer(OrganizationModel):
    """One of our replies: ``id`` is the intent's own, ``mention_id`` what it answers."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="answers", db_index=False)
    mention_id = models.UUIDField(null=True)
    by = models.TextField()
    at = models.DateTimeField()
    state = models.CharField(max_length=12, default="waiting")
    settled_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "conversation", "at"], name="love_answer_order")]


class Pledge(OrganizationModel):
    """What a member promised somebody, and for when. ``state``: open, kept, late (kept, but afterwards), withdrawn."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="pledges", db_index=False)
    text = models.TextField()
    due_at = models.DateTimeField()
    at = models.DateTimeField()
    by = models.TextField()
    member = models.UUIDField(null=True)
    state = models.CharField(max_length=10, default="open")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(default="")

    class Meta(OrganizationModel.Meta):
        indexes = [
            models.Index(fields=["organization_id", "conversation", "due_at", "id"], name="love_pledge_order"),
            models.Index(fields=["organization_id", "-due_at", "-id"], name="love_pledge_due"),
        ]


class Draft(OrganizationModel):
    """What a member has begun to write, one for each way of saying it (public, private, note); survives a reload and another browser."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="drafts", db_index=False)
    member = models.UUIDField()
    text = models.TextField()
    visibility = models.CharField(max_length=10, default="private")
    in_reply_to = models.UUIDField(null=True)
    media = models.JSONField(default=list)  # ids of uploaded files
    at = models.DateTimeField()

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "conversation", "member", "visibility"], name="love_draft_once")]


class Presence(OrganizationModel):
    """A member has a conversation before their eyes now, and perhaps writes. Gone within a minute of the last sign of life."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+", db_index=False)
    member = models.UUIDField()
    at = models.DateTimeField()
    typing_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "conversation", "member"], name="love_presence_once")]


class Seen(OrganizationModel):
    """How far a member has read a conversation."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+", db_index=False)
    member = models.UUIDField()
    at = models.DateTimeField()

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "member", "conversation"], name="love_seen_once")]


class Notification(OrganizationModel):
    """Somebody should look: a member was named in a note, or a conversation was given to them."""

    member = models.UUIDField()
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+", db_index=False)
    what = models.CharField(max_length=30)  # named, assigned
    by = models.TextField()
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "member", "-at", "-id"], name="love_notification_newest")]


class Hours(OrganizationModel):
    """When a unit is open and how soon it answers; units below it without their own keep these. Times of answers are open minutes."""

    unit_id = models.UUIDField()
    zone = models.CharField(max_length=64)
    days = models.JSONField()  # seven, Monday first: [[opens, shuts], ...] in minutes of the day
    holidays = models.JSONField(default=list)  # {date, name}, in order
    first_private = models.IntegerField()
    first_public = models.IntegerField()
    next_private = models.IntegerField()
    next_public = models.IntegerField()
    resolution = models.IntegerField()

    class Meta(OrganizationModel.Meta):
        constraints = [models.UniqueConstraint(fields=["organization_id", "unit_id"], name="love_hours_once")]


class BulkRun(OrganizationModel):
    """The same done to many conversations. ``state``: running, done, cancelled, undoing, undone. Figures count conversations."""

    member = models.UUIDField(null=True)
    action = models.CharField(max_length=10)  # assign, tag, close, snooze, queue
    values = models.JSONField(default=dict)
    state = models.CharField(max_length=10, default="running")
    total = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    undone = models.IntegerField(default=0)
    by = models.TextField()
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    #: The token it was begun (or undone) with, and why it ended early: right_gone; empty where somebody cancelled it, or nobody did.
    token = models.UUIDField(null=True)
    ending = models.CharField(max_length=20, default="")

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "member", "-at", "-id"], name="love_bulk_newest")]


class BulkItem(OrganizationModel):
    """One conversation of a run. ``outcome``: waiting, done, same (it was so already), refused, undone, kept (it was changed since)."""

    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, related_name="items", db_index=False)
    conversation_id = models.UUIDField()
    outcome = models.CharField(max_length=10, default="waiting")
    before = models.JSONField(null=True)

    class Meta(OrganizationModel.Meta):
        indexes = [models.Index(fields=["organization_id", "run", "outcome", "conversation_id"], name="love_bulk_items")]
