"""Who has a conversation before their eyes now, and who writes: short-lived, forgotten within a minute of the last sign of life."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import NotFound
from cxm.love.contracts import Onlooker
from cxm.love.models import Conversation, Presence
from cxm.love.services import rows
from cxm.love.tasks import forget_presence
from cxm.platform import realtime

#: Pages give a sign of life every 15 s; two may be missed.
FRESH = timedelta(seconds=40)
#: Nobody writes who has not touched a key for this long.
WRITES = timedelta(seconds=10)
#: How often what is stale is looked for, while anything is there. With FRESH: a minute.
SWEEP = timedelta(seconds=20)


def here(actor: Actor, conversation: UUID, *, typing: bool) -> None:
    """A sign of life of the acting member; others who look are told when it changes what they see. Raises NotFound."""
    with transaction.atomic():
        row, member = _looked_at(actor, conversation)
        at = now()
        known = Presence.objects.for_organization(actor.organization).filter(conversation=row, member=member).first()
        Presence.objects.add_all(
            [Presence(organization_id=actor.organization, conversation=row, member=member, at=at, typing_at=at if typing else None)],
            update_conflicts=True,
            unique_fields=["organization_id", "conversation", "member"],
            update_fields=["at", "typing_at"],
        )
        if known is None:
            forget_presence.defer(queueing_lock="love.presence", schedule_at=at + SWEEP)
        if known is None or known.at < at - FRESH or _writes(known) != typing:
            _tell(actor.organization, row.id)


def gone(actor: Actor, conversation: UUID) -> None:
    """The acting member has left it. Raises NotFound."""
    with transaction.atomic():
        row, member = _looked_at(actor, conversation)
        if Presence.objects.for_organization(actor.organization).filter(conversation=row, member=member).delete()[0]:
            _tell(actor.organization, row.id)


def others(actor: Actor, conversation: UUID) -> list[Onlooker]:
    """Colleagues who have it open now, those who write first. Raises NotFound where the actor may not read it."""
    row = rows.judged(actor, rows.found(actor.organization, conversation), "conversations:read")
    found = Presence.objects.for_organization(actor.organization).filter(conversation=row, at__gte=now() - FRESH)
    if actor.member is not None:
        found = found.exclude(member=actor.member)
    return sorted((Onlooker(one.member, _writes(one)) for one in found), key=lambda one: (not one.typing, one.member))


def sweep() -> bool:
    """Forget whoever gave no sign of life; whether anybody is left."""
    with transaction.atomic():
        stale = Presence.everywhere.filter(at__lt=now() - FRESH)  # everywhere: the system's own sweep
        for organization, conversation in set(stale.values_list("organization_id", "conversation_id")):
            _tell(organization, conversation)
        stale.delete()
        return Presence.everywhere.exists()  # everywhere: the system's own sweep


def _writes(one: Presence) -> bool:
    return one.typing_at is not None and one.typing_at >= now() - WRITES


def _looked_at(actor: Actor, conversation: UUID) -> tuple[Conversation, UUID]:
    row = rows.judged(actor, rows.found(actor.organization, conversation), "conversations:read")
    if actor.member is None:
        raise NotFound("member")
    return row, actor.member


def _tell(organization: UUID, conversation: UUID) -> None:
    """Names of what changed alone; who it is, is fetched with permission."""
    realtime.tell(organization, f"here:{conversation}")
