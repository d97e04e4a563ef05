"""When the other side of a conversation last wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from cxm.kernel.clock import parse_instant
from cxm.love.models import Entry

_HEARD = ("published_at", "mention__heard_at", "mention__imported", "mention__context__authentication")


def last_word(organization: UUID, conversation: UUID, proven: bool = False) -> datetime | None:
    """When we heard their newest message that a person wrote and that still stands; None where there is none.

    Not when they say they wrote it: a clock of theirs can be wrong. Only what was imported is no newer than it says itself. ``proven``: pass
    over each that our own server looked at without finding that it is from whom it says.
    """
    theirs = Entry.objects.for_organization(organization).filter(conversation_id=conversation, ours=False, deleted_at=None)
    found = theirs.exclude(mention__automatic=True).values_list(*_HEARD)
    moments = (_heard(said, heard, imported) for said, heard, imported, checked in found.iterator() if not proven or _believed(checked))
    return max(moments, default=None)


def _heard(said: datetime, heard: str | None, imported: bool | None) -> datetime:
    if not heard:
        return said
    return min(said, parse_instant(heard)) if imported else parse_instant(heard)


def _believed(checked: Mapping[str, Any] | None) -> bool:
    """DMARC decides where it says something; else one of the others is enough, and so is that nobody looked."""
    if not checked:
        return True
    verdict = checked.get("dmarc")
    if verdict in ("pass", "fail"):
        return verdict == "pass"
    return "pass" in (checked.get("dkim"), checked.get("spf"))
