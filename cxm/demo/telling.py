"""Reads the stories: TOML files written by hand, one for each language or story, into :class:`Said`.

A file has ``lang`` and tables ``[[said]]``: ``by`` ("Name @handle"), ``where`` (one of our accounts by its key, or a channel of the
world such as ``bluesky``), ``at`` (how long before the first start, ``3d4h``; without it in the file of newcomers), ``text``, and
where they apply ``turns`` (``+5m < theirs``, ``+9m > ours``), ``then`` (what they say when they are answered), ``do`` (what members did),
``refuse`` (why the platform will not take an answer), ``rating title country place likes followers email history lang``.
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "stories"
COMING = "coming"
COMPANY = "company"
_SPAN = re.compile(r"(\d+)([dhms])")
_TURN = re.compile(r"\+([0-9dhms]+) ([<>]) (.+)", re.DOTALL)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@dataclass(frozen=True, slots=True)
class Turn:
    """A later word of an exchange: ``after`` the one before it; ``ours`` or theirs."""

    after: timedelta
    ours: bool
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """One thing somebody said, with what came of it."""

    native_id: str
    author: str
    name: str
    handle: str | None
    where: str
    text: str
    lang: str
    before: timedelta | None
    title: str | None = None
    rating: float | None = None
    country: str | None = None
    place: str | None = None
    likes: int = 0
    followers: int | None = None
    email: str | None = None
    history: bool = False
    turns: tuple[Turn, ...] = ()
    then: tuple[str, ...] = ()
    do: tuple[str, ...] = ()
    refuse: str | None = None


def span(text: str) -> timedelta:
    """``3d4h`` as a length of time; ValueError for anything else."""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"“{text}” is no length of time like 3d4h.")
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())


@functools.cache
def company() -> dict[str, Any]:
    """Members, units, accounts and topics."""
    return tomllib.loads((FOLDER / f"{COMPANY}.toml").read_text(encoding="utf-8"))


@functools.cache
def past() -> tuple[Said, ...]:
    """Everything said before the first start, oldest first."""
    files = sorted(path for path in FOLDER.glob("*.toml") if path.stem not in (COMING, COMPANY))
    return tuple(sorted((said for path in files for said in _file(path)), key=lambda said: -_before(said).total_seconds()))


@functools.cache
def coming() -> tuple[Said, ...]:
    """Those who speak while one looks, in their order."""
    return tuple(_file(FOLDER / f"{COMING}.toml"))


@functools.cache
def thanks() -> dict[str, list[str]]:
    """What people say to a good answer when their story has nothing of its own, by language."""
    return tomllib.loads((FOLDER / f"{COMING}.toml").read_text(encoding="utf-8"))["thanks"]


def find(native_id: str) -> Said | None:
    """The story a native id belongs to: its own, a later turn's (``….2``) or a repeated newcomer's (``…~2``)."""
    return _by_id().get(re.split(r"[.~]", native_id, maxsplit=1)[0])


@functools.cache
def _by_id() -> dict[str, Said]:
    return {said.native_id: said for said in (*past(), *coming())}


def _before(said: Said) -> timedelta:
    if said.before is None:
        raise ValueError(f"{said.native_id} does not say when it was.")
    return said.before


def _file(path: Path) -> list[Said]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return [_said(f"{path.stem}-{number:02}", entry, content.get("lang", "en")) for number, entry in enumerate(content["said"], 1)]


def _said(native_id: str, entry: dict[str, Any], lang: str) -> Said:
    values = dict(entry)
    name, _, handle = values.pop("by").partition(" @")
    return Said(
        native_id=native_id,
        author=handle or re.sub(r"\W+", "-", name.casefold()).strip("-"),
        name=name,
        handle=f"@{handle}" if handle else None,
        before=span(values.pop("at")) if "at" in values else None,
        lang=values.pop("lang", lang),
        turns=tuple(_turn(native_id, text) for text in values.pop("turns", ())),
        then=tuple(values.pop("then", ())),
        do=tuple(values.pop("do", ())),
        **values,
    )


def _turn(native_id: str, text: str) -> Turn:
    match = _TURN.fullmatch(text)
    if match is None:
        raise ValueError(f"{native_id}: “{text[:30]}” is no turn like “+5m < text”.")
    return Turn(span(match[1]), match[2] == ">", match[3])
