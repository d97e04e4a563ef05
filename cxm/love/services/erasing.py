"""What the inbox holds of somebody who is erased: both sides of the conversation go, that there was one stays.

Notes and promises of members are the company's own and stay. Texts of our replies go, since they are about the person and often repeat
what was said; that a reply was sent, when and by whom, stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from cxm.kernel.clock import format_instant, now
from cxm.kernel.errors import NotNow
from cxm.listen import api as listen
from cxm.love.clocks import FAR_FUTURE
from cxm.love.models import CaseRecord, Conversation, Draft, Entry, EventLine
from cxm.love.services import pledges, rows
from cxm.outbound import api as outbound
from cxm.people.contracts import Erased, Step
from cxm.platform import redaction

#: Conversations of one step.
STEP = 20
#: A case whose title is gone; lists still have something to click on.
_UNTITLED = "–"
#: What stays of a mention in its place: where and when, never what or who.
_STAYS = frozenset({
    "id", "organization", "unit", "channel", "account", "account_id", "kind", "published_at", "heard_at", "media_type", "private", "addressed", "automatic",
    "imported", "provider_order", "version", "reply",
})  # fmt: skip
_NOBODY = {"native_id": "", "handle": None, "name": None, "url": None, "followers": None, "profile": None}


class PersonEraser:
    """Implements ``people.contracts.Holder``."""

    name = "love"

    def ready(self, organization: UUID, channels: frozenset[str], until: datetime) -> bool:
        """Nothing is waited for: what is sorted in later is followed by its deletion."""
        return True

    def begin(self, person: Erased) -> None:
        """Their conversations are over: whatever comes begins another."""
        _theirs(person).exclude(state="closed").update(state="closed", closed_at=person.at, close_reason="no_answer_needed")
        over = {
            "answer_due": None,
            "first_answer_due": None,
            "resolution_due": None,
            "promise_due": None,
            "snoozed_until": None,
            "due_order": FAR_FUTURE,
        }
        _theirs(person).update(erased_at=person.at, **over)
        pledges.withdrawn(Conversation.objects.for_organization(person.organization).filter(erased_at=person.at))

    def erase(self, person: Erased, cursor: dict[str, Any]) -> Step:
        """The next twenty of their conversations; one whose reply is on its way at this moment waits for it."""
        rows = Conversation.objects.for_organization(person.organization).filter(erased_at=person.at).exclude(author__native_id="")
        found = list(rows.order_by("id").select_for_update()[:STEP])
        if not found:
            return Step(None)
        busy = outbound.under_way(person.organization, [row.id for row in found])
        free = [row for row in found if row.id not in busy]
        if free:
            forget(free, person.at, person.erasure, {text.casefold() for one in person.identities for text in one.known})
        return Step({}, {"conversations": len(free)}, wait=not free)


def _theirs(person: Erased) -> Any:
    who = Q(profile_id__in=person.profiles)
    for one in person.identities:
        own = Q(channel=one.channel, author_id=one.native_id)
        who |= own & Q(account_id=one.account) if one.account else own
    return Conversation.objects.for_organization(person.organization).filter(who, erased_at=None)


def forget(found: Collection[Conversation], at: datetime, erasure: UUID | None, known: Collection[str] = ()) -> None:
    """Empty conversations of somebody who is erased; they are locked by the caller."""
    organization, ids = next(iter(found)).organization_id, [row.id for row in found]
    called = {*known, *(text.casefold() for row in found for text in _called(row))}
    _forget_cases(organization, found, called)
    entries = list(Entry.objects.for_organization(organization).filter(conversation_id__in=ids).order_by("id").select_for_update())
    for entry in entries:
        empty(entry, at)
    Entry.objects.for_organization(organization).bulk_update(entries, ["mention", "history", "waiting", "deleted_at"], batch_size=200)
    Draft.objects.for_organization(organization).filter(conversation_id__in=ids).delete()
    pledges.withdrawn(found)
    for row in found:
        _forget_head(row)
    sent = outbound.forget(organization, ids)
    listen.erase_replies(organization, [entry.mention_id for entry in entries if entry.ours], sent, at, erasure)
    redaction.answers(organization, ids)


def empty(entry: Entry, at: datetime) -> None:
    """Nothing of what was said or by whom; where it stood and when."""
    kept = {key: value for key, value in entry.mention.items() if key in _STAYS}
    entry.deleted_at = entry.deleted_at or at
    entry.mention = {**kept, "author": dict(_NOBODY), "native_id": "", "text": None, "title": None, "media": [], "tags": [], "topics": [], "intents": [], "emotions": [],
                     "categories": [], "engagement": {}, "language": "und", "state": "no_answer_needed", "deleted_at": format_instant(entry.deleted_at)}  # fmt: skip
    entry.history, entry.waiting = [], False


def _called(row: Conversation) -> Iterable[str]:
    """What a case may have been named after."""
    return [
        text
        for text in (row.subject, *(row.author.get(key) for key in ("name", "handle", "native_id")))
        if isinstance(text, str) and len(text) >= 3
    ]


def _forget_head(row: Conversation) -> None:
    row.author, row.author_id, row.profile_id, row.subject, row.language = dict(_NOBODY), "", None, "", "und"
    row.thread = row.thread_key = None
    row.answer_due = row.first_answer_due = row.resolution_due = row.promise_due = row.snoozed_until = None
    row.erased_at = row.erased_at or now()
    if row.state != "closed":
        row.state, row.closed_at, row.close_reason = "closed", now(), "no_answer_needed"
    rows.line(row, "erased", "OpenCXM")
    rows.keep(row, "rewritten", "OpenCXM")


def _forget_cases(organization: UUID, found: Collection[Conversation], called: Collection[str]) -> None:
    """Titles of cases over them alone, and those that name the person or repeat them; in quiet lines, too."""
    ids = {row.id for row in found}
    cases = {row.case_id for row in found if row.case_id}  # type: ignore[attr-defined]
    lines = EventLine.objects.for_organization(organization).filter(conversation_id__in=ids, what__in=("linked", "unlinked"))
    cases |= {UUID(line.detail["case"]) for line in lines if line.detail.get("case")}
    gone: dict[str, str] = {}
    for case in CaseRecord.objects.for_organization(organization).filter(id__in=cases).order_by("id").select_for_update():
        others = case.conversations.filter(erased_at=None).exclude(id__in=ids).exists()
        if case.title != _UNTITLED and (not others or any(text in case.title.casefold() for text in called)):
            gone[str(case.id)] = case.title
            case.title = _UNTITLED
            case.save(update_fields=["title"])
    if gone:
        told = EventLine.objects.for_organization(organization).filter(what__in=("linked", "unlinked"), detail__case__in=list(gone))
        for line in told:
            line.detail = {**line.detail, "title": ""}
            line.save(update_fields=["detail"])


def deleted(organization: UUID, mentions: Collection[UUID], at: datetime) -> None:
    """Mentions of somebody who is erased that were sorted in after their conversations were emptied: these are emptied now."""
    entries = Entry.objects.for_organization(organization).filter(mention_id__in=list(mentions), ours=False)
    ids = set(entries.values_list("conversation_id", flat=True))
    found = list(Conversation.objects.for_organization(organization).filter(id__in=ids, erased_at=None).order_by("id").select_for_update())
    wholly = [row for row in found if not _holds_others(row, mentions)]
    busy = outbound.under_way(organization, [row.id for row in wholly])
    if busy:  # the job comes again
        raise NotNow("reply_under_way", "A reply to somebody who is erased is on its way at this moment.")
    if wholly:
        forget(wholly, at, None)
    for entry in entries.order_by("id").select_for_update():
        empty(entry, at)
        entry.save(update_fields=["mention", "history", "waiting", "deleted_at"])


def _holds_others(row: Conversation, mentions: Collection[UUID]) -> bool:
    """Whether somebody who is not erased said something in it."""
    return (
        Entry.objects.for_organization(row.organization_id)
        .filter(conversation=row, ours=False, deleted_at=None)
        .exclude(mention_id__in=list(mentions))
        .exists()
    )


def delete_again(organization: UUID, mentions: Collection[UUID], at: datetime) -> None:
    """Deletions of a ledger after an older state was restored."""
    from cxm.love.services import rewrites

    rewrites.deleted(organization, list(mentions), format_instant(at))
