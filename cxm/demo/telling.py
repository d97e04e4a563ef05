"""Reads the stories: TOML files written by hand, one for each language or story, into :class:`Said`.

A file has ``lang`` and tables ``[[said]]``: ``by`` ("Name @handle"), ``where`` (one of our accounts by its key, or a channel of the
world such as ``bluesky``), ``at`` (how long before the first start, ``3d4h``; without it in the file of newcomers), ``text``, and
where they apply ``turns`` (``+5m < theirs``, ``+9m > ours``), ``then`` (what they say when they are answered), ``do`` (what members did),
``refuse`` (why the platform will not take an answer), ``pictures`` (``file | what is to be seen``, files of ``pictures``), ``rating title country place likes followers email history lang``. Where there is
much of it, ``*.lines`` tells it in a shorter form (:mod:`cxm.demo.lines`).
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cxm.demo import lines
from cxm.demo.lines import Window

FOLDER = Path(__file__).parent / "stories"
PICTURES = Path(__file__).parent / "pictures"
COMING = "coming"
COMPANY = "company"
REGULARS = "regulars"
#: Nobody who wrote to us alone waits longer than this, in days, for an answer.
UNANSWERED_DAYS = 0.35
#: What a member has taken and not yet answered is no older than this; what was answered and is older than that is closed.
HANDLED_DAYS, CLOSED_DAYS = 1.9, 7.0
#: The name of our own posts in the stories.
US = "us"
_SPAN = re.compile(r"(\d+)([dhms])")
_TURN = re.compile(r"\+([0-9dhms]+) ([<>@]) (.+)", re.DOTALL)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@dataclass(frozen=True, slots=True)
class Turn:
    """A later word of an exchange: ``after`` the one before it; ``ours``, theirs, or another person's, whose ``by`` it has."""

    after: timedelta
    ours: bool
    text: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of ``pictures`` that somebody showed, and what is to be seen on it."""

    name: str
    alt: str


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
    pictures: tuple[Picture, ...] = ()
    window: Window | None = None
    state: str | None = None


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
    """Everything said before the first start, in the order it is written."""
    files = sorted(path for path in _files() if not path.stem.startswith(COMING))
    return tuple(_dated(said) for path in files for said in _file(path))


@functools.cache
def coming() -> tuple[Said, ...]:
    """Those who speak while one looks, in their order."""
    files = sorted(path for path in _files() if path.stem.startswith(COMING))
    return tuple(said for path in sorted(files, key=lambda path: path.suffix, reverse=True) for said in _file(path))


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


@functools.cache
def _regulars() -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / f"{REGULARS}.toml").read_text(encoding="utf-8"))["regulars"]


def _dated(said: Said) -> Said:
    if said.before is None and said.window is None:
        raise ValueError(f"{said.native_id} does not say when it was.")
    return said


def _files() -> list[Path]:
    return [
        path for path in FOLDER.iterdir() if path.suffix == ".lines" or (path.suffix == ".toml" and path.stem not in (COMPANY, REGULARS))
    ]


def _file(path: Path) -> list[Said]:
    if path.suffix == ".lines":
        return [_said(f"{path.stem}-l{number:03}", _known(entry), "en") for number, entry in enumerate(lines.entries(path), 1)]
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return [_said(f"{path.stem}-{number:02}", entry, content.get("lang", "en")) for number, entry in enumerate(content["said"], 1)]


def _known(entry: dict[str, Any]) -> dict[str, Any]:
    """What the short form leaves out: who the regulars are, the place of a store's own account, whether it is over."""
    where = entry["where"]
    known = {**company()["accounts"].get(where, {}), **_regulars().get(entry["by"].partition(" @")[0], {})}
    entry.setdefault("place", known.get("place"))
    if where in company()["accounts"]:
        entry["email"] = known.get("email")
        days = span(entry["at"]) if "at" in entry else timedelta(days=entry["window"].newest)
        entry["history"] = (
            "state" in entry or entry["by"] == US or (days.total_seconds() >= lines.RECENT_DAYS * 86_400 and "do" not in entry)
        )
    _settle(entry)
    if where not in ("chat", "care"):
        entry["followers"] = known.get("followers")
    return entry


def _settle(entry: dict[str, Any]) -> None:
    """Nobody waits for weeks: what has no answer yet is fresh, and an exchange of long ago is closed."""
    window, acts = entry["window"], entry.get("do", [])
    open_end = not any(act.split(" ")[1] in ("closes", "snoozes") for act in acts)
    if "at" in entry or not open_end:
        return
    if not any(" > " in turn.split("|")[0][:12] for turn in entry["turns"]):
        if window.newest < 1 and (acts or entry["where"] in ("chat", "care")):
            entry["window"] = Window(min(window.oldest, HANDLED_DAYS if acts else UNANSWERED_DAYS), 0)
    elif acts and window.oldest > CLOSED_DAYS:
        entry["do"] = [*acts, f"{acts[0].split(' ')[0]} closes answered"]


def _said(native_id: str, entry: dict[str, Any], lang: str) -> Said:
    values = dict(entry)
    author, name, handle = person(values.pop("by"))
    return Said(
        native_id=native_id,
        author=author,
        name=name,
        handle=handle,
        before=span(values.pop("at")) if "at" in values else None,
        lang=values.pop("lang", lang),
        turns=tuple(_turn(native_id, text) for text in values.pop("turns", ())),
        then=tuple(values.pop("then", ())),
        do=tuple(values.pop("do", ())),
        pictures=tuple(_picture(native_id, text) for text in values.pop("pictures", ())),
        **values,
    )


def person(by: str) -> tuple[str, str, str | None]:
    """``Name @handle`` as native id, name and handle."""
    name, _, handle = by.partition(" @")
    return handle or re.sub(r"\W+", "-", name.casefold()).strip("-"), name, f"@{handle}" if handle else None


def _picture(native_id: str, text: str) -> Picture:
    name, _, alt = text.partition(" | ")
    if not alt or not (PICTURES / name).is_file():
        raise ValueError(f"{native_id}: “{text[:30]}” is no picture like “file.png | what is to be seen”.")
    return Picture(name, alt)


def _turn(native_id: str, text: str) -> Turn:
    match = _TURN.fullmatch(text)
    if match is None:
        raise ValueError(f"{native_id}: “{text[:30]}” is no turn like “+5m < text”.")
    by, between, words = match[3].partition(" | ") if match[2] == "@" else ("", "", match[3])
    if match[2] == "@" and not between:
        raise ValueError(f"{native_id}: “{text[:30]}” does not say whose it is.")
    return Turn(span(match[1]), match[2] == ">", words, by or None)
