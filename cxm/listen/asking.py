"""One question to the Explorer: read from an address, taken apart, narrowed by a value, written back as an address.

The query alone holds what was narrowed: a bar adds ``AND field:value``, the breadcrumb is the query's own parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from django.utils import timezone

from cxm.kernel.clock import now, parse_instant
from cxm.kernel.errors import BadInput, FieldError, Invalid
from cxm.kernel.said import Said, said
from cxm.listen.store.port import SORTS
from cxm.query import api as language
from cxm.query import ast

_AGO = re.compile(r"now-(\d{1,4})([hd])")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
PERIODS = ("now-24h", "now-7d", "now-30d", "now-365d", "")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: query text, period as written and as instants (None: open), order, page."""

    text: str = ""
    since: str = ""
    until: str = ""
    after: datetime | None = None
    before: datetime | None = None
    sort: str = "newest"
    cursor: str | None = None

    def address(self, path: str = "/explorer", **changes: str | None) -> str:
        """Where this question is asked, with some of its parameters changed; the page starts over unless ``cursor`` is given."""
        values = {"q": self.text, "from": self.since, "to": self.until, "sort": "" if self.sort == "newest" else self.sort, **changes}
        written = urlencode({key: value for key, value in values.items() if value})
        return f"{path}?{written}" if written else path

    def with_query(self, text: str) -> Asked:
        """The same question with another query."""
        return replace(self, text=text, cursor=None)


def read(given: Mapping[str, str]) -> Asked:
    """The question in an address. Raises Invalid for a time that is none; an unknown order is the newest first."""
    since, until, sort = given.get("from", "").strip(), given.get("to", "").strip(), given.get("sort", "")
    return Asked(
        text=given.get("q", "").replace("\x00", ""),
        since=since,
        until=until,
        after=instant(since, "from"),
        before=instant(until, "to"),
        sort=sort if sort in SORTS else "newest",
        cursor=given.get("cursor") or None,
    )


def instant(text: str, path: str) -> datetime | None:
    """``now-7d``, ``2026-01-31`` (its midnight on the reader's clock) or an instant; None for nothing. Raises Invalid naming ``path``."""
    if not text:
        return None
    if ago := _AGO.fullmatch(text):
        # From the full minute on: who asks again within it asks the same, and is answered from memory.
        return now().replace(second=0, microsecond=0) - (timedelta(hours=int(ago[1])) if ago[2] == "h" else timedelta(days=int(ago[1])))
    try:
        return midnight(date.fromisoformat(text)) if _DAY.fullmatch(text) else parse_instant(text)
    except (ValueError, OverflowError, Invalid) as error:
        raise Invalid(
            "time_invalid",
            said("“{text}” is no time.", text=text[:40]),
            said("Write it like {one} or {other}.", one="2026-01-31", other="now-7d"),
            errors=(FieldError(path, said("like {one} or {other}", one="2026-01-31", other="now-7d")),),
        ) from error


def midnight(day: date) -> datetime:
    """The first moment of a day on the reader's clock, also where midnight itself is skipped."""
    return datetime.combine(day, time(), timezone.get_current_timezone()).astimezone(UTC)


def parts(text: str) -> list[tuple[str, ast.Node]]:
    """The query's parts joined by AND, each with its own spelling; empty for the query that finds everything.

    Raises BadInput for a query that cannot be understood.
    """
    root = language.parse(text).root
    if isinstance(root, ast.Everything):
        return []
    nodes = root.parts if isinstance(root, ast.And) else (root,)
    return [(_spelled(node, len(nodes) > 1), node) for node in nodes]


def _spelled(node: ast.Node, among_others: bool) -> str:
    text = language.canonical(language.Query(node))
    values_of_one_field = re.match(r"\w+:\(", text) and text.endswith(")")
    return f"({text})" if among_others and isinstance(node, ast.Or) and not values_of_one_field else text


def written(field: str, value: str) -> str:
    """``field:value`` in its canonical spelling."""
    return language.canonical(language.Query(ast.Is(field, value)))


def without(field: str, values: list[str]) -> str:
    """What has none of ``values``."""
    listed = ast.Or(tuple(ast.Is(field, value) for value in values))
    return language.canonical(language.Query(ast.Not(listed)))


def narrowed(text: str, more: str) -> tuple[str, bool]:
    """``text`` AND ``more``; where ``more`` is in it already, ``text`` without it. The flag says that it was in."""
    known = [spelled for spelled, _ in parts(text)]
    if more in known:
        return " AND ".join(one for one in known if one != more), True
    if len(known) == 1 and isinstance(language.parse(text).root, ast.Or):
        known = [_spelled(language.parse(text).root, True)]
    return " AND ".join([*known, more]), False


def mended(text: str, error: BadInput) -> str:
    """``text`` with the error's suggestion put in its place, where that mends it or at least what comes before; else empty."""
    position, length, suggestion = (error.extra.get(name) for name in ("position", "length", "suggestion"))
    if not isinstance(position, int) or not isinstance(length, int) or not isinstance(suggestion, str):
        return ""
    if not suggestion or isinstance(suggestion, Said):  # advice is no query
        return ""
    tried = text[:position] + suggestion + text[position + length :]
    try:
        language.parse(tried)
    except BadInput as further:
        reached = further.extra.get("position")
        if not isinstance(reached, int) or reached < position + len(suggestion):
            return ""
    return tried if tried != text else ""
