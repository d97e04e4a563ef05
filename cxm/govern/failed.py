"""Events set aside, as a member may see them and give them back."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from cxm.govern.services import audit
from cxm.kernel.actor import Actor
from cxm.kernel.errors import FieldError, Invalid
from cxm.platform import paging, set_aside
from cxm.platform.set_aside import SetAside


def listed(actor: Actor, *, cursor: str | None = None, limit: int | None = None) -> paging.Page[SetAside]:
    """Newest first; only of events the actor may read in the whole organization."""
    return set_aside.listed(actor.organization, permissions=_readable(actor), cursor=cursor, limit=limit)


def again(actor: Actor, ids: Sequence[int] | None) -> int:
    """Give these (None: all) back for one more try; how many. NotFound where one is not there, Invalid where none is named."""
    if ids is not None and (not ids or not all(0 < one < 2**63 for one in ids)):
        hint = "Give “ids” from the list, or “all”."
        raise Invalid("ids_missing", "No event is named.", hint, errors=(FieldError("ids", hint),))
    with transaction.atomic():
        count = set_aside.again(actor.organization, ids, permissions=_readable(actor))
        if count:
            audit.record(actor, "events.again", f"organization:{actor.organization}", {"count": count})
    return count


def _readable(actor: Actor) -> set[str] | None:
    if actor.kind == "system":
        return None
    return {name for name in actor.grants if actor.units(name) is None}
