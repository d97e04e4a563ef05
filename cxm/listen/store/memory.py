"""A mention store in a dictionary: the reference every engine is compared with, and a fast one for tests."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from cxm.kernel import clock
from cxm.listen.store import spec
from cxm.listen.store.document import changed
from cxm.listen.store.port import Aggregated, By, Change, Mention, Page, Written
from cxm.query import match
from cxm.query.api import Query, Subject, highlights, person
from cxm.query.moments import micros


class MemoryStore:
    """See :class:`~cxm.listen.store.port.MentionStore`. Relevance is how often the words stand there."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Mention | None] = {}
        self._mentions: dict[tuple[str, str], Mention | None] = {}
        self._deleted: dict[tuple[str, str], str] = {}

    def write(self, organization: UUID | str, mentions: Sequence[Mention]) -> Written:
        stale: list[str] = []
        for mention in mentions:
            key = (str(organization), mention["id"])
            known = self._latest(key)
            if key in self._deleted or (known is not None and known["version"] >= mention["version"]):
                stale.append(mention["id"])
            else:
                self._waiting[key] = copy.deepcopy(mention) | {"organization": str(organization)}
        return Written(len(mentions) - len(stale), tuple(stale))

    def rewrite(self, organization: UUID | str, changes: Sequence[Change]) -> Written:
        stale: list[str] = []
        missing: list[str] = []
        for change in changes:
            key = (str(organization), change.id)
            known = self._latest(key)
            if key in self._deleted or (known is not None and known["version"] >= change.version):
                stale.append(change.id)
            elif known is None:
                missing.append(change.id)
            else:
                self._waiting[key] = copy.deepcopy(changed(known, change))
        return Written(len(changes) - len(stale) - len(missing), tuple(stale), tuple(missing))

    def _latest(self, key: tuple[str, str]) -> Mention | None:
        return self._waiting[key] if key in self._waiting else self._mentions.get(key)

    def delete(self, organization: UUID | str, ids: Collection[str], at: datetime | None = None) -> int:
        held = 0
        for each in ids:
            key = (str(organization), each)
            held += self._latest(key) is not None
            self._waiting[key] = None
            self._deleted.setdefault(key, clock.format_instant(at or clock.now()))
        return held

    def commit(self) -> None:
        self._mentions.update(self._waiting)
        self._waiting.clear()

    def refresh(self) -> None:
        """Nothing to do: there is no other process."""

    def get(self, organization: UUID | str, ids: Collection[str]) -> dict[str, Mention]:
        found = ((each, self._mentions.get((str(organization), each))) for each in ids)
        return {each: copy.deepcopy(mention) for each, mention in found if mention is not None}

    def deleted(self, organization: UUID | str, ids: Collection[str]) -> dict[str, str]:
        return {each: self._deleted[key] for each in ids if (key := (str(organization), each)) in self._deleted}

    def _matching(
        self, organization: UUID | str, query: Query, after: datetime | None, before: datetime | None, units: Collection[str] | None
    ) -> list[Subject]:
        now = clock.now()
        found: list[Subject] = []
        for (owner, _), mention in self._mentions.items():
            if owner != str(organization) or mention is None or (units is not None and mention.get("unit") not in units):
                continue
            subject = Subject(mention)
            inside = (after is None or subject.published >= micros(after)) and (before is None or subject.published < micros(before))
            if inside and match.matches(query.root, subject, now):
                found.append(subject)
        return found

    def search(
        self,
        organization: UUID | str,
        query: Query,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        sort: str = "newest",
        limit: int = 50,
        cursor: str | None = None,
        highlight: bool = False,
        units: Collection[str] | None = None,
        people: Collection[str] | None = None,
    ) -> Page:
        spec.check_page(sort, limit)
        start = spec.read_cursor(sort, cursor)
        found = self._matching(organization, query, after, before, units)
        if people is not None:
            found = [subject for subject in found if person(subject.mention) in people]
        ordered = sorted((_order(sort, query, subject), spec.tie_key(subject.mention["id"]), at) for at, subject in enumerate(found))
        if start is not None:
            ordered = ordered[start.value :] if sort == "relevance" else [each for each in ordered if each[:2] > (start.value, start.tie)]
        chosen = ordered[:limit]
        items = [copy.deepcopy(dict(found[at].mention)) for _, _, at in chosen]
        if highlight:
            for item in items:
                item["highlights"] = {where: [list(span) for span in spans] for where, spans in highlights(query, item).items()}
        following = None
        if len(ordered) > limit:
            last = spec.Cursor((start.value if start else 0) + limit) if sort == "relevance" else spec.Cursor(*chosen[-1][:2])
            following = spec.write_cursor(sort, last)
        return Page(items, following, len(found))

    def scan(
        self,
        organization: UUID | str,
        query: Query,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        units: Collection[str] | None = None,
    ) -> Iterator[Mention]:
        found = self._matching(organization, query, after, before, units)
        for subject in sorted(found, key=lambda each: (each.published, spec.tie_key(each.mention["id"]))):
            yield copy.deepcopy(dict(subject.mention))

    def count(
        self,
        organization: UUID | str,
        query: Query,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        units: Collection[str] | None = None,
    ) -> int:
        return len(self._matching(organization, query, after, before, units))

    def aggregate(
        self,
        organization: UUID | str,
        query: Query,
        by: Sequence[By] = (),
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        time_zone: str = "UTC",
        distinct: str | None = None,
        units: Collection[str] | None = None,
    ) -> Aggregated:
        zone = spec.check_by(by, time_zone, distinct)
        found = self._matching(organization, query, after, before, units)

        def size(subjects: list[Subject]) -> int:
            if distinct is None:
                return len(subjects)
            return len({who for each in subjects if (who := person(each.mention)) is not None})

        lists: list[list[dict[str, Any]]] = []
        for each in by:
            if spec.is_time(each):
                groups = _by_time(found, each.interval or "day", zone, after, before)
                lists.append([{"key": key, "count": size(group)} for key, group in groups])
            else:
                lists.append(_by_value(found, each, size))
        return Aggregated(size(found), lists)

    def snapshot(self, target: Path) -> None:
        self.commit()
        target.mkdir(parents=True, exist_ok=True)
        (target / "mentions.json").write_bytes(orjson.dumps([each for each in self._mentions.values() if each is not None]))

    def close(self) -> None:
        self.commit()


def _order(sort: str, query: Query, subject: Subject) -> int:
    if sort == "oldest":
        return subject.published
    if sort == "engagement":
        return -subject.engagement
    if sort == "relevance":
        return -sum(len(spans) for spans in highlights(query, subject).values())
    return -subject.published


def _by_time(
    found: list[Subject], interval: str, zone: Any, after: datetime | None, before: datetime | None
) -> list[tuple[str, list[Subject]]]:
    times = [each.published for each in found]
    first = micros(after) if after else min(times, default=None)
    last = micros(before) - 1 if before else max(times, default=None)
    if first is None or last is None or last < first:
        return []
    buckets = spec.axis(interval, zone, first, last)
    return [
        (key, [each for each in found if buckets.edges[at] <= each.published < buckets.edges[at + 1]])
        for at, key in enumerate(buckets.keys)
    ]


def _by_value(found: list[Subject], by: By, size: Any) -> list[dict[str, Any]]:
    key = spec.COUNTABLE[by.field]
    groups: dict[str | None, list[Subject]] = {}
    for subject in found:
        for value in spec.counted_values(dict(subject.mention), key) or [None]:
            groups.setdefault(value, []).append(subject)
    none = groups.pop(None, [])
    counts = Counter({value: size(group) for value, group in groups.items()})
    largest = sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))[: by.size]
    listed = [{"key": spec.shown_key(key, str(value)), "count": count} for value, count in largest]
    return [*listed, {"key": None, "count": size(none)}] if none else listed
