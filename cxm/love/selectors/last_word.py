"""When the other side of a conversation last wrote."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from cxm.love.models import Entry


def last_word(organization: UUID, conversation: UUID) -> datetime | None:
    """The moment of their newest message that a person wrote and that still stands; None where there is none."""
    theirs = Entry.objects.for_organization(organization).filter(conversation_id=conversation, ours=False, deleted_at=None)
    return theirs.exclude(mention__automatic=True).order_by("-published_at").values_list("published_at", flat=True).first()
