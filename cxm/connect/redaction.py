"""Raw deliveries without what must not be kept: items of deleted mentions and of people who are erased leave the bytes they came in.

A delivery keeps its row, its id and its counts, so that nothing is heard twice and every sum stays. Within a list each other element stays
as it was; where a delivery is not made of parts that we could take apart (a mail, an entry of a feed), all of its bytes go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Q

from cxm.channels import registry
from cxm.channels.contracts import Item, Mention, RawDelivery, Receipt, Unmappable
from cxm.channels.kit import jsons
from cxm.connect import accounts as accounting
from cxm.connect import imports, mailbox
from cxm.connect.contracts import Heard
from cxm.connect.models import Account, Delivery, Quarantined
from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import NotFound
from cxm.kernel.ids import mention_id
from cxm.people import api as people

#: Deliveries looked at in one step, and the least of a word that finds something.
STEP, LEAST = 200, 4
_RUN = re.compile(r"[A-Za-z0-9]+")
_ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to go: ``mentions`` by id, whatever ``authors`` (ids of identities) said in deliveries taken in until ``until``, ``receipts`` of
    replies (native ids).

    ``needles``: only deliveries that hold one of these bytes need be read (None: all). ``known``: names by which something that could
    not be mapped is known to be an author's.
    """

    mentions: frozenset[UUID] = frozenset()
    authors: frozenset[UUID] = frozenset()
    until: datetime | None = None
    needles: tuple[bytes, ...] | None = None
    known: tuple[str, ...] = ()
    receipts: frozenset[str] = frozenset()


def needle(native_id: str) -> bytes | None:
    """The part of a native id that stands in every way of writing it down; None where it has none."""
    longest = max(_RUN.findall(native_id), key=len, default="")
    return longest.encode() if len(longest) >= LEAST else None


@lru_cache(maxsize=256)
def _within_account(channel: str) -> bool:
    try:
        return registry.channel(channel).ids_unique_within_account
    except NotFound:
        return False


def author_scope(channel: str, account: UUID | None) -> UUID | None:
    """The account within which an author's id means somebody, where it does not on the whole channel."""
    return account if _within_account(channel) and channel != "email" else None


def mention_key(organization: UUID, channel: str, native_id: str, account: UUID | None) -> UUID:
    """The id of a mention of that channel, heard over that account."""
    return mention_id(organization, channel, native_id, account if account and _within_account(channel) else None)


def drained(organization: UUID, channels: Collection[str], until: datetime) -> bool:
    """Take in what waits in the mailboxes of these channels; whether nothing is left that came before ``until``."""
    rows = list(Account.objects.for_organization(organization).filter(channel__in=list(channels)))
    waiting = Delivery.objects.for_organization(organization).filter(
        account_id__in=[row.id for row in rows], done_at=None, received_at__lte=until
    )
    for row in rows:
        while waiting.filter(account_id=row.id).exists() and mailbox.take_in_batch(row):
            pass
    return not waiting.exists()


def channel_of(organization: UUID, account: UUID) -> str | None:
    """An account's channel, also of one that was removed."""
    return Account.objects.for_organization(organization).filter(pk=account).values_list("channel", flat=True).first()


# --- deliveries ----------------------------------------------------------------------------------------------------------


def redact(
    organization: UUID,
    target: Target,
    *,
    accounts: Collection[UUID] = (),
    channels: Collection[str] = (),
    since: datetime | None = None,
    after: int = 0,
) -> tuple[int | None, int]:
    """Look through the next deliveries of ``accounts``, of all accounts of ``channels``, and of imports.

    Returns where to go on (None: at the end) and how many were changed. What still waits to be taken in is left alone: it is judged
    then. Each delivery is changed in a transaction of its own.
    """
    known = {
        row.id: row
        for row in Account.objects.for_organization(organization).filter(Q(id__in=list(accounts)) | Q(channel__in=list(channels)))
    }
    rows = Delivery.objects.for_organization(organization).filter(Q(account_id__in=list(known)) | Q(account_id=None), serial__gt=after)
    rows = rows.exclude(done_at=None).exclude(body=b"")
    page = list((rows.filter(received_at__gte=since) if since else rows).order_by("serial")[:STEP])
    names = _Names(organization, tuple(channels) or tuple({row.channel for row in known.values()}))
    changed = 0
    for row in page:
        if target.needles is None or any(each in bytes(row.body) for each in target.needles):
            account = known.get(row.account_id) if row.account_id else None
            changed += _redact_one(names, target, row, account)
    return (page[-1].serial if len(page) == STEP else None), changed


class _Names:
    """How names in imports become ids: accounts by channel and name, removed ones too; and channels an import may have been told apart."""

    def __init__(self, organization: UUID, channels: Sequence[str]) -> None:
        self.organization, self.channels = organization, channels
        self.accounts: dict[tuple[str, str], list[UUID]] = {}
        for row in Account.objects.for_organization(organization).only("id", "channel", "name"):
            self.accounts.setdefault((row.channel, row.name), []).append(row.id)


def _redact_one(names: _Names, target: Target, row: Delivery, account: Account | None) -> bool:
    parts = _imported(names, target, row) if account is None else _mapped(names, target, row, account)
    if not parts.gone:
        return False
    with transaction.atomic():
        _quarantine(names, target, row, account, parts.gone)
        row.body = parts.body()
        if not row.body:  # nothing of it is left, so nothing that says whose it was is either
            row.headers = {"redacted": format_instant(now())}
            if row.kind != "webhook":  # there the platform may send it again, under its own id and for the same bytes
                row.delivery_id, row.fingerprint = f"redacted:{row.id}", b""
        row.save(update_fields=["body", "headers", "delivery_id", "fingerprint", "quarantined", "deleted"])
    return True


class _Parts:
    """A delivery taken apart; ``gone``: places of items that leave it."""

    def __init__(self, elements: list[bytes] | None, gone: set[int], *, lines: bool) -> None:
        self.elements, self.gone, self.lines = elements, gone, lines

    def body(self) -> bytes:
        """The bytes without what is gone; in its place stands that something stood there, so that all others keep theirs."""
        if self.elements is None or len(self.gone) == len(self.elements):
            return b""
        left = [_GONE if place in self.gone else element for place, element in enumerate(self.elements)]
        return b"\n".join(left) if self.lines else b"[" + b",".join(left) + b"]"


_GONE = orjson.dumps({"redacted": True})


def _mapped(names: _Names, target: Target, row: Delivery, account: Account) -> _Parts:
    items = _items(row, account)
    if items is None:  # a channel that is no longer here: by its bytes alone
        held = _holds(target, bytes(row.body)) or any(each in bytes(row.body) for each in target.needles or ())
        return _Parts(None, {0} if held else set(), lines=False)
    gone = {place for place, item in enumerate(items) if _goes(names, target, row, item, account.channel, [account.id])}
    return _Parts(_elements(bytes(row.body), len(items)) if gone else None, gone, lines=False)


def _items(row: Delivery, account: Account) -> list[Item] | None:
    try:
        channel = registry.channel(account.channel)
    except NotFound:
        return None
    raw = RawDelivery(delivery_id=row.delivery_id, body=bytes(row.body), headers=row.headers, received_at=row.received_at)
    return list(channel.map(raw, accounting.view(account)))


def _elements(body: bytes, count: int) -> list[bytes] | None:
    """The elements of a JSON list that was mapped one by one; None for anything else."""
    try:
        value = jsons.load(body)
    except jsons.NotJson:
        return None
    return [jsons.dump(element) for element in value] if isinstance(value, list) and len(value) == count else None


def _imported(names: _Names, target: Target, row: Delivery) -> _Parts:
    lines = bytes(row.body).split(b"\n")
    return _Parts(lines, {place for place, line in enumerate(lines) if _line_goes(names, target, row, line)}, lines=True)


def _line_goes(names: _Names, target: Target, row: Delivery, line: bytes) -> bool:
    if target.needles is not None and not any(each in line for each in target.needles):
        return False
    said = b'"channel"' in line  # else the whole import was of one channel, which we do not know any more
    for channel in (None,) if said else (None, *names.channels):
        found = imports.read_line(line, channel)
        if isinstance(found, Heard):
            ours = names.accounts.get((found.channel, found.account_name or ""), [])
            if _goes(names, target, row, found.item, found.channel, [None, *ours]):
                return True
        elif _holds(target, line):
            return True
    return False


def _goes(names: _Names, target: Target, row: Delivery, item: Item, channel: str, accounts: Iterable[UUID | None]) -> bool:
    """Whether an item is one of those that are to go; ``accounts``: over which it may have been heard."""
    if isinstance(item, Receipt):
        return item.native_id in target.receipts
    if isinstance(item, Unmappable):
        return _holds(target, item.raw)
    organization = names.organization
    if any(mention_key(organization, channel, item.native_id, account) in target.mentions for account in accounts):
        return True
    if not isinstance(item, Mention) or target.until is None or row.done_at is None or row.done_at > target.until:
        return False
    scopes = {author_scope(channel, account) for account in accounts}
    return any(people.identity_key(organization, channel, scope, item.author.native_id) in target.authors for scope in scopes)


def _holds(target: Target, raw: bytes) -> bool:
    """Whether bytes that could not be understood name somebody: as they are, or as JSON writes them."""
    for text in target.known:
        if len(text) >= LEAST and (text.encode("utf-8", "replace") in raw or orjson.dumps(text)[1:-1] in raw or _ascii(text) in raw):
            return True
    return False


def _ascii(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


# --- quarantine ----------------------------------------------------------------------------------------------------------


def _quarantine(names: _Names, target: Target, row: Delivery, account: Account | None, gone: Collection[int]) -> None:
    """What of it lies in quarantine goes too, and counts as deleted from now on."""
    for held in (
        Quarantined.objects.for_organization(row.organization_id).select_for_update().filter(delivery_id=row.id).exclude(state=_ERASED)
    ):
        theirs = held.position in gone if account is not None else _line_goes(names, target, row, bytes(held.raw))
        if not theirs:
            continue
        if held.state == "quarantined":
            row.quarantined, row.deleted = row.quarantined - 1, row.deleted + 1
        held.raw, held.native_id, held.reason, held.code, held.state = b"", None, "", _ERASED, _ERASED
        held.save(update_fields=["raw", "native_id", "reason", "code", "state"])
