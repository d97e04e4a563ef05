"""/coverage: where every mention we heard ended, counted so that nothing can be missing from the sum."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from cxm.channels.contracts import STATES
from cxm.connect import api as connect
from cxm.design import charts
from cxm.design.words import written
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.clock import format_instant
from cxm.kernel.errors import Invalid
from cxm.listen import asking, explorer, names, selectors
from cxm.listen.asking import Asked

_PERIODS = ("now-24h", "now-7d", "now-30d", "now-365d", "")
_ROWS = 60
_WAITING = 8
_GAP_DAYS = 90
_FIELDS = {"day": "day", "account": "account_id", "language": "language", "unit": "unit_id", "channel": "channel"}


@require_GET
@govern.page("mentions:read")
def coverage_page(request: HttpRequest) -> HttpResponse:
    """The sum, taken apart by day, account, language, unit or channel; what waits longest; when we could not hear."""
    actor = govern.actor_of(request)
    since, by = request.GET.get("from", "now-30d" if "from" not in request.GET else ""), request.GET.get("by", "day")
    since = "" if since == "all" else since
    if by not in _FIELDS:
        raise Invalid("by_invalid", f"Coverage is not counted by “{by[:30]}”.", f"Use one of {', '.join(_FIELDS)}.")
    after = asking.instant(since, "from")
    total = selectors.coverage(actor, after=after)
    rows = selectors.coverage_by(actor, _FIELDS[by], after=after)
    counted_apart = sum(row["heard"] for row in rows)
    waiting = selectors.search(actor, "state:waiting", sort="oldest", limit=_WAITING)
    context = {
        "total": total,
        "states": _states(total, since),
        "matches": counted_apart == total.heard,
        "counted_apart": counted_apart,
        "share": _share(total),
        "by": by,
        "tabs": _tabs(by, since),
        "periods": _periods(by, since),
        "columns": _columns(by),
        "rows": _table(actor, by, rows),
        "hidden_rows": max(len(rows) - _ROWS, 0),
        "waiting": explorer.voices(actor.organization, waiting.items),
        "waiting_count": waiting.count,
        "waiting_url": Asked("state:waiting", sort="oldest").address(),
        "mailbox": _mailbox(actor) if since == "" else None,
        "strip": connect.gap_strip(actor, _GAP_DAYS) if actor.may("accounts:read") else None,
        "since": since,
    }
    return render(request, "listen/coverage.html", context)


def _states(total: selectors.Coverage, since: str) -> list[dict[str, Any]]:
    words = names.states()
    rows = [
        {
            "label": words[state],
            "count": total.states[state],
            "url": Asked(asking.written("state", state), since).address(),
            "tone": names.TONES.get(state, ""),
        }
        for state in STATES
    ]
    return [*rows, {"label": _("deleted where it was said"), "count": total.deleted, "url": "", "tone": "neutral"}]


def _share(total: selectors.Coverage) -> str:
    """Answered among those that call for an answer."""
    called = sum(count for state, count in total.states.items() if state != "no_answer_needed")
    return charts.percent(total.states["answered"] / called) if called else ""


def _mailbox(actor: Actor) -> dict[str, Any] | None:
    """What the mailbox says of itself, against the ledger; only for whoever may see the whole organization."""
    if actor.units("mentions:read") is not None:
        return None
    found = connect.mailbox_sum(actor.organization)
    total = selectors.coverage(actor)
    # A deletion that came before its mention leaves a row in the ledger without anything accepted.
    return {"sum": found, "matches": found.accepted <= total.heard <= found.accepted + total.deleted, "ledger": total.heard}


def _tabs(by: str, since: str) -> list[dict[str, Any]]:
    words = {"day": _("Day"), "account": _("Account"), "channel": _("Channel"), "language": _("Language"), "unit": _("Unit")}
    return [
        {"label": label, "url": f"/coverage?by={name}" + (f"&from={since or 'all'}" if since != "now-30d" else ""), "active": name == by}
        for name, label in words.items()
    ]


def _periods(by: str, since: str) -> list[dict[str, Any]]:
    words = {"now-24h": _("24 h"), "now-7d": _("7 days"), "now-30d": _("30 days"), "now-365d": _("1 year"), "": _("All time")}
    return [{"label": words[one], "url": f"/coverage?by={by}&from={one or 'all'}", "active": one == since} for one in _PERIODS]


def _columns(by: str) -> list[dict[str, Any]]:
    first = {"day": _("Day"), "account": _("Account"), "channel": _("Channel"), "language": _("Language"), "unit": _("Unit")}[by]
    words = names.states()
    return [
        {"label": first},
        {"label": _("heard"), "numeric": True},
        *({"label": words[state], "numeric": True} for state in STATES),
        {"label": _("deleted"), "numeric": True},
    ]


def _table(actor: Actor, by: str, rows: list[dict[str, Any]]) -> list[list[Any]]:
    if by == "day":
        rows = sorted(rows, key=lambda row: row["key"], reverse=True)
    names_of = _names(actor, by)
    cells = []
    for row in rows[:_ROWS]:
        label, query, since, until = names_of(row["key"])
        cells.append(
            [
                {"label": label},
                {"label": row["heard"], "numeric": True, "url": _url(query, since, until, "")},
                *(
                    {"label": row[state], "numeric": True, "url": _url(query, since, until, state) if row[state] else ""}
                    for state in STATES
                ),
                {"label": row["deleted"], "numeric": True},
            ]
        )
    return cells


def _url(query: str | None, since: str, until: str, state: str) -> str:
    if query is None:
        return ""
    parts = [part for part in (query, f"state:{state}" if state else "") if part]
    return Asked(" AND ".join(parts), since, until).address()


def _names(actor: Actor, by: str) -> Any:
    """From a key of the table to what it reads as and the question behind it (None: no query says it)."""
    if by == "day":
        return lambda day: (written(day, "j M Y"), "", *(format_instant(asking.midnight(one)) for one in (day, day + timedelta(days=1))))
    if by == "account":
        known = {one.id: one for one in connect.accounts(actor.organization)}
        return lambda key: _account(known.get(key), key)
    if by == "unit":
        units: dict[UUID, str] = {unit.id: unit.name for unit in govern.units(actor.organization)}
        return lambda key: (
            (units.get(key, _("a unit that is gone")), asking.written("unit", str(key)), "", "") if key else (_("no unit"), None, "", "")
        )
    field = "lang" if by == "language" else "channel"
    return lambda key: (names.word(by, key), asking.written(field, key), "", "")


def _account(account: Any, key: UUID | None) -> tuple[str, str | None, str, str]:
    if account is None:
        return (_("removed account") if key else _("imported, no account of ours"), None, "", "")
    query = f"{asking.written('channel', account.channel)} AND {asking.written('account', account.name)}"
    return (f"{account.name} · {names.channel(account.channel)}", query, "", "")
