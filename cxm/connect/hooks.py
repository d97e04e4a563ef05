"""Outbound webhooks: which addresses of integrators are told what happens. Delivery itself is in :mod:`cxm.connect.hooks_post`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import QuerySet

from cxm.channels.kit import webhooks
from cxm.connect.models import Webhook
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotAllowed, NotFound
from cxm.kernel.events import Event
from cxm.platform import egress, events, realtime, secrets

RIGHT = "webhooks:write"
#: Webhooks one organization may have: each is read for and called by itself.
MOST = 50
URL_LIMIT = 2000
#: How long deliveries are signed with the former secret as well, so that a receiver can change over without losing one.
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as its organization sees it; the secret is never here. ``next_try_at`` and ``failing_since`` while it fails."""

    id: UUID
    url: str
    events: tuple[str, ...]
    active: bool
    reason: str
    failures: int
    failing_since: datetime | None
    next_try_at: datetime | None
    last_delivered_at: datetime | None
    created_at: datetime
    member: UUID


def known_events() -> dict[str, str]:
    """Every event of the public log with the permission that reads it, as the slices declare them."""
    found: dict[str, str] = {}
    for config in apps.get_app_configs():
        if config.name.startswith("cxm.") and importlib.util.find_spec(f"{config.name}.events"):
            module = importlib.import_module(f"{config.name}.events")
            for kind in vars(module).values():
                if isinstance(kind, type) and issubclass(kind, Event) and kind.name and kind.__module__ == module.__name__:
                    found[kind.name] = kind.permission
    return found


def readable(actor: Actor) -> set[str]:
    """What ``actor`` holds in the whole organization: the log is not divided by units."""
    return {name for name in actor.grants if actor.units(name) is None}


def create(actor: Actor, url: str, names: Sequence[str] = ()) -> tuple[Hook, str]:
    """Register ``url`` for the events ``names`` (none: all the actor may read); the hook and, this once, its secret.

    It is told what is committed from now on. Raises Invalid naming the field, Conflict where there are too many.
    """
    govern.require_everywhere(actor, RIGHT)
    row = Webhook(organization_id=actor.organization, url=_url(url), created_at=now(), due_at=now())
    secret = webhooks.new_secret()
    row.sealed_secret = secrets.seal(secret)
    with transaction.atomic():
        if Webhook.objects.for_organization(actor.organization).count() >= MOST:
            raise Conflict("webhooks_full", f"There are {MOST} webhooks already.", "Remove one that is no longer needed.")
        _answer_for(row, actor, names)
        row.position = events.ends([actor.organization]).get(actor.organization, "")
        row.save(force_insert=True)
        _done(actor, "create", row, {"events": row.events})
    return as_hook(row), secret


def change(actor: Actor, hook: UUID, *, url: str | None = None, names: Sequence[str] | None = None, active: bool | None = None) -> Hook:
    """Change what is given. Whoever sets the address or the events, or makes it active, answers for it: their rights count from now on.

    Made active, it goes on where it stopped.
    """
    govern.require_everywhere(actor, RIGHT)
    url = None if url is None else _url(url)
    with transaction.atomic():
        row = find(actor.organization, hook, lock=True)
        if url is not None:
            row.url = url
        if url is not None or names is not None or active:
            _answer_for(row, actor, row.events if names is None else names)
        if active is not None:
            row.state, row.reason = ("active", "") if active else ("paused", "A member paused it.")
        row.due_at, row.failures, row.failing_since = now(), 0, None
        if row.state == "active":
            row.reason = ""
        row.revision += 1
        row.save()
        given = (("url", url), ("events", names), ("active", active))
        _done(actor, "change", row, {"fields": [key for key, value in given if value is not None]})
    return as_hook(row)


def rotate(actor: Actor, hook: UUID) -> tuple[Hook, str]:
    """A new secret, given this once; for a day deliveries are signed with the former one too."""
    govern.require_everywhere(actor, RIGHT)
    secret = webhooks.new_secret()
    with transaction.atomic():
        row = find(actor.organization, hook, lock=True)
        row.sealed_former_secret, row.former_until = row.sealed_secret, now() + OVERLAP
        row.sealed_secret = secrets.seal(secret)
        row.revision += 1
        row.save()
        _done(actor, "rotate", row, {})
    return as_hook(row), secret


def remove(actor: Actor, hook: UUID) -> None:
    """Tell it nothing any more."""
    govern.require_everywhere(actor, RIGHT)
    with transaction.atomic():
        row = find(actor.organization, hook, lock=True)
        _done(actor, "remove", row, {})
        row.delete()


def rows(actor: Actor) -> QuerySet[Webhook]:
    """The organization's webhooks."""
    govern.require_everywhere(actor, RIGHT)
    return Webhook.objects.for_organization(actor.organization)


def one(actor: Actor, hook: UUID) -> Hook:
    """One webhook; raises NotFound."""
    govern.require_everywhere(actor, RIGHT)
    return as_hook(find(actor.organization, hook))


def find(organization: UUID, hook: UUID, *, lock: bool = False) -> Webhook:
    """The row; NotFound for a removed or foreign one."""
    found = Webhook.objects.for_organization(organization).filter(pk=hook)
    row = (found.select_for_update() if lock else found).first()
    if row is None:
        raise NotFound("webhook")
    return row


def as_hook(row: Webhook) -> Hook:
    """The row as others see it."""
    return Hook(
        id=row.id, url=row.url, events=tuple(row.events), active=row.state == "active", reason=row.reason, failures=row.failures,
        failing_since=row.failing_since, next_try_at=row.due_at if row.state == "active" and row.failures else None,
        last_delivered_at=row.last_ok_at, created_at=row.created_at, member=row.member_id,
    )  # fmt: skip


def _url(url: str) -> str:
    if len(url) > URL_LIMIT:
        text = f"At most {URL_LIMIT} characters."
        raise Invalid("url_refused", "The address is too long.", text, errors=(FieldError("url", text),))
    return egress.check_url(url, path="url")


def _answer_for(row: Webhook, actor: Actor, names: Sequence[str]) -> None:
    """Whose rights count, and which events they choose within them."""
    if actor.member is None:
        raise NotAllowed("no_member", "A webhook belongs to a member.", "Sign in, or use a member's token.")
    held, known = readable(actor), known_events()
    wrong = [name for name in dict.fromkeys(names) if name not in known]
    if wrong:
        told = ", ".join(f"“{name[:60]}”" for name in wrong[:20])
        raise Invalid(
            "events_unknown",
            f"There are no such events: {told}.",
            f"Known are: {', '.join(sorted(known))}.",
            errors=tuple(FieldError(f"events.{index}", "No such event.") for index, name in enumerate(names) if name not in known)[:50],
        )
    hidden = [name for name in dict.fromkeys(names) if known[name] not in held]
    if hidden:
        raise Invalid(
            "events_not_readable",
            f"You may not read these events in the whole organization: {', '.join(hidden)}.",
            "Leave them out, or ask an owner for the right.",
            errors=tuple(FieldError(f"events.{index}", f"It needs {known[name]}.") for index, name in enumerate(names) if name in hidden),
        )
    row.member_id, row.rights, row.events = actor.member, sorted(held), list(dict.fromkeys(names))


def _done(actor: Actor, verb: str, row: Webhook, detail: dict[str, object]) -> None:
    govern.record(actor, f"webhook.{verb}", f"webhook:{row.id}", detail)
    realtime.tell(row.organization_id, "webhooks")
