"""Values of conversations as people read them: states, feelings, reasons, quiet lines. For pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import formats, timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from cxm.channels import registry
from cxm.design import refusals
from cxm.design.words import language, written
from cxm.kernel.clock import now, parse_instant
from cxm.love.contracts import BulkView

#: Of what a model guessed, only what changes how one answers is worth a chip; calm is not.
QUIET = frozenset({"neutral"})


def views() -> dict[str, str]:
    """The inbox by whose turn it is."""
    return {
        "open": _("Waiting for us"),
        "waiting": _("Waiting for them"),
        "snoozed": _("Snoozed"),
        "closed": _("Closed"),
        "all": _("All conversations"),
    }


def states() -> dict[str, str]:
    """States of a conversation, in the middle of a line."""
    return {"open": _("our turn"), "waiting": _("their turn"), "snoozed": _("snoozed"), "closed": _("closed")}


def assignees() -> dict[str, str]:
    """Who has it, as a filter."""
    return {"mine_or_nobody": _("Mine or nobody's"), "me": _("Mine"), "nobody": _("Nobody's"), "all": _("Everyone's")}


def reasons() -> dict[str, str]:
    """Why a conversation is closed."""
    return {
        "no_answer_needed": _("no answer needed"),
        "answered": _("answered"),
        "handed_over": _("handed over"),
        "unreachable": _("cannot be answered"),
        "expired": _("too late to answer"),
    }


def reason(value: str) -> str:
    """A reason, readable; a member's own words as they are."""
    return reasons().get(value, value)


def feelings() -> Mapping[str, str]:
    """Moods, feelings and wishes the models know."""
    return _feelings(get_language())


@lru_cache(maxsize=16)
def _feelings(reader: str | None) -> Mapping[str, str]:
    # A list asks for every row; the words of one language are looked up once.
    return {
        "positive": _("positive"),
        "negative": _("negative"),
        "anger": _("anger"),
        "disgust": _("disgust"),
        "fear": _("fear"),
        "joy": _("joy"),
        "sadness": _("sadness"),
        "surprise": _("surprise"),
        "complaint": _("complaint"),
        "question": _("question"),
        "request": _("request"),
        "praise": _("praise"),
        "purchase": _("wants to buy"),
        "churn": _("wants to leave"),
        "legal_threat": _("legal threat"),
        "crisis": _("crisis"),
    }


def foreign(tag: str | None) -> str:
    """The name of ``tag`` where it is not the language of the interface."""
    mine = (get_language() or "en").split("-")[0]
    return "" if (tag or "und").split("-")[0] in ("und", mine) else language(tag)


def channel(name: str) -> str:
    """A channel as people call it."""
    return refusals.told(registry.title(name))


def person(author: Mapping[str, Any] | None) -> tuple[str, str]:
    """Name and handle of an author; the handle only where it says more than the name."""
    known = author or {}
    name = known.get("name") or known.get("handle") or known.get("native_id") or _("somebody")
    handle = known.get("handle") or ""
    return name, "" if handle == name else handle


def day(moment: datetime) -> str:
    """The day of a message: today, yesterday, its weekday, its date."""
    local, today = timezone.localtime(moment), timezone.localtime(now())
    back = (today.date() - local.date()).days
    if back == 0:
        return _("Today")
    if back == 1:
        return _("Yesterday")
    if 1 < back < 7:
        return formats.date_format(local, "l")
    return written(local, "j F" if local.year == today.year else "j F Y")


def gap(days: int) -> str:
    """A silence worth telling."""
    return ngettext("{n} day later", "{n} days later", days).format(n=days)


def line(what: str, detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    """A quiet line: its icon and its words."""
    telling = _LINES.get(what)
    return telling(detail, by, members) if telling else ("git-branch", f"{by}: {what}")


def _assigned(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    member = detail.get("member")
    if not member:
        return "user-x", _("{by} gave it to nobody").format(by=by)
    name = members.get(UUID(str(member)), _("somebody who left"))
    return "user-check", _("{by} took it").format(by=by) if name == by else _("{by} gave it to {name}").format(by=by, name=name)


def _let_go(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    name = detail.get("name") or _("somebody who left")
    return "user-x", _("{name} can no longer answer here; it is nobody’s now").format(name=name)


def _closed(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    return "check", _("{by} closed it: {reason}").format(by=by, reason=reason(str(detail.get("reason") or "")))


def _reopened(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    return "rotate-ccw", _("{by} reopened it").format(by=by)


def _snoozed(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    until = str(detail.get("until") or "")
    return "alarm-clock", _("{by} snoozed it until {until}").format(by=by, until=moment(parse_instant(until)) if until else "?")


def _erased(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    return "user-x", _("The person was erased: what both sides said here is gone")


def _woken(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    return "alarm-clock", _("It woke from its snooze") if by == "OpenCXM" else _("{by} woke it from its snooze").format(by=by)


def _tagged(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    added = [f"+{name}" for name in detail.get("add") or ()]
    return "tag", _("{by} tagged it: {tags}").format(by=by, tags=" ".join(added + [f"−{name}" for name in detail.get("remove") or ()]))


def _linked(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    title = detail.get("title")
    return "link", _("{by} put it under the case “{title}”").format(by=by, title=title) if title else _("{by} put it under a case").format(
        by=by
    )


def _unlinked(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    return "unlink", _("{by} took it out of its case").format(by=by)


def _case_undone(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    return "undo-2", _("{by} undid the change of its case").format(by=by)


def _queued(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    name = detail.get("queue")
    return "layers", _("{by} moved it to {queue}").format(by=by, queue=name) if name else _("{by} took it out of its queue").format(by=by)


def _promised(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    due, zone = str(detail.get("due") or ""), str(detail.get("zone") or "UTC")
    when = moment(parse_instant(due), zone) if due else "?"
    return "handshake", _("{by} promised for {when}: {text}").format(by=by, when=when, text=detail.get("text") or "")


def _promise_due(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    return "handshake", _("It is time for what was promised: {text}").format(text=detail.get("text") or "")


def _promise_settled(detail: Mapping[str, Any], by: str, members: Mapping[UUID, str]) -> tuple[str, str]:
    said = {"kept": _("{by} kept the promise: {text}"), "late": _("{by} kept the promise late: {text}")}
    text = said.get(str(detail.get("state")), _("{by} withdrew the promise: {text}"))
    return "handshake", text.format(by=by, text=detail.get("text") or "")


_LINES = {
    "assigned": _assigned, "closed": _closed, "reopened": _reopened, "snoozed": _snoozed, "woken": _woken, "tagged": _tagged, "linked": _linked,
    "unlinked": _unlinked, "case_undone": _case_undone, "queued": _queued, "promised": _promised, "promise_due": _promise_due, "promise_settled": _promise_settled,
    "erased": _erased, "let_go": _let_go,
}  # fmt: skip


def moment(when: datetime, zone: str = "") -> str:
    """A time to come, short: 17:00, Mon 09:00, 3 Dec 09:00; on the wall clock of ``zone`` where one is given, which is then said."""
    if zone:
        there = ZoneInfo(zone)
        return f"{_moment(when.astimezone(there), now().astimezone(there))} ({zone})"
    return _moment(timezone.localtime(when), timezone.localtime(now()))


def _moment(local: datetime, today: datetime) -> str:
    ahead = (local.date() - today.date()).days
    if ahead == 0:
        return f"{local:%H:%M}"
    return f"{written(local, 'D' if 0 < ahead < 7 else 'j M')} {local:%H:%M}"


def run(view: BulkView) -> dict[str, Any]:
    """A run as the page shows it."""
    return {
        "id": view.id, "state": view.state, "busy": view.busy, "seen": view.done + view.refused, "total": view.total, "done": view.done,
        "undone": view.undone, "said": run_said(view), "undo_until": view.undo_until,
    }  # fmt: skip


def run_said(view: BulkView) -> str:
    """What became of it."""
    if view.state == "undone":
        return ngettext("Undone: {n} conversation", "Undone: {n} conversations", view.undone).format(n=view.undone)
    text = ngettext("{n} conversation changed", "{n} conversations changed", view.done).format(n=view.done)
    if view.state == "cancelled":
        text = (_("Cancelled: the right to it is gone. {text}") if view.ending else _("Cancelled. {text}")).format(text=text)
    if view.refused:
        text += ". " + ngettext("{n} was refused", "{n} were refused", view.refused).format(n=view.refused)
    return text
