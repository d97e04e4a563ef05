"""The half year before the first start: history by the import door, the accounts' own exchanges by the mailbox, then what members did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from cxm.channels.contracts import Author, Mention, RawDelivery
from cxm.connect import api as connect
from cxm.connect.contracts import Account, Heard
from cxm.demo import company, hosting, spread, telling
from cxm.demo.telling import Said, Turn
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, frozen_at, now
from cxm.kernel.ids import mention_id
from cxm.listen import api as listen
from cxm.love import api as love
from cxm.love.contracts import ConversationView, InboxFilter
from cxm.platform import jobs

#: Seconds between something being said and us hearing of it.
HEARD_AFTER = timedelta(seconds=4)
#: What was said in public and nobody here did anything about comes as history once it is this old: no one answers every star.
LEFT_ALONE = timedelta(hours=9)
#: What members did with younger stories stands before the server does; the rest follows beside it.
FRESH = timedelta(hours=30)
#: A member acts this long after the last word, each further act as long after that.
ACTED_AFTER = timedelta(minutes=3)


def as_json(said: Said, account: Account | None, moment: datetime) -> dict[str, Any]:
    """One story's first word in the documented JSON."""
    kind = _plan(said.where)["kind"] if account else _world_kind(said)
    listing = f"{_plan(said.where)['listing']}" if account and _plan(said.where)["listing"] else None
    author: dict[str, Any] = {"native_id": said.author, "handle": said.handle, "name": said.name, "followers": spread.followers(said)}
    if said.email:
        author["verified"] = {"email": said.email}
    return {
        "native_id": said.native_id, "kind": kind, "author": author, "title": said.title, "text": said.text, "published_at": format_instant(moment),
        "reply_to": f"{listing}-{said.place}" if listing and said.place else listing, "rating": said.rating, "country": said.country, "location": said.place,
        "engagement": spread.engagement(said), "media": _media(said),
    }  # fmt: skip


def _media(said: Said) -> list[dict[str, Any]]:
    """Where its pictures lie: at the simulated platform, which shows them to anybody."""
    root = hosting.address()
    return (
        [{"kind": "image", "url": f"{root}/pictures/{one.name}", "alt": one.alt, "name": one.name} for one in said.pictures] if root else []
    )


def later_json(said: Said, number: int, text: str, moment: datetime, kind: str, by: str | None = None) -> dict[str, Any]:
    """A later word of the same person, or of another one (``by``)."""
    whole = {"native_id": f"{said.native_id}.{number}", "kind": kind, "text": text, "published_at": format_instant(moment)}
    author: dict[str, Any] = {"native_id": said.author, "handle": said.handle, "name": said.name, "followers": spread.followers(said)}
    if by is not None:
        author = dict(zip(("native_id", "name", "handle"), telling.person(by), strict=True))
    return {
        **whole,
        "author": author,
        "reply_to": None if kind == "message" else said.native_id,
        "country": said.country,
        "location": said.place,
    }


def import_history(organization: UUID, start: datetime) -> None:
    """What the world said, and exchanges that are over, by the import door."""
    accounts = company.accounts(organization)
    lines = (orjson.dumps(line) for said in _told(start) if _is_history(said, accounts, start) for line in _history(said, accounts, start))
    report = connect.import_lines(organization, lines)
    if report.quarantined:
        raise ValueError(f"Stories that cannot be imported: {report.lines[:3]}")


def hear(organization: UUID, start: datetime) -> None:
    """What was said to our accounts, into their mailboxes with the time it came, and on into conversations."""
    _deliver(organization, start, lambda said, number: number not in _resumed(said))
    jobs.work_off()


def answer(organization: UUID, start: datetime) -> None:
    """What we had answered by then, as said in the platforms' own programs; then the words of those who wrote again after it.

    Only the exchanges that went on are worked off here; the worker puts the others' answers into their places.
    """
    _say(organization, start, _goes_on)
    jobs.work_off()
    _deliver(organization, start, lambda said, number: number in _resumed(said))
    jobs.work_off()
    _say(organization, start, lambda said: not _goes_on(said))


def _deliver(organization: UUID, start: datetime, wanted: Callable[[Said, int], bool]) -> None:
    accounts = company.accounts(organization)
    for key, account in accounts.items():
        told = [said for said in _told(start) if said.where == key and not _is_history(said, accounts, start)]
        found = [one for said in told for one in _spoken(said, account, start) if wanted(said, one[1])]
        deliveries = [
            RawDelivery(f"demo:{entry['native_id']}", orjson.dumps(entry), {"content-type": "application/json"}, moment + HEARD_AFTER)
            for moment, _, entry in sorted(found, key=lambda one: (one[0], one[1]))
        ]
        if deliveries:
            connect.deliver(organization, account.id, deliveries)


def _say(organization: UUID, start: datetime, wanted: Callable[[Said], bool]) -> None:
    accounts = company.accounts(organization)
    for key, account in accounts.items():
        told = [said for said in _told(start) if said.where == key and not _is_history(said, accounts, start) and wanted(said)]
        heard = [
            Heard(item=_ours(said, account, number, turn.text, moment), received_at=moment, position=0, order=2**49 + number, channel="webhook")
            for said in told for moment, number, turn in _turns(said, start, ours=True)
        ]  # fmt: skip
        if heard:
            with transaction.atomic():
                listen.accept(organization, account, heard, imported=False)


def _goes_on(said: Said) -> bool:
    """Whether what followed our last answer needs that answer in its place: another word of theirs, or a snooze."""
    return bool(_resumed(said)) or any(act.split(" ")[1] == "snoozes" for act in said.do)


def _resumed(said: Said) -> set[int]:
    """Their words after our last answer, where they wait for us again."""
    ours = [number for number, turn in enumerate(said.turns, 2) if turn.ours]
    if not ours or any(act.split(" ")[1] == "closes" for act in said.do):
        return set()
    return set(range(ours[-1] + 1, len(said.turns) + 2))


def handle(organization: UUID, start: datetime) -> None:
    """Assigned, noted, tagged, snoozed, closed, for what is still fresh; replies of the last minute are proposed now and go out once the
    worker runs."""
    _handle(organization, start, lambda last: last >= start - FRESH)


def handle_before(organization: UUID, start: datetime) -> None:
    """The same for what is older; nobody looks there first, so this may run beside serving."""
    _handle(organization, start, lambda last: last < start - FRESH)


def _handle(organization: UUID, start: datetime, wanted: Callable[[datetime], bool]) -> None:
    """Each story in one transaction, and none that members have touched: what was cut off goes on where it stopped."""
    actors = company.actors(organization)
    accounts = company.accounts(organization)
    places = _conversations(actors["ines"])
    for said in (said for said in _told(start) if said.do and wanted(_last(said, start))):
        mention = mention_id(organization, "webhook", said.native_id, accounts[said.where].id)
        place = _place(places.get((accounts[said.where].id, said.author), []), mention, actors["ines"])
        if place is None or place.assignee or place.tags or place.state in ("snoozed", "closed"):
            continue
        moment = _last(said, start)
        with transaction.atomic():
            for act in said.do:
                moment = min(moment + ACTED_AFTER, now())
                _act(act, place.id, mention, moment, actors)


def _place(found: list[ConversationView], mention: UUID, actor: Actor) -> ConversationView | None:
    """The conversation that the mention stands in, out of its author's."""
    if len(found) < 2:
        return found[0] if found else None
    wanted = love.conversation_of(actor, mention)
    return next((view for view in found if view.id == wanted), None)


def _act(act: str, conversation: UUID, mention: UUID, moment: datetime, actors: Mapping[str, Actor]) -> None:
    who, verb, rest = (*act.split(" ", 2), "")[:3]
    actor = actors[who]
    if verb == "reply":  # not in the past: the platform answers now
        love.reply(actor, conversation, rest)
        return
    acts: dict[str, Callable[[], object]] = {
        "takes": lambda: love.assign(actor, conversation, actor.member),
        "gives": lambda: love.assign(actor, conversation, actors[rest].member),
        "notes": lambda: love.note(actor, conversation, rest),
        "tags": lambda: love.tag(actor, conversation, add=rest.split(", ")),
        "marks": lambda: listen.patch(actor, mention, corrections={rest: True}),
        "closes": lambda: love.close(actor, conversation, rest or "answered"),
    }
    if verb == "keeps":
        with frozen_at(moment):
            for one in [one for one in love.pledges(actor, "open").items if one.conversation == conversation]:
                love.settle_promise(actor, one.id, "kept")
        return
    if verb in ("promises", "promised"):  # “promises 3h …” is due so long from now on, “promised 3h …” so long after it was said
        length, _, text = rest.partition(" ")
        due = (now() if verb == "promises" else moment) + telling.span(length)
        with frozen_at(moment):
            love.promise(actor, conversation, text, due)
        return
    if verb == "snoozes":  # counted from now: a wake-up in the past would be none
        love.snooze(actor, conversation, now() + telling.span(rest))
        return
    with frozen_at(moment):
        acts[verb]()


def _conversations(actor: Actor) -> dict[tuple[UUID, str], list[ConversationView]]:
    found: dict[tuple[UUID, str], list[ConversationView]] = {}
    cursor: str | None = None
    while True:
        page = love.conversations(actor, InboxFilter(), cursor, 500)
        for view in page.items:
            found.setdefault((view.account_id, str(view.author.get("native_id"))), []).append(view)
        if page.next is None:
            return found
        cursor = page.next


def _is_history(said: Said, accounts: Mapping[str, Account], start: datetime) -> bool:
    if said.history or said.where not in accounts:
        return True
    return said.window is not None and not said.do and spread.moment(said, start) < start - LEFT_ALONE


def _history(said: Said, accounts: Mapping[str, Account], start: datetime) -> Iterator[dict[str, Any]]:
    account = accounts.get(said.where)
    ours = any(turn.ours for turn in said.turns)
    names = {"channel": "webhook", "account": account.name} if account else {"channel": said.where}
    state = said.state or ("answered" if ours else "no_answer_needed")
    us = {"native_id": f"account:{account.name}", "handle": account.name, "name": "Marlow Coffee"} if account else {}
    for _, number, entry in _spoken(said, account, start):
        own = {"media_type": "owned", "author": us, "reply_to": None} if number == 1 and said.name == telling.US else {}
        yield {**entry, **names, "state": "no_answer_needed" if own else state, **own}
    if account is None:
        return
    for moment, number, turn in _turns(said, start, ours=True):
        yield {
            **names, "native_id": f"{said.native_id}.{number}", "kind": _our_kind(said), "media_type": "owned", "author": us, "text": turn.text,
            "published_at": format_instant(moment), "reply_to": said.native_id,
        }  # fmt: skip


def _spoken(said: Said, account: Account | None, start: datetime) -> Iterator[tuple[datetime, int, dict[str, Any]]]:
    first = as_json(said, account, spread.moment(said, start))
    yield spread.moment(said, start), 1, first
    kind = "message" if first["kind"] == "message" else "comment"
    for moment, number, turn in _turns(said, start, ours=False):
        yield moment, number, later_json(said, number, turn.text, moment, kind, turn.by)


def _turns(said: Said, start: datetime, *, ours: bool) -> Iterator[tuple[datetime, int, Turn]]:
    moment = spread.moment(said, start)
    for number, turn in enumerate(said.turns, 2):
        moment += turn.after
        if turn.ours is ours:
            yield min(moment, start), number, turn


def _told(start: datetime) -> list[Said]:
    """The stories, oldest first."""
    return sorted(telling.past(), key=lambda said: spread.moment(said, start))


def _last(said: Said, start: datetime) -> datetime:
    return spread.moment(said, start) + sum((turn.after for turn in said.turns), timedelta())


def _ours(said: Said, account: Account, number: int, text: str, moment: datetime) -> Mention:
    kind = _our_kind(said)
    author = Author(native_id=f"account:{account.name}", handle=account.name, name="Marlow Coffee")
    return Mention(
        native_id=f"{said.native_id}.{number}", kind=kind, author=author, text=text, published_at=moment, reply_to=_answered(said, number), private=kind == "message",
        media_type="owned",
    )  # fmt: skip


def _answered(said: Said, number: int) -> str:
    """The newest word of theirs before turn ``number``."""
    before = [place for place, turn in enumerate(said.turns, 2) if place < number and not turn.ours]
    return f"{said.native_id}.{before[-1]}" if before else said.native_id


def _our_kind(said: Said) -> str:
    return "message" if _plan(said.where)["kind"] == "message" else "answer"


def _plan(where: str) -> dict[str, Any]:
    return telling.company()["accounts"][where]


def _world_kind(said: Said) -> str:
    if said.rating is not None:
        return "review"
    return "article" if said.where in ("news", "blog") else "comment" if said.where in ("instagram", "youtube", "tiktok") else "post"
