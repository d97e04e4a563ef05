"""Sources: what an account listens to beside its own inbound. Which kinds there are its channel's manifest says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet

from cxm.channels import registry
from cxm.channels.contracts import SourceNews, SourceView
from cxm.channels.manifest import SourceKind
from cxm.connect.contracts import Source as SourceContract
from cxm.connect.contracts import SourcesAdded, SourceSum
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
_FAILING = Q(state="active") & ~Q(health="")


def add(actor: Actor, *, account: str, kind: str, settings: Mapping[str, Any], channel: str | None = None) -> SourceContract:
    """Listen to one more thing. ``account``: its id, or its name on ``channel``.

    Raises Invalid naming each wrong field (a channel without sources says so), Conflict where the account has that source, NotFound.
    """
    with transaction.atomic():
        row = _account(actor, account, channel)
        known = registry.channel(row.channel)
        checked = _checked(known, _kind(known, kind), settings)
        if _of(row).count() >= LIMIT:
            raise _full()
        made = Source(organization_id=actor.organization, account_id=row.id, kind=kind, settings=checked, fingerprint=_fingerprint(checked))
        _save(made)
        _changed(actor, row, made, "add")
    return as_contract(made, row)


def add_many(actor: Actor, account: UUID, kind: str, listed: Sequence[Mapping[str, Any]]) -> SourcesAdded:
    """Listen to a whole list at once; those the account has already are passed over, those that are refused are named with the reason.

    Two of one address (the first setting that the kind requires) are one source. Raises NotFound, Invalid where the channel has none.
    """
    with transaction.atomic():
        row = _account(actor, str(account), None)
    known = registry.channel(row.channel)
    what = _kind(known, kind)
    key = next(iter(what.settings.get("required", ())), "")
    seen = {_key(settings, key) for settings in _of(row).filter(kind=kind).values_list("settings", flat=True)}
    fresh = {mark: settings for settings in reversed(listed) if (mark := _key(settings, key)) not in seen}
    room = LIMIT - _of(row).count()
    marks = list(reversed(fresh))
    made, refused = _judged(row, known, what, {mark: fresh[mark] for mark in marks[:room]})
    refused += [(mark[:500], f"{_full().text} {_full().hint}") for mark in marks[max(room, 0) :]]
    if made:
        with transaction.atomic():
            Source.objects.add_all(made, ignore_conflicts=True)
            _tell(row)
            govern.record(actor, "source.add_many", f"account:{row.id}", {"kind": kind, "count": len(made)})
    return SourcesAdded(len(listed), len(made), len(listed) - len(fresh), tuple(refused))


def _judged(
    row: Account, known: registry.Channel, kind: SourceKind, listed: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Source], list[tuple[str, str]]]:
    """Rows to write, and what is refused with the reason. Names are looked up side by side: a list has hundreds of hosts."""

    def one(mark: str) -> Source | str:
        try:
            checked = _checked(known, kind, listed[mark])
        except Invalid as error:
            return error.errors[0].text if error.errors else error.text
        return Source(
            organization_id=row.organization_id, account_id=row.id, kind=kind.name, settings=checked, fingerprint=_fingerprint(checked)
        )

    with ThreadPoolExecutor(16) as pool:
        found = list(zip(listed, pool.map(one, listed), strict=True))
    return [made for _, made in found if isinstance(made, Source)], [(mark[:500], why) for mark, why in found if isinstance(why, str)]


def change(actor: Actor, source: UUID, settings: Mapping[str, Any] | None = None, *, state: str | None = None) -> SourceContract:
    """Change the settings that are given, leave the rest; ``state`` paused or active. Raises as :func:`add`."""
    if state not in (None, "active", "paused"):
        raise _invalid("state_invalid", f"“{state[:20]}” is no state of a source.", "Use active or paused.", "state")
    with transaction.atomic():
        made, row = find(actor, source, lock=True)
        known = registry.channel(row.channel)
        if settings is not None:
            made.settings = _checked(known, _kind(known, made.kind), {**made.settings, **settings})
            made.fingerprint = _fingerprint(made.settings)
        made.state = state or made.state
        made.health = made.mend = ""
        made.next_look_at = None
        _save(made)
        _changed(actor, row, made, {"active": "resume", "paused": "pause"}.get(state or "", "change"))
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


def one(actor: Actor, source: UUID) -> SourceContract:
    """A source one may see; NotFound."""
    return as_contract(*find(actor, source))


def source_page(
    actor: Actor,
    *,
    channel: str | None,
    account: UUID | None,
    kind: str | None,
    cursor: str | None,
    limit: int | None,
    failing: bool = False,
) -> Page[SourceContract]:
    """A page of sources of the accounts one may see, newest first; ``failing``: only those that cannot be heard."""
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
    if failing:
        rows = rows.filter(_FAILING)
    found = page(rows, order=("-created_at", "-id"), cursor=cursor, limit=limit, as_item=lambda made: made)
    owners = {row.id: row for row in mine.filter(pk__in={made.account_id for made in found.items})}
    return Page([as_contract(made, owners[made.account_id]) for made in found.items if made.account_id in owners], found.next)


def views(row: Account) -> tuple[SourceView, ...]:
    """What a connector is handed, oldest first; costs nothing where the channel has no sources."""
    kinds = {kind.name for kind in registry.channel(row.channel).manifest.sources}
    if not kinds:
        return ()
    rows = Source.objects.for_organization(row.organization_id).filter(account_id=row.id, kind__in=kinds, state="active")
    rows = rows.order_by("created_at", "id")
    return tuple(SourceView(id=made.id, kind=made.kind, settings=made.settings) for made in rows)


def sums(organization: UUID, account: UUID | None = None) -> dict[UUID, SourceSum]:
    """Sources counted by account, for one or for all that have any."""
    rows = Source.objects.for_organization(organization)
    if account is not None:
        rows = rows.filter(account_id=account)
    counted = rows.values("account_id").annotate(
        total=Count("id"), paused=Count("id", filter=Q(state="paused")), failing=Count("id", filter=_FAILING)
    )
    found = list(counted.order_by())
    first: dict[UUID, str] = {}
    if any(entry["failing"] for entry in found):
        one_each = rows.filter(_FAILING).order_by("account_id", "created_at").distinct("account_id")
        first = {made.account_id: name_of(made) for made in one_each}
    return {
        entry["account_id"]: SourceSum(entry["total"], entry["paused"], entry["failing"], first.get(entry["account_id"], ""))
        for entry in found
    }


def note(row: Account, news: Sequence[SourceNews]) -> None:
    """What a look found of single sources; one that was removed or paused meanwhile is passed over."""
    told = {one.source: one for one in news}
    mine = Source.objects.for_organization(row.organization_id).filter(account_id=row.id, state="active", pk__in=told)
    changed: list[Source] = []
    worse = False
    for made in mine:
        one = told[made.id]
        worse = worse or bool(one.trouble) != bool(made.health)
        made.health, made.mend = one.trouble[:500], one.mend[:500]
        made.last_heard_at = now() if one.heard else made.last_heard_at
        made.last_ok_at = made.last_ok_at if one.trouble else now()
        made.next_look_at = one.next_look
        changed.append(made)
    if changed:
        Source.everywhere.bulk_update(changed, ["health", "mend", "last_heard_at", "last_ok_at", "next_look_at"])  # everywhere: as above
    if worse:
        realtime.tell(row.organization_id, "channels")


def name_of(made: Source) -> str:
    """How people know it: its title, else what it cannot be without (the address, the folder, the words)."""
    told = made.settings.get("title")
    return str(told or next((value for value in made.settings.values() if isinstance(value, str) and value), made.kind))


def as_contract(made: Source, row: Account) -> SourceContract:
    """The row as others see it."""
    return SourceContract(
        id=made.id, channel=row.channel, account=row.name, account_id=row.id, kind=made.kind, settings=dict(made.settings), created_at=made.created_at, name=name_of(made),
        state=made.state, health=made.health, mend=made.mend, last_heard_at=made.last_heard_at, last_ok_at=made.last_ok_at, next_look_at=made.next_look_at,
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
    _tell(row)
    govern.record(actor, f"source.{how}", f"source:{made.id}", {"account": str(row.id), "kind": made.kind})


def _tell(row: Account) -> None:
    Account.objects.for_organization(row.organization_id).filter(pk=row.pk).update(next_look_at=now())
    events.publish(AccountChanged(organization=row.organization_id, account=row.id, change="sources"))
    realtime.tell(row.organization_id, "channels")


def _of(row: Account) -> QuerySet[Source]:
    return Source.objects.for_organization(row.organization_id).filter(account_id=row.id)


def _key(settings: Mapping[str, Any], key: str) -> str:
    return str(settings.get(key, "")) if key else _fingerprint(settings)


def _full() -> Invalid:
    return Invalid("sources_too_many", f"An account listens to {LIMIT} sources at most.", "Remove some, or connect another account.")


def _invalid(code: str, text: str, hint: str, field: str) -> Invalid:
    return Invalid(code, text, hint, errors=(FieldError(field, hint),))


__all__ = ["add", "add_many", "as_contract", "change", "find", "note", "one", "remove", "source_page", "sums", "views"]
