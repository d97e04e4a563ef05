"""What callers may ask, checked once for all engines: cursors, sizes, fields to count by, time buckets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from cxm.kernel.clock import format_instant
from cxm.kernel.errors import Invalid
from cxm.listen.store.port import INTERVALS, SORTS, By, Mention
from cxm.query.moments import EPOCH, micros

#: Most items of one page, most values of one list, most buckets of one time axis.
PAGE, VALUES, BUCKETS = 500, 1_000, 10_000
#: How deep pages by relevance go: beyond, nobody reads and nothing is stable.
RELEVANCE_DEPTH = 10_000
#: Countable fields, by every name they go by, and the mention's key that holds them.
COUNTABLE = {
    **{name: name for name in ("channel", "account", "account_id", "kind", "media_type", "country", "location", "language")},
    **{name: name for name in ("sentiment", "emotions", "intents", "categories", "topics", "tags", "state", "unit", "source")},
    "lang": "language",
    "emotion": "emotions",
    "intent": "intents",
    "category": "categories",
    "topic": "topics",
    "tag": "tags",
    "rating": "rating",
    "verdicts_by": "verdicts_by",
    "offensive": "offensive",
    "spam": "spam",
    "author": "author",
    "handle": "author",
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the last item's order value and tie key; by relevance, how many were given."""

    value: int
    tie: int = 0


def tie_key(mention_id: str) -> int:
    """The first 64 bits of an id: orders mentions that are otherwise equal."""
    return int(mention_id.replace("-", "")[:16], 16)


def write_cursor(sort: str, cursor: Cursor) -> str:
    """A cursor as callers see it."""
    return base64.urlsafe_b64encode(orjson.dumps([sort, cursor.value, cursor.tie])).decode().rstrip("=")


def read_cursor(sort: str, text: str | None) -> Cursor | None:
    """A cursor as callers send it back; raises Invalid ``cursor_invalid``."""
    if text is None:
        return None
    try:
        given, value, tie = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if given == sort and type(value) is int and type(tie) is int and 0 <= tie < 2**64 and abs(value) < 2**62:
            return Cursor(value, tie)
    except (ValueError, TypeError, binascii.Error):
        pass
    raise Invalid("cursor_invalid", "This cursor is not one of ours, or belongs to another order.", "Start again without a cursor.")


def check_page(sort: str, limit: int) -> None:
    """Raises Invalid for an unknown order or a page too long."""
    if sort not in SORTS:
        raise Invalid("sort_invalid", f"There is no order “{sort}”.", f"Use one of {', '.join(SORTS)}.")
    if not 1 <= limit <= PAGE:
        raise Invalid("limit_invalid", f"A page has 1 to {PAGE} items, not {limit}.", "Ask for fewer and follow the cursor.")


def check_by(by: Sequence[By], time_zone: str, distinct: str | None) -> ZoneInfo:
    """The zone; raises Invalid for a field that cannot be counted by, an unknown interval, zone or size."""
    if distinct not in (None, "author"):
        raise Invalid("distinct_invalid", f"“{distinct}” cannot be counted apart.", "Use author.")
    for each in by:
        if each.field in ("published_at", "published"):
            if each.interval not in INTERVALS:
                raise Invalid("interval_invalid", f"There is no interval “{each.interval}”.", f"Use one of {', '.join(INTERVALS)}.")
        elif each.field not in COUNTABLE:
            raise Invalid("field_invalid", f"Mentions cannot be counted by “{each.field}”.", f"Use one of {', '.join(sorted(COUNTABLE))}.")
        elif not 1 <= each.size <= VALUES:
            raise Invalid("size_invalid", f"A list has 1 to {VALUES} values.", "Ask for fewer.")
    try:
        return ZoneInfo(time_zone)
    except (ValueError, OSError, LookupError) as error:
        raise Invalid("time_zone_invalid", f"There is no time zone “{time_zone}”.", "Write it like Europe/Berlin.") from error


def is_time(by: By) -> bool:
    """Whether a list is over time."""
    return by.field in ("published_at", "published")


def counted_values(mention: Mention, key: str) -> list[str]:
    """The values a mention is counted under, as text; empty for “none”."""
    if key == "author":
        author = mention.get("author") or {}
        value: Any = author.get("handle") or author.get("native_id")
    else:
        value = mention.get(key)
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return list(dict.fromkeys(str(each) for each in value))
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(float(value)) if key == "rating" else str(value)]


def shown_key(key: str, text: str) -> Any:
    """A counted value as the caller gets it."""
    if key == "rating":
        return float(text)
    return text == "true" if key in ("offensive", "spam") else text


# --- time ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axis:
    """Buckets of time: ``edges`` in microseconds since 1970 (one more than ``keys``), each bucket without its end."""

    edges: list[int]
    keys: list[str]


def axis(interval: str, zone: ZoneInfo, first: int, last: int) -> Axis:
    """The buckets from the one that holds ``first`` to the one that holds ``last`` (microseconds), in local days of ``zone``.

    An hour is one of the clock on the wall in step with UTC's; a day is from midnight to midnight, so 23 or 25 hours twice a
    year. Raises Invalid ``too_many_buckets``.
    """
    edges: list[int] = []
    keys: list[str] = []
    at = _floor(interval, _local(first, zone))
    while True:
        edges.append(micros(at))
        if edges[-1] > last:
            return Axis(edges, keys)
        if len(keys) == BUCKETS:
            raise Invalid(
                "too_many_buckets", f"That is more than {BUCKETS:,} points in time.", "Use a longer interval or a shorter period."
            )
        keys.append(_key(interval, at))
        at = _next(interval, at, zone)


def start_of(key: str, zone: ZoneInfo) -> datetime:
    """The first moment of a bucket, by its key: an hour, a day, or a month, as :func:`axis` wrote it."""
    return datetime.fromisoformat(key).astimezone(zone) if "T" in key else _midnight(date.fromisoformat(f"{key}-01"[:10]), zone)


def end_of(interval: str, start: datetime, zone: ZoneInfo) -> datetime:
    """The first moment after the bucket that begins at ``start``."""
    return _next(interval, start, zone)


def _local(value: int, zone: ZoneInfo) -> datetime:
    return (EPOCH + timedelta(microseconds=value)).astimezone(zone)


def _midnight(day: date, zone: Any) -> datetime:
    """The first moment of a local day, also where midnight itself is skipped."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).astimezone(zone)


def _floor(interval: str, at: datetime) -> datetime:
    if interval == "hour":
        return _on_the_hour(at)
    day = at.date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    if interval == "month":
        day = day.replace(day=1)
    return _midnight(day, at.tzinfo)


def _on_the_hour(at: datetime) -> datetime:
    into = timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
    return (at.astimezone(UTC) - into).astimezone(at.tzinfo)


def _next(interval: str, at: datetime, zone: ZoneInfo) -> datetime:
    if interval == "hour":
        return (at.astimezone(UTC) + timedelta(hours=1)).astimezone(zone)
    if interval == "month":
        return _midnight((at.date().replace(day=1) + timedelta(days=32)).replace(day=1), zone)
    return _midnight(at.date() + timedelta(days=7 if interval == "week" else 1), zone)


def _key(interval: str, at: datetime) -> str:
    if interval == "hour":
        return format_instant(at) if at.utcoffset() == timedelta(0) else at.isoformat()
    return at.strftime("%Y-%m") if interval == "month" else at.date().isoformat()
