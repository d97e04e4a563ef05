"""The parser: lexemes to a tree, by precedence NOT, NEAR, AND, OR; every refusal says where and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NoReturn

from cxm.kernel.said import said
from cxm.kernel.text import normalise, terms
from cxm.query import ast, fields, limits, ranges
from cxm.query.lexer import Lexeme, lex, refuse

#: Resolves a topic's name to its query, or None.
Topics = Mapping[str, ast.Query] | Callable[[str], "ast.Query | None"]
#: For a field (``unit``): resolves what people write to the ids meant, or None.
Names = Mapping[str, Callable[[str], "tuple[str, ...] | None"]]

_STARTS = frozenset(("(", "-", "NOT", "field", "quoted", "word"))
_FUZZY = re.compile(r"(.+)~(\d*)")
_SLOP = re.compile(r"~(\d*)")


class Parser:
    """One pass over one query."""

    def __init__(self, text: str, topics: Topics | None, names: Names | None) -> None:
        self._pieces = lex(text)
        self._at = 0
        self._depth = 0
        self._count = 0
        self._topics = topics
        self._names = names or {}

    def parse(self) -> ast.Query:
        """The whole query; raises BadInput ``query_invalid``."""
        if self._here.kind == "end":
            return ast.Query(ast.Everything())
        root = self._any(None)
        if self._here.kind != "end":
            self._unexpected(self._here)
        return ast.Query(root)

    # --- walking -----------------------------------------------------------------------------------------------------

    @property
    def _here(self) -> Lexeme:
        return self._pieces[self._at]

    def _take(self) -> Lexeme:
        piece = self._pieces[self._at]
        self._at += 1
        return piece

    def _unexpected(self, piece: Lexeme) -> ast.Node:
        if piece.kind == ")":
            refuse(said("This parenthesis closes nothing."), said("Take it out, or open one before."), piece, said("Take out “)”."))
        if piece.kind == "end":
            before = self._pieces[self._at - 1] if self._at else piece
            missing = said("After “{sign}” something is missing.", sign=before.text)
            refuse(missing, said("Say what to look for."), before, f"{before.text} word")
        word = piece.text.lower()
        refuse(
            said("{sign} needs something before it.", sign=piece.text),
            said('To search for the word write "{word}".', word=word),
            piece,
            f'"{word}"',
        )

    def _deeper(self, piece: Lexeme) -> None:
        self._depth += 1
        if self._depth > limits.DEPTH:
            refuse(
                said("The query is nested more than {most} deep.", most=limits.DEPTH),
                said("Take out parentheses that are not needed, or save a part as a topic."),
                piece,
                said("Save a part as a topic and use topic:name."),
            )

    def _counted(self, piece: Lexeme, count: int = 1) -> None:
        self._count += count
        if self._count > limits.TERMS:
            refuse(
                said("The query has more than {most} words and conditions.", most=limits.TERMS),
                said("Use a wildcard for words that begin alike, or split it into topics."),
                piece,
                said("Split the query into topics."),
            )

    # --- operators ---------------------------------------------------------------------------------------------------

    def _any(self, field: Lexeme | None) -> ast.Node:
        parts = [self._all(field)]
        while self._here.kind == "OR":
            self._take()
            parts.append(self._all(field))
        return _joined(ast.Or, parts)

    def _all(self, field: Lexeme | None) -> ast.Node:
        parts = [self._near(field)]
        while True:
            if self._here.kind == "AND":
                self._take()
            elif self._here.kind not in _STARTS:
                return _joined(ast.And, parts)
            parts.append(self._near(field))

    def _near(self, field: Lexeme | None) -> ast.Node:
        first = self._here
        left = self._not(field)
        if self._here.kind not in ("NEAR", "ONEAR"):
            return left
        sign = self._take()
        second = self._here
        right = self._not(field)
        self._operand(left, first)
        self._operand(right, second)
        if self._here.kind in ("NEAR", "ONEAR"):
            refuse(
                said("NEAR joins two sides only."),
                said('For more words write "a b c"~5, or two NEAR conditions joined by AND.'),
                self._here,
                "AND",
            )
        if _wheres(left) != _wheres(right) or len(_wheres(left)) != 1:
            refuse(said("The two sides of NEAR look into different fields."), said("Use one field on both sides."), sign, "AND")
        return ast.Near(left, right, sign.number, ordered=sign.kind == "ONEAR")

    def _operand(self, node: ast.Node, piece: Lexeme) -> None:
        parts = node.parts if isinstance(node, ast.Or) else (node,)
        for part in parts:
            fine = isinstance(part, ast.Wildcard | ast.Fuzzy) or (isinstance(part, ast.Words) and part.slop is None)
            if not fine:
                refuse(
                    said("NEAR takes words, phrases, wildcards, or several of them joined by OR in parentheses."),
                    said("Put the other conditions beside it, joined by AND."),
                    piece,
                    said('word, "a phrase", wild* or (one OR other)'),
                )

    def _not(self, field: Lexeme | None) -> ast.Node:
        if self._here.kind not in ("NOT", "-"):
            return self._primary(field)
        sign = self._take()
        self._deeper(sign)
        if sign.kind == "-" and not self._here.glued:
            refuse(said("A minus stands directly before what it excludes."), said("Write -word."), sign, "-word")
        part = self._not(field)
        self._depth -= 1
        return ast.Not(part)

    def _primary(self, field: Lexeme | None) -> ast.Node:
        piece = self._here
        if piece.kind == "(":
            return self._group(field)
        if piece.kind == "field":
            if field is not None:
                refuse(said("One field's list cannot hold another field."), said("Close the parenthesis first."), piece, f") {piece.text}:")
            return self._field()
        if piece.kind in ("quoted", "word"):
            return self._value(self._take(), field)
        return self._unexpected(piece)

    def _group(self, field: Lexeme | None) -> ast.Node:
        opening = self._take()
        deeper = field is None or not opening.glued  # a field's own list cannot nest by itself
        if deeper:
            self._deeper(opening)
        if self._here.kind == ")":
            around = (opening.position, 2)
            refuse(said("These parentheses are empty."), said("Put something between them, or take them out."), around, "(word)")
        if self._here.kind == "end":
            _never_closed(opening)
        inside = self._any(field)
        if self._here.kind != ")":
            if self._here.kind != "end":
                self._unexpected(self._here)
            _never_closed(opening)
        self._take()
        self._depth -= deeper
        return inside

    # --- words and fields --------------------------------------------------------------------------------------------

    def _field(self) -> ast.Node:
        field = self._take()
        if not self._here.glued or self._here.kind not in ("(", "quoted", "word"):
            example = ranges.example(field.text)
            refuse(said("“{name}:” needs a value right after it.", name=field.text), ranges.write(example), field, example)
        if self._here.kind == "(":
            return self._group(field)
        return self._value(self._take(), field)

    def _value(self, piece: Lexeme, field: Lexeme | None) -> ast.Node:
        self._counted(piece)
        name = field.text if field else None
        if name is None or name in fields.TEXTS or name == "exact":
            return self._words(piece, name)
        if name in fields.NUMBERS or name in fields.DATES:
            return ranges.read(name, piece)
        if piece.kind == "quoted" and (found := self._slop(piece)) is not None:
            refuse(said("“~” has no meaning in {name}:.", name=name), said("Take it out."), found, said("Take out “~”."))
        return self._exact(name, piece)

    def _slop(self, piece: Lexeme) -> Lexeme | None:
        after = self._here
        if after.kind == "word" and after.glued and after.text.startswith("~"):
            return self._take()
        return None

    def _words(self, piece: Lexeme, name: str | None) -> ast.Node:
        exact = name == "exact"
        where = None if exact else name
        text = normalise(piece.text)
        if piece.kind == "quoted":
            return self._phrase(piece, text, where, exact)
        if not exact and (found := _FUZZY.fullmatch(text)):
            return _fuzzy(piece, found[1], found[2], where)
        if not exact and ("*" in text or "?" in text):
            return _wildcard(piece, text, where)
        _searchable(piece, text)
        return ast.Words(text, where, exact=exact)

    def _phrase(self, piece: Lexeme, text: str, where: str | None, exact: bool) -> ast.Node:
        found = _searchable(piece, text)
        if found > limits.PHRASE_WORDS:
            long = said("A phrase has at most {most} words; this one has {count}.", most=limits.PHRASE_WORDS, count=found)
            refuse(long, said("Shorten it."), piece, said("A shorter phrase."))
        sign = self._slop(piece)
        if sign is None:
            return ast.Words(text, where, quoted=True, exact=exact)
        count = _SLOP.fullmatch(sign.text)
        if count is None or not count[1] or exact or not 1 <= int(count[1][:6]) <= limits.NEAR:
            refuse(said("After ~ stands a distance from 1 to {most}.", most=limits.NEAR), said('Write "two words"~5.'), sign, "~5")
        return ast.Words(text, where, quoted=True, slop=int(count[1]))

    def _exact(self, name: str, piece: Lexeme) -> ast.Node:
        value = normalise(piece.text).strip()
        if name in ("handle", "tag") and value[:1] == {"handle": "@", "tag": "#"}[name]:
            value = value[1:]
        if not value:
            refuse(said("“{name}:” needs a value.", name=name), ranges.write(ranges.example(name)), piece, ranges.example(name))
        if piece.kind == "word" and ("*" in value or value[:1] in "<>" or ".." in value):
            refuse(
                said("{name}: takes whole values, no wildcards and ranges.", name=name),
                said("Write the whole value, in quotes if it has such signs."),
                piece,
                f'"{value}"',
            )
        if name == "topic":
            return self._topic(piece, value)
        allowed = fields.EXACTS[name].values
        if allowed:
            return ast.Is(name, _one_of(name, piece, value, allowed))
        resolve = self._names.get(name)
        if resolve is None:
            return ast.Is(name, value)
        ids = resolve(value)
        if ids is None:
            unknown = said("There is no {field} “{name}”.", field=name, name=value)
            refuse(unknown, said("Check its name."), piece, said("Another {field}.", field=name))
        return ast.Is(name, value, ids)

    def _topic(self, piece: Lexeme, name: str) -> ast.Node:
        if self._topics is None:
            return ast.Topic(name)
        query = self._topics(name) if callable(self._topics) else self._topics.get(name)
        if query is None:
            known = () if callable(self._topics) else tuple(self._topics)
            meant = fields.nearest(name, known)
            refuse(
                said("There is no topic “{name}”.", name=name),
                said("Did you mean “{name}”?", name=meant) if meant else said("Check its name."),
                piece,
                meant or said("Another topic."),
            )
        self._counted(piece, ast.size(query.root))
        return ast.Topic(name, query)


def _never_closed(opening: Lexeme) -> NoReturn:
    refuse(said("A parenthesis is never closed."), said("Close it with )."), opening, said("Add “)” at the end."))


def _joined(kind: type[ast.And] | type[ast.Or], parts: list[ast.Node]) -> ast.Node:
    if len(parts) == 1:
        return parts[0]
    flat: list[ast.Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return kind(tuple(flat))


def _wheres(node: ast.Node) -> set[str | None]:
    return {part.where for part in ast.walk(node) if isinstance(part, ast.Words | ast.Wildcard | ast.Fuzzy)}


def _searchable(piece: Lexeme, text: str) -> int:
    found = terms(text)
    if not found:
        empty = said("“{text}” has no letters to search for.", text=piece.text[:40])
        refuse(empty, said("Leave it out, or write the word you mean."), piece, said("Leave it out."))
    return len(found)


def _spaceless(text: str) -> bool:
    found = terms(text)
    return bool(found) and len(found) > 1 and all(after.start < before.end for before, after in pairwise(found))


def _fuzzy(piece: Lexeme, word: str, count: str, where: str | None) -> ast.Node:
    distance = int(count[:4]) if count else 0
    if not 1 <= distance <= limits.FUZZY:
        refuse(
            said("After ~ stands 1 or {most}: how many letters may differ.", most=limits.FUZZY),
            ranges.write(f"{word}~1"),
            piece,
            f"{word}~1",
        )
    if "*" in word or "?" in word or len(terms(word)) != 1 or len(word) < 3:
        refuse(said("~ goes with one plain word of three letters or more."), said("Leave the other signs out."), piece, "word~1")
    return ast.Fuzzy(word, distance, where)


def _wildcard(piece: Lexeme, pattern: str, where: str | None) -> ast.Node:
    fixed = re.split(r"[*?]", pattern, maxsplit=1)[0]
    rest = pattern[len(fixed) :]
    if rest == "*" and fixed and (_spaceless(fixed) or (len(fixed) == 1 and not fixed.isascii() and len(terms(fixed + fixed)) == 1)):
        return ast.Words(fixed, where)  # in a script without spaces every run goes on
    letters = fixed.lstrip("#@")
    if len(letters) < limits.WILDCARD_PREFIX:
        refuse(
            said("A wildcard begins with at least {least} letters.", least=limits.WILDCARD_PREFIX),
            said("Put more of the word before the sign."),
            piece,
            f"{letters or 'wo'}rd*",
        )
    signs = len(pattern) - len(pattern.replace("*", "").replace("?", ""))
    if signs > limits.WILDCARD_SIGNS:
        refuse(said("A wildcard has at most {most} signs.", most=limits.WILDCARD_SIGNS), said("Use fewer * and ?."), piece, f"{fixed}*")
    if len(terms(re.sub(r"[*?]", "x", pattern))) != 1:
        refuse(said("A wildcard stands for part of one word."), said("Leave out signs and spaces inside it."), piece, f"{fixed}*")
    return ast.Wildcard(re.sub(r"\*+", "*", pattern), where)


def _one_of(name: str, piece: Lexeme, value: str, allowed: tuple[str, ...]) -> str:
    wanted = value.casefold().replace("-", "_").replace(" ", "_")
    if wanted not in allowed:
        meant = fields.nearest(wanted, allowed) or allowed[0]
        unknown = said("{name}: knows no “{value}”.", name=name, value=value)
        refuse(unknown, said("It is one of {names}.", names=", ".join(allowed)), piece, meant)
    return wanted
