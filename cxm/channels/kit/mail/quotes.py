"""What is new in a mail, apart from what it repeats and how it is signed.

Line by line and linear. (``mail-parser-reply`` knows the same languages, but its patterns take more than a minute for 12,000
hostile characters, so it cannot stand in the intake.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxm.channels.kit.mail.phrases import PHRASES


def _any_of(name: str) -> str:
    """All that ``name`` is in any language, the longest first."""
    found = {phrase for phrases in PHRASES.values() for phrase in getattr(phrases, name)}
    return "|".join(sorted(found, key=lambda phrase: (-len(phrase), phrase)))


#: Marks of direction, which programs put around names in Arabic and Hebrew.
_DIRECTIONS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
# Some languages put the name after the verb: “Am … schrieb Ann <ann@…>:”. Some write it for either gender: “napisał(a)”, “כתב/ה”.
_WROTE_LINE = re.compile(rf"(?:{_any_of('wrote')})(?:\(\w{{1,4}}\)|/\w{{1,5}})?(?:\s[^:]{{1,120}}|\W{{0,6}})[:：]$", re.IGNORECASE)
_ADDRESS = re.compile(r"<[^<>\s]{1,200}@[^<>\s]{1,200}>")
_TIME = re.compile(r"\d{1,2}(?:[:.時时]|\s?h\s?)\d{2}")
#: A date as programs write it, with its year.
_DATE = re.compile(r"\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2}")
_STARTS = re.compile(rf"(?:(?:{_any_of('opens')})[\s\d‏]|\d{{1,4}}[./年-]|<?[\w.+-]{{1,64}}@|.{{0,80}}<[^<>\s]{{3,200}}@)", re.IGNORECASE)
_HAS_DATE_OR_ADDRESS = re.compile(r"\d{1,4}|@")
_SEPARATOR = re.compile(
    rf"^\s{{0,8}}[-_=*]{{2,60}}\s{{0,4}}(?:{_any_of('original')})\s{{0,4}}:?\s{{0,4}}[-_=*]{{0,60}}:?\s{{0,8}}$", re.IGNORECASE
)
_RULE = re.compile(r"^\s{0,8}_{20,}\s{0,8}$")
_LABEL_END = r"\s?\*{0,2}\s?[:：]\s?\*{0,2}"
_FROM = re.compile(rf"^[\s*>]{{0,8}}(?:{_any_of('sender')}){_LABEL_END}\s?\S", re.IGNORECASE)
_SENT = re.compile(rf"^[\s*>]{{0,8}}(?:{_any_of('sent')}){_LABEL_END}", re.IGNORECASE)
_TO = re.compile(rf"^[\s*>]{{0,8}}(?:{_any_of('to')}){_LABEL_END}", re.IGNORECASE)
_SUBJECT = re.compile(rf"^[\s*>]{{0,8}}(?:{_any_of('subject')}){_LABEL_END}", re.IGNORECASE)
#: Lines of a repeated head that are looked at after its first one.
_HEAD_LINES = 6
#: Lines after dashes that lost their blank, at most: more is no signature.
_SIGNATURE_LINES = 8
#: What a telephone's line names; “Sent from my village on Monday” names none.
_PROGRAM = re.compile(
    r"iphone|ipad|ipod|\bios\b|\bmac\b|galaxy|samsung|android|pixel|huawei|honor|xiaomi|redmi|oppo|oneplus|motorola|nokia|blackberry|windows|outlook|yahoo|gmail|hotmail|proton|thunderbird|"
    r"\baol\b|\bgmx\b|web\.de|mail\.ru|yandex|яндекс|smartphone|phone|mobil|móvil|movil|celular|handy|telef|téléphone|tablet|手机|手機|携帯|スマ|스마트폰|휴대|هاتف|جوال|телефон|смартфон|โทรศัพท์",
    re.IGNORECASE,
)
_DEVICE = re.compile(rf"^\s{{0,4}}(?:{_any_of('device')})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parts:
    """``text``: what is new; ``quoted``: what repeats earlier mail, with its heading; ``signature``: below the dashes."""

    text: str
    quoted: str | None = None
    signature: str | None = None


def split(text: str) -> Parts:
    """The parts of ``text``; joined they are all of it. A mail that is nothing but a quote keeps it as its text.

    Answers between quoted lines keep the quotes around them, since they make no sense without; only what stands after the last
    own line, or the block of a known reply heading, is split off.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    cut = _cut([line.translate(_DIRECTIONS) for line in lines])
    new, quoted = lines[:cut], "\n".join(lines[cut:]).strip("\n")
    new, signature = _unsigned(new)
    said = "\n".join(new).strip()
    if not said and quoted:
        return Parts("\n".join(lines).strip())
    return Parts(said, quoted or None, signature)


def _cut(lines: list[str]) -> int:
    """The line at which the repeated part begins; the number of lines where there is none."""
    last_own = max((number for number, line in enumerate(lines) if line.strip() and not _is_quote(line)), default=-1)
    for number, _line in enumerate(lines):
        heading = _heading(lines, number)
        if heading is None:
            continue
        if heading == "block" or _only_quotes_after(lines, number, last_own) or _unmarked(lines, number):
            return number
    tail = last_own + 1
    while tail < len(lines) and not lines[tail].strip():
        tail += 1
    return tail if tail < len(lines) and _is_quote(lines[tail]) else len(lines)


def _is_quote(line: str) -> bool:
    return line.lstrip(" ")[:1] in (">", "|") and line.lstrip(" ")[:1] != ""


def _heading(lines: list[str], number: int) -> str | None:
    """``block`` where a separator or a header block begins that ends the new part for good, ``wrote`` for “On … wrote:”."""
    line = lines[number]
    if len(line) > 400 or not line.strip() or _is_quote(line):
        return None
    if _SEPARATOR.match(line):
        return "block"
    if _FROM.match(line) and _is_head(lines, number):
        return "block"
    if _RULE.match(line):
        following = [text for text in lines[number + 1 : number + 4] if text.strip()]
        return "block" if following and _FROM.match(following[0][:400]) else None
    return "wrote" if _is_wrote(lines, number) else None


def _is_head(lines: list[str], number: int) -> bool:
    """Whether a line “From: …” begins the repeated head of a mail. “From: Madrid, To: Paris” is a traveller's."""
    following = [line[:400] for line in lines[number + 1 : number + 1 + _HEAD_LINES]]
    end = next((place for place, line in enumerate(following) if not line.strip() and place), len(following))
    following = following[:end]
    if any(_SENT.match(line) for line in following[:3]):
        return True
    if not any(_TO.match(line) for line in following[:4]):
        return False
    return "@" in lines[number] or any(_SUBJECT.match(line) for line in following)


def _is_wrote(lines: list[str], number: int) -> bool:
    """“On Monday Ann <ann@x> wrote:”, on one line or broken over up to three."""
    first = lines[number].strip()
    known = _STARTS.match(first) is not None
    spans = 3 if known or _TIME.search(first) or _DATE.search(first) else 1
    joined = ""
    for line in lines[number : number + spans]:
        if not line.strip() or _is_quote(line):
            return False
        joined = f"{joined} {line.strip()}".strip()
        if len(joined) > 500:
            return False
        if joined[-1] in ":：":
            return _told_by_a_program(joined, known)
    return False


def _told_by_a_program(heading: str, known: bool) -> bool:
    address, time = _ADDRESS.search(heading) is not None, _TIME.search(heading) is not None
    if _WROTE_LINE.search(heading[-180:]) and (
        address or (time and _DATE.search(heading)) or (known and _HAS_DATE_OR_ADDRESS.search(heading))
    ):
        return True
    # In any other language: an address and a time of day, and a colon at the end.
    return address and time


def _only_quotes_after(lines: list[str], number: int, last_own: int) -> bool:
    end = number
    while end < min(number + 3, len(lines)) and not lines[end].rstrip().endswith((":", "：")):
        end += 1
    return last_own <= end


def _unmarked(lines: list[str], number: int) -> bool:
    """Whether what follows a precise heading carries no quote marks at all: then everything after it is the quote."""
    # “On 3 May at 10:30 your driver wrote:” may as well be a customer's own sentence; a program tells the year, or the address.
    heading = " ".join(lines[number : number + 3])[:500]
    if "@" not in heading and not (_TIME.search(heading) and _DATE.search(heading)):
        return False
    following = [line for line in lines[number + 1 : number + 12] if line.strip()]
    return bool(following) and not any(_is_quote(line) for line in following)


def _is_device(line: str) -> bool:
    short = len(line) < 120 and len(line.split()) <= 9 and line[-1:] not in "!?？！؟"
    return short and _DEVICE.match(line) is not None and _PROGRAM.search(line) is not None


def _ends_like_a_signature(lines: list[str], number: int) -> bool:
    return not lines[number - 1].strip() and len(lines) - number - 1 <= _SIGNATURE_LINES


def _unsigned(lines: list[str]) -> tuple[list[str], str | None]:
    for number, line in enumerate(lines):
        if number and (line == "-- " or (line == "--" and _ends_like_a_signature(lines, number))):
            return lines[:number], "\n".join(lines[number + 1 :]).strip() or None
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    if end > 1 and _is_device(lines[end - 1].translate(_DIRECTIONS).strip()):
        return lines[: end - 1], lines[end - 1].strip()
    return lines, None
