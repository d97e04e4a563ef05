"""Reads of connect."""

from __future__ import annotations

from collections.abc import Collection
from email.utils import parseaddr
from uuid import UUID

from django.db.models import Count, Q, Sum

from cxm.channels import registry
from cxm.connect.accounts import as_contract, find
from cxm.connect.contracts import Account as AccountContract
from cxm.connect.contracts import MailboxSum
from cxm.connect.models import Account, Delivery, Gap
from cxm.platform.paging import Page, page


def account(organization: UUID, account_id: UUID) -> AccountContract:
    """One connected account."""
    return as_contract(find(organization, account_id))


def accounts(organization: UUID) -> list[AccountContract]:
    """All connected accounts, by channel and name."""
    return [as_contract(row) for row in Account.objects.for_organization(organization).filter(removed_at=None).order_by("channel", "name")]


def account_names(organization: UUID, ids: Collection[UUID]) -> dict[UUID, str]:
    """What accounts are called, also those that were removed."""
    return dict(Account.objects.for_organization(organization).filter(pk__in=ids).values_list("pk", "name"))


def account_page(organization: UUID, *, units: frozenset[UUID] | None, cursor: str | None, limit: int | None) -> Page[AccountContract]:
    """A page of connected accounts in the given units, newest first."""
    rows = Account.objects.for_organization(organization).filter(removed_at=None)
    if units is not None:
        rows = rows.filter(unit_id__in=units)
    return page(rows, order=("-created_at", "-id"), cursor=cursor, limit=limit, as_item=as_contract)


def addressed_by_mail(organization: UUID, account: UUID) -> bool:
    """Whether whom an answer of this account is for is named by a mail address; also of one that was removed."""
    channel = Account.objects.for_organization(organization).filter(pk=account).values_list("channel", flat=True).first()
    return channel is not None and channel in _by_mail()


def own_mail_addresses(organization: UUID) -> set[str]:
    """The mail addresses of all our connected accounts, lower-case."""
    channels = _by_mail()
    rows = Account.objects.for_organization(organization).filter(removed_at=None, channel__in=list(channels))
    found: list[str] = []
    for channel, name, given in rows.values_list("channel", "name", "settings"):
        values = [given.get(setting) for setting in channels[channel]]
        found += [name, *(str(one) for value in values for one in (value if isinstance(value, list) else [value]))]
    parsed = (parseaddr(one[:500])[1].strip().lower() for one in found)
    return {one for one in parsed if "@" in one}


def _by_mail() -> dict[str, tuple[str, ...]]:
    """Channels whose recipients are mail addresses, each with the settings that hold our own."""
    return {one.name: one.manifest.reply.own for one in registry.channels() if one.manifest.reply.recipients == "mail"}


def mailbox_sum(organization: UUID, account_id: UUID | None = None) -> MailboxSum:
    """What the mailbox received and what became of it."""
    rows = Delivery.objects.for_organization(organization)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    names = ("accepted", "changed", "duplicate", "deleted", "quarantined", "receipts")
    found = rows.aggregate(deliveries=Count("id"), waiting=Count("id", filter=Q(done_at=None)), **{name: Sum(name) for name in names})
    return MailboxSum(**{key: value or 0 for key, value in found.items()})


def gaps(organization: UUID, *, since: object, account: UUID | None = None) -> list[dict[str, object]]:
    """Gaps that touch the time since ``since``, newest first, of one account or of all."""
    rows = Gap.objects.for_organization(organization).filter(Q(ended_at=None) | Q(ended_at__gte=since))
    if account is not None:
        rows = rows.filter(account_id=account)
    rows = rows.order_by("-began_at")[:500]
    return [
        {"account": row.account_id, "began_at": row.began_at, "ended_at": row.ended_at, "filled_at": row.filled_at, "reason": row.reason}
        for row in rows
    ]
