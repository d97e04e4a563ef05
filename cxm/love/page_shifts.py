"""Who of our members is off just now, in words: where conversations are handed over. For pages."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.utils.translation import gettext as _

from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.love import page_words as words


def off(known: Iterable[govern.Member]) -> dict[UUID, str]:
    """When those who are off work next, on the reader's clock; who works now, or of whom nobody said, is not in it."""
    moment = now()
    found = {one.id: one.shifts.off_until(moment) for one in known if one.shifts is not None}
    return {key: words.moment(until) for key, until in found.items() if until is not None}


def option(name: str, until: str) -> str:
    """A member among others to choose from."""
    return _("{name} (off until {when})").format(name=name, when=until) if until else name


def warning(actor: Actor, member: UUID | None) -> str:
    """What to say once something was given to ``member``, where they are off; empty where they are not, or where it is oneself."""
    if member is None or member == actor.member:
        return ""
    one = govern.member(actor.organization, member)
    until = off([one]).get(member)
    return _("{name} is off until {when}.").format(name=one.name, when=until) if until else ""
