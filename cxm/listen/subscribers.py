"""What listen listens to: its own events, to keep the store; what we said, to make it a mention."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from cxm.channels.contracts import Author, Engagement, Media, Mention
from cxm.connect import api as connect
from cxm.connect.contracts import Heard
from cxm.connect.events import AccountChanged
from cxm.kernel.clock import now, parse_instant
from cxm.kernel.errors import NotFound
from cxm.listen import emptying, engine, media, moving
from cxm.listen.accept import accept
from cxm.listen.events import MentionsChanged, MentionsDeleted, MentionsHeard
from cxm.listen.ours import keep_reply
from cxm.listen.store.port import Change, MentionStore
from cxm.outbound import api as outbound
from cxm.outbound.events import Said
from cxm.platform import events, realtime

STORE = "listen.store"


@events.follow(STORE, MentionsHeard, MentionsChanged, MentionsDeleted)
def keep_store(found: Sequence[MentionsHeard | MentionsChanged | MentionsDeleted]) -> None:
    """Tell the store, in commit order, with one commit for many events.

    Idempotent by id and version; where the store is away the same events come again and it catches up. Where its folder was gone it
    is written anew from the first event on.
    """
    store = engine.writer()
    if engine.made_anew():
        raise events.StartOver
    for event in found:
        apply(store, event)
    store.commit()
    for organization in {event.organization for event in found}:
        realtime.tell(organization, "explorer")


@events.on(AccountChanged, when=lambda event: event.change == "removed" and event.mentions == "delete")
def empty_removed(event: AccountChanged) -> None:
    """What was heard on an account is deleted where whoever removed it wished so."""
    emptying.empty_later(event.organization, event.account)


@events.on(AccountChanged, when=lambda event: event.change == "moved")
def take_along(event: AccountChanged) -> None:
    """What was heard on an account belongs to the unit that the account belongs to."""
    moving.move_later(event.organization, event.account)


@events.on(MentionsDeleted)
def forget_files(event: MentionsDeleted) -> None:
    """The files that came with them go too."""
    media.forget(event.organization, [UUID(key) for key in event.ids])


def apply(store: MentionStore, event: MentionsHeard | MentionsChanged | MentionsDeleted) -> None:
    """What one event means for the store."""
    if isinstance(event, MentionsDeleted):
        store.delete(event.organization, event.ids, parse_instant(event.at))
    elif isinstance(event, MentionsHeard) or event.whole:
        store.write(event.organization, list(event.mentions))
    else:
        store.rewrite(event.organization, [Change(entry["id"], entry["version"], entry["set"]) for entry in event.mentions])


def _our_file(organization: UUID, entry: Mapping[str, Any]) -> Media:
    """A file that went with it: its bytes are kept with the mention, so that they are there as long as it is."""
    content = None
    if entry.get("upload"):
        with contextlib.suppress(NotFound):
            content = outbound.upload_content(organization, entry)
    return Media(entry.get("kind") or "file", entry.get("url"), entry.get("alt"), entry.get("name"), entry.get("content_type"), content)


@events.on(Said)
def hear_ourselves(event: Said) -> None:
    """A reply that was sent is a mention too: ours. Of one to somebody who was erased meanwhile nothing is left to hear."""
    if not event.native_id:
        return
    try:
        account = connect.account(event.organization, event.account)
    except NotFound:
        return
    media = tuple(_our_file(event.organization, entry) for entry in event.media)
    item = Mention(
        native_id=event.native_id, kind="message" if event.private else "answer", author=Author(native_id=f"account:{account.name}", handle=account.name, name=event.by_name or account.name),
        text=event.text, title=event.title, published_at=parse_instant(event.at), url=event.url, reply_to=event.in_reply_to, thread=event.thread, private=event.private,
        media_type="owned", engagement=Engagement(), media=media, context={"reply": str(event.intent), "conversation": str(event.conversation) if event.conversation else None},
    )  # fmt: skip
    heard = [Heard(item=item, received_at=now(), position=0, order=2**50, channel=account.channel)]
    (taken,) = accept(event.organization, account, heard, imported=False)
    keep_reply(event.organization, account, event.native_id, event.intent, told=taken.outcome == "accepted")
