"""``accept``: a batch of mapped items becomes mentions, once each, in one transaction with the event that tells of them.

Duplicates, edits and deletions are decided here, against the ledger: a tombstone is never undone, an older edit never wins, the
same words twice are one mention. Then language and mood are judged, authors get their profiles, and one event carries the batch.
"""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from cxm.channels import registry
from cxm.channels.contracts import TEXT_LIMIT, Deletion, Mention
from cxm.connect import api as connect
from cxm.connect.contracts import Account, Heard, Taken
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import NotFound
from cxm.kernel.ids import mention_id
from cxm.listen import media
from cxm.listen.enrich import judged
from cxm.listen.events import MentionsChanged, MentionsDeleted, MentionsHeard
from cxm.listen.models import Record
from cxm.people import api as people
from cxm.people.contracts import IdentityClaim
from cxm.platform import bulk, events, realtime


@dataclass(slots=True)
class Fresh:
    """A row of the ledger that is not written yet: the columns of ``Record``, without what makes a model slow to make."""

    id: UUID
    organization_id: UUID
    account_id: UUID | None
    channel: str
    native_id: str
    state: str
    digest: bytes
    published_at: datetime
    heard_at: datetime
    unit_id: UUID | None = None
    language: str = "und"
    media_type: str = "earned"
    private: bool = False
    imported: bool = False
    version: int = 1
    stored_version: int = 0
    overrides: dict[str, Any] | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def pk(self) -> UUID:
        """As a model has it."""
        return self.id


Row = Record | Fresh


@dataclass(slots=True)
class _Batch:
    """One call of ``accept``: what is known before, what it makes."""

    organization: UUID
    account: Account | None
    imported: bool
    known: dict[UUID, Row]
    fresh: dict[UUID, tuple[Row, Heard]]
    edited: dict[UUID, tuple[Row, Heard]]
    deleted: list[UUID]
    tombstones: list[Row]
    documents: dict[UUID, dict[str, Any]]
    owner: str
    #: What our accounts are called, by id: those on which something edited was heard first.
    names: dict[UUID, str]


def accept(organization: UUID, account: Account | None, heard: Sequence[Heard], *, imported: bool) -> list[Taken]:
    """Take in a batch of one account (None: an import that names none of ours). One outcome for each item, in order.

    Runs within the caller's transaction.
    """
    ids = [_id(organization, account, entry) for entry in heard]
    batch = _Batch(
        organization, account, imported, _known(ids), {}, {}, [], [], {}, str(organization), {account.id: account.name} if account else {}
    )
    outcomes = [_decide(batch, identifier, entry) for identifier, entry in zip(ids, heard, strict=True)]
    _insert(batch, outcomes, ids)
    _publish(batch)
    return outcomes


def _id(organization: UUID, account: Account | None, heard: Heard) -> UUID:
    return mention_id(organization, heard.channel, heard.item.native_id, account.id if account and _within_account(heard.channel) else None)


@functools.lru_cache(maxsize=256)
def _within_account(channel: str) -> bool:
    try:
        return registry.channel(channel).ids_unique_within_account
    except NotFound:
        return False


def _known(ids: Sequence[UUID]) -> dict[UUID, Row]:
    known = bulk.known(Record, ids)
    if not known:
        return {}
    rows: QuerySet[Record] = Record.objects.filter(pk__in=known).order_by("pk").select_for_update()
    return {row.pk: row for row in rows}


def _decide(batch: _Batch, identifier: UUID, heard: Heard) -> Taken:
    record = batch.known.get(identifier)
    if isinstance(heard.item, Deletion):
        return _delete(batch, identifier, record, heard, heard.item)
    if len(heard.item.text) > TEXT_LIMIT:
        return Taken("quarantined", "text_too_long", f"The text is longer than {TEXT_LIMIT:,} characters.")
    if record is None:
        return _new(batch, identifier, heard, heard.item)
    if record.deleted_at is not None:
        return Taken("deleted", "deleted_before", "It was deleted before; a tombstone is never undone.")
    if _is_newer(record, heard.item):
        return _edit(batch, identifier, record, heard, heard.item)
    return Taken("duplicate")


def _is_newer(record: Row, item: Mention) -> bool:
    return item.edited_at is not None and item.edited_at > (record.edited_at or record.published_at)


def _new(batch: _Batch, identifier: UUID, heard: Heard, item: Mention) -> Taken:
    account = batch.account
    record = Fresh(
        id=identifier, organization_id=batch.organization, account_id=account.id if account else None, unit_id=account.unit if account else None, channel=heard.channel,
        native_id=item.native_id[:1000], digest=_digest(item), published_at=item.published_at, heard_at=heard.received_at, edited_at=item.edited_at, private=item.private,
        media_type=item.media_type, imported=batch.imported, state="waiting",
    )  # fmt: skip
    batch.known[identifier] = record
    batch.fresh[identifier] = (record, heard)
    return Taken("accepted")


def _edit(batch: _Batch, identifier: UUID, record: Row, heard: Heard, item: Mention) -> Taken:
    record.edited_at, record.digest = item.edited_at, _digest(item)
    if identifier in batch.fresh:  # created and edited within one batch: the newer words stand
        batch.fresh[identifier] = (record, heard)
        return Taken("changed")
    if identifier not in batch.edited:
        record.version += 1
    batch.edited[identifier] = (record, heard)
    return Taken("changed")


def _delete(batch: _Batch, identifier: UUID, record: Row | None, heard: Heard, item: Deletion) -> Taken:
    if record is not None and record.deleted_at is not None:
        return Taken("duplicate")
    at = item.deleted_at or heard.received_at
    if record is None:  # the deletion came first: the tombstone waits for what must not appear
        tombstone = Fresh(
            id=identifier, organization_id=batch.organization, account_id=batch.account.id if batch.account else None,
            unit_id=batch.account.unit if batch.account else None, channel=heard.channel, native_id=item.native_id[:1000], digest=b"", published_at=at, heard_at=heard.received_at, deleted_at=at, state="no_answer_needed",
        )  # fmt: skip
        batch.known[identifier] = tombstone
        batch.tombstones.append(tombstone)
        return Taken("deleted")
    record.deleted_at, record.digest, record.overrides = at, b"", None
    batch.edited.pop(identifier, None)
    if batch.fresh.pop(identifier, None) is not None:
        record.state = "no_answer_needed"
        batch.tombstones.append(record)
    else:
        record.version += 1
        batch.deleted.append(identifier)
    return Taken("deleted")


def _digest(item: Mention) -> bytes:
    return hashlib.blake2b(f"{item.title or ''}\x1f{item.text}".encode("utf-8", "replace"), digest_size=8).digest()


def _insert(batch: _Batch, outcomes: list[Taken], ids: Sequence[UUID]) -> None:
    """Claim new ids; those another process claimed in this very moment are duplicates here."""
    _describe(batch)
    rows = sorted([*(record for record, _ in batch.fresh.values()), *batch.tombstones], key=lambda row: row.pk.int)
    written = bulk.claim(rows, Record)
    lost = [row.pk for row in rows if row.pk not in written]
    for pk in lost:
        batch.fresh.pop(pk, None)
    for index, identifier in enumerate(ids):
        if identifier in lost:
            outcomes[index] = Taken("duplicate")
    changed = [*(record for record, _ in batch.edited.values()), *(batch.known[key] for key in batch.deleted)]
    if changed:
        Record.objects.bulk_update(
            changed, ["edited_at", "deleted_at", "digest", "version", "overrides", "language", "state"], batch_size=500
        )


def _describe(batch: _Batch) -> None:
    """Verdicts, state and profile of everything fresh or edited, worked out before the rows are written."""
    entries = [*batch.fresh.values(), *batch.edited.values()]
    items = [heard.item for _, heard in entries if isinstance(heard.item, Mention)]
    if not items:
        return
    verdicts = _verdicts([(heard, item) for (_, heard), item in zip(entries, items, strict=True)])
    others = {record.account_id for record, _ in batch.edited.values() if record.account_id} - batch.names.keys()
    if others:
        batch.names |= connect.account_names(batch.organization, others)
    profiles = people.resolve(batch.organization, [_claim(batch, record, item) for (record, _), item in zip(entries, items, strict=True)])
    for (record, heard), item, verdict, profile in zip(entries, items, verdicts, profiles, strict=True):
        document = _document(batch, record, heard, item, verdict, profile)
        record.language = document["language"]
        if record.version == 1 and record.pk in batch.fresh:
            record.state = document["state"]
        batch.documents[record.pk] = document


def _verdicts(heard: Sequence[tuple[Heard, Mention]]) -> list[dict[str, Any]]:
    """What was found ahead, and the rest judged now."""
    found = iter(judged([item for entry, item in heard if entry.prepared is None]))
    return [entry.prepared if entry.prepared is not None else next(found) for entry, _ in heard]


def _claim(batch: _Batch, record: Row, item: Mention) -> IdentityClaim:
    author = item.author
    account = record.account_id if _within_account(record.channel) and record.channel != "email" else None
    return IdentityClaim(
        channel=record.channel,
        account=account,
        native_id=author.native_id,
        handle=author.handle,
        name=author.name,
        url=author.url,
        followers=author.followers,
        proofs=author.proofs,
    )


def _state(item: Mention, verdict: dict[str, Any], imported: bool) -> str:
    """The first end state: waiting where somebody spoke to us and no machine did."""
    if item.state is not None:
        return item.state
    if imported or item.automatic or item.media_type != "earned" or verdict["spam"]:
        return "no_answer_needed"
    return "waiting" if item.kind == "message" or item.private or item.addressed else "no_answer_needed"


def _document(batch: _Batch, record: Row, heard: Heard, item: Mention, verdict: dict[str, Any], profile: UUID) -> dict[str, Any]:
    # Where it belongs is decided once, by the account that heard it first: no edit that came another way moves it.
    author, account, unit, engagement = item.author, record.account_id, record.unit_id, item.engagement
    document: dict[str, Any] = {
        "id": str(record.pk), "organization": batch.owner, "unit": str(unit) if unit else None, "channel": record.channel,
        "account": batch.names.get(account, "") if account else heard.account_name, "account_id": str(account) if account else None, "native_id": item.native_id, "kind": item.kind,
        "author": {"native_id": author.native_id, "handle": author.handle, "name": author.name, "url": author.url, "followers": author.followers, "profile": str(profile)},
        "title": item.title, "text": item.text, "quoted": item.quoted, "published_at": format_instant(item.published_at), "url": item.url, "reply_to": item.reply_to,
        "thread": item.thread, "media_type": item.media_type, "country": item.country, "location": item.location, "rating": item.rating,
        "engagement": {"likes": engagement.likes, "shares": engagement.shares, "comments": engagement.comments, "views": engagement.views},
        "media": [media.document(batch.organization, record.pk, entry) for entry in item.media], "tags": list(item.tags), "topics": [], **verdict,
        "state": _state(item, verdict, batch.imported), "private": item.private, "addressed": item.addressed, "automatic": item.automatic, "context": dict(item.context),
        "imported": record.imported, "edited_at": format_instant(item.edited_at) if item.edited_at else None, "heard_at": _formatted(record.heard_at),
        "provider_order": heard.order, "version": record.version, "reply": item.context.get("reply"),
    }  # fmt: skip
    if record.overrides:
        document.update(record.overrides)
    if record.version > 1:
        document["state"] = record.state
    return document


#: What is heard together is heard at the same moment.
_formatted = functools.lru_cache(maxsize=16)(format_instant)


def _by_account(batch: _Batch, keys: Iterable[UUID]) -> dict[UUID | None, list[UUID]]:
    """By the account on which they were heard first: what is told of them must not overtake them, on whichever it was heard."""
    found: defaultdict[UUID | None, list[UUID]] = defaultdict(list)
    for key in keys:
        found[batch.known[key].account_id].append(key)
    return found


def _publish(batch: _Batch) -> None:
    fresh = tuple(batch.documents[key] for key in batch.fresh)
    account = batch.account.id if batch.account else None
    if fresh:
        events.publish(MentionsHeard(organization=batch.organization, account=account, mentions=fresh))
    for lane, keys in _by_account(batch, batch.edited).items():
        told = tuple(batch.documents[key] for key in keys)
        events.publish(MentionsChanged(organization=batch.organization, account=lane, mentions=told, whole=True))
    for lane, keys in _by_account(batch, batch.deleted).items():
        ids = tuple(str(key) for key in keys)
        events.publish(MentionsDeleted(organization=batch.organization, account=lane, ids=ids, at=format_instant(now())))
    if not batch.imported:
        realtime.tell(batch.organization, "mentions")
