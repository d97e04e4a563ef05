"""Fields of JSON from strangers: what is there in the shape one expects, else nothing; and, where it must be there, a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

#: Numbers beyond this are not exact in JSON.
EXACT = 2**53


class Missing(ValueError):
    """A field that must be there is not, or is something else; the message says which."""


def table(value: object) -> dict[str, Any]:
    """``value`` where it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def entries(value: object) -> list[Any]:
    """``value`` where it is a list, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def string(value: object, limit: int = 1_000_000) -> str:
    """``value`` where it is a text of at most ``limit`` characters, else an empty one."""
    return value if isinstance(value, str) and len(value) <= limit else ""


def whole(value: object) -> int | None:
    """``value`` where it is a whole number that JSON carries exactly (not ``true``, not above 2^53)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= EXACT else None


def milliseconds(value: object) -> datetime | None:
    """The moment that milliseconds since 1970 name, in UTC; None where they name none."""
    count = whole(value)
    if count is None or not 0 <= count < 253_402_300_800_000:
        return None
    return datetime.fromtimestamp(count / 1000, UTC)


def seconds(value: object) -> datetime | None:
    """The moment that whole seconds since 1970 name, in UTC; None where they name none."""
    count = whole(value)
    return None if count is None else milliseconds(count * 1000)


def needed(told: dict[str, Any], name: str, limit: int = 1024) -> str:
    """The text under ``name``, not empty. Raises :class:`Missing`."""
    value = told.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Missing(f"“{name}” is missing or no text.")
    if len(value) > limit:
        raise Missing(f"“{name}” is longer than {limit} characters.")
    return value
