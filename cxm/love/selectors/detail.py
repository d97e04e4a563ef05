"""One conversation, whole: mentions, notes, quiet lines and what is on its way out, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Min, Q, QuerySet

from cxm.kernel.actor import Actor
from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import NotFound
from cxm.kernel.ids import mention_id, parse_id
from cxm.love.contracts import ConversationDetail, ConversationView, DraftView, Item, LineItem, Meanwhile, NoteItem, ReplyItem
from cxm.love.models import Conversation, Draft, Entry, EventLine, Note
from cxm.love.selectors import inbox, pledges, shapes
from cxm.love.services import rows
from cxm.outbound import api as outbound
from cxm.outbound.contracts import Reply
from cxm.people.contracts import ProfileView, TimelineEntry

PAGE = 200


def conversation(actor: Actor, key: UUID, before: str | None = None) -> ConversationDetail:
    """The newest 200 mentions, oldest first, and everything else of their time.

    ``before``: a mention's id, or an instant; then the 200 before it. Raises NotFound, Invalid (``before`` is neither).
    """
    row = _row(actor, key)
    entries, earlier = _page(row, before)
    since = entries[0].published_at if earlier and entries else None
    until = _until(row, before)
    replies = outbound.replies(actor.organization, row.id)
    _name_replies(row, entries, replies)
    items: list[Item] = [shapes.mention_item(entry) for entry in entries]
    items += _ours(row, since, until)
    if before is None:
        items += _on_the_way(row, replies)
    items.sort(key=lambda item: item.at)  # stable: mentions of one instant keep the provider's order
    return ConversationDetail(
        conversation=shapes.views(actor.organization, [row], actor.member, entries)[0],
        items=tuple(items),
        earlier=earlier,
        drafts=_drafts(actor, row),
        pledges=pledges.open_of(row),
        replies=tuple(replies),
    )


def conversation_row(actor: Actor, key: UUID) -> ConversationView:
    """One conversation as lists show it. Raises NotFound."""
    return shapes.views(actor.organization, [_row(actor, key)], actor.member)[0]


def conversation_of(actor: Actor, mention: UUID) -> UUID:
    """The conversation a mention stands in. Raises NotFound where it stands in none the actor may read."""
    entry = Entry.objects.for_organization(actor.organization).filter(mention_id=mention, conversation__in=inbox.readable(actor)).first()
    if entry is None:
        raise NotFound("conversation")
    return entry.conversation_id  # type: ignore[attr-defined]


def _row(actor: Actor, key: UUID) -> Conversation:
    return rows.judged(actor, rows.found(actor.organization, key), "conversations:read")


def _page(row: Conversation, before: str | None) -> tuple[list[Entry], bool]:
    entries: QuerySet[Entry] = Entry.objects.for_organization(row.organization_id).filter(conversation=row)
    if before:
        entries = entries.filter(_earlier_than(row, before))
    found = list(entries.order_by("-published_at", "-provider_order", "-id")[: PAGE + 1])
    return found[:PAGE][::-1], len(found) > PAGE


def _earlier_than(row: Conversation, before: str) -> Q:
    mention = parse_id(before)
    if mention is None:
        return Q(published_at__lt=parse_instant(before))
    entry = _entry(row, mention)
    at, order = entry.published_at, entry.provider_order
    return Q(published_at__lt=at) | Q(published_at=at, provider_order__lt=order) | Q(published_at=at, provider_order=order, id__lt=entry.id)


def _entry(row: Conversation, mention: UUID) -> Entry:
    entry = Entry.objects.for_organization(row.organization_id).filter(conversation=row, mention_id=mention).first()
    if entry is None:
        raise NotFound("mention")
    return entry


def _until(row: Conversation, before: str | None) -> datetime | None:
    if not before:
        return None
    mention = parse_id(before)
    return parse_instant(before) if mention is None else _entry(row, mention).published_at


def _ours(row: Conversation, since: datetime | None, until: datetime | None) -> list[Item]:
    """Notes and lines of the time shown; the first page's reach to the beginning where there is nothing earlier."""
    span: dict[str, Any] = {key: value for key, value in {"at__gte": since, "at__lt": until}.items() if value is not None}
    notes = Note.objects.for_organization(row.organization_id).filter(conversation=row, **span).order_by("at", "id")
    lines = EventLine.objects.for_organization(row.organization_id).filter(conversation=row, **span).order_by("at", "id")
    written: list[Item] = [NoteItem(note.at, note.id, note.text, note.by, note.member, tuple(note.mentions)) for note in notes]
    return written + [LineItem(line.at, line.id, line.what, line.detail, line.by) for line in lines]


def _on_the_way(row: Conversation, replies: Sequence[Reply]) -> list[Item]:
    """Replies that are no mention yet; one that was sent is, as soon as listen heard it."""
    sent = [str(reply.id) for reply in replies if reply.state == "sent"]
    heard: set[str] = set()
    if sent:
        known = _known_as(row, replies)
        ours = Entry.objects.for_organization(row.organization_id).filter(conversation=row, ours=True)
        found = ours.filter(Q(mention__reply__in=sent) | Q(mention_id__in=list(known))).values_list("mention__reply", "mention_id")
        heard = {name or str(known[key]) for name, key in found if name or key in known}
    return [
        ReplyItem(reply.created_at, reply.id, reply.state, reply.text, reply.private, reply.created_by_name, reply.undo_until, reply.detail)
        for reply in replies
        if str(reply.id) not in heard
    ]


def _known_as(row: Conversation, replies: Sequence[Reply]) -> dict[UUID, UUID]:
    """The replies that were sent, by the id that each has as a mention: a platform may tell us what we said before we say so ourselves, and it
    knows nothing of our replies."""
    return {
        mention_id(row.organization_id, row.channel, reply.native_id, account): reply.id
        for reply in replies
        if reply.native_id
        for account in (None, row.account_id)
    }


def _name_replies(row: Conversation, entries: Sequence[Entry], replies: Sequence[Reply]) -> None:
    """Say of each mention of ours which of our replies it is, where its platform told of it."""
    known = _known_as(row, replies)
    for entry in entries:
        if entry.ours and not entry.mention.get("reply") and (reply := known.get(entry.mention_id)) is not None:
            entry.mention = {**entry.mention, "reply": str(reply)}


def answered_meanwhile(actor: Actor, key: UUID, since: datetime) -> list[Meanwhile]:
    """See :func:`answered_since`. Raises NotFound."""
    return answered_since(actor, _row(actor, key), since)


def answered_since(actor: Actor, row: Conversation, since: datetime) -> list[Meanwhile]:
    """What others answered after ``since``, oldest first: here, or in the platform's own program. Failed and taken back do not count."""
    replies = outbound.replies(actor.organization, row.id)
    found = [
        Meanwhile(reply.created_by_name, reply.created_at, reply.text)
        for reply in replies
        if reply.created_at > since
        and reply.state not in ("failed", "cancelled")
        and (reply.created_by is None or reply.created_by != actor.member)
    ]
    elsewhere = Entry.objects.for_organization(actor.organization).filter(
        conversation=row, ours=True, deleted_at=None, published_at__gt=since
    )
    for entry in elsewhere.filter(mention__reply=None).exclude(mention_id__in=list(_known_as(row, replies))):
        author = entry.mention.get("author") or {}
        found.append(Meanwhile(str(author.get("name") or row.account), entry.published_at, str(entry.mention.get("text") or "")))
    return sorted(found, key=lambda one: one.at)


def _drafts(actor: Actor, row: Conversation) -> tuple[DraftView, ...]:
    if actor.member is None:
        return ()
    found = Draft.objects.for_organization(actor.organization).filter(conversation=row, member=actor.member).order_by("-at")
    return tuple(
        DraftView(draft.text, draft.visibility, draft.in_reply_to, draft.at, tuple(UUID(str(key)) for key in draft.media))
        for draft in found
    )


class PersonTimeline:
    """What love knows of a person: every mention in their conversations. ``people`` asks it for its timeline."""

    def entries(
        self,
        organization: UUID,
        who: ProfileView,
        *,
        before: tuple[datetime, UUID] | None,
        limit: int,
        units: frozenset[UUID] | None,
        whole: bool = False,
    ) -> list[TimelineEntry]:
        """See :class:`cxm.people.contracts.TimelineSource`."""
        rows = Conversation.objects.for_organization(organization).filter(profile_id=who.id)
        if units is not None:
            rows = rows.filter(unit_id__in=units)
        found = Entry.objects.for_organization(organization).filter(conversation__in=rows)
        if before is not None:
            found = found.filter(Q(published_at__lt=before[0]) | Q(published_at=before[0], mention_id__lt=before[1]))
        return [_told(entry) for entry in found.order_by("-published_at", "-mention_id")[:limit]]

    def first(self, organization: UUID, who: ProfileView, *, units: frozenset[UUID] | None) -> datetime | None:
        """See the protocol."""
        rows = Conversation.objects.for_organization(organization).filter(profile_id=who.id)
        if units is not None:
            rows = rows.filter(unit_id__in=units)
        found = Entry.objects.for_organization(organization).filter(conversation__in=rows, ours=False)
        return found.aggregate(first=Min("published_at"))["first"]


def _told(entry: Entry) -> TimelineEntry:
    key = str(entry.conversation_id)  # type: ignore[attr-defined]
    return TimelineEntry(
        entry.published_at, "mention", entry.mention_id, {"conversation": key, "ours": entry.ours, "mention": shapes.public(entry)}
    )
