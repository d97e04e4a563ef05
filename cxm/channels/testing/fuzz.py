"""Deliveries as no platform should send them: fixtures cut, flipped, swapped and stuffed, from a seed."""

from __future__ import annotations

import json
import random
import re
import zlib
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


#: What each field of a payload is replaced with in turn; :data:`MISSING` removes it.
MISSING: Any = object()
FIELD_VALUES: tuple[Any, ...] = (
    MISSING,
    None,
    False,
    0,
    -1,
    2**53 + 1,
    2**200,
    1.5,
    1e308,
    "",
    "\x00",
    "\ud800",
    "x" * 20_000,
    [],
    [None],
    {},
    {"": [None]},
    "DEEP",
)


def fields(body: bytes) -> Iterator[tuple[str, bytes]]:
    """``body`` (JSON, XML or a mail) once for each of its fields and each of :data:`FIELD_VALUES` (or what a mail's header may hold instead), and
    what was changed, in words."""
    value = _json(body)
    if isinstance(value, dict | list):
        for path in _paths(value):
            for fresh in FIELD_VALUES:
                yield f"{'.'.join(map(str, path))} {_said(fresh)}", _written(_with(value, path, fresh))
    elif body.lstrip()[:1] == b"<":
        yield from _xml_fields(body)
    elif _HEADER.match(body):
        yield from _mail_fields(body)


_SECOND = "the same key a second time"


def doubled(body: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """``body`` (JSON) once for each of its keys that stands twice, with two values that disagree: what it is, with the other value last, and with
    its own value last."""
    value = _json(body)
    if not isinstance(value, dict | list):
        return
    for path in _paths(value, 60):
        *above, key = path
        node = _at(value, above)
        if isinstance(node, dict):
            table, name = cast("dict[str, Any]", node), json.dumps(key).encode()
            other = {_SECOND: _another(table[str(key)])}
            later, sooner = (_with(value, tuple(above), fresh) for fresh in ({**table, **other}, {**other, **table}))
            mark = json.dumps(_SECOND).encode()
            yield ".".join(map(str, path)), _written(later).replace(mark, name), _written(sooner).replace(mark, name)


def _at(value: Any, path: list[str | int]) -> Any:
    for step in path:
        value = value[step]
    return value


def _another(value: Any) -> Any:
    """A value of the same type that is not the same."""
    if isinstance(value, str):
        return f"{value}2"
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + 1
    return [] if isinstance(value, list) else {}


#: A header of a mail with what is folded into the lines below it, from the beginning of the mail.
_HEADER = re.compile(rb"([!-9;-~]+):([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n)")


def _mail_fields(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Each header removed, emptied, doubled (two ids for one mail), stuffed, nested and filled with what is no text: of one mail every eighth of
    these, of another the next, because there are many mails with the same headers."""
    place, turn = 0, zlib.crc32(body)
    for _ in range(60):
        found = _HEADER.match(body, place)
        if found is None:
            return
        name, value = found.group(1), found.group(2)
        begin = name + b": "
        for how, fresh in (
            ("missing", b""),
            ("empty", begin + b"\r\n"),
            ("twice", found.group() + begin + b"<other@x.example>\r\n"),
            ("huge", begin + b"x" * 20_000 + b"\r\n"),
            ("huge and folded", begin + b"a@b.example,\r\n " * 5_000 + b"a@b.example\r\n"),
            ("a number", begin + str(2**200).encode() + b"\r\n"),
            ("nested", begin + b"(" * 3_000 + b"<" * 300 + value.strip() + b"\r\n"),
            ("no text", begin + b"\x00\xff\xfe\x07\xed\xa0\x80\r\n"),
            ("encoded badly", begin + b"=?utf-8?b?////?= =?nosuch?q?=ZZ?= =?x\r\n"),
            ("never ended", begin + b'"' + value.strip() + b"\r\n"),
            ("without a colon", name + b" " + value.lstrip()),
        ):
            turn += 1
            if turn % 8 == 0:
                yield f"{name.decode('ascii', 'replace')} {how}", body[:place] + fresh + body[found.end() :]
        place = found.end()


def _paths(value: Any, limit: int = 120) -> list[tuple[str | int, ...]]:
    """Where something stands in ``value``, outermost first."""
    found: list[tuple[str | int, ...]] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while waiting and len(found) < limit:
        path, node = waiting.pop(0)
        pairs: list[tuple[str | int, Any]] = []
        if isinstance(node, dict):
            pairs = list(cast("dict[str | int, Any]", node).items())
        elif isinstance(node, list):
            pairs = list(enumerate(cast("list[Any]", node)))
        found += [(*path, key) for key, _ in pairs]
        waiting += [((*path, key), part) for key, part in pairs]
    return found[:limit]


def _with(value: Any, path: tuple[str | int, ...], fresh: Any) -> Any:
    if not path:
        return fresh
    copy: Any = dict(cast("dict[Any, Any]", value)) if isinstance(value, dict) else list(cast("list[Any]", value))
    if len(path) == 1 and fresh is MISSING:
        del copy[path[0]]
    else:
        copy[path[0]] = _with(copy[path[0]], path[1:], fresh)
    return copy


def _written(value: Any) -> bytes:
    deep = "[" * 600 + "]" * 600
    return json.dumps(value).replace('"DEEP"', deep).encode("utf-8", "surrogatepass")


def _said(fresh: Any) -> str:
    return "missing" if fresh is MISSING else f"is {fresh!r:.40}"


def _xml_fields(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Each element removed, emptied, doubled, stuffed and nested; each attribute emptied and stuffed."""
    for number, found in enumerate(re.finditer(rb"<([A-Za-z][\w:.-]*)((?:\s[^<>]*?)?)>([^<>]*)</\1>", body)):
        if number >= 40:
            break
        name, attributes, text = found.groups()
        tag = b"<" + name + attributes + b">"
        end = b"</" + name + b">"
        told = name.decode("ascii", "replace")
        for how, fresh in (
            ("missing", b""),
            ("empty", tag + end),
            ("twice", found.group() * 2),
            ("huge", tag + b"x" * 20_000 + end),
            ("a number", tag + str(2**200).encode() + end),
            ("nested", tag + b"<b>" * 300 + text + b"</b>" * 300 + end),
            ("never closed", tag + text),
            ("with controls", tag + b"&#0;&#x1;\x07&nosuch;" + end),
            ("without attributes", b"<" + name + b">" + text + end),
        ):
            yield f"{told} {how}", body[: found.start()] + fresh + body[found.end() :]
    for number, found in enumerate(re.finditer(rb"""=\s*("[^"<>]*"|'[^'<>]*')""", body)):
        if number >= 16:
            break
        for how, fresh in (
            ("empty", b'=""'),
            ("huge", b'="' + b"x" * 20_000 + b'"'),
            ("unquoted", b"=x"),
            ("a script", b'="javascript:alert(1)"'),
        ):
            yield f"attribute {number} {how}", body[: found.start()] + fresh + body[found.end() :]


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
