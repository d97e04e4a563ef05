"""Values of numbers and dates: one, a bound or a range, and how they are to be written."""

from __future__ import annotations

import re

from cxm.kernel.said import Said, said
from cxm.query import ast, fields, moments
from cxm.query.lexer import Lexeme, refuse

_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?")
_BOUND = re.compile(r"(>=|<=|>|<)(.*)", re.DOTALL)


def write(example: str) -> Said:
    """The hint that shows how."""
    return said("Write {example}.", example=example)


def example(name: str) -> str:
    """How a condition on the field may look."""
    if name in fields.NUMBERS:
        return f"{name}:>10"
    if name in fields.DATES:
        return f"{name}:>now-7d"
    values = fields.EXACTS[name].values if name in fields.EXACTS else ()
    return f"{name}:{values[0] if values else 'value'}"


def read(name: str, piece: Lexeme) -> ast.Node:
    """The range that a value of a number or date means; raises BadInput ``query_invalid``."""
    text = piece.text.strip()
    if found := _BOUND.fullmatch(text):
        sign, bound = found.groups()
        _bound(name, piece, bound)
        inclusive = sign.endswith("=")
        return ast.Range(name, low=bound, low_in=inclusive) if sign[0] == ">" else ast.Range(name, high=bound, high_in=inclusive)
    low, dots, high = text.partition("..")
    if not dots:
        _bound(name, piece, text)
        return ast.Range(name, text, text)
    if not low and not high:
        refuse(said("A range needs at least one end."), write(example(name)), piece, example(name).partition(":")[2])
    for bound in (low, high):
        if bound:
            _bound(name, piece, bound)
    _in_order(name, piece, low, high)
    return ast.Range(name, low or None, high or None)


def _in_order(name: str, piece: Lexeme, low: str, high: str) -> None:
    if not low or not high or "now" in (low[:3], high[:3]):
        return
    if name in fields.NUMBERS:
        wrong = float(low) > float(high)
    else:
        now = moments.EPOCH
        first, last = moments.span(low, now), moments.span(high, now)
        wrong = first is not None and last is not None and first[0] >= last[1]
    if wrong:
        refuse(said("The range ends before it begins."), said("Turn its ends round."), piece, f"{high}..{low}")


def _bound(name: str, piece: Lexeme, bound: str) -> None:
    if name in fields.NUMBERS:
        if not _NUMBER.fullmatch(bound):
            two = said("Write {one} or {other}.", one=example(name), other=f"{name}:10..50")
            refuse(said("“{text}” is not a number.", text=bound[:40]), two, piece, ">10")
    elif not moments.valid(bound):
        refuse(
            said("“{text}” is not a day or time.", text=bound[:40]),
            said("Write a day (2026-11-21), a month (2026-11), a time with its zone (2026-11-21T10:00:00Z) or now-7d."),
            piece,
            ">now-7d",
        )
