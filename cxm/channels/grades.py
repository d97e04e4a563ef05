"""How far each channel is, as ``cxm channels score`` found it when the references were generated: computing it takes seconds, and a folder does
not change while the program runs. A test compares the two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson

_FILE = Path(__file__).with_name("grades.json")


@dataclass(frozen=True, slots=True)
class Grade:
    """The tier (none, bronze, silver, gold), and whether nobody has run it against the live service."""

    tier: str
    never_run_live: bool


def grade(channel: str) -> Grade | None:
    """A channel's grade; None for one that came later than the references."""
    return _grades().get(channel)


@cache
def _grades() -> dict[str, Grade]:
    return {name: Grade(**told) for name, told in orjson.loads(_FILE.read_bytes()).items()}
