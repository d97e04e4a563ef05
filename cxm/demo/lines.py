"""Reads the short form of stories, ``*.lines``: one line for what somebody said, written by hand, for when there are many.

``[de DE 170-14]`` sets language, country and the days (before the first start) over which the lines below it are spread; a third
number (``6-0 3``) is the day most of them fall on. A line is ``where | Name @handle | text``; ``where`` may have a rating (``app2``),
a country and a place (``google_reviews5 FR /0420``), and before it the exact time (``3d4h``). ``Title :: text`` gives a title, ``\\n``
ends a line within a text. Indented below a line: ``+5m < theirs``, ``+9m > ours``, ``+2h @ Name @handle | another person``,
``~ what they say when they are answered``, ``= jonas takes`` (what members did), ``! why no answer is taken``, ``* expired`` (how
it ended, long ago). A name of ``us`` is our own post. People who come back stand in ``regulars.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What is older than this on our own accounts is told as history, unless members did something with it.
RECENT_DAYS = 14.0
_HEAD = re.compile(r"\[([a-z]{2}) ([A-Z]{2}|-) (\d+)-(\d+)(?: (\d+))?\]")
_WHERE = re.compile(r"(?:((?:\d+[dhm])+) )?([a-z_]+)([1-5])?(?: ([A-Z]{2}))?(?: /(\d{4}))?")
_MARKS = {"~": "then", "=": "do", "!": "refuse", "*": "state"}


@dataclass(frozen=True, slots=True)
class Window:
    """Days before the first start between which something was said: from ``oldest`` to ``newest``, most of it around ``peak``."""

    oldest: float
    newest: float
    peak: float | None = None


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of one file as the tables of a TOML story; ValueError names the line that cannot be read."""
    head: dict[str, Any] = {}
    entry: dict[str, Any] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if line.startswith("["):
                head = _head(line)
            elif line.startswith(" "):
                if entry is None:
                    raise ValueError("it belongs to nothing")
                _more(entry, line.strip())
            else:
                if entry:
                    yield entry
                entry = _entry(line, head)
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}: {line[:60]}") from None
    if entry:
        yield entry


def _head(line: str) -> dict[str, Any]:
    match = _HEAD.fullmatch(line.strip())
    if match is None:
        raise ValueError("no heading like [de DE 170-14]")
    lang, country, oldest, newest, peak = match.groups()
    window = Window(float(oldest), float(newest), float(peak) if peak else None)
    return {"lang": lang, "country": None if country == "-" else country, "window": window}


def _entry(line: str, head: dict[str, Any]) -> dict[str, Any]:
    parts = line.split(" | ", 2)
    match = _WHERE.fullmatch(parts[0].strip())
    if match is None or len(parts) != 3:
        raise ValueError("no line like “where | Name | text”")
    at, where, rating, country, place = match.groups()
    title, between, text = parts[2].partition(" :: ")
    entry: dict[str, Any] = {
        "by": parts[1].strip(),
        "where": where,
        "text": (text if between else title).strip().replace("\\n", "\n"),
        "turns": [],
    }
    given = {"at": at, "rating": float(rating) if rating else None, "title": title.strip() if between else None}
    given |= {"country": country, "place": f"store-{place}" if place else None}
    return {**head, **entry, **{name: value for name, value in given.items() if value is not None}}


def _more(entry: dict[str, Any], line: str) -> None:
    mark, _, rest = line.partition(" ")
    if mark.startswith("+"):
        entry["turns"].append(line.replace("\\n", "\n"))
    elif mark in ("~", "="):
        entry.setdefault(_MARKS[mark], []).append(rest.strip())
    elif mark in _MARKS:
        entry[_MARKS[mark]] = rest.strip()
    else:
        raise ValueError("no mark it begins with is known")
