"""Deliveries as no platform should send them: fixtures cut, flipped, swapped and stuffed, from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, cast

#: Values that have broken parsers before.
NASTY: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    2**200,
    1e308,
    "",
    " ",
    "\x00",
    "\ud800",
    "a\u0301\u0316" * 40,
    "\u202eabc",
    "x" * 70_000,
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "<script>alert(1)</script>",
    "=?utf-8?b?////?=",
    [],
    {},
    [[]],
    {"": {"": ""}},
    [None, 1, "a"],
)


def mutations(body: bytes, count: int, seed: str) -> Iterator[bytes]:
    """``count`` bodies made from ``body``, the same for the same ``seed``; the first are the empty and the plainly foreign."""
    yield from (b"", b"\x00", b"\xff\xfe\xfd", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"\r\n\r\n")
    chance = random.Random(seed)  # noqa: S311 (a repeatable draw, not a secret)
    value = _json(body)
    for number in range(count):
        if value is not None and number % 2:
            yield json.dumps(_changed(value, chance), ensure_ascii=bool(number % 3)).encode("utf-8", "surrogatepass")
        else:
            yield _bytes(body, chance)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _changed(value: Any, chance: random.Random) -> Any:
    """A copy with one value, somewhere, replaced or removed."""
    if isinstance(value, dict) and value and chance.random() > 0.1:
        table = dict(cast("dict[str, Any]", value))
        key = chance.choice(list(table))
        if chance.random() < 0.15:
            del table[key]
        else:
            table[key] = _changed(table[key], chance)
        return table
    if isinstance(value, list) and value and chance.random() > 0.2:
        entries = list(cast("list[Any]", value))
        place = chance.randrange(len(entries))
        entries[place] = _changed(entries[place], chance)
        return entries
    return chance.choice(NASTY)


def _bytes(body: bytes, chance: random.Random) -> bytes:
    data = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        if not data:
            break
        place = chance.randrange(len(data))
        match chance.randrange(6):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randint(1, 40)]
            case 2:
                data[place:place] = chance.randbytes(chance.randint(1, 8))
            case 3:
                del data[place:]
            case 4:
                data[place:place] = data[chance.randrange(len(data)) :][:200]
            case _:
                data[place:place] = chance.choice(
                    (b"\x00", b"\r\n", b"\r\n\r\n", b"=?x?q?=ZZ?=", b"\xed\xa0\x80", b"--", b'"', b"<", b"\\u0000")
                )
    return bytes(data)
