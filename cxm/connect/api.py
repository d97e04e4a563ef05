"""The door of connect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from uuid import UUID

from django.db import transaction

from cxm.channels import registry
from cxm.channels.contracts import Outgoing, RawDelivery, Sent, Session
from cxm.connect import accounts as _accounts
from cxm.connect import authorizing as _authorizing
from cxm.connect import mailbox as _mailbox
from cxm.connect.accounts import change, connect, remove
from cxm.connect.authorizing import begin as begin_sign_in
from cxm.connect.authorizing import begin_anew as begin_sign_in_anew
from cxm.connect.authorizing import finish as finish_sign_in
from cxm.connect.contracts import SendRules
from cxm.connect.health import note_report
from cxm.connect.health import of as health_of
from cxm.connect.health import silent as silence_of
from cxm.connect.imports import import_lines, json_lines_of_csv
from cxm.connect.keeping import sign_in_anew, test_account, try_out
from cxm.connect.leaving import drained as drain_removed
from cxm.connect.leaving import finish as finish_removal
from cxm.connect.leaving import note as note_removal
from cxm.connect.leaving import removal, removals
from cxm.connect.leaving import unfinished as unfinished_removals
from cxm.connect.lists import give as give_list
from cxm.connect.lists import take as take_list
from cxm.connect.mailbox import register_acceptor, take_in_all
from cxm.connect.models import Account
from cxm.connect.platform_clients import Typed as PlatformApp
from cxm.connect.redaction import Target as RedactionTarget
from cxm.connect.redaction import author_scope, drained, mention_key, needle, redact
from cxm.connect.redaction import channel_of as channel_of_account
from cxm.connect.runtime import runtime, session_of
from cxm.connect.selectors import account, account_names, accounts, addressed_by_mail, gaps, mailbox_sum, own_mail_addresses
from cxm.connect.sources import add as add_source
from cxm.connect.sources import add_many as add_sources
from cxm.connect.sources import change as change_source
from cxm.connect.sources import one as source
from cxm.connect.sources import remove as remove_source
from cxm.connect.sources import source_page, views
from cxm.connect.sources import sums as source_sums
from cxm.connect.strips import gap_strip
from cxm.platform import egress

__all__ = [
    "PlatformApp",
    "RedactionTarget",
    "account",
    "account_names",
    "accounts",
    "add_source",
    "add_sources",
    "addressed_by_mail",
    "author_scope",
    "begin_sign_in",
    "begin_sign_in_anew",
    "change",
    "change_source",
    "channel_of_account",
    "connect",
    "deliver",
    "drain_removed",
    "drained",
    "finish_removal",
    "finish_sign_in",
    "gap_strip",
    "gaps",
    "give_list",
    "health_of",
    "import_lines",
    "json_lines_of_csv",
    "mailbox_sum",
    "mention_key",
    "needle",
    "note_removal",
    "note_report",
    "own_mail_addresses",
    "read_back",
    "redact",
    "register_acceptor",
    "removal",
    "removals",
    "remove",
    "remove_source",
    "rules",
    "runtime",
    "send",
    "sign_in_anew",
    "silence_of",
    "source",
    "source_page",
    "source_sums",
    "take_in_all",
    "take_list",
    "test_account",
    "try_out",
    "unfinished_removals",
]  # fmt: skip


def deliver(organization: UUID, account_id: UUID, deliveries: Sequence[RawDelivery]) -> int:
    """Put deliveries that came by another door (with the time they came) into an account's mailbox; how many were new.

    Known delivery ids are skipped; a job takes them in. Raises NotFound.
    """
    with transaction.atomic():
        return _mailbox.store(_accounts.find(organization, account_id, lock=True), deliveries, "webhook")


def send(organization: UUID, account_id: UUID, outgoing: Outgoing) -> Future[Sent]:
    """Begin to hand one intent to its channel's connector. Only ``outbound`` may call this (a lint says so).

    Returns once the call has begun. The future raises the five errors of ``kernel.network``; its time-out is an unknown outcome.
    """
    row = _accounts.find(organization, account_id)
    sender = registry.channel(row.channel).sender(outgoing.kind)
    session = _session(row)
    return runtime.begin(lambda http: sender.send(session(http), outgoing))


def read_back(organization: UUID, account_id: UUID, outgoing: Outgoing, *, timeout: float = 30) -> Sent | None:
    """What became of an intent: Sent, or None where it surely did not happen."""
    row = _accounts.find(organization, account_id)
    reader = registry.channel(row.channel).read_back()
    session = _session(row)
    return runtime.call(lambda http: reader.read_back(session(http), outgoing), timeout)


def rules(organization: UUID, account_id: UUID) -> SendRules:
    """What sending over this account promises and limits."""
    row = _accounts.find(organization, account_id)
    channel = registry.channel(row.channel)
    manifest = channel.manifest
    return SendRules(
        active=row.state == "active", can_reply=channel.can_send("reply", row.settings), private=channel.speaks_privately(row.settings), public=manifest.reply.public,
        reads_back=channel.reads_back(row.settings), idempotent=channel.idempotent(row.settings), text_limit=manifest.limits.text, counted=manifest.limits.counted,
        window_hours=manifest.limits.window_hours, media=manifest.reply.media, media_count=manifest.limits.media, media_bytes=manifest.limits.media_bytes,
        held=_authorizing.held(row),
    )  # fmt: skip


def _session(row: Account) -> Callable[[egress.GuardedHttp], Session]:
    """The account's session, made here: it reads the account's sources, and on the loop the database must not be touched."""
    sources = views(row)
    return lambda http: session_of(row, http, sources)
