"""From a query's tree to the engine's query, with the same tokens the documents were made of.

What the engine's index can decide by itself becomes engine queries. The rest (exact spelling, three or more words together in
any order, NEAR between phrases) is first narrowed by the index to candidates, each of which the matcher then judges by its text:
the answer is exact, and a question that would take too many candidates is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import orjson
import tantivy
from tantivy import Occur
from tantivy import Query as Engine

from cxm.kernel.errors import BadInput
from cxm.kernel.said import said
from cxm.kernel.text import fold, terms
from cxm.listen.store.document import DIRECT, condition
from cxm.query import ast, fields, limits, match
from cxm.query.api import Subject

#: Most mentions whose text is judged one by one for one condition.
CANDIDATES = 20_000


class Compiler:
    """Compiles for one searcher and organization; ``scope`` is the engine query that keeps others out."""

    def __init__(self, schema: tantivy.Schema, searcher: tantivy.Searcher, scope: Engine, now: datetime, *, scored: bool = False) -> None:
        self._schema = schema
        self._searcher = searcher
        self._scope = scope
        self._now = now
        self._option = "freq" if scored else "basic"

    def compile(self, node: ast.Node) -> Engine:
        """The engine query with exactly the node's meaning."""
        match node:
            case ast.Everything():
                return Engine.all_query()
            case ast.Words() | ast.Wildcard() | ast.Fuzzy():
                return _any(self._leaf(node, where) for where in match.node_places(node))
            case ast.Near():
                return _any(self._near(node, where) for where in match.node_places(node))
            case ast.Is():
                return self._is(node)
            case ast.Range():
                return self._range(node)
            case ast.Topic():
                return self.compile(node.query.root) if node.query else self._term("x", condition("topic", fold(node.name)))
            case ast.Not():
                return all_of([], [self.compile(node.part)])
            case ast.And():
                wanted = [self.compile(part) for part in node.parts if not isinstance(part, ast.Not)]
                return all_of(wanted, [self.compile(part.part) for part in node.parts if isinstance(part, ast.Not)])
            case ast.Or():
                return _any(self.compile(part) for part in node.parts)

    def _term(self, field: str, value: str) -> Engine:
        return Engine.term_query(self._schema, field, value, index_option=self._option if field.startswith("t_") else "basic")

    # --- words -------------------------------------------------------------------------------------------------------

    def _leaf(self, node: ast.Words | ast.Wildcard | ast.Fuzzy, where: str) -> Engine:
        if isinstance(node, ast.Wildcard):
            return self._wildcard(node, where)
        if isinstance(node, ast.Fuzzy):
            return Engine.fuzzy_term_query(self._schema, f"t_{where}", terms(node.text)[0].text, distance=node.distance)
        rough = self._phrase(node, where)
        if node.exact:
            return self._judged(rough, lambda subject: match.stands(node, subject, where))
        if node.slop is not None:
            return self._together(node, where)
        return rough

    def _phrase(self, node: ast.Words, where: str) -> Engine:
        wanted: list[str | tuple[int, str]] = [(each.position, each.text) for each in match.needed_in(node, where)]
        if not wanted:
            return Engine.empty_query()
        if len(wanted) == 1:
            return self._term(f"t_{where}", wanted[0][1])  # pyright: ignore[reportArgumentType]
        return Engine.phrase_query(self._schema, f"t_{where}", wanted)

    def _wildcard(self, node: ast.Wildcard, where: str) -> Engine:
        pattern = "".join({"*": ".*", "?": "."}.get(letter, _escaped(letter)) for letter in fold(node.pattern))
        fixed = fold(node.pattern).split("*")[0].split("?")[0]
        found = self._searcher.terms_with_prefix(f"t_{where}", fixed, limit=limits.EXPANSIONS + 1)
        if len(found) > limits.EXPANSIONS:
            raise BadInput(
                "query_too_broad",
                said("“{pattern}” stands for more than {most} words.", pattern=node.pattern, most=limits.EXPANSIONS),
                said("Put more letters before the * or ?."),
            )
        return Engine.regex_query(self._schema, f"t_{where}", pattern)

    def _together(self, node: ast.Words, where: str) -> Engine:
        words = list(dict.fromkeys(each.text for each in match.needed_in(node, where)))
        count = len(match.needed_in(node, where))
        if count == 1:
            return self._term(f"t_{where}", words[0])
        if count == 2 and len(words) == 2:
            return self._within(where, words[0], words[1], node.slop or 0)
        rough = all_of(
            [self._within(where, words[0], other, node.slop or 0) for other in words[1:]] or [self._term(f"t_{where}", words[0])]
        )
        return self._judged(rough, lambda subject: match.stands(node, subject, where))

    def _within(self, where: str, left: str, right: str, distance: int) -> Engine:
        return Engine.phrase_query(self._schema, f"t_{where}", [(0, left), (0, right)], slop=distance)

    def _near(self, node: ast.Near, where: str) -> Engine:
        left, right = _single(node.left, where), _single(node.right, where)
        if left and right and left != right:
            return _any(
                self._ordered(where, *pair, node.distance) for pair in ([(left, right)] if node.ordered else [(left, right), (right, left)])
            )
        rough = all_of([self._rough(node.left, where), self._rough(node.right, where)])
        return self._judged(rough, lambda subject: match.stands(node, subject, where))

    def _ordered(self, where: str, first: str, second: str, distance: int) -> Engine:
        """``second`` 1 to ``distance`` positions after ``first``: the engine's slop reaches both ways from an offset."""
        odd = distance - 1 + distance % 2
        found = [Engine.phrase_query(self._schema, f"t_{where}", [(0, first), ((odd + 1) // 2, second)], slop=(odd - 1) // 2)]
        if odd != distance:
            found.append(Engine.phrase_query(self._schema, f"t_{where}", [(0, first), (distance, second)]))
        return _any(found)

    def _rough(self, node: ast.Node, where: str) -> Engine:
        if isinstance(node, ast.Or):
            return _any(self._rough(part, where) for part in node.parts)
        if isinstance(node, ast.Words):
            return self._phrase(node, where)
        return self._leaf(node, where) if isinstance(node, ast.Wildcard | ast.Fuzzy) else Engine.all_query()

    def _judged(self, rough: Engine, judge: Callable[[Subject], bool]) -> Engine:
        found = self._searcher.search(all_of([self._scope, rough]), CANDIDATES + 1, count=False).hits
        if len(found) > CANDIDATES:
            raise BadInput(
                "query_too_broad",
                said("More than {most} mentions would have to be read one by one for this.", most=CANDIDATES),
                said("Use rarer words with exact:, NEAR or ~, or plain words and AND."),
            )
        kept: list[str] = []
        for _, address in found:
            mention = orjson.loads(bytes(self._searcher.doc(address).get_first("json") or b"{}"))
            if "published_at" in mention and judge(Subject(mention)):
                kept.append(mention["id"])
        return Engine.term_set_query(self._schema, "id", kept) if kept else Engine.empty_query()

    # --- fields ------------------------------------------------------------------------------------------------------

    def _is(self, node: ast.Is) -> Engine:
        values = sorted(match.wanted_values(node))
        if node.field in DIRECT:
            return _any(self._term(f"c_{DIRECT[node.field]}", value) for value in values)
        return _any(self._term("x", condition(node.field, value)) for value in values)

    def _range(self, node: ast.Range) -> Engine:
        if node.field in fields.DATES:
            return self.between(*match.time_bounds(node, self._now))
        rating = node.field == "rating"
        kind = tantivy.FieldType.Float if rating else tantivy.FieldType.Integer
        low, high = (None if bound is None else float(bound) for bound in (node.low, node.high))
        low_in, high_in = node.low_in, node.high_in
        if not rating:  # whole numbers: 2.5 is between 2 and 3
            low, low_in = (low, low_in) if low is None or low.is_integer() else (float(int(low // 1) + 1), True)
            high, high_in = (high, high_in) if high is None or high.is_integer() else (float(int(high // 1)), True)
            low, high = (None if bound is None else int(bound) for bound in (low, high))
        return Engine.range_query(
            self._schema, f"n_{node.field}", kind, low, high, include_lower=low_in or low is None, include_upper=high_in or high is None
        )

    def between(self, start: int | None, end: int | None) -> Engine:
        """Published from ``start`` to before ``end`` (microseconds)."""
        if start is None and end is None:
            return Engine.all_query()
        return Engine.range_query(self._schema, "published", tantivy.FieldType.Integer, start, end, include_upper=end is None)


def all_of(wanted: list[Engine], unwanted: Iterable[Engine] = ()) -> Engine:
    """All of ``wanted``, none of ``unwanted``."""
    without = list(unwanted)
    if len(wanted) == 1 and not without:
        return wanted[0]
    parts = [(Occur.Must, each) for each in wanted or [Engine.all_query()]]
    return Engine.boolean_query(parts + [(Occur.MustNot, each) for each in without])


def _any(parts: Iterable[Engine]) -> Engine:
    found = list(parts)
    return found[0] if len(found) == 1 else Engine.boolean_query([(Occur.Should, each) for each in found])


def _single(node: ast.Node, where: str) -> str | None:
    """The one term an operand stands for, if it is one."""
    if not isinstance(node, ast.Words) or node.exact or node.slop is not None:
        return None
    found = match.needed_in(node, where)
    return found[0].text if len(found) == 1 else None


def _escaped(letter: str) -> str:
    return letter if letter.isalnum() or ord(letter) > 127 else "\\" + letter if letter != "_" else letter
