"""Calendar parts (RFC 5545, 5546): their title, time and place as words, for a mail that has no others."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxm.channels.kit.text import clean, one_line

_SIZE = 500_000
_LINES = 5_000
_WORDS = 10_000
_LINE = re.compile(r"([A-Za-z-]{1,60})((?:;[^:;\"]{1,300}(?:\"[^\"]{0,300}\")?)*):(.*)", re.DOTALL)
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?")
_ZONE = re.compile(r";TZID=\"?([^;:\"]{1,80})", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """``method``: request, cancel, reply, publish, … or empty; ``text``: title, time, place and description, each on its line."""

    method: str
    text: str


def read(content: str) -> Entry:
    """The first event of a calendar, as far as it can be read; never raises."""
    lines = re.sub(r"\r?\n[ \t]", "", content[:_SIZE]).splitlines()[:_LINES]
    method, found = "", dict[str, tuple[str, str]]()
    depth: list[str] = []
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        name, parameters, value = match.group(1).upper(), match.group(2), match.group(3).strip()
        if name == "BEGIN":
            depth = [*depth[:9], value.upper()]
        elif name == "END":
            depth = depth[:-1]
            if value.upper() in ("VEVENT", "VTODO"):
                break
        elif name == "METHOD" and depth == ["VCALENDAR"]:
            method = one_line(value, 20).lower()
        elif depth[1:] in (["VEVENT"], ["VTODO"]):
            found.setdefault(name, (parameters, value))
    words = [_text(found, "SUMMARY"), _when(found), _text(found, "LOCATION"), _text(found, "DESCRIPTION")]
    return Entry(method, "\n".join(one for one in words if one))


def _text(found: dict[str, tuple[str, str]], name: str) -> str:
    value = found.get(name, ("", ""))[1][:_WORDS]
    return clean(_ESCAPED.sub(lambda match: "\n" if match.group(1) in "nN" else match.group(1), value)).strip()


def _when(found: dict[str, tuple[str, str]]) -> str:
    begins, ends = (found.get(name, ("", "")) for name in ("DTSTART", "DTEND"))
    start, end = _moment(begins[1]), _moment(ends[1])
    if start is None:
        return ""
    zone = "UTC" if begins[1].endswith("Z") else (match.group(1) if (match := _ZONE.search(begins[0])) else "")
    told = " ".join(start).strip()
    if end is not None and end != start and end[1]:
        told = f"{told} – {end[1] if end[0] == start[0] else ' '.join(end)}"
    return f"{told} ({one_line(zone, 80)})" if zone and start[1] else told


def _moment(value: str) -> tuple[str, str] | None:
    match = _MOMENT.match(value)
    if match is None:
        return None
    year, month, day, hour, minute, _ = match.groups()
    return f"{year}-{month}-{day}", f"{hour}:{minute}" if hour else ""
