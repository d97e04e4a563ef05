"""The door of the query language: parse, write back, explain, match."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cxm.kernel import clock
from cxm.kernel.said import Said
from cxm.query import ast
from cxm.query import canonical as _canonical
from cxm.query import match as _match
from cxm.query.ast import Query
from cxm.query.grammar import Names, Parser, Topics
from cxm.query.subject import Subject, person

__all__ = [
    "EVERYTHING",
    "Names",
    "Query",
    "Subject",
    "Topics",
    "canonical",
    "explain",
    "highlights",
    "lasting",
    "matches",
    "parse",
    "person",
    "topics_of",
]

#: The empty query.
EVERYTHING = Query(ast.Everything())


def parse(text: str, *, topics: Topics | None = None, names: Names | None = None) -> Query:
    """Understand a query.

    ``topics`` resolves the name of ``topic:name`` to that topic's own parsed query (a mapping, or a function answering None for
    an unknown one); without it ``topic:`` matches the topics written on a mention. ``names`` resolves what people write after a
    field (``{"unit": function}``) to ids. Raises BadInput ``query_invalid`` with ``position`` and ``length`` (characters from 0)
    and ``suggestion`` (what to write there instead, or advice); never anything else, whatever the text.
    """
    return Parser(text, topics, names).parse()


def canonical(query: Query) -> str:
    """The one spelling of a query: ``parse(canonical(q)) == q``. ``""`` for the query that finds everything."""
    return _canonical.write(query.root)


def explain(query: Query) -> Said:
    """What it finds, in plain English; a page can tell it in the reader's language."""
    return _canonical.explain(query.root)


def matches(query: Query, mention: Mapping[str, Any] | Subject, *, now: datetime | None = None) -> bool:
    """Whether a mention (its public JSON as a dict) answers the query. For many queries pass one :class:`Subject`."""
    subject = mention if isinstance(mention, Subject) else Subject(mention)
    return _match.matches(query.root, subject, now or clock.now())


def highlights(query: Query, mention: Mapping[str, Any] | Subject) -> dict[str, list[tuple[int, int]]]:
    """What to mark in ``text`` and ``title``: ``(start, end)`` in characters, ascending, apart; fields without any are absent."""
    subject = mention if isinstance(mention, Subject) else Subject(mention)
    found = {where: _match.highlights(query.root, subject, where) for where in ("text", "title")}
    return {where: spans for where, spans in found.items() if spans}


def topics_of(query: Query) -> set[str]:
    """The names of the topics it uses, directly or through others."""
    return {node.name for node in ast.walk(query.root) if isinstance(node, ast.Topic)}


def lasting(query: Query) -> bool:
    """Whether an equal query finds the same at any time: no ``now``, and no name that stood for ids or a topic's query when it was parsed."""
    return not any(
        (isinstance(node, ast.Is) and node.ids is not None)
        or (isinstance(node, ast.Topic) and node.query is not None)
        or (isinstance(node, ast.Range) and node.field == "published")
        or (isinstance(node, ast.Is) and node.field == "published")
        for node in ast.walk(query.root)
    )
