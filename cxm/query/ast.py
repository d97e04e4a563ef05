"""The tree of a query: frozen, comparable, and free of positions (errors carry those)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as plain


@dataclass(frozen=True, slots=True)
class Everything:
    """The empty query."""


@dataclass(frozen=True, slots=True)
class Words:
    """One word or ``"phrase"``, as written; its terms stand at consecutive positions.

    ``slop`` (``"a b"~N``): all of its terms in any order, first and last at most N positions apart. ``exact``: case and accents
    as written. ``where`` names a text field; None is text or title.
    """

    text: str
    where: str | None = None
    quoted: bool = False
    slop: int | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``wild*``, ``w?ld``: ``*`` any characters, ``?`` exactly one, within one word."""

    pattern: str
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """``word~1``: a word at most ``distance`` edits away (a swap of neighbours is one)."""

    text: str
    distance: int
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """``a NEAR/n b``; ``ordered`` for ONEAR. Operands are Words, Wildcard, Fuzzy, or an Or of those."""

    left: Node
    right: Node
    distance: int
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Is:
    """``field:value``; ``is:`` and ``has:`` too. ``ids`` are what a name was resolved to (``unit:``)."""

    field: str
    value: str
    ids: tuple[str, ...] | None = plain(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """``field:low..high`` and its open and one-sided forms; None is open.

    Bounds are as written: numbers, or for ``published`` days, months, years, instants and ``now-7d``; ``low_in`` and ``high_in``
    say whether the bound itself belongs (a whole day where it is one).
    """

    field: str
    low: str | None = None
    high: str | None = None
    low_in: bool = True
    high_in: bool = True


@dataclass(frozen=True, slots=True)
class Topic:
    """``topic:name``, standing for that topic's own query."""

    name: str
    query: Query | None = plain(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """Everything that does not match."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of at least two parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of at least two parts."""

    parts: tuple[Node, ...]


Node = Everything | Words | Wildcard | Fuzzy | Near | Is | Range | Topic | Not | And | Or


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was understood."""

    root: Node

    @property
    def empty(self) -> bool:
        """Whether it finds everything."""
        return isinstance(self.root, Everything)


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a node, a topic's query included."""
    if isinstance(node, And | Or):
        return node.parts
    if isinstance(node, Not):
        return (node.part,)
    if isinstance(node, Near):
        return (node.left, node.right)
    if isinstance(node, Topic) and node.query is not None:
        return (node.query.root,)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def size(node: Node) -> int:
    """How many words, phrases and conditions it has."""
    return sum(1 for each in walk(node) if isinstance(each, Words | Wildcard | Fuzzy | Is | Range))
