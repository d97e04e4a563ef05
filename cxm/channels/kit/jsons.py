"""JSON from strangers: read within limits, lone surrogates included, and written back for the quarantine."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import orjson


class NotJson(ValueError):
    """The bytes are no JSON within our limits; the message says why."""


def load(body: bytes, limit: int | None = None) -> Any:
    """The value in ``body`` (UTF-8, with or without a mark), at most ``limit`` bytes.

    ``orjson`` reads nearly everything (1,024 levels deep); what it refuses for lone surrogates gets a second look by the
    standard library, which stops at the interpreter's own depth. NaN and Infinity are no JSON. Raises :class:`NotJson`.
    """
    if limit is not None and len(body) > limit:
        raise NotJson(f"The body is larger than {limit} bytes.")
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8", "surrogatepass"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise NotJson("The body is not UTF-8.") from error
    except RecursionError as error:
        raise NotJson("The body is nested too deep.") from error
    except ValueError as error:
        raise NotJson("The body is not JSON.") from error


def dump(value: Any) -> bytes:
    """``value``, as it came out of :func:`load`, as compact JSON bytes; what is too deep to be written becomes its ``repr``."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError):
        pass
    try:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=str).encode()
    except (RecursionError, ValueError):
        return b'"(nested too deep to be written)"'


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
