"""What could not be taken: listed with its bytes, tried again after a fix."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from cxm.channels import registry
from cxm.channels.contracts import Mention, RawDelivery, Unmappable
from cxm.connect import accounts, imports, mailbox
from cxm.connect.contracts import Heard, QuarantinedItem, Taken
from cxm.connect.models import Account, Delivery, Quarantined
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, NotFound
from cxm.platform.paging import Page, page


def listed(
    organization: UUID,
    *,
    units: frozenset[UUID] | None = None,
    channel: str | None,
    account: UUID | None,
    cursor: str | None,
    limit: int | None,
) -> Page[QuarantinedItem]:
    """Newest first; only what still waits for a fix. ``units``: only of accounts of these (None: all, imports too)."""
    rows = within(organization, units).filter(state="quarantined")
    if channel:
        rows = rows.filter(channel=channel)
    if account:
        rows = rows.filter(account_id=account)
    return page(rows, order=("-received_at", "-id"), cursor=cursor, limit=limit, as_item=_contract)


def within(organization: UUID, units: frozenset[UUID] | None) -> QuerySet[Quarantined]:
    """The quarantine of these units; what came by import, and the leftovers of removed accounts, belong to the whole organization."""
    rows = Quarantined.objects.for_organization(organization)
    if units is None:
        return rows
    return rows.filter(
        account_id__in=Account.objects.for_organization(organization).filter(unit_id__in=units, removed_at=None).values("id")
    )


def one(organization: UUID, item: UUID, *, units: frozenset[UUID] | None = None) -> QuarantinedItem:
    """One item, with its bytes."""
    row = within(organization, units).filter(pk=item).first()
    if row is None:
        raise NotFound("quarantined item")
    return _contract(row)


def replay(organization: UUID, item: UUID) -> Taken:
    """Map and accept it again; ``accepted`` takes it out of the quarantine, ``quarantined`` says why not."""
    with transaction.atomic():
        row = Quarantined.objects.for_organization(organization).select_for_update().filter(pk=item).first()
        if row is None:
            raise NotFound("quarantined item")
        if row.state != "quarantined":
            raise Conflict("already_accepted", "It was accepted already.", "Nothing is left to do.")
        taken = _again(organization, row)
        row.replayed_at = now()
        if taken.outcome == "quarantined":
            row.code, row.reason = taken.code[:60], taken.reason[:500]
        else:
            row.state = "accepted"
        row.save()
        if row.state == "accepted":
            delivery = Delivery.objects.for_organization(organization).select_for_update().get(pk=row.delivery_id)
            delivery.quarantined -= 1
            setattr(delivery, taken.outcome, getattr(delivery, taken.outcome) + 1)
            delivery.save(update_fields=["quarantined", taken.outcome])
    return taken


def _again(organization: UUID, row: Quarantined) -> Taken:
    if row.account_id is None:
        found = imports.read_line(bytes(row.raw), row.channel or None)
        return found if isinstance(found, Taken) else mailbox.accept_apart(organization, None, [found], imported=True)[0]
    account = Account.objects.for_organization(organization).get(pk=row.account_id)
    delivery = Delivery.objects.for_organization(organization).get(pk=row.delivery_id)
    raw = RawDelivery(
        delivery_id=delivery.delivery_id, body=bytes(delivery.body), headers=delivery.headers, received_at=delivery.received_at
    )
    items = registry.channel(account.channel).map(raw, accounts.view(account))
    if row.position >= len(items):
        return Taken("quarantined", "mapping_changed", "The mapping now finds fewer items in this delivery.")
    item = items[row.position]
    if isinstance(item, Unmappable):
        return Taken("quarantined", item.code, item.reason)
    if not isinstance(item, Mention):
        return Taken("accepted")
    heard = Heard(
        item=item,
        received_at=row.received_at,
        position=row.position,
        order=delivery.serial * 10_000 + row.position,
        channel=account.channel,
    )
    return mailbox.accept_apart(organization, accounts.as_contract(account), [heard], imported=False)[0]


def _contract(row: Quarantined) -> QuarantinedItem:
    return QuarantinedItem(
        id=row.id, received_at=row.received_at, channel=row.channel, account=row.account_id, native_id=row.native_id, code=row.code, reason=row.reason,
        size=len(row.raw), state=row.state, raw=bytes(row.raw),
    )  # fmt: skip
