"""Just enough DAG-CBOR and CAR to read posts out of a repository's stream. Pure; raises ValueError for whatever is not as it should be.

Source: RFC 8949, ipld.io/specs/codecs/dag-cbor (strict: no indefinite lengths, tag 42 is a CID) and ipld.io/specs/transport/car/carv1.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

_DEPTH = 64


def load(data: bytes, place: int = 0) -> tuple[Any, int]:
    """The value at ``place`` and where the next begins. CIDs are ``{"$link": text}`` and bytes ``bytes``, maps have text keys."""
    try:
        return _value(data, place, 0)
    except (IndexError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"It is no DAG-CBOR ({type(error).__name__}).") from error


def _value(data: bytes, place: int, depth: int) -> tuple[Any, int]:
    if depth > _DEPTH:
        raise ValueError("It is nested too deep.")
    kind, low = data[place] >> 5, data[place] & 31
    if kind == 7:
        return _simple(data, place, low)
    number, place = _number(data, place + 1, low)
    if kind < 2:
        return (number if kind == 0 else -1 - number), place
    if kind < 4:
        part = data[place : place + number]
        if len(part) != number:
            raise ValueError("It ends too early.")
        return (part if kind == 2 else part.decode("utf-8", "surrogatepass")), place + number
    if kind == 6:
        value, place = _value(data, place, depth + 1)
        if number != 42 or not isinstance(value, bytes):
            raise ValueError("It has a tag that is no CID.")
        return {"$link": cid_text(value[1:])}, place
    return _many(data, place, number, depth, pairs=kind == 5)


def _many(data: bytes, place: int, count: int, depth: int, *, pairs: bool) -> tuple[Any, int]:
    if count > len(data) - place:
        raise ValueError("It ends too early.")
    if not pairs:
        items: list[Any] = []
        for _ in range(count):
            item, place = _value(data, place, depth + 1)
            items.append(item)
        return items, place
    table: dict[str, Any] = {}
    for _ in range(count):
        key, place = _value(data, place, depth + 1)
        if not isinstance(key, str):
            raise ValueError("It has a key that is no text.")
        table[key], place = _value(data, place, depth + 1)
    return table, place


def _number(data: bytes, place: int, low: int) -> tuple[int, int]:
    if low < 24:
        return low, place
    if low > 27:
        raise ValueError("It has a length that is not said.")
    size = 1 << (low - 24)
    if place + size > len(data):
        raise ValueError("It ends too early.")
    return int.from_bytes(data[place : place + size], "big"), place + size


def _simple(data: bytes, place: int, low: int) -> tuple[Any, int]:
    if low in (20, 21, 22):
        return {20: False, 21: True, 22: None}[low], place + 1
    if low == 27:
        return struct.unpack_from(">d", data, place + 1)[0], place + 9
    raise ValueError("It has a value of an unknown kind.")


def cid_text(raw: bytes) -> str:
    """A CID as it is written: version 1, base32."""
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def blocks(car: bytes) -> Iterator[tuple[str, bytes]]:
    """The blocks of a CAR file, by CID."""
    length, place = _varint(car, 0)
    place += length
    while place < len(car):
        length, place = _varint(car, place)
        end = place + length
        size = _cid_size(car, place)
        if length <= 0 or end > len(car) or place + size > end:
            raise ValueError("A block is longer than the file.")
        yield cid_text(car[place : place + size]), car[place + size : end]
        place = end


def _cid_size(car: bytes, place: int) -> int:
    """How many bytes a CID has: version, codec, hash function, and the hash with its length."""
    begin = place
    for _ in range(3):
        _, place = _varint(car, place)
    length, place = _varint(car, place)
    return place + length - begin


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 63:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("A length never ends.")
