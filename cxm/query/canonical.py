"""A query written back: one spelling for each tree, and the same in plain words."""

from __future__ import annotations

import re

from cxm.query import ast

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
    return f"{names.pop()}:({' OR '.join(_value(part) for part in parts)})"


_FIELD_WORDS = {
    "lang": "language", "media_type": "media type", "site": "website", "published": "published",
}  # fmt: skip
_IS_WORDS = {"reply": "a reply", "question": "a question", "offensive": "offensive", "spam": "spam"}
_HAS_WORDS = {"media": "pictures or films", "link": "a link", "location": "a location", "reply": "an answer from us", "rating": "a rating"}


def explain(node: ast.Node) -> str:
    """What a query finds, in plain English: for screens and confirmations."""
    match node:
        case ast.Everything():
            return "every mention"
        case ast.Words() | ast.Wildcard() | ast.Fuzzy():
            place = f" in {node.where}" if node.where else ""
            return _explained(node) + place
        case ast.Near():
            order = "followed by" if node.ordered else "near"
            return f"{explain(node.left)} {order} {explain(node.right)} (within {node.distance} words)"
        case ast.Is(field="is"):
            return f"is {_IS_WORDS[node.value]}"
        case ast.Is(field="has"):
            return f"has {_HAS_WORDS[node.value]}"
        case ast.Is():
            return f"{_FIELD_WORDS.get(node.field, node.field)} is “{node.value}”"
        case ast.Range():
            return _range(node)
        case ast.Topic():
            return f"matches the topic “{node.name}”"
        case ast.Not():
            return f"not ({explain(node.part)})"
        case ast.And():
            return " and ".join(f"({explain(p)})" if isinstance(p, ast.Or) else explain(p) for p in node.parts)
        case ast.Or():
            return " or ".join(f"({explain(p)})" if isinstance(p, ast.And) else explain(p) for p in node.parts)


def _explained(node: ast.Words | ast.Wildcard | ast.Fuzzy) -> str:
    if isinstance(node, ast.Wildcard):
        return f"a word like “{node.pattern}”"
    if isinstance(node, ast.Fuzzy):
        return f"a word spelled nearly like “{node.text}”"
    if node.slop:
        return f"the words of “{node.text}” within {node.slop} words"
    return f"“{node.text}”" + (" exactly as written" if node.exact else "")


def _range(node: ast.Range) -> str:
    name = _FIELD_WORDS.get(node.field, node.field)
    if node.low is not None and node.low == node.high:
        return f"{name} is {node.low}"
    low = f"{'from' if node.low_in else 'more than' if node.field != 'published' else 'after'} {node.low}" if node.low is not None else ""
    high = (
        f"{'up to' if node.high_in else 'less than' if node.field != 'published' else 'before'} {node.high}"
        if node.high is not None
        else ""
    )
    return f"{name} {low}{' ' if low and high else ''}{high}"
