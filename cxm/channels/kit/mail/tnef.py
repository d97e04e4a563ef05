"""TNEF, the ``winmail.dat`` of Outlook: the files and the words in it. Bounded, and total: what is broken gives what stood before it.

An own reader: `tnefparse` is LGPL, rarely kept, and reads without bounds. Source: MS-OXTNEF, MS-OXRTFCP, MS-OXCDATA.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from cxm.channels.kit.text import clean

MAGIC = b"\x78\x9f\x3e\x22"
_ATTRIBUTES = 2_000
_PROPERTIES = 3_000
_FILES = 100
_RTF_LIMIT = 1_000_000
_FIXED = {0x2: 4, 0x3: 4, 0x4: 4, 0x5: 8, 0x6: 8, 0x7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = (0xD, 0x1E, 0x1F, 0x102)
_BODY, _HTML, _RTF = 0x1000, 0x1013, 0x1009
_LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _KIND, _DATA = 0x3707, 0x3704, 0x3001, 0x370E, 0x3701
_DICTIONARY = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
_RTF_TOKEN = re.compile(rb"\\'([0-9a-fA-F]{2})|\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL)
_HEXED = re.compile(r"(?:\x01[0-9a-fA-F]{2})+")
_RTF_SILENT = frozenset((b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"listtable", b"header", b"footer", b"object"))
_RTF_SAID = {b"par": "\n", b"line": "\n", b"tab": "\t", b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"bullet": "•"}  # fmt: skip


@dataclass(slots=True)
class File:
    """One attachment; ``name`` and ``kind`` (a content type) as it says, empty where it does not."""

    name: str = ""
    kind: str = ""
    content: bytes = b""


@dataclass(slots=True)
class Opened:
    """``text``: plain words, or what the rich ones say; ``html`` where it holds HTML and no plain words."""

    text: str = ""
    html: bytes = b""
    files: list[File] = field(default_factory=list[File])


def opened(data: bytes) -> Opened | None:
    """What is in ``data``; None where it is no TNEF. A wrong checksum is passed over, as mail programs do."""
    if data[:4] != MAGIC:
        return None
    found = Opened()
    codepage, rich = "cp1252", b""
    for kind, value in _attributes(data):
        if kind == 0x9007 and len(value) >= 4:
            codepage = _codepage(int.from_bytes(value[:4], "little"))
        elif kind == 0x9002 and len(found.files) < _FILES:
            found.files.append(File())
        elif kind == 0x800C:
            found.text = found.text or _string(value, codepage)
        elif kind == 0x9003:
            rich = _message(found, value, codepage) or rich
        elif found.files:
            _attachment(found.files[-1], kind, value, codepage)
    if not found.text and not found.html and rich:
        found.text = _plain(_decompressed(rich))
    found.files = [file for file in found.files if file.content or file.name]
    return found


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 6
    for _ in range(_ATTRIBUTES):
        if position + 9 > len(data):
            return
        identity, length = struct.unpack_from("<II", data, position + 1)
        start = position + 9
        yield identity & 0xFFFF, data[start : start + length]
        position = start + length + 2


def _message(found: Opened, value: bytes, codepage: str) -> bytes:
    """Take the words of a message's properties; its compressed rich text, where there is one."""
    rich = b""
    for name, kind, content in _properties(value):
        if name == _BODY and not found.text:
            found.text = _string(content, "utf-16-le" if kind == 0x1F else codepage)
        elif name == _HTML:
            found.html = content if kind != 0x1F else content.decode("utf-16-le", "replace").encode()
        elif name == _RTF:
            rich = content
    return rich


def _attachment(file: File, kind: int, value: bytes, codepage: str) -> None:
    if kind == 0x8010 and not file.name:
        file.name = _string(value, codepage)
    elif kind == 0x800F and not file.content:
        file.content = value
    elif kind == 0x9005:
        for name, form, content in _properties(value):
            text = _string(content, "utf-16-le" if form == 0x1F else codepage) if form in (0x1E, 0x1F) else ""
            if name == _LONG_NAME or (name in (_SHORT_NAME, _SHOWN_NAME) and not file.name):
                file.name = text or file.name
            elif name == _KIND:
                file.kind = text
            elif name == _DATA and not file.content:
                # An object begins with 16 bytes that say what it is.
                file.content = content[16:] if form == 0xD else content


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(id, type, first value) of a list of MAPI properties, until one cannot be read."""
    position = 4
    for _ in range(min(int.from_bytes(data[:4], "little"), _PROPERTIES)):
        if position + 4 > len(data):
            return
        kind, name = struct.unpack_from("<HH", data, position)
        position = _after_name(data, position + 4) if name >= 0x8000 else position + 4
        many, kind = bool(kind & 0x1000), kind & 0x0FFF
        values = 1
        if (many or kind in _VARIABLE) and position + 4 <= len(data):
            values = int.from_bytes(data[position : position + 4], "little")
            position += 4
        if kind not in _FIXED and kind not in _VARIABLE:
            return
        first = b""
        for number in range(min(values, _PROPERTIES)):
            if position >= len(data):
                return
            length = _FIXED.get(kind)
            if length is None:
                length = int.from_bytes(data[position : position + 4], "little")
                position += 4
            if not number:
                first = data[position : position + length]
            position += length + (-length % 4)
        yield name, kind, first


def _after_name(data: bytes, position: int) -> int:
    """Past the name of a property that has one: a number or a string."""
    kind = int.from_bytes(data[position + 16 : position + 20], "little")
    if not kind:
        return position + 24
    length = int.from_bytes(data[position + 20 : position + 24], "little")
    return position + 24 + length + (-length % 4)


def _codepage(number: int) -> str:
    name = {65001: "utf-8", 936: "gb18030", 1200: "utf-16-le", 28591: "cp1252", 20866: "koi8-r"}.get(number, f"cp{number}")
    try:
        b"".decode(name)
    except LookupError:
        return "cp1252"
    return name


def _string(value: bytes, codepage: str) -> str:
    return clean(value.decode(codepage, "replace").replace("\x00", "")).replace("\r\n", "\n").strip()


def _decompressed(data: bytes) -> bytes:
    """Compressed RTF (MS-OXRTFCP), at most one megabyte of it."""
    if data[8:12] == b"MELA":
        return data[16 : 16 + _RTF_LIMIT]
    if data[8:12] != b"LZFu":
        return b""
    limit = min(int.from_bytes(data[4:8], "little"), _RTF_LIMIT)
    window = bytearray(4096)
    window[: len(_DICTIONARY)] = _DICTIONARY
    write, position = len(_DICTIONARY), 16
    said = bytearray()
    while position < len(data) and len(said) < limit:
        flags = data[position]
        position += 1
        for bit in range(8):
            if position >= len(data) or len(said) >= limit:
                break
            if not flags >> bit & 1:
                piece, position = [data[position]], position + 1
            else:
                pair = int.from_bytes(data[position : position + 2], "big")
                offset, position = pair >> 4, position + 2
                if offset == write:
                    return bytes(said)
                piece = _copied(window, offset, write, (pair & 0xF) + 2)
            for byte in piece:
                window[write] = byte
                write = (write + 1) % 4096
            said += bytes(piece)
    return bytes(said)


def _copied(window: bytearray, offset: int, write: int, length: int) -> list[int]:
    """``length`` bytes of the window from ``offset`` on; what is copied may reach into what it writes."""
    distance = (write - offset) % 4096
    found = [window[(offset + step) % 4096] for step in range(min(length, distance))]
    return [found[step % distance] for step in range(length)] if length > distance else found


def _plain(rtf: bytes) -> str:
    """The words of RTF; of RTF that wraps HTML, those of the HTML."""
    reader = _Rtf()
    for match in _RTF_TOKEN.finditer(rtf):
        reader.take(*match.groups())
    joined = _HEXED.sub(lambda run: bytes.fromhex(run.group().replace("\x01", "")).decode(reader.codepage, "replace"), "".join(reader.said))
    joined = joined.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean(re.sub(r"\n{3,}", "\n\n", joined)).strip()


class _Rtf:
    """Reads RTF token by token; bytes told in hex are kept apart, for several of them may be one character."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.codepage = "cp1252"
        self._silent = [False]
        self._skip, self._unicode_skip = 0, 1

    def take(
        self, hexed: bytes | None, word: bytes | None, number: bytes | None, symbol: bytes | None, brace: bytes | None, text: bytes | None
    ) -> None:
        """One token: of these one is given."""
        if brace is not None:
            self._group(brace)
        elif symbol == b"*" or word in _RTF_SILENT:
            self._silent[-1] = True
        elif word is not None:
            self._word(word, int(number or 0), number is not None)
        elif not self._silent[-1]:
            self._say(hexed, symbol, text)

    def _group(self, brace: bytes) -> None:
        if brace == b"{":
            self._silent = [*self._silent, self._silent[-1]] if len(self._silent) < 200 else self._silent
        elif len(self._silent) > 1:
            self._silent.pop()

    def _word(self, word: bytes, number: int, given: bool) -> None:
        if word == b"ansicpg" and given:
            self.codepage = _codepage(number)
        elif word == b"uc" and given:
            self._unicode_skip = max(0, min(number, 8))
        elif self._silent[-1]:
            return
        elif word == b"u" and given:
            self.said.append(chr(number & 0xFFFF))
            self._skip = self._unicode_skip
        elif word in _RTF_SAID:
            self.said.append(_RTF_SAID[word])

    def _say(self, hexed: bytes | None, symbol: bytes | None, text: bytes | None) -> None:
        if self._skip and (hexed or text):
            # What programs without Unicode show instead of the character before.
            kept = (text or b"")[self._skip :]
            self._skip = max(0, self._skip - len(text or b"x"))
            self.said.append(kept.decode(self.codepage, "replace"))
        elif hexed:
            self.said.append(f"\x01{hexed.decode()}")
        elif symbol in (b"\\", b"{", b"}", b"~"):
            self.said.append(" " if symbol == b"~" else symbol.decode())
        elif text:
            self.said.append(text.decode(self.codepage, "replace").replace("\x01", ""))
