"""Deleting made true: words leave the ledger, the event log and the mailbox, not only the store and the inbox.

A deletion that a platform tells, and each mention of somebody who is erased, leaves a tombstone (an id) and a :class:`Removal`: work that
is done soon, tried again until it is done, and forgotten then. The log is changed in place, so that rebuilding from it gives what is live.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.connect import api as connect
from cxm.connect.contracts import Account, Heard, Taken
from cxm.kernel.clock import format_instant, now
from cxm.listen import accept as accepting
from cxm.listen import media
from cxm.listen.authors import author_of
from cxm.listen.events import REDACTED, MentionsChanged, MentionsDeleted, MentionsHeard
from cxm.listen.models import Record, Removal
from cxm.people.contracts import Erased, Step
from cxm.platform import bulk, events, graves, realtime, redaction

#: Deletions worked off together, and how far clocks may be apart.
BATCH = 500
_SLACK = timedelta(minutes=10)
_TOLD = (MentionsHeard.name, MentionsChanged.name)


# --- what platforms tell ---------------------------------------------------------------------------------------------------


def accept(organization: UUID, account: Account | None, heard: Sequence[Heard], *, imported: bool) -> list[Taken]:
    """``accept.accept``, and whatever it finds deleted is noted, so that its words go everywhere: also those that came too late."""
    taken = accepting.accept(organization, account, heard, imported=imported)
    if any(one.outcome == "deleted" for one in taken):
        places = zip(heard, taken, strict=True)
        _note(organization, {accepting._id(organization, account, entry): entry for entry, one in places if one.outcome == "deleted"})
    return taken


def _note(organization: UUID, gone: Mapping[UUID, Heard]) -> None:
    rows = list(Record.objects.filter(pk__in=list(gone), organization_id=organization))
    made: list[Removal] = []
    for row in rows:
        entry = gone[row.pk]
        # What came before is gone already where the tombstone has no native id any more: only this one is left.
        since = min(row.heard_at, entry.received_at) if row.native_id else entry.received_at
        made.append(_removal(row, None, entry.item.native_id, since))
    Removal.objects.add_all(made, update_conflicts=True, unique_fields=["id"], update_fields=["at"])
    graves.append(*graves.deleted(organization, [row.pk for row in rows], format_instant(now())))
    redact_later(organization)


def _removal(row: Record, erasure: UUID | None, needle: str, since: datetime) -> Removal:
    return Removal(
        id=row.pk, organization_id=row.organization_id, erasure=erasure, account_id=row.account_id, channel=row.channel, needle=needle,
        since=since - _SLACK,
    )  # fmt: skip


def _remember(organization: UUID, rows: Sequence[Record], erasure: UUID | None) -> None:
    Removal.objects.add_all([_removal(row, erasure, row.native_id, row.heard_at) for row in rows], ignore_conflicts=True)
    if erasure is not None:  # one that was deleted a moment ago now goes with the person
        Removal.objects.for_organization(organization).filter(pk__in=[row.pk for row in rows]).update(erasure=erasure)


def redact_later(organization: UUID) -> None:
    """One job at most waits for an organization's deletions."""
    from cxm.listen.tasks import redact

    redact.defer(lock=f"listen.redact:{organization}", queueing_lock=f"listen.redact:{organization}", organization=str(organization))


def redact(organization: UUID) -> int:
    """Take the words of deleted mentions out of the log and the mailbox; how many mentions. One such job runs for an organization at a time.

    In short transactions, each of which may be done again: one that stayed open would hold up whoever follows the log.
    """
    done = 0
    while rows := _oldest(organization):
        began = now()
        ids = frozenset(row.pk for row in rows)
        since = min(row.since for row in rows)
        _all_of_the_log(organization, ids, since)
        needles = {connect.needle(row.needle) for row in rows}
        known = None if None in needles else tuple(each for each in needles if each)
        target = connect.RedactionTarget(mentions=ids, needles=known)
        accounts = {row.account_id for row in rows if row.account_id}
        after: int | None = 0
        while after is not None:
            after, _ = connect.redact(organization, target, accounts=accounts, since=since, after=after)
        with transaction.atomic():
            _forget_native_ids(organization, ids)
            # What came late in the meantime is noted anew, and its turn comes again.
            Removal.objects.for_organization(organization).filter(pk__in=ids, at__lte=began).delete()
        done += len(rows)
    return done


def _oldest(organization: UUID) -> list[Removal]:
    return list(Removal.objects.for_organization(organization).filter(erasure=None).order_by("at", "id")[:BATCH])


def _forget_native_ids(organization: UUID, ids: Collection[UUID]) -> None:
    """A platform's id may name its author; the tombstone's own id, a digest of it, is enough to know it again."""
    Record.objects.filter(organization_id=organization, pk__in=list(ids), deleted_at__isnull=False).update(
        native_id="", overrides=None, digest=b""
    )


def _all_of_the_log(organization: UUID, ids: Collection[UUID], since: datetime | None) -> None:
    change = _without(ids)
    redaction.every(lambda after: redaction.by_ids(organization, _TOLD, "mentions", ids, change, since=since, after=after))


def _without(ids: Collection[UUID]) -> Callable[[dict[str, Any]], bool]:
    """Empties the mentions with these ids in an event's payload."""
    gone = {str(each) for each in ids}

    def change(told: dict[str, Any]) -> bool:
        found = [place for place, mention in enumerate(told["mentions"]) if mention["id"] in gone and REDACTED not in mention]
        for place in found:
            told["mentions"][place] = _emptied(told["mentions"][place])
        return bool(found)

    return change


def _emptied(mention: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": mention["id"], "version": mention.get("version"), REDACTED: True}


# --- people who are erased -------------------------------------------------------------------------------------------------


def entomb(organization: UUID, mentions: Collection[UUID], at: datetime, *, erasure: UUID | None, erased: bool = True) -> int:
    """Make these mentions tombstones; how many were none yet. Unknown ones become some too, so that they never come. One transaction."""
    known = bulk.known(Record, mentions)
    missing = [_grave(organization, key, at) for key in sorted(set(mentions) - known)]
    fresh = bulk.claim(missing, Record)
    rows = list(Record.objects.filter(pk__in=known, organization_id=organization).order_by("pk").select_for_update())
    _remember(organization, rows, erasure)
    living = [row for row in rows if row.deleted_at is None]
    for row in living:
        row.deleted_at, row.state, row.digest, row.overrides = at, "no_answer_needed", b"", None
        row.version += 1
    Record.objects.bulk_update(living, ["deleted_at", "state", "digest", "overrides", "version"], batch_size=500)
    told = sorted({*(row.pk for row in rows), *fresh})
    if erasure is None and rows:
        redact_later(organization)
    if told:
        _tell(organization, {row.pk: row.account_id for row in rows}, told, format_instant(at), erased)
        graves.append(*graves.deleted(organization, told, format_instant(at)))
        realtime.tell(organization, "mentions")
    return len(living)


def _tell(organization: UUID, accounts: Mapping[UUID, UUID | None], told: Sequence[UUID], at: str, erased: bool) -> None:
    of_account: defaultdict[UUID | None, list[str]] = defaultdict(list)
    for key in told:
        of_account[accounts.get(key)].append(str(key))
    for account, ids in of_account.items():
        events.publish(MentionsDeleted(organization=organization, account=account, ids=tuple(ids), at=at, erased=erased))


def _grave(organization: UUID, key: UUID, at: datetime) -> Any:
    return accepting.Fresh(
        id=key, organization_id=organization, account_id=None, channel="", native_id="", digest=b"", published_at=at, heard_at=at,
        deleted_at=at, state="no_answer_needed",
    )  # fmt: skip


def erase_replies(
    organization: UUID, mentions: Collection[UUID], sent: Collection[tuple[UUID, str]], at: datetime, erasure: UUID | None
) -> int:
    """What we said to somebody who is erased: the mentions of it, and those ``sent`` (account, native id) that are none yet."""
    ids = set(mentions)
    for account, native in sent:
        channel = connect.channel_of_account(organization, account)
        if channel is not None:
            ids.add(connect.mention_key(organization, channel, native, account))
    return entomb(organization, ids, at, erasure=erasure) if ids else 0


class PersonEraser:
    """Implements ``people.contracts.Holder``: everything they said, and what we said to them, out of ledger, log and mailbox."""

    name = "listen"

    def ready(self, organization: UUID, channels: frozenset[str], until: datetime) -> bool:
        """Whether the mailboxes of these channels hold nothing any more that came before."""
        return connect.drained(organization, channels, until)

    def begin(self, person: Erased) -> None:
        """Nothing: what is heard from now on is told apart by its event."""

    def erase(self, person: Erased, cursor: dict[str, Any]) -> Step:
        """First their mentions by who said them, as the log tells; what else tells of these; then the mailbox; then the files of the store."""
        stages: dict[str, Callable[[Erased, dict[str, Any]], Step]] = {"said": _said, "told": _told, "mailbox": _mailbox}
        return stages[cursor.get("stage", "said")](person, cursor)


def _said(person: Erased, cursor: dict[str, Any]) -> Step:
    whose = {one.id for one in person.identities}
    needles = [f'"native_id":{redaction.written(one.native_id)}' for one in person.identities]
    found: dict[UUID, None] = {}

    def change(told: dict[str, Any]) -> bool:
        hits = [
            place
            for place, mention in enumerate(told["mentions"])
            if REDACTED not in mention and author_of(person.organization, mention) in whose
        ]
        for place in hits:
            found[UUID(told["mentions"][place]["id"])] = None
            told["mentions"][place] = _emptied(told["mentions"][place])
        return bool(hits)

    after, _ = (
        redaction.by_words(person.organization, _TOLD, needles, change, after=int(cursor.get("after", 0)), until=person.until)
        if needles
        else (0, 0)
    )
    erased = entomb(person.organization, list(found), person.at, erasure=person.erasure) if found else 0
    return Step({"stage": "said", "after": after} if after else {"stage": "told"}, {"mentions": erased})


def _open(person: Erased) -> Any:
    return Removal.objects.for_organization(person.organization).filter(erasure=person.erasure)


def _told(person: Erased, cursor: dict[str, Any]) -> Step:
    after = str(cursor.get("after", ""))
    rows = list((_open(person).filter(pk__gt=after) if after else _open(person)).order_by("id")[:BATCH])
    if not rows:
        return Step({"stage": "mailbox"})
    ids = [row.pk for row in rows]
    _all_of_the_log(person.organization, ids, min(row.since for row in rows))
    return Step({"stage": "told", "after": str(ids[-1])})


def _mailbox(person: Erased, cursor: dict[str, Any]) -> Step:
    rows = list(_open(person).values_list("id", "channel", "needle"))
    channels = {channel for _, channel, _ in rows if channel} | {one.channel for one in person.identities}
    known = tuple({text for one in person.identities for text in one.known if len(text) >= 4})
    target = connect.RedactionTarget(
        frozenset(key for key, _, _ in rows),
        frozenset(one.id for one in person.identities),
        person.at,
        known=known,
        receipts=frozenset(native for _, _, native in rows if native),
    )
    after, changed = connect.redact(person.organization, target, channels=channels, after=int(cursor.get("after", 0)))
    if after is not None:
        return Step({"stage": "mailbox", "after": after}, {"deliveries": changed})
    ids = [key for key, _, _ in rows]
    _forget_native_ids(person.organization, ids)
    media.forget(person.organization, ids)
    _open(person).delete()
    purge_later()
    return Step(None, {"deliveries": changed})


def purge_later() -> None:
    """One job at most waits that takes deleted mentions out of the files of the store."""
    from cxm.listen.tasks import purge

    purge.defer(lock="listen.purge", queueing_lock="listen.purge")


# --- what outlives a restore -------------------------------------------------------------------------------------------------


def delete_again(organization: UUID, mentions: Collection[UUID], at: datetime) -> int:
    """Deletions of a ledger, after an older state was restored: how many mentions were there again. :func:`redact` does the rest."""
    with transaction.atomic():
        gone = set(Record.objects.filter(pk__in=list(mentions), deleted_at__isnull=False).values_list("pk", flat=True))
        wanted = [key for key in mentions if key not in gone]
        if not wanted:
            return 0
        count = entomb(organization, wanted, at, erasure=None, erased=False)
        media.forget(organization, wanted)
    return count


def graves_of_all() -> Any:
    """Every tombstone of the installation, as lines of the ledger."""
    rows = (
        Record.objects.filter(deleted_at__isnull=False).order_by("organization_id", "id").values_list("organization_id", "pk", "deleted_at")
    )
    organization, batch, last = None, [], None
    for owner, key, at in rows.iterator(chunk_size=5000):
        if batch and (owner != organization or len(batch) >= graves.MOST):
            yield from graves.deleted(organization, batch, format_instant(last))
            batch = []
        organization, last = owner, at
        batch.append(key)
    if batch:
        yield from graves.deleted(organization, batch, format_instant(last))
