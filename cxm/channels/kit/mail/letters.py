"""An RFC 5322 message into its headers and parts, whatever its sender's program did to it; what it says is told by :mod:`bodies`."""

from __future__ import annotations

import binascii
import codecs
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.errors import HeaderParseError
from email.feedparser import BytesFeedParser
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from cxm.channels.kit.mail import html
from cxm.channels.kit.text import clean, one_line

_HEADER_LIMIT = 20_000
_CONTENT_LIMIT = 4_000
_WORK_LIMIT = 8_000_000
_HEAD_LIMIT = 256_000
_PIECE = 65_536
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_MULTIPART = re.compile(rb"multipart/", re.IGNORECASE)
_CONTENT_HEADER = re.compile(rb"^content-(?:type|disposition):[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\x00-\x20]{1,64}@[^@\s<>,;:\"()\x00-\x20]{1,253}")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s{0,4}=\s{0,4}[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
#: Names that mail uses and Python does not know, or knows more narrowly than senders mean them.
_CHARSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "euc-kr": "cp949",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "unicode-1-1-utf-7": "utf-7",
    "utf8": "utf-8",
    "x-unknown": "utf-8",
    "unknown-8bit": "utf-8",
    "big5": "big5hkscs",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "iso-8859-11": "cp874",
    "windows-31j": "cp932",
    "ms_kanji": "cp932",
    "x-euc-jp": "euc-jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "x-windows-949": "cp949",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-6-e": "iso-8859-6",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-ce": "mac-latin2",
    "win-1251": "cp1251",
    "iso-8859-9": "cp1254",
}
#: Codecs that Python has and mail has not; the first two take quadratic time (100 kB of “punycode”: 4.5 s).
_NO_CHARSETS = frozenset(
    ("punycode", "idna", "unicode-escape", "unicode_escape", "raw-unicode-escape", "raw_unicode_escape", "undefined", "mbcs", "oem")
)
_TEXT_CODECS = frozenset(("utf-8", "utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32"))


@dataclass(frozen=True, slots=True)
class Address:
    """``address`` lower-cased, ``name`` as the sender claims it (no proof of anything)."""

    address: str
    name: str | None = None


if TYPE_CHECKING:
    Letter = Message[str, str]
else:
    Letter = Message


def read(raw: bytes) -> Letter:
    """The message in ``raw``. The old, forgiving policy: the newer one raises on headers that strangers do send.

    Raises :class:`ValueError` where reading it would take the library minutes: its work grows with nesting times lines, and with
    the square of a Content header's length (which is cut).
    """
    if len(_MULTIPART.findall(raw)) * raw.count(b"\n") > _WORK_LIMIT:
        raise ValueError("too many parts within parts")
    end = _HEAD_END.search(raw)
    if (end.start() if end else len(raw)) > _HEAD_LIMIT:
        raise ValueError("more headers than any mail has")
    if any(len(found.group()) > _CONTENT_LIMIT for found in _CONTENT_HEADER.finditer(raw)):
        raw = _CONTENT_HEADER.sub(_shortened, raw)
    # Fed in pieces: handed over whole, the library keeps it four times wider (a mail of 27 MB: 209 MB).
    parser = BytesFeedParser(policy=policy.compat32)
    for position in range(0, len(raw), _PIECE):
        parser.feed(raw[position : position + _PIECE])
    return parser.close()


def _shortened(header: re.Match[bytes]) -> bytes:
    found = header.group()
    return found if len(found) <= _CONTENT_LIMIT else found[:_CONTENT_LIMIT]


def header(letter: Letter, name: str) -> str | None:
    """The first ``name`` header as one clean line, encoded words decoded; None where absent."""
    values = headers(letter, name)
    return values[0] if values else None


def headers(letter: Letter, name: str) -> list[str]:
    """All ``name`` headers, in the order they stand (the topmost was added last)."""
    return [decoded(value) for value in raw_headers(letter, name)[:50]]


def raw_headers(letter: Letter, name: str) -> list[str]:
    """All ``name`` headers as they stand, 8-bit bytes as surrogate escapes (``get`` would lose them)."""
    wanted = name.lower()
    return [str(value)[:_HEADER_LIMIT] for key, value in letter.raw_items() if key.lower() == wanted]


def decoded(value: str) -> str:
    """A raw header value as one clean line."""
    raw = value[:_HEADER_LIMIT]
    try:
        pieces = cast("list[tuple[bytes | str, str | None]]", decode_header(raw))
    except (HeaderParseError, ValueError):
        pieces = [(raw, None)]
    text = "".join(_piece(piece, charset) for piece, charset in pieces)
    return one_line(text, _HEADER_LIMIT)


def _piece(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        # Raw 8-bit bytes arrive as surrogate escapes.
        return decode(piece.encode("utf-8", "surrogateescape"), None) if not piece.isascii() else piece
    if charset is None:
        return decode(piece, None)
    return decode(piece, charset)


def decode(data: bytes, charset: str | None) -> str:
    """``data`` as text: by ``charset`` where it holds, else UTF-8, else Windows-1252; never raises."""
    named = (charset or "").strip().strip("\"'").lower()
    candidates = [_CHARSETS.get(named, named)] if named and not _no_charset(named) else []
    if named in ("", "us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1", "unknown-8bit", "x-unknown"):
        candidates.insert(0, "utf-8")
    for candidate in (*candidates, "utf-8"):
        try:
            return data.decode(candidate)
        except (LookupError, UnicodeError, ValueError, TypeError):
            continue
    if candidates and candidates[-1] not in _TEXT_CODECS:
        try:
            return data.decode(candidates[-1], "replace")
        except (LookupError, UnicodeError, ValueError, TypeError):
            pass
    return data.decode("cp1252", "replace")


def _no_charset(name: str) -> bool:
    try:
        return codecs.lookup(name).name in _NO_CHARSETS
    except (LookupError, ValueError, UnicodeError):
        return False


def addresses(letter: Letter, name: str) -> list[Address]:
    """The addresses in ``name``, those that could be written to; display names decoded only after splitting."""
    return list(_addresses(tuple(raw_headers(letter, name)[:5])))


@lru_cache(maxsize=64)
def _addresses(values: tuple[str, ...]) -> tuple[Address, ...]:
    """One mail's headers are asked for several times, and reading them costs more than all else of a short mail."""
    found: list[Address] = []
    for shown, address in getaddresses(values)[:200]:
        address = address.strip().lower()
        if not _ADDRESS.fullmatch(address):
            # Some programs encode the whole header, address and all.
            match = _ADDRESS.search(decoded(shown or address).lower()) if not found else None
            if match is None:
                continue
            address = match.group()
        name_ = decoded(shown)[:500].strip("\"' ")
        found.append(Address(one_line(address, 320), name_ or None))
    return tuple(found)


def message_ids(letter: Letter, name: str) -> list[str]:
    """The ``<…@…>`` ids in ``name``, brackets kept, in order, each once."""
    joined = " ".join(raw_headers(letter, name)[:2])
    return list(dict.fromkeys(one_line(found, 1000) for found in _MESSAGE_ID.findall(joined)))


def date(letter: Letter, name: str = "Date") -> datetime | None:
    """The ``name`` header as an aware UTC moment; None where absent, broken or before mail existed."""
    values = raw_headers(letter, name)
    if not values:
        return None
    try:
        moment = parsedate_to_datetime(values[0][:200])
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if moment.year >= 1980 else None


# --- parts -------------------------------------------------------------------------------------------------------------


def children(part: Letter) -> list[Letter]:
    """The parts directly within ``part``; none where it holds text."""
    payload = cast("object", part.get_payload())
    return [cast("Letter", one) for one in cast("list[object]", payload) if isinstance(one, Message)] if isinstance(payload, list) else []


def payload(part: Letter) -> bytes:
    """The bytes of a leaf, its transfer encoding undone as far as it holds; of an attached message that message."""
    if (content := _from_base64(part)) is not None:
        return content
    try:
        content = cast("object", part.get_payload(decode=True))
    except (ValueError, LookupError, AssertionError):
        content = None
    if isinstance(content, bytes):
        return content
    if inner := children(part):
        return _bytes_of(inner[0])
    text = cast("object", part.get_payload())
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else b""


def _from_base64(part: Letter) -> bytes | None:
    """What is in sound base64, without the four copies that the library makes on its way; None where it is not, and the library mends it."""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() != "base64":
        return None
    text = cast("object", part.get_payload())
    try:
        return binascii.a2b_base64(text) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None


def encoded_lines(part: Letter) -> str:
    """The lines of a part that the library took for fields or a mail although they were transfer-encoded."""
    inner = children(part)
    if not inner:
        return decode(payload(part), None)
    bare = Message()
    bare["Content-Transfer-Encoding"] = str(part.get("Content-Transfer-Encoding", "7bit"))
    bare.set_payload(b"\n".join(_bytes_of(one) for one in inner[:100]).decode("ascii", "surrogateescape").strip())
    return decode(payload(bare), None)


class _AsItStands(policy.Compat32):
    """Headers as they came: the library's own way breaks their lines anew, which takes two minutes for ten megabytes of them."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """One header, its line ends as they were."""
        return f"{name}: {value}{self.linesep}".encode("ascii", "surrogateescape")


_AS_IT_STANDS = _AsItStands()


def _bytes_of(letter: Letter) -> bytes:
    try:
        return letter.as_bytes(policy=_AS_IT_STANDS)
    except (ValueError, LookupError, KeyError, TypeError, UnicodeError):
        return b""


def parameter(part: Letter, name: str, of: str = "content-type") -> str | None:
    """A parameter of a part's header, RFC 2231 undone; None where it is missing or broken."""
    try:
        value = cast("object", part.get_param(name, None, of))
    except (ValueError, LookupError, TypeError):
        return None
    if isinstance(value, tuple):
        charset, _, text = cast("tuple[str | None, str | None, str]", value)
        return decode(text.encode("latin-1", "replace"), charset)
    return str(value) if value is not None else None


def text_of(part: Letter) -> str:
    """The words of a text leaf, HTML as text, lines that flow joined."""
    data = payload(part)
    charset = parameter(part, "charset")
    if part.get_content_type() == "text/html":
        if charset is None and (match := _META_CHARSET.search(data[:4096])):
            charset = match.group(1).decode("ascii", "replace")
        return clean(html.to_text(decode(data, charset)))
    text = decode(data, charset).replace("\r\n", "\n").replace("\r", "\n")
    if (parameter(part, "format") or "").lower() == "flowed":
        text = _unflowed(text, (parameter(part, "delsp") or "").lower() == "yes")
    return clean(text)


def _unflowed(text: str, delete_space: bool) -> str:
    """RFC 3676: a line that ends in a blank goes on in the next, within one depth of quoting."""
    lines: list[str] = []
    open_depth: int | None = None
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        kept = content[:-1] if flows and delete_space else content
        if open_depth == depth and content != "-- ":
            lines[-1] += kept
        else:
            lines.append((">" * depth + " " if depth else "") + kept)
        open_depth = depth if flows else None
    return "\n".join(lines)
