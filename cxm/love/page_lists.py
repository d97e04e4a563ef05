"""The inbox's list: what its address asks for, its rows, its views and filters. For pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from cxm.channels import registry
from cxm.design import refusals
from cxm.design.words import text_direction
from cxm.kernel.actor import Actor
from cxm.kernel.ids import parse_id
from cxm.love import api as love
from cxm.love import page_words as words
from cxm.love.contracts import KINDS, STATES, ConversationView, Counts, InboxFilter
from cxm.love.selectors import inbox, shapes

PAGE = 30
#: Rows that stay in place while somebody reads; more than that nobody has scrolled through by hand.
HELD = 300
_TEXT = 240
_SORTS = ("newest", "due")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for. Unknown values are as if they were not there, so an old link still opens."""

    state: str = "open"
    assignee: str = "mine_or_nobody"
    channel: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    kind: str = ""
    tag: str = ""
    account: str = ""
    unit: str = ""
    late: bool = False
    promised: bool = False
    queue: str = ""
    sort: str = "newest"

    def query(self, **changes: Any) -> str:
        """``?…`` of this list, or of one that differs by ``changes``; nothing for what is usual."""
        asked = replace(self, **changes)
        usual = Wanted()
        pairs: list[tuple[str, str]] = []
        for name in _NAMES:
            value = getattr(asked, name)
            if value == getattr(usual, name):
                continue
            pairs += [(name, one) for one in value] if isinstance(value, tuple) else [(name, "1" if value is True else str(value))]
        return f"?{urlencode(pairs)}" if pairs else ""

    def address(self, conversation: UUID | None = None, **changes: Any) -> str:
        """The page of this list, with ``conversation`` open."""
        return f"/inbox{f'/{conversation}' if conversation else ''}{self.query(**changes)}"

    def filter(self) -> InboxFilter:
        """As love understands it."""
        assignee: str | UUID | None = None if self.assignee == "all" else parse_id(self.assignee) or self.assignee
        account = parse_id(self.account)
        return InboxFilter(
            states=frozenset() if self.state == "all" else frozenset({self.state}),
            assignee=assignee,
            channels=frozenset(self.channel),
            languages=frozenset(self.language),
            kind=self.kind or None,
            accounts=frozenset({account}) if account else frozenset(),
            tag=self.tag or None,
            unit=parse_id(self.unit),
            late=self.late,
            promised=self.promised,
            queue=parse_id(self.queue) or self.queue or None,
            sort=self.sort,
        )

    @property
    def plain(self) -> bool:
        """Whether nothing narrows it but its state and who has it."""
        return not (
            self.channel or self.language or self.kind or self.tag or self.account or self.unit or self.late or self.promised or self.queue
        )


_NAMES = ("state", "assignee", "channel", "language", "kind", "tag", "account", "unit", "late", "promised", "queue", "sort")


def read(values: QueryDict) -> Wanted:
    """The list an address asks for."""
    state, assignee, sort, kind = (values.get(name, "") for name in ("state", "assignee", "sort", "kind"))
    usual = Wanted()
    return Wanted(
        state=state if state in (*STATES, "all") else usual.state,
        assignee=assignee if assignee in words.assignees() or parse_id(assignee) else usual.assignee,
        channel=_several(values.getlist("channel")),
        language=_several(values.getlist("language")),
        kind=kind if kind in KINDS else "",
        tag=values.get("tag", "").replace("\x00", "").strip()[:60],
        account=str(parse_id(values.get("account", "")) or ""),
        unit=str(parse_id(values.get("unit", "")) or ""),
        late=values.get("late", "") in ("1", "true"),
        promised=values.get("promised", "") in ("1", "true"),
        queue="none" if values.get("queue") == "none" else str(parse_id(values.get("queue", "")) or ""),
        sort=sort if sort in _SORTS else usual.sort,
    )


def _several(given: Iterable[str]) -> tuple[str, ...]:
    parts = (part.strip()[:40] for text in given for part in text.replace("\x00", "").split(","))
    return tuple(sorted({part for part in parts if part}))[:20]


def beside(request: HttpRequest) -> tuple[Wanted, UUID | None]:
    """The list and the open conversation of the page that asks for a fragment (its own address tells)."""
    where = urlsplit(request.headers.get("HX-Current-URL", ""))
    query = QueryDict("", mutable=True)
    for name, given in parse_qs(where.query).items():
        query.setlist(name, given)
    parts = where.path.strip("/").split("/")
    return read(query), parse_id(parts[1]) if len(parts) > 1 and parts[0] == "inbox" else None


# --- rows -----------------------------------------------------------------------------------------------------------


def rows(actor: Actor, wanted: Wanted, current: UUID | None, members: Mapping[UUID, str], cursor: str | None = None) -> dict[str, Any]:
    """One page of the list, ready to show."""
    found = love.conversations(actor, wanted.filter(), cursor, PAGE)
    more = f"/inbox/list{wanted.query() or '?'}&{urlencode({'cursor': found.next})}" if found.next else ""
    return {"rows": [row(actor, wanted, view, current, members) for view in found.items], "more": more.replace("?&", "?")}


def held(actor: Actor, wanted: Wanted, current: UUID | None, members: Mapping[UUID, str], keep: list[UUID]) -> dict[str, Any]:
    """The rows somebody is looking at, in their order, with what is new in them; and how many others came on top (``fresh``)."""
    top = [view.id for view in love.conversations(actor, wanted.filter(), None, PAGE).items]
    found = shapes.views(actor.organization, list(inbox.readable(actor).filter(id__in=keep)), actor.member)
    known = {view.id: view for view in found}
    # What follows the last row shown only moved up into the page; it is not new.
    last = max((index for index, key in enumerate(top) if key in known), default=len(top))
    fresh = sum(1 for key in top[:last] if key not in known)
    return {"rows": [row(actor, wanted, known[key], current, members) for key in keep if key in known], "more": "", "fresh": fresh}


def row(actor: Actor, wanted: Wanted, view: ConversationView, current: UUID | None, members: Mapping[UUID, str]) -> dict[str, Any]:
    """One row of the list."""
    who, handle = words.person(view.author)
    last = view.last_mention or {}
    url = wanted.address(view.id)
    return {
        "id": f"row-{view.id}",
        "value": str(view.id),
        "url": url,
        "who": who,
        "handle": handle,
        "channel": view.channel,
        "kind": str(last.get("kind") or ""),
        "text": _said(view, last),
        "dir": text_direction(str(last.get("text") or "")),
        "lang": "" if view.language == "und" else view.language,
        "at": view.last_at,
        "unread": view.unread,
        "current": view.id == current,
        **_clocks(view),
        "chips": _chips(actor, wanted, view, last, members),
        "gone": wanted.state not in ("all", view.state),
    }


def _clocks(view: ConversationView) -> dict[str, Any]:
    """The clock that ends first stands first: a narrow row may show no second one."""
    due = view.answer_due if view.state == "open" else None
    if view.promise_due is not None and (due is None or view.promise_due < due):
        return {"due": view.promise_due, "due_form": "promised", "promised": None}
    return {"due": due, "due_form": "within", "promised": view.promise_due}


def _said(view: ConversationView, last: Mapping[str, Any]) -> str:
    if last.get("deleted_at"):
        return _("Deleted where it was said.")
    text = " ".join(str(last.get("text") or last.get("title") or view.subject or "").split())[:_TEXT]
    return _("We: {text}").format(text=text) if last.get("media_type") == "owned" else text


def _chips(
    actor: Actor, wanted: Wanted, view: ConversationView, last: Mapping[str, Any], members: Mapping[UUID, str]
) -> list[dict[str, str]]:
    chips: list[dict[str, str]] = []
    if view.state != wanted.state:
        chips.append({"label": words.states()[view.state], "kind": "good" if view.state == "closed" else "neutral"})
    if view.state == "snoozed" and view.snoozed_until:
        chips.append({"label": words.moment(view.snoozed_until), "kind": "neutral", "icon": "alarm-clock"})
    if view.kind == "private":
        chips.append({"label": _("private"), "kind": "neutral", "icon": "lock"})
    if view.assignee and view.assignee != actor.member:
        chips.append({"label": _("{name} has it").format(name=members.get(view.assignee, _("a colleague"))), "kind": "outline"})
    if tongue := words.foreign(view.language):
        chips.append({"label": tongue, "kind": "outline"})
    if last.get("media_type") != "owned":
        chips += [{"label": label, "kind": "guess"} for _value, label in guesses(last)[:2]]
    return chips + [{"label": tag, "kind": "outline", "icon": "tag"} for tag in view.tags[:2]]


def guesses(mention: Mapping[str, Any]) -> list[tuple[tuple[str, str], str]]:
    """What was judged of a mention and is worth a chip: ((field, value), its word). Feelings first, the mood only without them."""
    known = words.feelings()
    emotions = [("emotions", str(value)) for value in mention.get("emotions") or ()]
    mood = str(mention.get("sentiment") or "")
    found = emotions or ([("sentiment", mood)] if mood and mood not in words.QUIET else [])
    found += [("intents", str(value)) for value in mention.get("intents") or ()]
    return [(entry, known.get(entry[1], entry[1])) for entry in found]


# --- views and filters -----------------------------------------------------------------------------------------------


def count_of(wanted: Wanted, counts: Counts) -> int | None:
    """How many are in the list; None where only counting them one by one would tell."""
    if not wanted.plain:
        return None
    if wanted.state == "open":
        return {"mine_or_nobody": counts.mine + counts.nobody, "me": counts.mine, "nobody": counts.nobody, "all": counts.open}.get(
            wanted.assignee
        )
    return {"waiting": counts.waiting, "snoozed": counts.snoozed}.get(wanted.state) if wanted.assignee == "all" else None


def views(wanted: Wanted, counts: Counts) -> list[dict[str, Any]]:
    """Entries of the menu of views: what is ours counts only mine and nobody's, the others everyone's."""
    found = []
    for state, label in words.views().items():
        target = replace(wanted, state=state, assignee="mine_or_nobody" if state == "open" else "all", late=False, promised=False)
        found.append(
            {"label": label, "url": target.address(), "count": count_of(replace(target, **_WIDE), counts), "active": wanted.state == state}
        )
    late = replace(wanted, state="open", assignee="all", late=True, promised=False, sort="due")
    found.insert(1, {"label": _("Late"), "url": late.address(), "count": counts.late, "active": False, "hot": bool(counts.late)})
    promised = replace(wanted, state="all", assignee="all", late=False, promised=True, sort="due")
    found.append({"label": _("Promised"), "url": promised.address(), "count": counts.promised, "active": wanted.promised})
    return found


_WIDE: dict[str, Any] = {"channel": (), "language": (), "kind": "", "tag": "", "account": "", "unit": "", "promised": False, "queue": ""}


def queues(actor: Actor, wanted: Wanted) -> list[dict[str, Any]]:
    """Entries of the menu of queues, each with how many wait for us in it; nothing where there are none."""
    found = love.queues(actor.organization)
    if not found:
        return []
    counts = love.queue_counts(actor)
    target = replace(wanted, **_WIDE, state="open", assignee="all", late=False)
    return [
        {
            "id": str(one.id),
            "label": one.name,
            "url": target.address(queue=str(one.id)),
            "count": counts.get(one.id, 0),
            "active": wanted.queue == str(one.id),
        }
        for one in found
    ]


def narrowings(wanted: Wanted, queues: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, str]]:
    """What narrows the list beyond its view, each with the address without it."""
    found = [{"label": words.channel(name), "url": _without(wanted, "channel", name)} for name in wanted.channel]
    found += [{"label": words.language(tag) or tag, "url": _without(wanted, "language", tag)} for tag in wanted.language]
    if wanted.kind:
        found.append({"label": _("private") if wanted.kind == "private" else _("public"), "url": wanted.address(kind="")})
    if wanted.tag:
        found.append({"label": f"#{wanted.tag}", "url": wanted.address(tag="")})
    if wanted.account:
        found.append({"label": _("one account"), "url": wanted.address(account="")})
    if wanted.unit:
        found.append({"label": _("one unit"), "url": wanted.address(unit="")})
    if wanted.late:
        found.append({"label": _("late"), "url": wanted.address(late=False)})
    if wanted.queue:
        name = next(
            (str(one["label"]) for one in queues if one["id"] == wanted.queue), _("no queue") if wanted.queue == "none" else _("one queue")
        )
        found.append({"label": name, "url": wanted.address(queue="")})
    if wanted.promised:
        found.append({"label": _("promised"), "url": wanted.address(promised=False)})
    return found


def _without(wanted: Wanted, name: str, value: str) -> str:
    return wanted.address(**{name: tuple(one for one in getattr(wanted, name) if one != value)})


def assignees(wanted: Wanted, actor: Actor, members: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """Entries of the menu of who has it."""
    found = [
        {"label": label, "url": wanted.address(assignee=key), "active": wanted.assignee == key} for key, label in words.assignees().items()
    ]
    return found + [
        {"label": name, "url": wanted.address(assignee=str(key)), "active": wanted.assignee == str(key)}
        for key, name in members.items()
        if key != actor.member
    ]


def form(wanted: Wanted) -> dict[str, Any]:
    """The filter form."""
    tongues = sorted({*TONGUES, *wanted.language})
    return {
        "channels": [(one.name, refusals.told(one.manifest.title), one.name in wanted.channel) for one in registry.channels()],
        "languages": sorted(((tag, words.language(tag) or tag, tag in wanted.language) for tag in tongues), key=lambda entry: entry[1]),
        "kinds": [
            {"value": "", "label": _("Either")},
            {"value": "public", "label": _("Public")},
            {"value": "private", "label": _("Private")},
        ],
        "sorts": [{"value": "newest", "label": _("Newest first")}, {"value": "due", "label": _("Due soonest")}],
    }


TONGUES = ("ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "uk", "zh")
