"""Reading one state of the index: pages that ties cannot disturb, exact counts, counts by value and by time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import tantivy
from tantivy import Order
from tantivy import Query as Engine

from cxm.kernel import clock
from cxm.listen.store import spec
from cxm.listen.store.compiling import Compiler, all_of
from cxm.listen.store.document import person_key
from cxm.listen.store.port import Aggregated, By, Mention, Page
from cxm.query.api import Query, highlights
from cxm.query.moments import micros

#: Up to so many people are counted one by one; above, estimated (HyperLogLog).
PEOPLE = 20_000
_NONE = "\x00"
_FIELD = {"newest": "published", "oldest": "published", "engagement": "engagement"}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a read is about."""

    organization: str
    query: Query
    after: datetime | None = None
    before: datetime | None = None
    units: Collection[str] | None = None
    people: Collection[str] | None = None
    scored: bool = False


class Reader:
    """Reads through one searcher."""

    def __init__(self, schema: tantivy.Schema, searcher: tantivy.Searcher) -> None:
        self._schema = schema
        self._searcher = searcher

    # --- what is looked at -------------------------------------------------------------------------------------------

    def _term(self, field: str, value: str) -> Engine:
        return Engine.term_query(self._schema, field, value, index_option="basic")

    def compile(self, ask: Ask) -> Engine:
        """The engine query for what is asked, among its organization's living mentions only.

        Where the index holds no other organization, that is everything but tombstones: the condition, which would touch every
        mention, is then left out.
        """
        owners = [name for name, _ in self._searcher.terms_with_prefix("organization", "", limit=2)]
        graves = [name for name, _ in self._searcher.terms_with_prefix("tombstone", "", limit=1000)]
        alone = owners == [ask.organization] and len(graves) < 1000
        scope = self._term("organization", ask.organization)
        compiler = Compiler(self._schema, self._searcher, scope, clock.now(), scored=ask.scored)
        wanted = [compiler.compile(ask.query.root)]
        if ask.after is not None or ask.before is not None:
            wanted.append(compiler.between(micros(ask.after) if ask.after else None, micros(ask.before) if ask.before else None))
        if ask.units is not None:
            wanted.append(Engine.term_set_query(self._schema, "c_unit", sorted(ask.units)) if ask.units else Engine.empty_query())
        if ask.people is not None:
            wanted.append(self._said_by(ask.people))
        if alone:
            return all_of(wanted, [self._term("tombstone", name) for name in graves])
        if ask.scored:
            scope = Engine.const_score_query(scope, 0.0)
        return all_of([*wanted, scope])

    def _said_by(self, people: Collection[str]) -> Engine:
        """Looks through the column of people: it has no index, which every mention would pay for and few look into."""
        keys = sorted({person_key(each) for each in people})
        ranges = [Engine.range_query(self._schema, "person", tantivy.FieldType.Unsigned, key, key) for key in keys]
        return Engine.boolean_query([(tantivy.Occur.Should, each) for each in ranges]) if ranges else Engine.empty_query()

    def load(self, address: tantivy.DocAddress) -> Mention:
        """The whole mention."""
        return orjson.loads(bytes(self._searcher.doc(address).get_first("json") or b"{}"))

    # --- pages -------------------------------------------------------------------------------------------------------

    def count(self, ask: Ask) -> int:
        """How many match."""
        return self._count(self.compile(ask))

    def _count(self, query: Engine) -> int:
        return self._searcher.search(query, 1, count=True, order_by_field="tie").count  # pyright: ignore[reportAttributeAccessIssue]

    def page(self, ask: Ask, sort: str, limit: int, cursor: str | None, *, highlight: bool, counting: bool = True) -> Page:
        """A page and the count of all."""
        start = spec.read_cursor(sort, cursor)
        query = self.compile(ask)
        following: spec.Cursor | None = None
        if sort == "relevance":
            offset = start.value if start else 0
            found = self._searcher.search(query, limit + 1, count=counting, offset=offset)
            addresses = [address for _, address in found.hits[:limit]]
            count = found.count or 0  # pyright: ignore[reportAttributeAccessIssue]
            if len(found.hits) > limit and offset + limit < spec.RELEVANCE_DEPTH:
                following = spec.Cursor(offset + limit)
        else:
            hits = self._ordered(query, _FIELD[sort], sort == "oldest", limit + 1, start)
            addresses = [hit[2] for hit in hits[:limit]]
            count = self._count(query) if counting else 0
            if len(hits) > limit:
                following = spec.Cursor(*hits[limit - 1][:2])
        items = [self.load(address) for address in addresses]
        if highlight:
            for item in items:
                item["highlights"] = {where: [list(span) for span in spans] for where, spans in highlights(ask.query, item).items()}
        return Page(items, spec.write_cursor(sort, following) if following else None, count)

    def _ordered(
        self, query: Engine, field: str, ascending: bool, limit: int, start: spec.Cursor | None
    ) -> list[tuple[int, int, tantivy.DocAddress]]:
        """The next ``limit`` by (value, tie), after ``start``: first the rest of its equals, then those beyond."""
        found: list[tuple[int, int, tantivy.DocAddress]] = []
        if start is not None:
            rest = [self._exactly(field, start.value), self._beyond("tie", tantivy.FieldType.Unsigned, start.tie, ascending=True)]
            found = self._ties(all_of([query, *rest]), start.value, limit)
            query = all_of([query, self._beyond(field, tantivy.FieldType.Integer, start.value, ascending=ascending)])
        if len(found) == limit:
            return found
        wanted = limit - len(found)
        order = Order.Asc if ascending else Order.Desc
        hits = self._searcher.search(query, wanted, count=False, order_by_field=field, order=order).hits
        ties = self._searcher.fast_field_values("tie", [address for _, address in hits])
        more: list[tuple[int, int, tantivy.DocAddress]] = [
            (value, int(tie or 0), address) for (value, address), tie in zip(hits, ties, strict=True)
        ]
        if len(more) == wanted:  # the last value may have more equals than came along
            last = more[-1][0]
            more = [each for each in more if each[0] != last]
            more += self._ties(all_of([query, self._exactly(field, last)]), last, wanted - len(more))
        return found + sorted(more, key=lambda each: (each[0] if ascending else -each[0], each[1]))

    def _ties(self, query: Engine, value: int, limit: int) -> list[tuple[int, int, tantivy.DocAddress]]:
        hits = self._searcher.search(query, limit, count=False, order_by_field="tie", order=Order.Asc).hits
        return [(value, tie, address) for tie, address in hits]

    def _exactly(self, field: str, value: int) -> Engine:
        return Engine.range_query(self._schema, field, tantivy.FieldType.Integer, value, value)

    def _beyond(self, field: str, kind: tantivy.FieldType, value: int, *, ascending: bool) -> Engine:
        low, high = (value, None) if ascending else (None, value)
        return Engine.range_query(self._schema, field, kind, low, high, include_lower=low is None, include_upper=high is None)

    # --- by id -------------------------------------------------------------------------------------------------------

    def by_id(self, organization: str, ids: Collection[str], *, graves: bool = False) -> list[tantivy.DocAddress]:
        """Where the mentions (or tombstones) with these ids are."""
        if not ids:
            return []
        owner = self._term("tombstone" if graves else "organization", organization)
        query = all_of([Engine.term_set_query(self._schema, "id", list(ids)), owner])
        return [address for _, address in self._searcher.search(query, len(ids), count=False).hits]

    def holding(self, ids: Collection[str]) -> list[Mention]:
        """Whatever is held under these ids, whosoever: mentions, and tombstones (with ``deleted_at``). For writing only."""
        query = Engine.term_set_query(self._schema, "id", list(ids))
        hits = self._searcher.search(query, max(1, len(ids)), count=False).hits
        return [self.load(address) for address in sorted((hit[1] for hit in hits), key=lambda each: (each.segment_ord, each.doc))]

    # --- counts ------------------------------------------------------------------------------------------------------

    def aggregate(self, ask: Ask, by: Sequence[By], time_zone: str, distinct: str | None) -> Aggregated:
        """Counts by value and by time."""
        zone = spec.check_by(by, time_zone, distinct)
        query = self.compile(ask)
        count = self._count(query)
        wanted: dict[str, Any] = {}
        if any(spec.is_time(each) for each in by) and count:
            wanted |= {"first": {"min": {"field": "published"}}, "last": {"max": {"field": "published"}}}
        if distinct:
            wanted["people"] = {"cardinality": {"field": "person"}}
        bounds = self._searcher.aggregate(query, wanted) if wanted else {}
        people = bounds["people"]["value"] if distinct else 0
        inner = _people(people <= PEOPLE) if distinct else {}
        axes: dict[int, spec.Axis] = {}
        asked: dict[str, Any] = dict(inner)
        for at, each in enumerate(by):
            if spec.is_time(each):
                buckets = self._axis(each, zone, ask, bounds)
                if buckets is not None:
                    axes[at] = buckets
                    asked[str(at)] = _sized(_ranges(buckets), inner)
            else:
                asked[str(at)] = _sized(_terms(each), inner)
        answer = self._searcher.aggregate(query, asked) if asked else {}
        lists = [self._listed(each, answer.get(str(at)), axes.get(at), bool(inner)) for at, each in enumerate(by)]
        return Aggregated(_count_of(answer, True) if inner else count, lists, exact=not distinct or people <= PEOPLE)

    def _axis(self, by: By, zone: Any, ask: Ask, bounds: dict[str, Any]) -> spec.Axis | None:
        first = micros(ask.after) if ask.after else _whole(bounds, "first")
        last = micros(ask.before) - 1 if ask.before else _whole(bounds, "last")
        if first is None or last is None or last < first:
            return None
        return spec.axis(by.interval or "day", zone, first, last)

    def _listed(self, by: By, answer: dict[str, Any] | None, axis: spec.Axis | None, people: bool) -> list[dict[str, Any]]:
        buckets = (answer or {}).get("buckets", [])
        if spec.is_time(by):
            if axis is None:
                return []
            counts = {int(bucket["from"]): _count_of(bucket, people) for bucket in buckets if "from" in bucket}
            return [{"key": key, "count": counts.get(edge, 0)} for key, edge in zip(axis.keys, axis.edges, strict=False)]
        key = spec.COUNTABLE[by.field]
        counts = {str(bucket["key"]): _count_of(bucket, people) for bucket in buckets}
        none = counts.pop(_NONE, None)
        largest = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[: by.size]
        listed = [{"key": spec.shown_key(key, value), "count": count} for value, count in largest]
        return [*listed, {"key": None, "count": none}] if none is not None else listed


def _whole(bounds: dict[str, Any], name: str) -> int | None:
    value = bounds.get(name, {}).get("value")
    return None if value is None else int(value)


def _people(exactly: bool) -> dict[str, Any]:
    if exactly:
        return {"who": {"terms": {"field": "person", "size": PEOPLE * 2, "segment_size": PEOPLE * 2}}}
    return {"who": {"cardinality": {"field": "person"}}}


def _count_of(bucket: dict[str, Any], people: bool) -> int:
    if not people:
        return int(bucket["doc_count"])
    who = bucket["who"]
    return len(who["buckets"]) if "buckets" in who else round(who["value"])


def _sized(aggregation: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    return aggregation | {"aggs": inner} if inner else aggregation


def _terms(by: By) -> dict[str, Any]:
    size = max(by.size * 4, spec.VALUES) + 1
    return {"terms": {"field": f"c_{spec.COUNTABLE[by.field]}", "size": size, "segment_size": size * 10, "missing": _NONE}}


def _ranges(axis: spec.Axis) -> dict[str, Any]:
    ranges = [{"from": start, "to": end} for start, end in zip(axis.edges, axis.edges[1:], strict=False)]
    return {"range": {"field": "published", "ranges": ranges}}
