"""A feed's bytes as text, whatever its writer said or forgot to say of the encoding."""

from __future__ import annotations

import codecs
import re

#: What we are willing to read; others of the interpreter's codecs are no text encodings, or dangerous ones (UTF-7).
_READ = frozenset(
    [
        "utf-8",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "ascii",
        "big5",
        "big5hkscs",
        "gb2312",
        "gbk",
        "gb18030",
    ]
    + [
        "euc_jp",
        "euc_kr",
        "johab",
        "cp949",
        "shift_jis",
        "cp932",
        "iso2022_jp",
        "iso2022_kr",
        "hz",
        "koi8-r",
        "koi8-u",
        "tis-620",
        "mac-roman",
    ]
    + [f"iso8859-{number}" for number in range(1, 17) if number != 12]
    + [f"cp{number}" for number in (437, 850, 852, 855, 866, 874, *range(1250, 1259))]
)
#: Written in ASCII alone, so that they would pass for UTF-8.
_SEVEN_BIT = frozenset(("iso2022_jp", "iso2022_kr", "hz"))
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
#: No character of XML, or one that only breaks lines.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def decode(body: bytes, content_type: str = "") -> str:
    """``body`` as text: by its mark, by UTF-8 where it is that, by what HTTP or the document says, else as Windows-1252.

    What is valid UTF-8 is believed before what is declared: documents declared as ISO-8859-1 and written in UTF-8 are common, the
    reverse by chance is not. Never raises; characters that XML does not know become blanks.
    """
    return _ILLEGAL.sub(" ", _decoded(body, content_type))


def _decoded(body: bytes, content_type: str) -> str:
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    wide = "utf-16-le" if body[1:2] == b"\x00" and body[:1] else "utf-16-be" if body[:1] == b"\x00" and body[1:2] != b"\x00" else ""
    if wide:
        return body.decode(wide, "replace")
    said = [name for name in (_name(_CHARSET.search(content_type)), _name(_DECLARED.search(body[:400]))) if name]
    tried = [name for name in said if name in _SEVEN_BIT] + ["utf-8", *said]
    for name in tried:
        try:
            return body.decode(name)
        except (UnicodeError, LookupError):
            continue
    # One broken byte in a document of many others costs that byte, not the document.
    known = next((name for name in said if name not in ("ascii", "utf-8", *_SEVEN_BIT)), None)
    if known is None and b"\xc3" in body and _mostly_utf8(body):
        known = "utf-8"
    return body.decode(known or "cp1252", "replace")


def _mostly_utf8(body: bytes) -> bool:
    """Whether what breaks UTF-8 here is the exception: cut or mixed documents."""
    text = body[:1_000_000].decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken <= sum(sign > "\x7f" for sign in text) - broken


def _name(found: re.Match[bytes] | re.Match[str] | None) -> str | None:
    if found is None:
        return None
    label = found.group(1)
    text = label.decode("ascii") if isinstance(label, bytes) else label
    try:
        name = codecs.lookup(text).name
    except LookupError:
        return None
    if name in ("iso8859-1", "ascii"):
        return "cp1252"  # as browsers have it: what calls itself Latin-1 holds curly quotes
    return name if name in _READ and not name.startswith(("utf-16", "utf-32")) else None
