"""Addresses nothing is sent to: they called mail of ours spam, or do not exist any more.

An address comes onto the list by what mail servers report of a reply of ours, and stops each reply when it is about to leave, not when it is
written. Whoever writes to us after that has asked to be answered: their reply leaves. Else a person takes the address off, saying why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid, NotFound
from cxm.kernel.said import Said, said
from cxm.outbound.models import Intent, Suppressed
from cxm.platform import paging

#: Whoever may see and lift stops may see and shorten this list.
READ, WRITE = "stops:read", "stops:write"
#: Reports after which nothing is sent any more: (delivery, reason). A full or busy mailbox is not among them.
LASTING = {("complained", "complained"), ("failed", "unknown_address"), ("failed", "mailbox_closed")}
#: Why a reply waits: shown as its reason.
HELD = "suppressed"
LastWord = Callable[[UUID, UUID, bool], datetime | None]
_last_word: list[LastWord] = []


@dataclass(frozen=True, slots=True)
class SuppressedAddress:
    """``reason``: complained, unknown_address or mailbox_closed; ``detail``: what their mail server said; ``since``: when it was last told."""

    address: str
    reason: str
    detail: str
    since: datetime


def register_last_word(ask: LastWord) -> None:
    """Who knows when the other side of a conversation was last heard, and whether it must be proven that it was them; wired by ``cxm.run``."""
    _last_word[:] = [ask]


def address_of(row: Intent) -> str:
    """Whom a reply is for, where its channel names people by their mail address; else empty, however much a handle looks like one."""
    wanted = row.context.get("to") or row.to
    if not isinstance(wanted, str) or "@" not in wanted[1:] or not connect.addressed_by_mail(row.organization_id, row.account_id):
        return ""
    return wanted.strip().lower()[:320]


def whose(row: Intent, told: Mapping[str, Any]) -> str | None:
    """Whom of those a reply went to a report is about; None where it had copies and nobody says which, or it is nobody we wrote to."""
    copies = [str(one).strip().lower()[:320] for one in row.context.get("cc") or ()]
    if not copies:
        return address_of(row)
    named = {wire(str(one)) for one in told.get("recipients") or ()}
    return next((one for one in (address_of(row), *copies) if wire(one) in named), None)


def wire(address: str) -> str:
    """As mail servers name it: its domain in ASCII."""
    local, _, domain = address.strip().lower().rpartition("@")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode("ascii")
    return f"{local}@{domain}"


def _spellings(*addresses: str) -> set[str]:
    """Each as it is written, and with its domain in ASCII and in its own script: on the list stands one of them."""
    found: set[str] = set()
    for one in addresses:
        written = wire(one)
        local, _, domain = written.rpartition("@")
        found |= {one.strip().lower()[:320], written}
        with suppress(UnicodeError):
            found.add(f"{local}@{domain.encode('ascii').decode('idna')}")
    return found


def learn(row: Intent, address: str | None, told: Mapping[str, Any], at: datetime) -> None:
    """Note what was reported of one whom a reply went to, where it lasts."""
    reason, detail = str(told.get("reason") or ""), str(told.get("detail") or "")[:1000]
    if not address or (told["status"], reason) not in LASTING:
        return
    before = Suppressed.objects.for_organization(row.organization_id).filter(address__in=_spellings(address)).first()
    address = before.address if before else address
    made, fresh = Suppressed.everywhere.get_or_create(  # everywhere: of the reply's own organization
        organization_id=row.organization_id, address=address, defaults={"reason": reason, "detail": detail, "at": at}
    )
    if not fresh:
        reason = made.reason if made.reason == "complained" else reason
        mine = Suppressed.objects.for_organization(row.organization_id).filter(pk=made.pk)
        mine.update(reason=reason, detail=detail, at=Greatest(F("at"), at))


def why_not(row: Intent) -> Said | None:
    """Why this reply may not leave now; None where it may. Read when it is about to leave."""
    address = address_of(row)
    known = Suppressed.objects.for_organization(row.organization_id).filter(address__in=_spellings(address)).first() if address else None
    if known is None:
        return None
    heard = None
    if _last_word and row.conversation_id:
        heard = _last_word[0](row.organization_id, row.conversation_id, known.reason == "complained")
    if heard is not None and heard > known.at:
        return None
    if known.reason == "complained":
        return said("{address} called mail of ours spam. It waits until they write to us again, or somebody takes the address off the list of those we do not write to.", address=address)  # fmt: skip
    return said("{address} does not take mail any more. It waits until they write to us again, or somebody takes the address off the list of those we do not write to.", address=address)  # fmt: skip


def among(organization: UUID, addresses: Collection[str]) -> set[str]:
    """Those of these addresses that are on the list, as mail servers write them."""
    known = Suppressed.objects.for_organization(organization).filter(address__in=_spellings(*addresses))
    return {wire(one) for one in known.values_list("address", flat=True)}


def listed(actor: Actor, *, cursor: str | None = None, limit: int | None = None) -> paging.Page[SuppressedAddress]:
    """The organization's list, newest first; of nobody who may see only some units."""
    govern.require_everywhere(actor, READ)
    rows = Suppressed.objects.for_organization(actor.organization)
    return paging.page(rows, order=("-at", "-id"), cursor=cursor, limit=limit, as_item=_contract)


def lift(actor: Actor, address: str, reason: str) -> None:
    """Take an address off the list; what waits for it leaves within a minute. ``reason`` stands in the audit log."""
    govern.require_everywhere(actor, WRITE)
    if not 0 < len(reason.strip()) <= 500:
        hint = "Say why, in up to 500 characters."
        raise Invalid("reason_missing", "It is not said why.", hint, errors=(FieldError("reason", hint),))
    with transaction.atomic():
        known = Suppressed.objects.for_organization(actor.organization).filter(address__in=_spellings(address)).first()
        if known is None:
            raise NotFound("address on the list")
        govern.record(actor, "address.lift", f"organization:{actor.organization}", {"why": reason.strip(), "was": known.reason})
        known.delete()


def forget(organization: UUID, rows: Collection[Intent]) -> None:
    """Whom these replies were for was erased: nobody writes to them any more, so their addresses need not be known either."""
    Suppressed.objects.for_organization(organization).filter(address__in=_spellings(*map(address_of, rows))).delete()


def _contract(row: Suppressed) -> SuppressedAddress:
    return SuppressedAddress(row.address, row.reason, row.detail, row.at)
