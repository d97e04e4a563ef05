"""A query written back: one spelling for each tree, and the same in plain words."""

from __future__ import annotations

import re

from cxm.kernel.said import Said, said
from cxm.query import ast, fields

_PLAIN_VALUE = re.compile(r"[\w@#/+][\w@#/+:&'%=-]*(?:\.[\w@#/+:&'%=-]+)*")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def write(node: ast.Node) -> str:
    """The canonical form; parsing it gives an equal tree."""
    match node:
        case ast.Everything():
            return ""
        case ast.Words() | ast.Wildcard() | ast.Fuzzy():
            return (f"{node.where}:" if node.where else "") + _word(node)
        case ast.Near():
            sign = "ONEAR" if node.ordered else "NEAR"
            return f"{_within(node.left, ast.Or)} {sign}/{node.distance} {_within(node.right, ast.Or)}"
        case ast.Is():
            return f"{node.field}:{_value(node)}"
        case ast.Range():
            return f"{node.field}:{_value(node)}"
        case ast.Topic():
            return f"topic:{_plain(node.name)}"
        case ast.Not():
            return f"NOT {_within(node.part, ast.And, ast.Or, ast.Near)}"
        case ast.And():
            return " AND ".join(_within(part, ast.Or) for part in node.parts)
        case ast.Or():
            return _list(node) or " OR ".join(write(part) for part in node.parts)


def _within(node: ast.Node, *looser: type) -> str:
    text = write(node)
    return f"({text})" if isinstance(node, looser) and not (isinstance(node, ast.Or) and _list(node)) else text


def _word(node: ast.Words | ast.Wildcard | ast.Fuzzy) -> str:
    if isinstance(node, ast.Wildcard):
        return node.pattern
    if isinstance(node, ast.Fuzzy):
        return f"{node.text}~{node.distance}"
    text = _quoted(node.text) if node.quoted else node.text
    return f"exact:{text}" if node.exact else f"{text}~{node.slop}" if node.slop else text


def _plain(value: str) -> str:
    return value if _PLAIN_VALUE.fullmatch(value) else _quoted(value)


def _value(node: ast.Is | ast.Range) -> str:
    if isinstance(node, ast.Is):
        return _plain(node.value)
    if node.low is not None and node.low == node.high:
        return node.low
    if node.low is not None and not node.low_in:
        return f">{node.low}"
    if node.high is not None and not node.high_in:
        return f"<{node.high}"
    return f"{node.low or ''}..{node.high or ''}"


def _list(node: ast.Or) -> str:
    """``field:(a OR b)`` where all parts are values of one field."""
    parts = [part for part in node.parts if isinstance(part, ast.Is | ast.Range)]
    names = {part.field for part in parts}
    if len(parts) != len(node.parts) or len(names) != 1:
        return ""
    values = [_value(part) for part in parts]
    if any(value.startswith("-") for value in values):  # within a list it would exclude
        return ""
    return f"{names.pop()}:({' OR '.join(values)})"


_IS = {
    "reply": said("is a reply"),
    "question": said("is a question"),
    "offensive": said("is offensive"),
    "spam": said("is spam"),
}
_HAS = {
    "media": said("has pictures or films"),
    "link": said("has a link"),
    "location": said("has a location"),
    "reply": said("has an answer from us"),
    "rating": said("has a rating"),
}
_FIELDS = {"lang": said("language"), "media_type": said("media type"), "site": said("website"), "published": said("published")}


def explain(node: ast.Node) -> Said:
    """What a query finds, in plain words: for screens and confirmations."""
    match node:
        case ast.Everything():
            return said("every mention")
        case ast.Words() | ast.Wildcard() | ast.Fuzzy():
            return said("{words} in {field}", words=_explained(node), field=node.where) if node.where else _explained(node)
        case ast.Near():
            return _near(node)
        case ast.Is(field="is"):
            return _IS[node.value]
        case ast.Is(field="has"):
            return _HAS[node.value]
        case ast.Is():
            return said("{field} is “{value}”", field=_FIELDS.get(node.field, node.field), value=node.value)
        case ast.Range():
            return _range(node)
        case ast.Topic():
            return said("matches the topic “{name}”", name=node.name)
        case ast.Not():
            return said("not ({part})", part=explain(node.part))
        case ast.And():
            return _joined(node.parts, ast.Or)
        case ast.Or():
            return _joined(node.parts, ast.And)


def _near(node: ast.Near) -> Said:
    left, right = explain(node.left), explain(node.right)
    if node.ordered:
        return said("{left} followed by {right} (within {words} words)", left=left, right=right, words=node.distance)
    return said("{left} near {right} (within {words} words)", left=left, right=right, words=node.distance)


def _joined(parts: tuple[ast.Node, ...], bracketed: type[ast.Node]) -> Said:
    """The parts, one after the other; those of the other kind in parentheses."""
    told = [said("({part})", part=explain(one)) if isinstance(one, bracketed) else explain(one) for one in parts]
    return _chained(told, either=bracketed is ast.And)


def _chained(told: list[Said], *, either: bool) -> Said:
    """Halved, not one by one: two hundred parts are then eight sentences deep."""
    if len(told) == 1:
        return told[0]
    half = len(told) // 2
    left, right = _chained(told[:half], either=either), _chained(told[half:], either=either)
    return said("{left} or {right}", left=left, right=right) if either else said("{left} and {right}", left=left, right=right)


def _explained(node: ast.Words | ast.Wildcard | ast.Fuzzy) -> Said:
    if isinstance(node, ast.Wildcard):
        return said("a word like “{word}”", word=node.pattern)
    if isinstance(node, ast.Fuzzy):
        return said("a word spelled nearly like “{word}”", word=node.text)
    if node.slop:
        return said("the words of “{text}” within {words} words", text=node.text, words=node.slop)
    return said("“{text}” exactly as written", text=node.text) if node.exact else said("“{text}”", text=node.text)


def _range(node: ast.Range) -> Said:
    name = _FIELDS.get(node.field, node.field)
    if node.low is not None and node.low == node.high:
        return said("{field} is {value}", field=name, value=node.low)
    low, high = _low(node), _high(node)
    if low is None or high is None:
        return said("{field} {bound}", field=name, bound=low or high or "")
    return said("{field} {low} {high}", field=name, low=low, high=high)


def _low(node: ast.Range) -> Said | None:
    if node.low is None:
        return None
    if node.low_in:
        return said("from {value}", value=node.low)
    return said("after {value}", value=node.low) if node.field in fields.DATES else said("more than {value}", value=node.low)


def _high(node: ast.Range) -> Said | None:
    if node.high is None:
        return None
    if node.high_in:
        return said("up to {value}", value=node.high)
    return said("before {value}", value=node.high) if node.field in fields.DATES else said("less than {value}", value=node.high)
