"""Sources: what an account listens to beside its own inbound. Which kinds there are its channel's manifest says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from cxm.channels import registry
from cxm.channels.contracts import SourceView
from cxm.channels.manifest import SourceKind
from cxm.connect.contracts import Source as SourceContract
from cxm.connect.events import AccountChanged
from cxm.connect.models import Account, Source
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotAllowed, NotFound
from cxm.platform import egress, events, realtime
from cxm.platform.paging import Page, page

#: How many one account may have: each costs a look.
LIMIT = 500


def add(actor: Actor, *, account: str, kind: str, settings: Mapping[str, Any], channel: str | None = None) -> SourceContract:
    """Listen to one more thing. ``account``: its id, or its name on ``channel``.

    Raises Invalid naming each wrong field (a channel without sources says so), Conflict where the account has that source, NotFound.
    """
    with transaction.atomic():
        row = _account(actor, account, channel)
        known = registry.channel(row.channel)
        checked = _checked(known, _kind(known, kind), settings)
        if Source.objects.for_organization(actor.organization).filter(account_id=row.id).count() >= LIMIT:
            raise Invalid("sources_too_many", f"An account listens to {LIMIT} sources at most.", "Remove some, or connect another account.")
        made = Source(organization_id=actor.organization, account_id=row.id, kind=kind, settings=checked, fingerprint=_fingerprint(checked))
        _save(made)
        _changed(actor, row, made, "add")
    return as_contract(made, row)


def change(actor: Actor, source: UUID, settings: Mapping[str, Any]) -> SourceContract:
    """Change the settings that are given, leave the rest. Raises as :func:`add`."""
    with transaction.atomic():
        made, row = find(actor, source, lock=True)
        known = registry.channel(row.channel)
        made.settings = _checked(known, _kind(known, made.kind), {**made.settings, **settings})
        made.fingerprint = _fingerprint(made.settings)
        _save(made)
        _changed(actor, row, made, "change")
    return as_contract(made, row)


def remove(actor: Actor, source: UUID) -> None:
    """Listen to it no more; what was heard stays."""
    with transaction.atomic():
        made, row = find(actor, source, lock=True)
        _changed(actor, row, made, "remove")
        made.delete()


def find(actor: Actor, source: UUID, *, lock: bool = False) -> tuple[Source, Account]:
    """A source with its account. NotFound for a foreign one and outside one's units; ``lock``: to change it, else NotAllowed."""
    rows = Source.objects.for_organization(actor.organization).filter(pk=source)
    made = (rows.select_for_update() if lock else rows).first()
    if made is None:
        raise NotFound("source")
    try:
        return made, _account(actor, str(made.account_id), None, lock=lock)
    except NotFound:
        raise NotFound("source") from None


def source_page(
    actor: Actor, *, channel: str | None, account: UUID | None, kind: str | None, cursor: str | None, limit: int | None
) -> Page[SourceContract]:
    """A page of sources of the accounts one may see, newest first."""
    units = actor.units("accounts:read")
    mine = Account.objects.for_organization(actor.organization).filter(removed_at=None)
    if units is not None:
        mine = mine.filter(unit_id__in=units)
    if channel is not None:
        mine = mine.filter(channel=channel)
    if account is not None:
        mine = mine.filter(pk=account)
    rows = Source.objects.for_organization(actor.organization).filter(account_id__in=mine.values("pk"))
    if kind is not None:
        rows = rows.filter(kind=kind)
    found = page(rows, order=("-created_at", "-id"), cursor=cursor, limit=limit, as_item=lambda made: made)
    owners = {row.id: row for row in mine.filter(pk__in={made.account_id for made in found.items})}
    return Page([as_contract(made, owners[made.account_id]) for made in found.items if made.account_id in owners], found.next)


def views(row: Account) -> tuple[SourceView, ...]:
    """What a connector is handed, oldest first; costs nothing where the channel has no sources."""
    kinds = {kind.name for kind in registry.channel(row.channel).manifest.sources}
    if not kinds:
        return ()
    rows = Source.objects.for_organization(row.organization_id).filter(account_id=row.id, kind__in=kinds).order_by("created_at", "id")
    return tuple(SourceView(id=made.id, kind=made.kind, settings=made.settings) for made in rows)


def as_contract(made: Source, row: Account) -> SourceContract:
    """The row as others see it."""
    return SourceContract(
        id=made.id, channel=row.channel, account=row.name, account_id=row.id, kind=made.kind, settings=dict(made.settings), created_at=made.created_at
    )  # fmt: skip


def _account(actor: Actor, account: str, channel: str | None, *, lock: bool = True) -> Account:
    rows = Account.objects.for_organization(actor.organization).filter(removed_at=None)
    row = (rows.select_for_update() if lock else rows).filter(**_named(account, channel)).first()
    if row is None or not actor.may("accounts:read", row.unit_id):
        raise NotFound("account")
    if channel is not None and row.channel != channel:
        raise _invalid(
            "channel_other", f"The account is on {row.channel}, not on {channel[:40]}.", "Leave “channel” out, or name that one.", "channel"
        )
    if lock and not actor.may("accounts:write", row.unit_id):
        raise NotAllowed("not_allowed", "You may not change what accounts of this unit listen to.", "Ask a manager of it.")
    return row


def _named(account: str, channel: str | None) -> dict[str, Any]:
    try:
        return {"pk": UUID(account)}
    except ValueError:
        if channel is None:
            raise _invalid(
                "channel_missing",
                "A name is an account's only on its channel.",
                "Name the channel too, or give the account's id.",
                "channel",
            ) from None
        return {"channel": channel, "name": account}


def _kind(known: registry.Channel, name: str) -> SourceKind:
    kinds = known.manifest.sources
    if not kinds:
        raise _invalid(
            "sources_none", f"{known.manifest.title} has no sources: an account of it hears what comes to it, and nothing else can be added.", "Nothing has to be done.", "kind"
        )  # fmt: skip
    found = known.source_kind(name)
    if found is None:
        names = ", ".join(kind.name for kind in kinds)
        raise _invalid(
            "source_kind_unknown", f"{known.manifest.title} has no sources of kind “{name[:40]}”.", f"Use one of: {names}.", "kind"
        )
    return found


def _checked(known: registry.Channel, kind: SourceKind, values: Mapping[str, Any]) -> dict[str, Any]:
    result, faults = known.check_source(kind, values)
    if faults:
        raise Invalid(
            "settings_invalid", " ".join(f"{fault.path}: {fault.text}" for fault in faults), "GET /channels/{name} tells what is needed.", errors=faults
        )  # fmt: skip
    for key in kind.hosts:
        spec = kind.settings.get("properties", {}).get(key, {})
        if result.get(key) and spec.get("format") == "uri":
            egress.check_url(result[key], path=f"settings.{key}")
        elif result.get(key):
            egress.check_host(result[key], None, path=f"settings.{key}")
    return result


def _fingerprint(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _save(made: Source) -> None:
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as error:
        raise Conflict("source_exists", "The account listens to that already.", "Change that source, or name another.") from error


def _changed(actor: Actor, row: Account, made: Source, how: str) -> None:
    """Told, written down, and looked at anew with what was changed."""
    Account.objects.for_organization(actor.organization).filter(pk=row.pk).update(next_look_at=now())
    events.publish(AccountChanged(organization=row.organization_id, account=row.id, change="sources"))
    realtime.tell(row.organization_id, "channels")
    govern.record(actor, f"source.{how}", f"source:{made.id}", {"account": str(row.id), "kind": made.kind})


def _invalid(code: str, text: str, hint: str, field: str) -> Invalid:
    return Invalid(code, text, hint, errors=(FieldError(field, hint),))


__all__ = ["add", "as_contract", "change", "find", "remove", "source_page", "views"]
