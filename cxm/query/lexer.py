"""From characters to lexemes, each with its exact position."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from cxm.kernel.errors import BadInput
from cxm.kernel.said import Said, said
from cxm.query import fields, limits

_FIELD = re.compile(r"([A-Za-z_][A-Za-z_0-9]*):(?!//)")
_NEAR = re.compile(r"(O?NEAR)(?:/(\S*))?")
_OPENING = '"“„”'
_CLOSING = {'"': '"', "“": "”“", "„": "“”", "”": "”"}
_ENDS_WORD = frozenset('()"“”„')


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One piece of a query. ``kind``: ``(`` ``)`` ``-`` AND OR NOT NEAR ONEAR field quoted word end. ``glued``: nothing stands
    between it and the piece before."""

    kind: str
    text: str
    position: int
    length: int
    number: int = 0
    glued: bool = False


def refuse(text: Said, hint: Said, lexeme: Lexeme | tuple[int, int], suggestion: str) -> NoReturn:
    """Raise ``query_invalid``. ``suggestion`` is what to write in place of the marked piece, or advice (:class:`Said`) where nothing fits."""
    position, length = (lexeme.position, lexeme.length) if isinstance(lexeme, Lexeme) else lexeme
    raise BadInput("query_invalid", text, hint, position=position, length=length, suggestion=suggestion)


def lex(query: str) -> list[Lexeme]:
    """The pieces of ``query``, ending with one of kind ``end``; linear in its length."""
    if len(query) > limits.LENGTH:
        refuse(
            said("The query is {length} characters long; at most {most} are read.", length=len(query), most=limits.LENGTH),
            said("Shorten it, or split it into topics."),
            (limits.LENGTH, len(query) - limits.LENGTH),
            said("Split it into topics and combine them with topic:name."),
        )
    found: list[Lexeme] = []
    at = 0
    while at < len(query):
        if query[at].isspace():
            at += 1
            continue
        glued = bool(found) and found[-1].position + found[-1].length == at
        lexeme = _next(query, at, glued, after_field=glued and found[-1].kind == "field")
        found.append(lexeme)
        at += lexeme.length
    found.append(Lexeme("end", "", len(query), 0))
    return found


def _next(query: str, at: int, glued: bool, *, after_field: bool) -> Lexeme:
    sign = query[at]
    if sign in "()":
        return Lexeme(sign, sign, at, 1, glued=glued)
    if sign in _OPENING:
        return _quoted(query, at, glued)
    if sign == "-" and not after_field:
        return Lexeme("-", "-", at, 1, glued=glued)
    word = _word(query, at)
    if after_field:
        return Lexeme("word", word, at, len(word), glued=glued)
    if word in ("AND", "OR", "NOT"):
        return Lexeme(word, word, at, len(word), glued=glued)
    if found := _NEAR.fullmatch(word):
        return _near(found[1], found[2], at, len(word), glued)
    if (found := _FIELD.match(word)) is not None:
        return _field(query, found, at, glued)
    return Lexeme("word", word, at, len(word), glued=glued)


def _word(query: str, at: int) -> str:
    end = at
    while end < len(query) and not query[end].isspace() and query[end] not in _ENDS_WORD:
        end += 1
    return query[at:end]


def _near(kind: str, count: str | None, at: int, length: int, glued: bool) -> Lexeme:
    if count is None or not (count.isascii() and count.isdigit()) or int(count[:6]) == 0:
        refuse(
            said("{sign} needs a distance in words.", sign=kind),
            said("Write {example}, or put the word in quotes to search for it.", example=f"{kind}/5"),
            (at, length),
            f"{kind}/5",
        )
    if int(count[:6]) > limits.NEAR:
        refuse(
            said("{sign} reaches at most {most} words.", sign=kind, most=limits.NEAR),
            said("Use a smaller distance, or AND."),
            (at, length),
            f"{kind}/{limits.NEAR}",
        )
    return Lexeme(kind, kind, at, length, number=int(count), glued=glued)


def _field(query: str, found: re.Match[str], at: int, glued: bool) -> Lexeme:
    name = found[1].lower()
    if name not in fields.ALL:
        meant = fields.suggested(name)
        suggestion = f"{meant}:" if meant else f'"{_word(query, at)}"'
        refuse(
            said("There is no field “{name}”.", name=found[1]),
            said("Did you mean {name}?", name=f"{meant}:") if meant else said("Put it in quotes to search for these words."),
            (at, len(found[0])),
            suggestion,
        )
    return Lexeme("field", name, at, len(found[0]), glued=glued)


def _quoted(query: str, at: int, glued: bool) -> Lexeme:
    closing = _CLOSING[query[at]]
    inside: list[str] = []
    end = at + 1
    while end < len(query):
        sign = query[end]
        if sign == "\\" and end + 1 < len(query) and query[end + 1] in '\\"“”„':
            inside.append(query[end + 1])
            end += 2
            continue
        if sign in closing:
            return Lexeme("quoted", "".join(inside), at, end + 1 - at, glued=glued)
        inside.append(sign)
        end += 1
    refuse(said("A quotation mark is never closed."), said('End the phrase with ".'), (at, len(query) - at), f'{query[at:]}"')
