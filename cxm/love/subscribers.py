"""What love does when something happened elsewhere. Each handler runs once for each event, in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from cxm.govern.events import RightsChanged
from cxm.kernel.clock import parse_instant
from cxm.listen.events import MentionsChanged, MentionsDeleted, MentionsHeard
from cxm.love.services import answers, erasing, intake, leaving, rewrites
from cxm.outbound.events import IntentChanged
from cxm.people.events import IdentitiesMoved
from cxm.platform import events

#: A deletion must not overtake the mention it is about.
_MENTIONS = "love.mentions"


def _may_concern_us(event: MentionsHeard) -> bool:
    """Imported history without an account of ours opens nothing; most of it need not be read again here."""
    return any(mention["account_id"] is not None for mention in event.mentions)


@events.on(MentionsHeard, when=_may_concern_us, together=_MENTIONS, many=True)
def on_mentions_heard(found: Sequence[MentionsHeard]) -> None:
    """Open and continue conversations."""
    intake.heard(found[0].organization, [mention for event in found for mention in event.mentions])


@events.on(MentionsChanged, together=_MENTIONS)
def on_mentions_changed(event: MentionsChanged) -> None:
    """Edits and decisions reach the conversation."""
    rewrites.changed(event.organization, event.mentions, whole=event.whole)


@events.on(MentionsDeleted, together=_MENTIONS)
def on_mentions_deleted(event: MentionsDeleted) -> None:
    """The place stays, the words go."""
    ids = [UUID(key) for key in event.ids]
    rewrites.deleted(event.organization, ids, event.at)
    if event.erased:
        erasing.deleted(event.organization, ids, parse_instant(event.at))


@events.on(IntentChanged)
def on_intent_changed(event: IntentChanged) -> None:
    """A reply that is out answers what it was written for."""
    answers.settled(event.organization, event.intent, event.state)


@events.on(IdentitiesMoved)
def on_identities_moved(event: IdentitiesMoved) -> None:
    """Conversations follow their author's profile."""
    rewrites.moved(event.organization, event.profile, event.source, event.identities)


@events.on(RightsChanged)
def on_rights_changed(event: RightsChanged) -> None:
    """Nobody keeps a conversation they can no longer answer."""
    leaving.rights_changed(event.organization, event.member)
