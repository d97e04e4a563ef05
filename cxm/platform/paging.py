"""Cursor paging over querysets: stable while rows come and go, signed so that a cursor cannot be made up."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet

from cxm.kernel.clock import format_instant, parse_instant
from cxm.kernel.errors import FieldError, Invalid
from cxm.platform.secrets import derive

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``items`` of one page and the cursor of the following one (None: that was all)."""

    items: list[T]
    next: str | None


def check_limit(limit: int | None) -> int:
    """``limit`` or 50; more than 500 or less than 1 is refused, not cut."""
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid("limit_invalid", f"“limit” is {limit}.", f"Use 1 to {MAX_LIMIT}.", errors=(FieldError("limit", f"1 to {MAX_LIMIT}"),))
    return limit


def pack(values: Sequence[Any]) -> str:
    """A signed cursor over plain values, UUIDs and instants."""
    body = orjson.dumps([[_kind(value), _text(value)] for value in values])
    mark = hmac.new(derive("cursor"), body, hashlib.sha256).digest()[:8]
    return base64.urlsafe_b64encode(mark + body).decode().rstrip("=")


def unpack(cursor: str) -> list[Any]:
    """The values of :func:`pack`; raises Invalid for anything else."""
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mark, body = data[:8], data[8:]
        if not hmac.compare_digest(mark, hmac.new(derive("cursor"), body, hashlib.sha256).digest()[:8]):
            raise ValueError
        return [_value(kind, text) for kind, text in orjson.loads(body)]
    except (ValueError, TypeError) as error:
        raise _invalid("“cursor” is not one of ours.") from error


def page(rows: QuerySet[Any], *, order: Sequence[str], cursor: str | None, limit: int | None, as_item: Callable[[Any], T]) -> Page[T]:
    """One page of ``rows`` in ``order`` (field names, ``-`` for descending; all in one direction, the last unique)."""
    count = check_limit(limit)
    if cursor:
        rows = rows.filter(_after(order, unpack(cursor)))
    found = list(rows.order_by(*order)[: count + 1])
    following = pack([getattr(found[count - 1], name.lstrip("-")) for name in order]) if len(found) > count else None
    return Page([as_item(row) for row in found[:count]], following)


def _after(order: Sequence[str], values: Sequence[Any]) -> Q:
    if len(order) != len(values):
        raise foreign()
    condition, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field = name.lstrip("-")
        condition |= equal & Q(**{f"{field}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal &= Q(**{field: value})
    return condition


def foreign() -> Invalid:
    """The error of a cursor that another list gave."""
    return _invalid("“cursor” belongs to another list.")


def _invalid(text: str) -> Invalid:
    hint = "Use the “next” of the page before."
    return Invalid("cursor_invalid", text, hint, errors=(FieldError("cursor", hint),))


def _kind(value: Any) -> str:
    return "t" if isinstance(value, datetime) else "u" if isinstance(value, UUID) else "v"


def _text(value: Any) -> Any:
    return format_instant(value) if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value


def _value(kind: str, text: Any) -> Any:
    return parse_instant(text) if kind == "t" else UUID(text) if kind == "u" else text
