"""Dates as feeds write them: RFC 822 and RFC 3339, with the slips that are common in both."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

_ISO = re.compile(
    r"(\d{4})-?(\d{2})-?(\d{2})(?:[T\s_]+(\d{1,2}):?(\d{2})(?::?(\d{2})(?:[.,]\d{1,12})?)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?",
    re.IGNORECASE,
)
_YEAR_ONLY = re.compile(r"(\d{4})(?:-(\d{2}))?")
#: Days and months in the languages whose feeds are known to write them; the first three letters, folded.
_MONTHS = {
    "ene": "Jan", "gen": "Jan", "fév": "Feb", "fev": "Feb", "mär": "Mar", "mrz": "Mar", "mars": "Mar", "abr": "Apr", "avr": "Apr", "mai": "May", "mag": "May",
    "juin": "Jun", "giu": "Jun", "juil": "Jul", "lug": "Jul", "ago": "Aug", "aoû": "Aug", "aou": "Aug", "set": "Sep", "out": "Oct", "okt": "Oct", "ott": "Oct",
    "dez": "Dec", "dic": "Dec", "déc": "Dec",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_SPAN = timedelta(hours=14)


def read(text: str | None) -> datetime | None:
    """The moment ``text`` names, aware and in UTC; without a zone it is taken for UTC. None where it names none."""
    text = (text or "").strip()[:100]
    if not text:
        return None
    found = _ISO.fullmatch(text)
    try:
        return _iso(found) if found else _mail(text) or _year(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _iso(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    moment = datetime(year, month, day, tzinfo=UTC)
    # 24:00:00 and leap seconds are written.
    return _checked(moment + timedelta(hours=hour, minutes=minute, seconds=min(second, 59)) - _offset(found.group(7)), hour, minute)


def _checked(moment: datetime, hour: int, minute: int) -> datetime:
    if hour > 24 or minute > 59:
        raise ValueError("no time of day")
    return moment


def _offset(zone: str | None) -> timedelta:
    if not zone or zone[0] not in "+-":
        return timedelta(0)
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    if offset > _SPAN:
        raise ValueError("no zone")
    return offset if zone[0] == "+" else -offset


def _mail(text: str) -> datetime | None:
    words = _WORD.sub(lambda word: _MONTHS.get(word.group().lower(), _MONTHS.get(word.group().lower()[:3], word.group())), text)
    parts = parsedate_tz(words)
    if parts is None:
        return None
    year, month, day, hour, minute, second = parts[:6]
    offset = timedelta(seconds=parts[9] or 0)
    if abs(offset) > _SPAN:
        return None
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC) - offset


def _year(text: str) -> datetime | None:
    found = _YEAR_ONLY.fullmatch(text)
    return None if found is None else datetime(int(found.group(1)), int(found.group(2) or 1), 1, tzinfo=UTC)
