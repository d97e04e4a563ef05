"""Members who can no longer answer where a conversation lies: it becomes nobody's, in its queue, and its history says so.

Who is removed, loses a role or a unit keeps nothing that is open; otherwise it would lie with them unseen, out of everybody's lists. What is closed
stays with whoever settled it, until it is taken up again.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from cxm.govern import api as govern
from cxm.kernel.actor import system
from cxm.kernel.errors import NotFound
from cxm.love.models import Conversation
from cxm.love.services import rows
from cxm.love.tasks import let_go

#: Conversations of one step.
STEP = 100
#: What one must hold in a conversation's unit to be given it.
NEEDED = ("conversations:read", "conversations:reply")


def rights_changed(organization: UUID, member: UUID | None) -> None:
    """A member lost something, or (None) anybody may have: look through what is theirs."""
    theirs = _open(organization).exclude(assignee=None).order_by("assignee").values_list("assignee", flat=True).distinct()
    for one in [member] if member is not None else list(theirs):
        go_on(organization, one)


def go_on(organization: UUID, member: UUID) -> None:
    """The next hundred at once, the rest by a job."""
    if _step(organization, member):
        let_go.defer(organization=str(organization), member=str(member))


def freed(row: Conversation) -> str | None:
    """Take a conversation that is taken up again from somebody who could not answer it any more: their name; the caller holds the row and saves it."""
    if row.assignee is None or _keeps(row.organization_id, row.assignee, row.unit_id):
        return None
    name, row.assignee = _name(row.organization_id, row.assignee), None
    return name


def _step(organization: UUID, member: UUID) -> bool:
    """Whether there may be more."""
    with transaction.atomic():
        mine = _open(organization).filter(_lost(organization, member), assignee=member)
        found = list(mine.order_by("id").select_for_update()[:STEP])
        name = _name(organization, member) if found else ""
        for row in found:
            row.assignee = None
            rows.line(row, "let_go", system(organization).name, name=name)
            rows.keep(row, "assigned", system(organization).name)
    return len(found) == STEP


def _open(organization: UUID) -> Any:
    return Conversation.objects.for_organization(organization).exclude(state="closed")


def _lost(organization: UUID, member: UUID) -> Q:
    """Conversations in whose unit the member could not answer."""
    try:
        rights = govern.rights_of(organization, member)
    except NotFound:
        return Q()
    lost = Q(pk__in=[])
    for permission in NEEDED:
        units = rights.units(permission)
        if units is not None:
            lost |= ~Q(unit_id__in=units)
    return lost


def _keeps(organization: UUID, member: UUID, unit: UUID) -> bool:
    try:
        rights = govern.rights_of(organization, member)
    except NotFound:
        return False
    return all(rights.may(permission, unit) for permission in NEEDED)


def _name(organization: UUID, member: UUID) -> str:
    try:
        return govern.member(organization, member).name
    except NotFound:
        return ""
