"""Members as love needs them: who can be given a conversation, who is named in a note."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from cxm.govern import api as govern
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid
from cxm.love.models import Conversation, Notification
from cxm.platform import realtime


def able(organization: UUID, member: UUID, unit: UUID) -> None:
    """Raises NotFound for who does not work here, Invalid for who could not answer in ``unit``: it would lie with them unseen."""
    rights = govern.rights_of(organization, member)
    if not (rights.may("conversations:read", unit) and rights.may("conversations:reply", unit)):
        raise Invalid(
            "assignee_without_rights",
            f"{rights.name} may not answer in this unit.",
            "Choose somebody who may, or give them a role there.",
            errors=(FieldError("member", "may not answer in this unit"),),
        )


def named_in(organization: UUID, text: str) -> list[UUID]:
    """Members whom ``text`` names by “@name”, “@first name” or “@start of the address”; a name that two share names nobody."""
    if "@" not in text:
        return []
    lowered = text.casefold()
    called: dict[str, set[UUID]] = {}
    for member in govern.members(organization):
        if member.state != "removed":
            for name in {member.name.casefold(), member.name.casefold().partition(" ")[0], member.email.casefold().partition("@")[0]}:
                called.setdefault(name, set()).add(member.id)
    found = {next(iter(ids)) for name, ids in called.items() if name and len(ids) == 1 and _stands(f"@{name}", lowered)}
    return sorted(found)


def _stands(name: str, text: str) -> bool:
    """Whether ``name`` stands in ``text`` as a whole word."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        if (end == len(text) or not (text[end].isalnum() or text[end] == "_")) and (start == 0 or not text[start - 1].isalnum()):
            return True
        start = text.find(name, start + 1)
    return False


def notify(row: Conversation, members: Iterable[UUID], what: str, by: str, *, but: UUID | None) -> None:
    """Put a notification before each member, except the one who did it."""
    ids = [member for member in members if member != but]
    Notification.objects.add_all(
        [Notification(organization_id=row.organization_id, member=member, conversation=row, what=what, by=by, at=now()) for member in ids]
    )
    realtime.tell(row.organization_id, *(f"notifications:{member}" for member in ids))
