"""Members as love needs them: who can be given a conversation, who is named in a note."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import normalize
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


def callable_names(organization: UUID, unit: UUID) -> list[tuple[govern.Member, str]]:
    """Members who may see what lies in ``unit``, by name, each with the words that name them and nobody else; who has none is left out."""
    seeing, called = _called(organization, unit)
    found = []
    for one in seeing:
        own = next((name for name in _names(one) if called[name.casefold()] == {one.id}), "")
        if own:
            found.append((one, own))
    return sorted(found, key=lambda pair: normalize("NFD", pair[0].name).casefold())


def named_in(organization: UUID, unit: UUID, text: str) -> list[UUID]:
    """Members whom ``text`` names by “@name”, “@first name” or “@start of the address”, of those who may see what lies in ``unit``.

    At each “@” the longest name that stands there counts; one that two share names nobody.
    """
    if "@" not in text:
        return []
    lowered = text.casefold()
    seeing, called = _called(organization, unit)
    names = sorted(called, key=len, reverse=True)
    found: set[UUID] = set()
    for at in (spot for spot, letter in enumerate(lowered) if letter == "@" and (spot == 0 or not lowered[spot - 1].isalnum())):
        name = next((one for one in names if _stands(one, lowered, at + 1)), None)
        if name is not None and len(called[name]) == 1:
            found |= called[name]
    return sorted(found & {one.id for one in seeing})


def _called(organization: UUID, unit: UUID) -> tuple[list[govern.Member], dict[str, set[UUID]]]:
    """Who may see ``unit``, and who of everybody here answers to which name: one who may not see it shares names all the same."""
    known = [one for one in govern.members(organization) if one.state != "removed"]
    able = govern.who_may(organization, known, ("conversations:read",), unit)
    called: dict[str, set[UUID]] = {}
    for one in known:
        for name in _names(one):
            called.setdefault(name.casefold(), set()).add(one.id)
    return [one for one in known if one.id in able], called


def _names(member: govern.Member) -> list[str]:
    """What a member answers to, the fullest first."""
    full = " ".join(member.name.split())
    return [name for name in dict.fromkeys((full, full.partition(" ")[0], member.email.partition("@")[0])) if name]


def _stands(name: str, text: str, at: int) -> bool:
    """Whether ``name`` stands there as a whole word."""
    end = at + len(name)
    return text.startswith(name, at) and (end == len(text) or not (text[end].isalnum() or text[end] == "_"))


def notify(row: Conversation, members: Iterable[UUID], what: str, by: str, *, but: UUID | None) -> None:
    """Put a notification before each member, except the one who did it."""
    ids = [member for member in members if member != but]
    Notification.objects.add_all(
        [Notification(organization_id=row.organization_id, member=member, conversation=row, what=what, by=by, at=now()) for member in ids]
    )
    realtime.tell(row.organization_id, *(f"notifications:{member}" for member in ids))
