"""Topics: saved queries."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import IntegrityError, transaction

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import Conflict, FieldError, Invalid, NotFound
from cxm.listen.models import Topic
from cxm.platform import realtime
from cxm.platform.paging import Page, page
from cxm.query import api as language

WRITE = "topics:write"


def resolver(organization: UUID, within: frozenset[str] = frozenset()) -> Callable[[str], language.Query | None]:
    """Finds a topic's own query by its name; a topic that leads to itself is unknown there."""

    def resolve(name: str) -> language.Query | None:
        key = name.casefold()
        row = Topic.objects.for_organization(organization).filter(name__iexact=name).first()
        if row is None or key in within:
            return None
        return language.parse(row.query, topics=resolver(organization, within | {key}))

    return resolve


def topics(organization: UUID, *, cursor: str | None = None, limit: int | None = None) -> Page[Topic]:
    """By name of creation, newest first."""
    return page(
        Topic.objects.for_organization(organization), order=("-created_at", "-id"), cursor=cursor, limit=limit, as_item=lambda row: row
    )


def topic(organization: UUID, topic_id: UUID) -> Topic:
    """One topic."""
    row = Topic.objects.for_organization(organization).filter(pk=topic_id).first()
    if row is None:
        raise NotFound("topic")
    return row


def save(actor: Actor, *, topic_id: UUID | None = None, name: str | None = None, query: str | None = None) -> Topic:
    """Make or change a topic. Raises BadInput for a query that cannot be understood, Conflict for a name in use, NotAllowed for whoever may only
    in some units: topics belong to everybody."""
    govern.require_everywhere(actor, WRITE)
    row = topic(actor.organization, topic_id) if topic_id else Topic(organization_id=actor.organization, created_by=actor.member)
    if name is not None or topic_id is None:
        row.name = _name(name or "")
    if query is not None or topic_id is None:
        text = query or ""
        known = language.parse(text, topics=resolver(actor.organization, frozenset({row.name.casefold()})))
        row.query = language.canonical(known) and text.strip()
    try:
        with transaction.atomic():
            row.save()
            govern.record(actor, "topic.save", f"topic:{row.id}")
            realtime.tell(actor.organization, "topics")
    except IntegrityError as error:
        raise Conflict("topic_exists", f"There is a topic “{row.name}” already.", "Use another name, or change that one.") from error
    return row


def delete(actor: Actor, topic_id: UUID) -> None:
    """Forget a topic; mentions stay. Raises NotAllowed as :func:`save` does."""
    govern.require_everywhere(actor, WRITE)
    row = topic(actor.organization, topic_id)
    with transaction.atomic():
        govern.record(actor, "topic.delete", f"topic:{row.id}")
        row.delete()
        realtime.tell(actor.organization, "topics")


def may_write(actor: Actor) -> bool:
    """Whether ``actor`` may save, change and delete topics."""
    return actor.may_for(WRITE, None)


def _name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= 120 or any(ord(sign) < 32 for sign in name):
        raise Invalid(
            "name_invalid",
            "The name is empty, too long or holds control characters.",
            "Use 1 to 120 characters.",
            errors=(FieldError("name", "1 to 120 characters."),),
        )
    return name
