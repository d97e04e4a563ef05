"""Queues: made, changed, ordered, taken away; which of them an opening mention belongs to; moving a conversation by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from cxm.connect import api as connect
from cxm.govern import api as govern
from cxm.kernel.actor import Actor, system
from cxm.kernel.errors import BadInput, Conflict, FieldError, Invalid, NotFound
from cxm.listen import api as listen
from cxm.love.contracts import QueueView
from cxm.love.models import Queue
from cxm.love.services import rows
from cxm.platform import realtime
from cxm.platform.once import once
from cxm.query import api as language

WRITE = "desk:write"
MOST = 100
_NAME, _QUERY, _TAG = 120, 4000, 35
_A_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
#: What a change may name.
FIELDS = ("name", "query", "channel", "account", "language", "default", "position")


def queues(organization: UUID) -> list[QueueView]:
    """All of them, in the order in which they are asked."""
    return once(("love.queues", organization), lambda: _queues(organization))


def _queues(organization: UUID) -> list[QueueView]:
    found = Queue.objects.for_organization(organization).order_by("position", "id")
    return [_view(organization, row, number) for number, row in enumerate(found, 1)]


def queue(organization: UUID, key: UUID) -> QueueView:
    """One of them. Raises NotFound."""
    found = next((one for one in queues(organization) if one.id == key), None)
    if found is None:
        raise NotFound("queue")
    return found


def save(actor: Actor, key: UUID | None = None, **values: Any) -> QueueView:
    """Make a queue, or change the named fields of one (see :data:`FIELDS`); a new one stands last, ``position`` moves it among the others.

    Raises NotFound (the queue, the account), NotAllowed, Invalid, BadInput (the query), Conflict (the name, too many).
    """
    govern.require_everywhere(actor, WRITE)
    with transaction.atomic():
        known = list(Queue.objects.for_organization(actor.organization).select_for_update().order_by("position", "id"))
        row = next((one for one in known if one.id == key), None)
        if row is None:
            if key is not None:
                raise NotFound("queue")
            if len(known) >= MOST:
                raise Conflict("queues_too_many", f"There are {MOST} queues.", "Delete one first.")
            row = Queue(organization_id=actor.organization, position=len(known))
            known.append(row)
        _apply(actor.organization, row, values, new=key is None)
        if row.is_default:
            Queue.objects.for_organization(actor.organization).exclude(id=row.id).update(is_default=False)
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError as error:
            raise Conflict("queue_exists", f"There is a queue “{row.name}” already.", "Use another name.") from error
        _order(known, row, values.get("position"))
        govern.record(actor, "queue.saved", f"queue:{row.id}", {name: str(values[name]) for name in FIELDS if name in values})
        realtime.tell(actor.organization, "inbox")
    return queue(actor.organization, row.id)


def delete(actor: Actor, key: UUID) -> None:
    """Gone; its conversations are in no queue. Raises NotFound, NotAllowed."""
    govern.require_everywhere(actor, WRITE)
    with transaction.atomic():
        row = Queue.objects.for_organization(actor.organization).filter(id=key).first()
        if row is None:
            raise NotFound("queue")
        govern.record(actor, "queue.deleted", f"queue:{row.id}", {"name": row.name})
        row.delete()
        realtime.tell(actor.organization, "inbox")


def move(actor: Actor, conversation: UUID, key: UUID | None) -> None:
    """Put a conversation into a queue, or into none. Raises NotFound, NotAllowed."""
    with transaction.atomic():
        row = rows.locked(actor, conversation, "conversations:manage")
        wanted = Queue.objects.for_organization(actor.organization).filter(id=key).first() if key is not None else None
        if key is not None and wanted is None:
            raise NotFound("queue")
        if row.queue_id == key:  # type: ignore[attr-defined]
            return
        row.queue = wanted
        rows.line(row, "queued", actor.name, queue=wanted.name if wanted else None)
        rows.keep(row, "queued", actor.name)


class Router:
    """Which queue an opening mention belongs to; the queues of an organization are read once, and only when asked."""

    def __init__(self, organization: UUID) -> None:
        self._organization = organization
        self._rules: list[tuple[Queue, language.Query | None]] | None = None

    def of(self, mention: Mapping[str, Any]) -> UUID | None:
        """The first whose whole rule fits, else the default one, else none."""
        if self._rules is None:
            found = Queue.objects.for_organization(self._organization).order_by("position", "id")
            self._rules = [(row, _understood(self._organization, row.query)) for row in found]
        if not self._rules:
            return None
        subject = language.Subject(mention)
        for row, query in self._rules:
            if query is not None and _fits(row, query, subject):
                return row.id
        return next((row.id for row, _query in self._rules if row.is_default), None)


def _fits(row: Queue, query: language.Query, subject: language.Subject) -> bool:
    mention = subject.mention
    if not (row.query or row.channel or row.account_id or row.language):
        return False
    tongue = str(mention.get("language") or "und")
    return (
        (not row.channel or mention.get("channel") == row.channel)
        and (row.account_id is None or mention.get("account_id") == str(row.account_id))
        and (not row.language or tongue == row.language or tongue.startswith(f"{row.language}-"))
        and (not row.query or language.matches(query, subject))
    )


def _understood(organization: UUID, text: str) -> language.Query | None:
    """The query; None where it cannot be understood (any more): it takes nothing."""
    try:
        return listen.understood(system(organization), text)
    except BadInput:
        return None


def _apply(organization: UUID, row: Queue, values: Mapping[str, Any], *, new: bool) -> None:
    faults: list[FieldError] = []
    if "name" in values or new:
        row.name = " ".join(str(values.get("name") or "").split())
        if not 1 <= len(row.name) <= _NAME or not row.name.isprintable():
            faults.append(FieldError("name", _("1 to {n} characters").format(n=_NAME)))
    if "query" in values:
        row.query = str(values["query"] or "").strip()
        if len(row.query) > _QUERY:
            faults.append(FieldError("query", _("at most {n} characters").format(n=_QUERY)))
        else:
            listen.understood(system(organization), row.query)
    if "channel" in values:
        row.channel = str(values["channel"] or "").strip()[:40]
    if "language" in values:
        row.language = str(values["language"] or "").strip()
        if row.language and (len(row.language) > _TAG or not _A_TAG.fullmatch(row.language)):
            faults.append(FieldError("language", _("A language tag such as es or zh-Hant.")))
    if "account" in values:
        row.account_id = values["account"]
        if row.account_id is not None:
            connect.account(organization, row.account_id)
    if "default" in values:
        row.is_default = bool(values["default"])
    if faults:
        raise Invalid("queue_invalid", _("This queue cannot be kept."), _("See beside the fields."), errors=tuple(faults))


def _order(known: list[Queue], row: Queue, position: int | None) -> None:
    others = [one for one in known if one is not row]
    place = known.index(row) if position is None else min(max(position - 1, 0), len(others))
    ordered = [*others[:place], row, *others[place:]]
    for number, one in enumerate(ordered):
        one.position = number
    Queue.everywhere.bulk_update(ordered, ["position"])  # everywhere: rows of one organization, already read within it


def _view(organization: UUID, row: Queue, number: int) -> QueueView:
    broken = bool(row.query) and _understood(organization, row.query) is None
    return QueueView(row.id, row.name, number, row.query, row.channel, row.account_id, row.language, row.is_default, broken)
