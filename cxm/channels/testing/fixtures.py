"""A folder's fixtures: real deliveries, and what they must become.

``fixtures/<name>.<anything>`` is one delivery's body. Beside it may stand ``<name>.headers.json`` (headers kept with it) and
``<name>.expected.json``: a list with one object for each item, ``{"is": "Mention", "text": "…"}``; only the fields it names are
compared (``author.native_id`` reaches inside, ``media`` and other lists compare by their length when a number is given). A name
that begins with ``bad-`` must yield at least one ``Unmappable``; every other must yield none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from cxm.channels.contracts import AccountView, Item, RawDelivery
from cxm.channels.registry import Channel
from cxm.kernel.clock import format_instant

RECEIVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_ACCOUNT = UUID("00000000-0000-7000-8000-000000000001")
_BESIDE = (".expected.json", ".headers.json")


@dataclass(frozen=True, slots=True)
class Fixture:
    """One delivery, and what its neighbours say of it."""

    name: str
    delivery: RawDelivery
    expected: tuple[Mapping[str, Any], ...] | None

    @property
    def bad(self) -> bool:
        """Whether something in it must be unmappable."""
        return self.name.startswith("bad-")


def fixtures(channel: Channel) -> list[Fixture]:
    """The fixtures of ``channel``, by name. ``account.json`` is no fixture (see :func:`account`)."""
    found: list[Fixture] = []
    for file in sorted((channel.folder / "fixtures").glob("*")):
        if not file.is_file() or file.name == "account.json" or file.name.endswith(_BESIDE) or file.name.startswith("."):
            continue
        stem = file.name.partition(".")[0]
        headers = cast("dict[str, str]", _json(file.with_name(f"{stem}.headers.json")) or {})
        expected = _json(file.with_name(f"{stem}.expected.json"))
        delivery = RawDelivery(f"fixture:{stem}", file.read_bytes(), headers, RECEIVED)
        found.append(Fixture(stem, delivery, None if expected is None else tuple(cast("list[dict[str, Any]]", expected))))
    return found


def account(channel: Channel) -> AccountView:
    """The account that fixtures are mapped for: ``fixtures/account.json`` with ``name`` and ``settings``, or a plain one."""
    told = cast("dict[str, Any]", _json(channel.folder / "fixtures" / "account.json") or {})
    settings = {name: rule["default"] for name, rule in channel.manifest.settings.get("properties", {}).items() if "default" in rule}
    return AccountView(_ACCOUNT, channel.name, str(told.get("name", "@acme")), settings | cast("dict[str, Any]", told.get("settings", {})))


def _json(file: Path) -> object:
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def difference(item: Item, expected: Mapping[str, Any]) -> str:
    """The first way in which ``item`` is not as ``expected``, or nothing."""
    for path, wanted in expected.items():
        got = type(item).__name__ if path == "is" else _value(item, path)
        if isinstance(got, tuple):
            got = len(cast("tuple[object, ...]", got)) if isinstance(wanted, int) else list(cast("tuple[object, ...]", got))
        if isinstance(got, datetime):
            got = format_instant(got)
        if got != wanted:
            return f"{path} is {got!r}, not {wanted!r}"
    return ""


def _value(item: object, path: str) -> object:
    value = item
    for name in path.split("."):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, object]", value).get(name)
        elif isinstance(value, tuple):
            entries = cast("tuple[object, ...]", value)
            value = entries[int(name)] if name.isdigit() and int(name) < len(entries) else None
        else:
            value = getattr(value, name, None)
    return value
