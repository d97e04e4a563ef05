"""Writes on accounts: connect, change, pause, remove; credentials sealed."""

from __future__ import annotations

import json
import secrets as random
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from cxm.channels import registry
from cxm.channels.authorization import Tokens
from cxm.channels.contracts import AccountView
from cxm.connect import farewells, limits, platform_clients, token_store
from cxm.connect.contracts import Account as AccountContract
from cxm.connect.events import AccountChanged
from cxm.connect.models import Account, Gap, Source
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotAllowed, NotFound
from cxm.platform import egress, events, realtime, secrets


def connect(
    actor: Actor,
    *,
    channel: str,
    name: str,
    unit: UUID | None = None,
    settings: Mapping[str, Any] | None = None,
    credentials: Mapping[str, str] | None = None,
    signed: tuple[str, Tokens] | None = None,
) -> tuple[AccountContract, str | None]:
    """Connect an account; returns it and, this once, the secret we made for it (webhook).

    ``signed``: by which way somebody signed in by OAuth2, and what the platform gave us; no credentials are needed then.

    Raises Invalid naming each wrong field, Conflict where the channel has an account of that name.
    """
    known = channel_of(channel)
    unit = unit_of(actor, unit)
    may_write(actor, unit)
    wanted = {**(settings or {}), **settings_of_way(known, signed[0] if signed else "")}
    name, settings, given = _all_of(
        lambda: checked_name(name),
        lambda: checked_settings(known, wanted),
        lambda: checked_credentials(known, credentials or {}, signed_in=signed is not None),
    )
    made = _own_secret(known, given)
    row = Account(
        created_at=now(),
        organization_id=actor.organization,
        unit_id=unit,
        channel=channel,
        name=name,
        settings=settings,
        sealed_credentials=secrets.seal(json.dumps(given)),
        next_look_at=now(),
    )
    if signed is not None:
        token_store.put(row, *signed)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            told_changed(row, "connected")
            govern.record(actor, "account.connect", f"account:{row.id}", {"channel": channel})
    except IntegrityError as error:
        raise Conflict(
            "account_exists", f"There is an account “{name}” on {channel} already.", "Use another name, or change that one."
        ) from error
    return as_contract(row), made


def change(
    actor: Actor,
    account: UUID,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    credentials: Mapping[str, str] | None = None,
    state: str | None = None,
    unit: UUID | None = None,
    signed: tuple[str, Tokens] | None = None,
) -> AccountContract:
    """Change what is given, leave the rest; ``credentials`` given replace those of the same key, and where they are all that is needed,
    they take the place of a sign-in by OAuth2. ``signed`` as in :func:`connect`: its place, its sources and all that was heard stay."""
    with transaction.atomic():
        row = find(actor.organization, account, lock=True)
        may_write(actor, row.unit_id)
        known = registry.channel(row.channel)
        if name is not None:
            row.name = checked_name(name)
        if signed is not None:
            token_store.put(row, *signed)
        if settings is not None or signed is not None:
            row.settings = checked_settings(known, {**row.settings, **(settings or {}), **settings_of_way(known, row.way)})
        if credentials is not None:
            put_credentials(known, row, {**credentials_of(row), **credentials})
        former = row.unit_id
        if unit is not None:
            row.unit_id = unit_of(actor, unit)
            may_write(actor, row.unit_id)
        if state is not None:
            if state not in ("active", "paused"):
                raise Invalid(
                    "state_invalid",
                    f"“{state[:20]}” is no state of an account.",
                    "Use active or paused.",
                    errors=(FieldError("state", "active or paused"),),
                )
            _note_pause(row, state)
            row.state = state
        why = token_store.ended(row)  # what only signing in anew can mend stands until then
        row.failures, row.next_look_at, row.health, row.mend = 0, now(), why.text if why else "", why.mend if why else ""
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError as error:
            raise Conflict("account_exists", f"There is an account “{row.name}” on {row.channel} already.", "Use another name.") from error
        told_changed(row, state or "changed")
        if row.unit_id != former:
            told_changed(row, "moved")
        govern.record(
            actor,
            "account.change",
            f"account:{row.id}",
            {
                "fields": sorted(
                    key
                    for key, value in (
                        ("name", name),
                        ("settings", settings),
                        ("credentials", credentials),
                        ("state", state),
                        ("unit", unit),
                        ("sign_in", signed),
                    )
                    if value is not None
                )
            },
        )
    return as_contract(row)


def put_credentials(known: registry.Channel, row: Account, values: Mapping[str, str]) -> None:
    """Make ``values`` the credentials of ``row``, which the caller saves. Whoever types all that a password needs signs in by that from now on.

    Raises Invalid.
    """
    if row.way and known.manifest.auth.kind != "oauth2" and not known.check_credentials(values)[1]:
        token_store.clear(row)
    row.sealed_credentials = secrets.seal(json.dumps(checked_credentials(known, values, signed_in=bool(row.way))))


def settings_of_way(known: registry.Channel, way: str) -> dict[str, Any]:
    """Those that follow from signing in this way: a provider's tokens go to its own servers, whatever is typed."""
    found = known.manifest.auth.way(way)
    return dict(found.settings) if found else {}


def _note_pause(row: Account, state: str) -> None:
    """A pause is a gap that says so. One that fetches what it missed fills it with its next good look; to others it is lost."""
    gaps = Gap.objects.for_organization(row.organization_id).filter(account_id=row.id, ended_at=None)
    if state == "paused" and row.state != "paused" and not gaps.exists():
        Gap.objects.add(row.organization_id, account_id=row.id, began_at=now(), reason="Paused by a member.")
    known = registry.channel(row.channel)
    if state == "active" and row.state == "paused" and not (known.can("poll") or known.can("stream")):
        gaps.update(ended_at=now())


def remove(actor: Actor, account: UUID, *, mentions: str = "keep") -> None:
    """Disconnect: nothing comes in or goes out any more, replies that wait are cancelled, credentials and sources are forgotten.

    ``mentions``: what happens to what was heard. ``keep``: it stays, conversations too, which say why nobody can answer. ``delete``: it is
    deleted for good by a job, see :mod:`cxm.connect.leaving`; that takes mentions:write too. Raises Invalid, NotAllowed, NotFound.
    """
    if mentions not in ("keep", "delete"):
        raise Invalid(
            "mentions_invalid",
            "It is not said what happens to its mentions.",
            "Use keep or delete.",
            errors=(FieldError("mentions", "keep or delete"),),
        )
    with transaction.atomic():
        row = find(actor.organization, account, lock=True)
        may_write(actor, row.unit_id)
        if mentions == "delete" and not actor.may("mentions:write", row.unit_id):
            raise NotAllowed("not_allowed", "You may not delete mentions of this unit.", "Keep them, or ask a manager of it.")
        row.removed_at, row.sealed_credentials, row.state = now(), "", "paused"
        row.mentions = "deleting" if mentions == "delete" else "keep"
        token_store.clear(row)
        row.save()
        platform_clients.forget_unused(row.organization_id, row.channel)
        Source.objects.for_organization(row.organization_id).filter(account_id=row.id).delete()
        Gap.objects.for_organization(row.organization_id).filter(account_id=row.id, ended_at=None).update(ended_at=row.removed_at)
        farewells.later(row)
        told_changed(row, "removed", mentions)
        govern.record(actor, "account.remove", f"account:{row.id}", {"mentions": mentions})


def find(organization: UUID, account: UUID, *, lock: bool = False) -> Account:
    """The row of a connected account; NotFound for a removed or foreign one."""
    rows = Account.objects.for_organization(organization).filter(pk=account, removed_at=None)
    row = (rows.select_for_update() if lock else rows).first()
    if row is None:
        raise NotFound("account")
    return row


def credentials_of(row: Account) -> dict[str, str]:
    """The opened credentials; only for the runtime and the door."""
    return json.loads(secrets.unseal(row.sealed_credentials)) if row.sealed_credentials else {}


def view(row: Account) -> AccountView:
    """What a mapping may know of it."""
    return AccountView(id=row.id, channel=row.channel, name=row.name, settings=row.settings)


def as_contract(row: Account) -> AccountContract:
    """The row as others see it."""
    return AccountContract(
        id=row.id, organization=row.organization_id, channel=row.channel, name=row.name, unit=row.unit_id, settings=dict(row.settings), state=row.state, health=row.health,
        mend=row.mend, created_at=row.created_at, last_heard_at=row.last_heard_at, last_ok_at=row.last_ok_at, next_look_at=row.next_look_at,
        limits=limits.left(row.limits), way=row.way or None, token_expires_at=row.token_expires_at,
        reported=row.reported, reported_at=row.reported_at,
    )  # fmt: skip


def channel_of(name: str) -> registry.Channel:
    """The channel called so; Invalid, naming those there are, where there is none."""
    try:
        return registry.channel(name)
    except NotFound as error:
        names = ", ".join(entry.name for entry in registry.channels())
        raise Invalid(
            "channel_unknown",
            f"There is no channel “{name[:40]}”.",
            f"Use one of: {names}.",
            errors=(FieldError("channel", f"One of: {names}."),),
        ) from error


def told_changed(row: Account, how: str, mentions: str = "") -> None:
    """Tell everybody who listens that an account is another than before; within the transaction that made it so."""
    events.publish(AccountChanged(organization=row.organization_id, account=row.id, change=how, mentions=mentions))
    realtime.tell(row.organization_id, "channels")


def _all_of(*checks: Callable[[], Any]) -> list[Any]:
    """What each check gives; where some refuse, one Invalid that names every wrong field of them all."""
    found: list[Any] = []
    refused: list[Invalid] = []
    for check in checks:
        try:
            found.append(check())
        except Invalid as error:
            refused.append(error)
    if refused:
        first = refused[0]
        raise Invalid(first.code, first.text, first.hint, errors=tuple(fault for one in refused for fault in one.errors)) from first
    return found


def unit_of(actor: Actor, unit: UUID | None) -> UUID:
    """The unit given, the root where none is; Invalid for one that is not there."""
    if unit is None:
        return govern.root_unit(actor.organization)
    if unit not in {entry.id for entry in govern.units(actor.organization)}:
        raise Invalid(
            "unit_unknown", "There is no such unit.", "Use the id of a unit from GET /units.", errors=(FieldError("unit", "No such unit."),)
        )
    return unit


def may_write(actor: Actor, unit: UUID) -> None:
    """Raises NotAllowed for who may not change accounts of that unit."""
    if not actor.may("accounts:write", unit):
        raise NotAllowed("not_allowed", "You may not change accounts of this unit.", "Ask a manager of it.")


def checked_name(name: str) -> str:
    """A name an account can have; raises Invalid."""
    name = name.strip()
    if not name or len(name) > 200 or any(ord(sign) < 32 for sign in name):
        raise Invalid(
            "name_invalid",
            "The name is empty, too long or holds control characters.",
            "Use 1 to 200 characters.",
            errors=(FieldError("name", "1 to 200 characters."),),
        )
    return name


def _own_secret(known: registry.Channel, credentials: dict[str, str]) -> str | None:
    """A fresh secret for channels whose deliveries we ourselves give the secret for."""
    if not known.manifest.auth.secret_made_here or credentials.get("secret"):
        return None
    credentials["secret"] = fresh_secret()
    return credentials["secret"]


def fresh_secret() -> str:
    """A secret of ours in the form of the Standard Webhooks scheme."""
    return "whsec_" + b64encode(random.token_bytes(32)).decode()


def checked_settings(known: registry.Channel, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the channel's schema; addresses we will call are judged by the guard now, and at each call again."""
    result, faults = known.check_settings(values)
    _refuse(faults)
    for key in known.manifest.hosts.settings:
        spec = known.manifest.settings.get("properties", {}).get(key, {})
        if spec.get("type") == "array":
            for number, one in enumerate(result.get(key) or ()):
                egress.check_url(one if "://" in one else f"https://{one}", path=f"settings.{key}.{number}")
        elif result.get(key) and spec.get("format") in ("uri", "url", "wss"):
            egress.check_url(result[key], path=f"settings.{key}", web_socket=spec["format"] == "wss")
        elif result.get(key):
            egress.check_host(result[key], result.get(key.replace("host", "port")), path=f"settings.{key}")
    return result


def checked_credentials(known: registry.Channel, values: Mapping[str, Any], *, signed_in: bool = False) -> dict[str, str]:
    """Credentials by the channel's schema; Invalid names each that is wrong. ``signed_in`` by OAuth2: none is needed."""
    result, faults = known.check_some_credentials(values) if signed_in else known.check_credentials(values)
    if not signed_in and known.manifest.auth.kind == "oauth2":
        faults = (FieldError("credentials", "This channel is connected by signing in: POST /accounts/authorize."),)
    _refuse(faults)
    return result


def _refuse(faults: tuple[FieldError, ...]) -> None:
    if faults:
        raise Invalid(
            "settings_invalid",
            " ".join(f"{fault.path}: {fault.text}" for fault in faults),
            "GET /channels/{name} tells what is needed.",
            errors=faults,
        )
