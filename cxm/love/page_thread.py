"""One conversation on screen: its thread, and what may be written, from which account, to whom. For pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cxm.connect import api as connect
from cxm.connect.contracts import SendRules
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.errors import NotFound
from cxm.love import api as love
from cxm.love import page_lists as lists
from cxm.love import page_marks as marks
from cxm.love import page_media as files
from cxm.love import page_verdicts as verdicts
from cxm.love import page_words as words
from cxm.love.contracts import ConversationDetail, ConversationView, DraftView, Item, LineItem, MentionItem, NoteItem
from cxm.outbound import api as outbound
from cxm.outbound.contracts import Reply
from cxm.understanding import api as understanding

#: Characters of one message shown; the whole is on the mention's own page.
_SHOWN = 6_000
#: A silence of as many days is told.
_GAP_DAYS = 3
#: Limits beyond this say nothing while one types.
_COUNTED_LIMIT = 20_000
#: Files with one answer.
_FILES = 10
_COUNTS = {"characters": "characters", "bytes": "bytes", "utf16": "units", "graphemes": "graphemes"}
#: Words underlined for one verdict, and the shortest one; all of them are in the chip's title.
_MARKED = 2
_LEAST_WORD = 4


class Names(dict[UUID, str]):
    """Names of members by id, in their order; ``known``: the members themselves."""

    known: tuple[govern.Member, ...] = ()


def members_of(organization: UUID) -> Names:
    """Names of everybody who works here, by id."""
    known = tuple(one for one in govern.members(organization) if one.state != "removed")
    found = Names({one.id: one.name for one in known})
    found.known = known
    return found


def who_may_answer(actor: Actor, view: ConversationView, members: Mapping[UUID, str]) -> dict[UUID, str]:
    """Those of ``members`` who could be given this conversation; none where one may not give it."""
    if not actor.may("conversations:manage", view.unit):
        return {}
    known = members.known if isinstance(members, Names) else govern.members(actor.organization)
    able = govern.who_may(actor.organization, known, ("conversations:read", "conversations:reply"), view.unit)
    return {key: name for key, name in members.items() if key in able}


# --- the thread -----------------------------------------------------------------------------------------------------


def thread(actor: Actor, detail: ConversationDetail, members: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """Everything in its order, days and silences between."""
    view = detail.conversation
    replies = {reply.id: reply for reply in detail.replies}
    known = files.fetched(actor.organization, [{**item.mention, "id": item.id} for item in detail.items if isinstance(item, MentionItem)])
    entries: list[dict[str, Any]] = []
    before: datetime | None = None
    for item in detail.items:
        entries += _between(before, item.at)
        before = item.at
        if isinstance(item, MentionItem):
            entries.append(_mention(actor.organization, item, view, replies, known.get(str(item.id))))
        else:
            entries.append(_entry(item, view, replies, members))
    _mark_newest(entries, actor, view)
    marks.add_notes(entries, members.known if isinstance(members, Names) else ())
    return entries


def _between(before: datetime | None, at: datetime) -> list[dict[str, Any]]:
    day = timezone.localtime(at).date()
    if before is not None and timezone.localtime(before).date() == day:
        return []
    silent = (day - timezone.localtime(before).date()).days if before else 0
    label = words.day(at)
    return [{"shape": "day", "label": f"{label} · {words.gap(silent)}" if silent >= _GAP_DAYS else label, "id": f"day-{day}"}]


def _entry(item: Item, view: ConversationView, replies: Mapping[UUID, Reply], members: Mapping[UUID, str]) -> dict[str, Any]:
    if isinstance(item, NoteItem):
        return {"shape": "note", "id": f"n-{item.id}", "who": item.by, "text": item.text, "at": item.at}
    if isinstance(item, LineItem):
        icon, text = words.line(item.what, item.detail, item.by, members)
        return {"shape": "event", "id": f"l-{item.id}", "icon": icon, "text": text, "at": item.at}
    return _reply(replies[item.id], view)


def _mention(organization: UUID, item: MentionItem, view: ConversationView, replies: Mapping[UUID, Reply], known: Any) -> dict[str, Any]:
    mention = item.mention
    text = str(mention.get("text") or "")
    who, _handle = words.person(mention.get("author"))
    entry: dict[str, Any] = {
        "shape": "mention",
        "id": f"m-{item.id}",
        "mention": str(item.id),
        "side": "ours" if item.ours else "theirs",
        "who": who,
        "text": text[:_SHOWN],
        "cut": len(text) > _SHOWN,
        "title": _title(mention, view),
        "lang": "" if mention.get("language") in (None, "und") else mention["language"],
        "at": item.at,
        "quoted": str(mention.get("quoted") or "")[:_SHOWN],
        "deleted": item.deleted_at is not None,
        "edited": item.edited,
        "history": [{"text": former.text or former.title or "", "until": _instant(former.until)} for former in reversed(item.history)],
        "visibility": "private" if mention.get("private") else "public",
        "url": files.web_address(mention.get("url")),
        "media": files.media(organization, str(item.id), mention.get("media") or (), known) if item.deleted_at is None else [],
        "about": _stars(mention.get("rating")),
        "automatic": bool(mention.get("automatic")),
        "chips": [],
        "spans": [],
        "judged": mention,
        "told": item.told,
    }
    if item.ours:
        return entry | _ours(mention, view, replies)
    if text and item.deleted_at is None:
        entry["chips"], entry["spans"] = _verdicts(mention, text)
    return entry


def _title(mention: Mapping[str, Any], view: ConversationView) -> str:
    """A title that says more than the heading above: not the subject with another “Re:”."""
    title = str(mention.get("title") or "").strip()
    return "" if title.rpartition(": ")[2].casefold() == view.subject.rpartition(": ")[2].casefold() else title


def _ours(mention: Mapping[str, Any], view: ConversationView, replies: Mapping[UUID, Reply]) -> dict[str, Any]:
    """Our own words: who wrote them where it was one of our replies, and what became of them."""
    key = mention.get("reply")
    reply = replies.get(UUID(str(key))) if key else None
    if reply is None:
        return {"account": "" if mention.get("account") == view.account else view.account}
    return {
        "who": reply.created_by_name,
        "account": view.account,
        "visibility": "private" if reply.private else "public",
    } | marks.delivery(reply)


def _reply(reply: Reply, view: ConversationView) -> dict[str, Any]:
    """A reply that is no mention (yet): on its way, held, failed, unknown, taken back."""
    if reply.state == "cancelled":
        text = _("{by} took back an answer").format(by=reply.created_by_name)
        return {"shape": "event", "id": f"r-{reply.id}", "icon": "undo-2", "text": text, "at": reply.created_at}
    # What became of the others, and what one can do, stands below their words.
    said = {"sent": _("sent"), "failed": _("not sent"), "unknown": _("may have been sent")}
    return {
        "shape": "reply",
        "id": f"r-{reply.id}",
        "reply": str(reply.id),
        "side": "ours",
        "who": reply.created_by_name,
        "account": view.account,
        "text": reply.text,
        "at": reply.created_at,
        "state": {"failed": "failed", "sent": ""}.get(reply.state, "pending"),
        "is": reply.state,
        "about": said.get(reply.state, ""),
        "media": files.names(reply.media),
        "uploads": ",".join(str(entry["upload"]) for entry in reply.media if entry.get("upload")),
        "undo_until": reply.undo_until,
        "why": reply.detail,
        "may_go_back": reply.can_be_taken_back,
        "visibility": "private" if reply.private else "public",
        "notes": marks.copied(reply),
    }


def _verdicts(mention: Mapping[str, Any], text: str) -> tuple[list[dict[str, str]], list[tuple[int, int]]]:
    """Chips of what was judged, each with the words that carried it, and where those stand in the text."""
    by_person = mention.get("verdicts_by") in ("person", "import")
    carried = {} if by_person else _carried(text[:_SHOWN], mention.get("language"))
    kind = "neutral" if by_person else "guess"
    chips: list[dict[str, str]] = []
    if tongue := words.foreign(str(mention.get("language") or "")):
        chips.append({"label": tongue, "kind": kind, "icon": "languages"})
    spans: set[tuple[int, int]] = set()
    for key, label in lists.guesses(mention):
        found = carried.get(key, ())
        spans.update([span for span in found if _worth(text, span)][:_MARKED])
        shown = " · ".join(text[start:end][:40] for start, end in found)
        chips.append({"label": label, "kind": kind, "title": _("carried by: {words}").format(words=shown) if shown else ""})
    return chips, sorted(spans)


def _worth(text: str, span: tuple[int, int]) -> bool:
    """Whether a word is worth a line beneath it: “the” and “so” carry a verdict only by their company."""
    word = text[span[0] : span[1]]
    return len(word) >= _LEAST_WORD or not word.isascii()


@lru_cache(maxsize=2048)
def _carried(text: str, language: str | None) -> dict[tuple[str, str], tuple[tuple[int, int], ...]]:
    found = understanding.explain(text, language)
    return {(part.of, part.value): tuple((span.start, span.end) for span in part.spans) for part in found.carried}


def _mark_newest(entries: Sequence[dict[str, Any]], actor: Actor, view: ConversationView) -> None:
    """The newest message of theirs is the one whose verdicts ``v`` corrects."""
    if actor.may("mentions:write", view.unit):
        for entry in reversed(entries):
            if entry["shape"] == "mention" and entry["side"] == "theirs" and not entry["deleted"]:
                entry["correct"] = f"/mentions/{entry['mention']}"
                entry["verdicts"] = verdicts.offered(entry["judged"])
                return


def _stars(rating: Any) -> str:
    if not isinstance(rating, int | float) or isinstance(rating, bool):
        return ""
    return "★" * round(rating) + "☆" * (5 - round(rating)) if 0 <= rating <= 5 else f"{rating:g}"


def _instant(text: str) -> datetime | None:
    try:
        return parse_instant(text)
    except ValueError:
        return None


# --- the composer ----------------------------------------------------------------------------------------------------


def composer(actor: Actor, view: ConversationView, organization: str, drafts: Sequence[DraftView] = ()) -> dict[str, Any]:
    """What may be written here: ``modes`` for ``<c-composer>`` (each with its draft, the one in ``mode`` shown), ``notices`` to read before."""
    may_reply, may_note = (actor.may(right, view.unit) and not view.erased for right in ("conversations:reply", "conversations:note"))
    modes: list[dict[str, Any]] = []
    notices: list[dict[str, str]] = []
    if may_reply:
        modes, why = _ways(actor, view)
        if why:
            notices.append({"kind": "warn", "icon": "ban", "text": why})
    if may_note:
        modes.append(
            {
                "value": "note", "tone": "note", "label": _("Note"), "send": _("Write the note"), "icon": "notebook-pen",
                "says": _("only members of {organization} can read it; @name tells somebody").format(organization=organization),
                "counts": "characters",
            }
        )  # fmt: skip
    begun = {one.visibility: one for one in drafts}
    attached: list[dict[str, Any]] = []
    for one in modes:
        draft = begun.get(one["value"])
        one["text"] = draft.text if draft else ""
        attached += attachments(actor, one["value"], draft.media) if draft and draft.media and one.get("files") else []
    shown = next((one for draft in drafts for one in modes if one["value"] == draft.visibility), None)
    return {
        "modes": modes,
        "attached": attached,
        "takes_files": any(one.get("files") for one in modes),
        "no_files": next((one["files_say"] for one in modes if one.get("files") == 0), ""),
        "mode": shown["value"] if shown else view.kind,
        "value": shown["text"] if shown else "",
        "notices": notices + (_stop_notice(actor, view) if may_reply else []),
        "may_reply": may_reply,
        "may_note": may_note,
        "may_write": may_reply or may_note,
    }


def attachments(actor: Actor, mode: str, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Uploaded files as chips of the composer, in one way of saying it."""
    return [
        {"id": one.id, "mode": mode, "label": one.name, "icon": files.icon(one.kind), "bytes": one.size, "size": filesizeformat(one.size)}
        for one in outbound.uploads_of(actor, ids)
    ]


def _ways(actor: Actor, view: ConversationView) -> tuple[list[dict[str, Any]], str]:
    """The ways of answering that the channel has, the conversation's own first; else why there is none."""
    try:
        rules = connect.rules(actor.organization, view.account_id)
    except NotFound:
        return [], _("This account was disconnected, so nobody can answer from here. Connect it again under Channels.")
    if not rules.can_reply:
        return [], _("This account only listens. Set a way to answer on its page under Channels.")
    if rules.window_hours and (last := _last_heard(view)) and now() - last > timedelta(hours=rules.window_hours):
        return [], _("This platform takes answers only within {hours} h of their last message, which is over.").format(
            hours=rules.window_hours
        )
    who, _handle = words.person(view.author)
    rule = {
        "limit": rules.text_limit if (rules.text_limit or 0) <= _COUNTED_LIMIT else "",
        "counts": _COUNTS.get(rules.counted, "characters"),
    } | _files_rule(rules)
    rule["account"] = view.account
    modes = []
    if rules.public and view.kind == "public":
        says = _("to {who}, everyone can read it").format(who=who)
        modes.append(
            {"value": "public", "tone": "public", "label": _("Reply publicly"), "send": _("Reply publicly"), "icon": "globe", "says": says}
            | rule
        )
    if rules.private:
        label = _("Message privately") if view.kind == "public" else _("Reply privately")
        says = _("only {who} can read it").format(who=who)
        modes.append(
            {"value": "private", "tone": "private", "label": label, "send": _("Send privately"), "icon": "lock", "says": says} | rule
        )
    if not modes:
        return [], _("This platform has no way to answer such a message.")
    return modes, "" if rules.active else _("This account is paused: what you send waits until it is active again.")


def _files_rule(rules: SendRules) -> dict[str, Any]:
    """What may go with an answer, said before somebody attaches it."""
    if not rules.media:
        return {"files": 0, "files_say": _("This platform takes no files with an answer.")}
    count = min(rules.media_count or _FILES, _FILES)
    size = min(rules.media_bytes or outbound.UPLOAD_LIMIT, outbound.UPLOAD_LIMIT)
    say = ngettext("Up to {n} file, {size} MB; no programs.", "Up to {n} files, together {size} MB; no programs.", count)
    return {"files": count, "files_size": size, "files_say": say.format(n=count, size=f"{size / 1_000_000:g}")}


def _last_heard(view: ConversationView) -> datetime | None:
    last = view.last_mention or {}
    return _instant(str(last.get("published_at") or "")) if last.get("media_type") != "owned" else None


def _stop_notice(actor: Actor, view: ConversationView) -> list[dict[str, str]]:
    stops = govern.covering_stops(actor.organization, unit=view.unit, account=view.account_id, kind="reply")
    if not stops:
        return []
    reason = stops[0].reason
    text = _("A stop is on: what you send is held, and leaves only if it is released when the stop is lifted.")
    return [
        {
            "kind": "bad",
            "icon": "octagon-x",
            "text": f"{text} “{reason}”" if reason else text,
            "url": "/stop" if actor.may("stops:read") else "",
        }
    ]


def promise_times(organization: UUID, view: ConversationView) -> dict[str, Any]:
    """Times to promise something for, (instant, words), on the wall clock of the unit's ``zone``."""
    zone = love.zone_of(organization, view.unit)
    local = now().astimezone(ZoneInfo(zone))

    def at(day: int, hour: int) -> datetime:
        return (local + timedelta(days=day)).replace(hour=hour, minute=0, second=0, microsecond=0)

    choices = [
        (_("In 1 hour"), local + timedelta(hours=1)),
        (_("Today"), at(0, 12)),
        (_("Today"), at(0, 17)),
        (_("Tomorrow"), at(1, 9)),
        (_("Tomorrow"), at(1, 12)),
        (_("Monday"), at((7 - local.weekday()) or 7, 9)),
    ]
    near = local + timedelta(minutes=30)
    return {
        "times": [(format_instant(when), f"{label} · {words.moment(when, zone)}") for label, when in choices if when > near],
        "zone": zone,
    }


def later() -> list[tuple[str, str]]:
    """Times to snooze to: (instant, words)."""
    local = timezone.localtime(now())
    morning = local.replace(hour=9, minute=0, second=0, microsecond=0)
    choices = [
        (_("In 1 hour"), local + timedelta(hours=1)),
        (_("In 3 hours"), local + timedelta(hours=3)),
        (_("Tomorrow morning"), morning + timedelta(days=1)),
        (_("Monday morning"), morning + timedelta(days=(7 - local.weekday()) or 7)),
        (_("In a month"), morning + timedelta(days=30)),
    ]
    return [(format_instant(when), f"{label} · {words.moment(when)}") for label, when in choices]
