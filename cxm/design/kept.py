"""Fragments kept by their values: a template drawn from the same values again, within the same minute, is not drawn again.

What is inside sees the values named in the tag and nothing else (no request, no member), so equal values always mean an equal fragment, whoever
asks. Times are told relative to now; therefore a fragment is kept for the running minute only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.safestring import SafeString

from cxm.kernel.clock import now

#: Fragments of one generation; two are held, and what was not asked for during a whole one is gone.
GENERATION = 4000
_PLAIN = frozenset({str, int, type(None), datetime, date, UUID})
_young: dict[Any, SafeString] = {}
_old: dict[Any, SafeString] = {}


def key(template: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a fragment depends on: its template, its values, language, zone, and the minute. Raises TypeError for a value that cannot be compared."""
    minute = int(now().timestamp()) // 60
    return (
        template,
        minute,
        translation.get_language(),
        timezone.get_current_timezone_name(),
        tuple((name, comparable(value)) for name, value in values.items()),
    )


def comparable(value: Any) -> Any:
    """``value`` as something equal only to what is drawn equally: lists by their members, a safe string never equal to a plain one."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if kind is SafeString or kind is bool or kind is float:
        return kind, value
    if kind is dict:
        return dict, tuple((name, comparable(each)) for name, each in value.items())
    if kind is list or kind is tuple:
        return kind, tuple(map(comparable, value))
    if is_dataclass(value):
        return kind, tuple(comparable(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, Promise):
        return str(value)
    raise TypeError(f"A fragment cannot be kept by a {kind.__name__}; give it plain values.")


def find(wanted: tuple[Any, ...]) -> SafeString | None:
    """The fragment kept under this key."""
    found = _young.get(wanted)
    if found is None and (found := _old.get(wanted)) is not None:
        keep(wanted, found)
    return found


def keep(wanted: tuple[Any, ...], drawn: SafeString) -> None:
    """Keep a fragment."""
    global _young, _old
    if len(_young) >= GENERATION:
        _young, _old = {}, _young
    _young[wanted] = drawn


def forget() -> None:
    """Keep nothing (tests)."""
    global _young, _old
    _young, _old = {}, {}
