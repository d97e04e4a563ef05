"""From mentions to conversations: what opens one, what continues one, what reopens one.

A mention of theirs on one of our accounts opens a conversation where it is a ``message`` or waits for an answer; every later one of
the same author, account and thread continues it. A closed conversation goes on when they write again within
``Promise.reopen_within`` (7 days) of its closing; later, a new one begins. A message that nobody must answer (a machine's, spam,
imported history) lies in a conversation that is closed from the start. What we said ourselves joins the conversation it answers.

Handlers may run at once: rows are locked in order of their ids, new ones have derived ids, and one open conversation of a key is a
constraint of the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from cxm.kernel.clock import now, parse_instant
from cxm.kernel.ids import mention_id, parse_id
from cxm.love.clocks import FAR_FUTURE, USUAL, Terms
from cxm.love.keys import conversation_id, conversation_key, thread_key
from cxm.love.models import Answer, Conversation, Entry, EventLine
from cxm.love.services import bulk, leaving, pledges, rows, threads
from cxm.love.services.queues import Router
from cxm.love.services.states import answered
from cxm.people import api as people

_SUBJECT_LIMIT = 200
_SYSTEM = "OpenCXM"
#: How often a batch is sorted into conversations again when another process made one in that very moment.
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class _Spoken:
    """One mention with what sorting it needs, read once."""

    id: UUID
    key: UUID
    account: UUID
    published_at: datetime
    heard_at: datetime
    order: int
    data: Mapping[str, Any]

    @property
    def waits(self) -> bool:
        return self.data.get("state") == "waiting"

    @property
    def opens(self) -> bool:
        return self.waits or self.data.get("kind") == "message"

    @property
    def imported(self) -> bool:
        return bool(self.data.get("imported"))

    @property
    def private(self) -> bool:
        return bool(self.data.get("private")) or self.data.get("kind") == "message"


def heard(organization: UUID, mentions: Sequence[Mapping[str, Any]]) -> None:
    """Sort new mentions into conversations; those already there, and those no conversation is about, are passed over."""
    on_ours = [mention for mention in mentions if mention.get("account_id") and mention.get("unit")]
    said = [mention for mention in on_ours if mention.get("media_type") != "owned"]
    keys = threads.continued(organization, said)
    theirs = [_spoken(organization, mention, keys.get(mention["id"])) for mention in said]
    ours = [_spoken(organization, mention) for mention in on_ours if mention.get("media_type") == "owned"]
    with transaction.atomic():
        if theirs:
            _theirs(organization, theirs)
        for spoken in ours:
            _ours(organization, spoken)


def _spoken(organization: UUID, mention: Mapping[str, Any], key: UUID | None = None) -> _Spoken:
    account = UUID(mention["account_id"])
    published = parse_instant(mention["published_at"])
    return _Spoken(
        id=UUID(mention["id"]),
        key=key
        or conversation_key(organization, account, str((mention.get("author") or {}).get("native_id") or ""), mention.get("thread")),
        account=account,
        published_at=published,
        heard_at=min(parse_instant(mention["heard_at"]), now()) if mention.get("heard_at") else now(),
        order=int(mention.get("provider_order") or 0),
        data=mention,
    )


@dataclass(slots=True)
class _Batch:
    """What one batch changes, written at its end in a few statements however many conversations it touches."""

    organization: UUID
    profiles: Mapping[UUID, UUID]
    places: dict[UUID, tuple[datetime, int, UUID]] = field(default_factory=dict[UUID, "tuple[datetime, int, UUID]"])
    rows: list[Conversation] = field(default_factory=list[Conversation])
    entries: list[Entry] = field(default_factory=list[Entry])
    lines: list[EventLine] = field(default_factory=list[EventLine])
    opened: list[tuple[Conversation, bool]] = field(default_factory=list["tuple[Conversation, bool]"])
    terms: Terms = field(init=False)
    queues: Router = field(init=False)

    def __post_init__(self) -> None:
        self.terms = Terms(self.organization)
        self.queues = Router(self.organization)

    def line(self, row: Conversation, what: str, **detail: Any) -> None:
        """A quiet line."""
        self.lines.append(EventLine(organization_id=self.organization, conversation=row, what=what, detail=detail, by=_SYSTEM, at=now()))

    def write(self) -> None:
        """Write it all and tell of it."""
        if not self.rows:
            return
        for row in self.rows:
            row.version += 1
            row.due_order = rows.due_order(row)
        bulk.insert(self.entries)
        bulk.insert(self.lines)
        bulk.update(self.rows, _WRITTEN)
        began = {row.id for row, _ in self.opened}
        rows.opened(self.organization, self.opened)
        rows.continued(self.organization, [row for row in self.rows if row.id not in began])


#: What a new mention can change of a conversation.
_WRITTEN = [
    "state", "author", "language", "subject", "last_at", "last_entry", "first_answer_due", "first_answered_at", "answer_due", "due_order", "resolution_due",
    "snoozed_until", "closed_at", "close_reason", "assignee", "version",
]  # fmt: skip


def _theirs(organization: UUID, spoken: Sequence[_Spoken]) -> None:
    known = set(
        Entry.objects.for_organization(organization)
        .filter(mention_id__in=[entry.id for entry in spoken])
        .values_list("mention_id", flat=True)
    )
    groups: dict[UUID, list[_Spoken]] = {}
    for entry in sorted(spoken, key=lambda entry: (entry.published_at, entry.order)):
        if entry.id not in known:
            known.add(entry.id)
            groups.setdefault(entry.key, []).append(entry)
    if not groups:
        return
    authors = [profile for entry in spoken if (profile := _named_profile(entry.data)) is not None]
    batch = _Batch(organization, people.current(organization, authors) if authors else {})
    for _ in range(_ROUNDS):
        groups = _sort_in(batch, groups)
        if not groups:
            batch.write()
            return
    raise RuntimeError("Conversations kept changing while a batch was sorted into them.")  # the job is tried again


def _sort_in(batch: _Batch, groups: dict[UUID, list[_Spoken]]) -> dict[UUID, list[_Spoken]]:
    """One round; returns the groups whose conversation somebody else made in this very moment."""
    latest, numbers = _latest(batch, list(groups))
    begun: dict[UUID, Conversation] = {}
    for key in sorted(groups):
        group, row = groups[key], latest.get(key)
        if row is None or _is_over(row, group):
            if any(entry.opens for entry in group):
                begun[key] = _new(batch, key, group, numbers[key])
        else:
            _continue(batch, row, group)
    made = bulk.insert(list(begun.values()))
    for key, row in begun.items():
        if row.id in made:
            _continue(batch, row, groups[key])
    return {key: groups[key] for key, row in begun.items() if row.id not in made}


def _latest(batch: _Batch, keys: list[UUID]) -> tuple[dict[UUID, Conversation], Counter[UUID]]:
    """The last conversation of each key, locked; and how many of each there were, those of people who were erased among them."""
    stored = Conversation.objects.for_organization(batch.organization).filter(key__in=keys)
    numbers: Counter[UUID] = Counter()
    ids: dict[UUID, UUID] = {}
    for identifier, key, erased_at in stored.order_by("opened_at", "id").values_list("id", "key", "erased_at"):
        numbers[key] += 1
        if erased_at is None:
            ids[key] = identifier
    if not ids:
        return {}, numbers
    found = {row.key: row for row in stored.filter(id__in=ids.values(), erased_at=None).order_by("id").select_for_update()}
    # Another process may have begun a newer one while we waited for the lock: an open one always wins.
    newer = stored.filter(erased_at=None).exclude(state="closed").exclude(id__in=ids.values())
    for row in newer.order_by("id").select_for_update():
        found[row.key] = row
    last = [row.last_entry for row in found.values() if row.last_entry is not None]
    places = Entry.objects.for_organization(batch.organization).filter(id__in=last).values_list("published_at", "provider_order", "id")
    batch.places |= {place[2]: place for place in places}
    return found, numbers


def _is_over(row: Conversation, group: Sequence[_Spoken]) -> bool:
    """Closed too long ago for a new word to continue it."""
    if row.state != "closed" or not any(entry.waits for entry in group):
        return False
    return row.closed_at is not None and now() - row.closed_at > USUAL.reopen_within


def _new(batch: _Batch, key: UUID, group: Sequence[_Spoken], number: int) -> Conversation:
    first = next(entry for entry in group if entry.opens)
    data = first.data
    author = dict(data.get("author") or {})
    profile = _named_profile(data)
    awaits = any(entry.waits for entry in group)
    clocks = [entry for entry in group if entry.waits and not entry.imported]
    opened_at = min(entry.heard_at for entry in clocks) if clocks else first.published_at if first.imported else first.heard_at
    kind = "private" if first.private else "public"
    unit = UUID(data["unit"])
    terms = batch.terms.of(unit) if clocks else USUAL
    due = terms.answer_due(kind, opened_at) if clocks else None
    return Conversation(
        id=conversation_id(key, number),
        organization_id=batch.organization,
        key=key,
        channel=data["channel"],
        account_id=first.account,
        account=data.get("account") or "",
        unit_id=unit,
        author_id=str(author.get("native_id") or ""),
        author=author,
        profile_id=batch.profiles.get(profile, profile) if profile else None,
        thread=data.get("thread"),
        thread_key=thread_key(batch.organization, first.account, data["thread"]) if data.get("thread") else None,
        kind=kind,
        state="open" if awaits else "closed",
        queue_id=batch.queues.of(data),
        subject=(data.get("title") or "")[:_SUBJECT_LIMIT],
        opened_at=opened_at,
        last_at=first.published_at,
        first_answer_due=due,
        answer_due=due,
        due_order=due or FAR_FUTURE,
        resolution_due=terms.resolution_due(opened_at) if clocks else None,
        closed_at=None if awaits else opened_at,
        close_reason=None if awaits else data.get("state") or "no_answer_needed",
    )


def _named_profile(data: Mapping[str, Any]) -> UUID | None:
    return parse_id((data.get("author") or {}).get("profile") or "")


def _continue(batch: _Batch, row: Conversation, group: Sequence[_Spoken]) -> None:
    entries = [_entry(row, entry, ours=False) for entry in group]
    if row.last_entry is None:  # told once: whoever puts the first mention in holds the row
        batch.opened.append((row, all(entry.imported for entry in group)))
    waits = [entry for entry in group if entry.waits]
    if waits:
        _our_turn(batch, row, waits)
    _newest(row, group[-1], entries[-1], batch.places.get(row.last_entry) if row.last_entry else None, theirs=True)
    batch.entries += entries
    batch.rows.append(row)


def _our_turn(batch: _Batch, row: Conversation, waits: Sequence[_Spoken]) -> None:
    """They wait for us: wake or reopen the conversation and start the clock, unless it is imported history."""
    live = [entry.heard_at for entry in waits if not entry.imported]
    if row.state == "closed":
        batch.line(row, "reopened", reason="they wrote again")
        if gone := leaving.freed(row):
            batch.line(row, "let_go", name=gone)
        row.closed_at = row.close_reason = None
        row.first_answered_at = row.first_answer_due = row.answer_due = row.resolution_due = None
    elif row.state == "snoozed":
        batch.line(row, "woken", reason="they wrote again")
    row.state, row.snoozed_until = "open", None
    if live and row.answer_due is None:
        first = row.first_answered_at is None
        row.answer_due = batch.terms.of(row.unit_id).answer_due(row.kind, min(live), first=first)
        if first and row.first_answer_due is None:
            row.first_answer_due = row.answer_due
    if live and row.resolution_due is None:
        row.resolution_due = batch.terms.of(row.unit_id).resolution_due(min(live))


def _newest(row: Conversation, spoken: _Spoken, entry: Entry, last: tuple[datetime, int, UUID] | None, *, theirs: bool) -> None:
    """Keep what lists show of the last mention; an older one that arrives late changes none of it."""
    if last is not None and last > (entry.published_at, entry.provider_order, entry.id):
        return
    row.last_at, row.last_entry = entry.published_at, entry.id
    if theirs:
        row.author = dict(spoken.data.get("author") or row.author)
        row.language = spoken.data.get("language") or "und"
        row.subject = row.subject or (spoken.data.get("title") or "")[:_SUBJECT_LIMIT]


def _entry(row: Conversation, spoken: _Spoken, *, ours: bool) -> Entry:
    return Entry(
        organization_id=row.organization_id,
        conversation=row,
        mention_id=spoken.id,
        mention=dict(spoken.data),
        published_at=spoken.published_at,
        provider_order=spoken.order,
        ours=ours,
        waiting=not ours and spoken.waits,
        version=int(spoken.data.get("version") or 0),
    )


def _ours(organization: UUID, spoken: _Spoken) -> None:
    if Entry.objects.for_organization(organization).filter(mention_id=spoken.id).exists():
        return
    key, answer = _place_of_ours(organization, spoken)
    row = Conversation.objects.for_organization(organization).select_for_update().filter(id=key).first() if key else None
    if row is None:
        return
    entry = _entry(row, spoken, ours=True)
    Entry.objects.add_all([entry], ignore_conflicts=True)
    if not answer and not spoken.imported:  # said in the platform's own program: it answers all the same
        answered(row, entry)
        pledges.kept_by_reply(row, entry.published_at, str((spoken.data.get("author") or {}).get("name") or row.account))
    last = (
        Entry.objects.for_organization(organization).filter(id=row.last_entry).values_list("published_at", "provider_order", "id").first()
    )
    _newest(row, spoken, entry, last, theirs=False)
    rows.keep(row, "continued", _SYSTEM)


def _place_of_ours(organization: UUID, spoken: _Spoken) -> tuple[UUID | None, bool]:
    """The conversation our own words belong to, and whether they are a reply sent from here."""
    reply = parse_id(str(spoken.data.get("reply") or ""))
    if reply is not None:
        conversation = Answer.objects.for_organization(organization).filter(id=reply).values_list("conversation_id", flat=True).first()
        if conversation is not None:
            return conversation, True
    data = spoken.data
    if native := data.get("reply_to"):
        ids = [mention_id(organization, data["channel"], native), mention_id(organization, data["channel"], native, spoken.account)]
        answered_entry = Entry.objects.for_organization(organization).filter(mention_id__in=ids, conversation__account_id=spoken.account)
        if (found := answered_entry.values_list("conversation_id", flat=True).first()) is not None:
            return found, False
    if data.get("thread") and spoken.private:
        threads = Conversation.objects.for_organization(organization).filter(
            thread_key=thread_key(organization, spoken.account, data["thread"])
        )
        return threads.order_by("-opened_at", "-id").values_list("id", flat=True).first(), False
    return None, False
