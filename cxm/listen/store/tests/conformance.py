"""What every mention store must do. An adapter's tests subclass this and say how to make one."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxm.kernel import clock
from cxm.kernel.errors import BadInput, Invalid
from cxm.listen.store import By, Change, MemoryStore, MentionStore
from cxm.query import api
from cxm.query.tests.strategies import MENTIONS, QUERIES

OURS = UUID("00000000-0000-7000-8000-000000000001")
THEIRS = UUID("00000000-0000-7000-8000-000000000002")
EVERYTHING = api.parse("")


def mention(number: int, **values: Any) -> dict[str, Any]:
    """A mention, all its keys there; its id follows from ``number``."""
    base = {
        "id": str(uuid5(OURS, str(number))), "version": 1, "channel": "reddit", "account": "@acme", "account_id": None, "native_id": str(number),
        "kind": "post", "author": {"native_id": f"n{number}", "handle": f"h{number}", "name": "Ann Lee", "url": None, "followers": 1, "profile": None},
        "title": None, "text": f"number {number}", "published_at": "2026-11-21T10:00:00Z", "url": None, "reply_to": None, "thread": None,
        "media_type": "earned", "country": None, "location": None, "rating": None,
        "engagement": {"likes": 0, "shares": 0, "comments": 0, "views": 0}, "media": [], "tags": [], "language": "en", "sentiment": None,
        "emotions": [], "assessed": [], "verdicts_by": None, "intents": [], "categories": [], "topics": [], "offensive": False, "spam": False,
        "state": "waiting", "unit": "unit-1", "private": False, "heard_at": "2026-11-21T10:00:01Z",
    }  # fmt: skip
    return base | values


def _id(number: int) -> str:
    return str(uuid5(OURS, str(number)))


class Conformance:
    """Subclasses set the fixture ``make``: a function that opens a fresh store."""

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], MentionStore]:
        raise NotImplementedError

    @pytest.fixture
    def store(self, make: Callable[[], MentionStore]) -> Any:
        opened = make()
        yield opened
        opened.close()

    def _finds(self, store: MentionStore, query: str, organization: UUID = OURS, **options: Any) -> set[str]:
        return {item["native_id"] for item in store.search(organization, api.parse(query), **options).items}

    # --- writing

    def test_a_mention_is_kept_whole_and_visible_after_commit(self, store: MentionStore) -> None:
        whole = mention(1, text="Größe 手机 \u202e", extra={"any": ["thing", 1.5, None]})
        assert store.write(OURS, [whole]).written == 1
        store.commit()
        assert store.get(OURS, [whole["id"], _id(99)]) == {whole["id"]: whole | {"organization": str(OURS)}}
        assert self._finds(store, "grosse 手") == {"1"}

    def test_an_older_version_never_turns_back_time(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1, version=3, text="third")])
        assert store.write(OURS, [mention(1, version=3, text="again"), mention(1, version=2, text="late")]).stale == (_id(1), _id(1))
        store.commit()
        assert store.write(OURS, [mention(1, version=2, text="later")]).stale == (_id(1),)
        assert store.rewrite(OURS, [Change(_id(1), 3, {"text": "no"})]).stale == (_id(1),)
        assert store.rewrite(OURS, [Change(_id(1), 5, {"text": "five"}), Change(_id(1), 4, {"text": "four"})]).written == 1
        store.commit()
        assert store.get(OURS, [_id(1)])[_id(1)]["text"] == "five"
        assert store.count(OURS, EVERYTHING) == 1
        assert self._finds(store, "third OR again OR late OR later OR four") == set()

    def test_rewrites_merge_and_name_what_is_missing(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1), mention(2)])
        store.commit()
        done = store.rewrite(OURS, [
            Change(_id(1), 2, {"state": "answered", "engagement": {"likes": 5}, "author": {"profile": "p"}}), Change(_id(2), 2, {"tags": ["vip"]}),
            Change(_id(2), 3, {"sentiment": "negative"}), Change(_id(7), 2, {"state": "answered"}),
        ])  # fmt: skip
        assert (done.written, done.missing) == (3, (_id(7),))
        store.commit()
        first, second = store.get(OURS, [_id(1)])[_id(1)], store.get(OURS, [_id(2)])[_id(2)]
        assert (first["state"], first["engagement"]["likes"], first["engagement"]["views"], first["author"]["handle"]) == (
            "answered",
            5,
            0,
            "h1",
        )
        assert (second["tags"], second["sentiment"], second["version"]) == (["vip"], "negative", 3)
        assert self._finds(store, "state:answered likes:5") == {"1"}
        assert self._finds(store, "tag:VIP sentiment:negative") == {"2"}

    def test_a_deleted_mention_stays_deleted(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1), mention(2)])
        store.commit()
        with clock.frozen_at(datetime(2026, 11, 22, tzinfo=UTC)):
            assert store.delete(OURS, [_id(1), _id(3)]) == 1
        store.write(OURS, [mention(3, version=9)])
        store.commit()
        assert store.write(OURS, [mention(1, version=99), mention(3, version=99)]).written == 0
        assert store.rewrite(OURS, [Change(_id(1), 100, {"text": "back"})]).stale == (_id(1),)
        store.commit()
        assert self._finds(store, "") == {"2"} and store.count(OURS, EVERYTHING) == 1
        assert store.get(OURS, [_id(1)]) == {}
        assert store.deleted(OURS, [_id(1), _id(2), _id(3)]) == {_id(1): "2026-11-22T00:00:00Z", _id(3): "2026-11-22T00:00:00Z"}
        assert store.aggregate(OURS, api.parse("NOT xyz"), [By("channel")]).by == [[{"key": "reddit", "count": 1}]]

    # --- isolation

    def test_organizations_never_meet(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1)])
        store.write(THEIRS, [mention(2)])
        store.commit()
        assert self._finds(store, "number") == {"1"} and self._finds(store, "NOT xyz", THEIRS) == {"2"}
        assert store.get(THEIRS, [_id(1)]) == {} and store.count(THEIRS, EVERYTHING) == 1
        assert store.rewrite(THEIRS, [Change(_id(1), 9, {"text": "theirs"})]).missing == (_id(1),)
        assert store.rewrite(THEIRS, [Change(_id(1), 1, {"text": "theirs"})]).missing == (_id(1),)
        assert store.delete(THEIRS, [_id(1)]) == 0
        store.commit()
        assert store.get(OURS, [_id(1)])[_id(1)]["text"] == "number 1"
        assert [each["native_id"] for each in store.scan(THEIRS, EVERYTHING)] == ["2"]
        assert store.aggregate(THEIRS, EVERYTHING, [By("author"), By("published_at", interval="day")]).by[0] == [{"key": "h2", "count": 1}]
        assert self._finds(store, 'exact:"number" (number NEAR/3 "1 x" OR "number x 2"~9 OR number)', THEIRS) == {"2"}
        assert self._finds(store, "", UUID(int=9)) == set()

    def test_only_the_units_one_may_see(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1, unit="a"), mention(2, unit="b"), mention(3, unit=None)])
        store.commit()
        assert self._finds(store, "", units={"a"}) == {"1"} and self._finds(store, "NOT xyz", units=set()) == set()
        assert store.count(OURS, EVERYTHING, units={"a", "b"}) == 2

    # --- reading

    def test_what_some_people_said(self, store: MentionStore) -> None:
        ann, bo = str(uuid4()), str(uuid4())
        said_by = lambda number, **author: mention(number, author=mention(number)["author"] | author)  # noqa: E731
        store.write(OURS, [said_by(1, profile=ann), said_by(2, profile=bo, handle=None), said_by(3), said_by(4, profile=ann, handle="new")])
        store.write(THEIRS, [said_by(5, profile=ann)])
        store.commit()
        assert self._finds(store, "", people={ann}) == {"1", "4"} and self._finds(store, "", people=[ann, bo, "nobody"]) == {"1", "2", "4"}
        assert self._finds(store, "new", people=[ann]) == set() and self._finds(store, "handle:new", people=[ann]) == {"4"}
        assert self._finds(store, "", people=[]) == set() == self._finds(store, "", people=[ann], units=[])

    def test_a_period_includes_its_start_and_not_its_end(self, store: MentionStore) -> None:
        store.write(OURS, [mention(at, published_at=f"2026-11-0{at}T00:00:00Z") for at in (1, 2, 3)])
        store.commit()
        period = {"after": datetime(2026, 11, 1, tzinfo=UTC), "before": datetime(2026, 11, 3, tzinfo=UTC)}
        assert self._finds(store, "", **period) == {"1", "2"}
        assert store.count(OURS, EVERYTHING, **period) == 2
        assert self._finds(store, "", after=period["before"]) == {"3"} and self._finds(store, "number", before=period["before"]) == {
            "1",
            "2",
        }

    @pytest.mark.parametrize("sort", ["newest", "oldest", "engagement", "relevance"])
    def test_pages_give_each_mention_once_whatever_ties(self, store: MentionStore, sort: str) -> None:
        draw = random.Random(7)
        store.write(OURS, [
            mention(at, published_at=f"2026-11-2{draw.choice('11125')}T10:00:00Z", engagement={"likes": draw.choice((0, 0, 0, 5, 9))}) for at in range(60)
        ])  # fmt: skip
        store.commit()
        seen: list[dict[str, Any]] = []
        cursor = None
        for _ in range(20):
            page = store.search(OURS, api.parse("number"), sort=sort, limit=7, cursor=cursor)
            assert page.count == 60 and len(page.items) <= 7
            seen += page.items
            if (cursor := page.next) is None:
                break
        assert len(seen) == 60 == len({each["id"] for each in seen})
        keys = {
            "newest": [each["published_at"] for each in reversed(seen)], "oldest": [each["published_at"] for each in seen],
            "engagement": [each["engagement"]["likes"] for each in reversed(seen)], "relevance": [0],
        }  # fmt: skip
        assert keys[sort] == sorted(keys[sort])

    def test_what_comes_meanwhile_disturbs_no_page(self, store: MentionStore) -> None:
        store.write(OURS, [mention(at) for at in range(10)])
        store.commit()
        first = store.search(OURS, EVERYTHING, limit=4)
        store.write(OURS, [mention(100, published_at="2026-12-01T00:00:00Z")])
        store.commit()
        rest = store.search(OURS, EVERYTHING, limit=50, cursor=first.next)
        assert len({each["id"] for each in first.items + rest.items}) == 10 and rest.next is None

    def test_the_best_match_comes_first(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1, text="phone and a lot of other words that say nothing of it"), mention(2, text="phone phone phone")])
        store.commit()
        assert [each["native_id"] for each in store.search(OURS, api.parse("phone"), sort="relevance").items] == ["2", "1"]

    def test_highlights_are_marked(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1, title="Phone", text="My phone’s 手机 broke")])
        store.commit()
        (item,) = store.search(OURS, api.parse("phone 手机 -xyz"), highlight=True).items
        assert item["highlights"] == {"title": [[0, 5]], "text": [[3, 10], [11, 13]]}

    def test_nonsense_is_refused(self, store: MentionStore) -> None:
        with pytest.raises(Invalid):
            store.search(OURS, EVERYTHING, limit=501)
        with pytest.raises(Invalid):
            store.search(OURS, EVERYTHING, sort="best")
        for cursor in ("x", "", "WzEsMl0", "bnVsbA", "é"):
            with pytest.raises(Invalid):
                store.search(OURS, EVERYTHING, cursor=cursor)
        for by in (By("text"), By("published_at"), By("published_at", interval="year"), By("channel", size=0)):
            with pytest.raises(Invalid):
                store.aggregate(OURS, EVERYTHING, [by])
        with pytest.raises(Invalid):
            store.aggregate(OURS, EVERYTHING, time_zone="../etc/passwd")

    # --- counts

    def test_counts_by_value_with_none_last(self, store: MentionStore) -> None:
        store.write(OURS, [
            mention(1, sentiment="negative", emotions=["anger", "fear"], rating=4.5, spam=True), mention(2, sentiment="negative", emotions=["anger"], rating=5),
            mention(3, tags=["VIP", "b c"], country="DE"),
        ])  # fmt: skip
        store.commit()
        found = store.aggregate(
            OURS, EVERYTHING, [By("sentiment"), By("emotions", size=1), By("rating"), By("tag"), By("spam"), By("country"), By("unit")]
        )
        assert found.count == 3
        assert found.by == [
            [{"key": "negative", "count": 2}, {"key": None, "count": 1}],
            [{"key": "anger", "count": 2}, {"key": None, "count": 1}],
            [{"key": 4.5, "count": 1}, {"key": 5.0, "count": 1}, {"key": None, "count": 1}],
            [{"key": "VIP", "count": 1}, {"key": "b c", "count": 1}, {"key": None, "count": 2}],
            [{"key": False, "count": 2}, {"key": True, "count": 1}],
            [{"key": "DE", "count": 1}, {"key": None, "count": 2}],
            [{"key": "unit-1", "count": 3}],
        ]
        assert store.aggregate(OURS, api.parse("xyz"), [By("sentiment"), By("published_at", interval="day")]).by == [[], []]

    def test_counts_by_time_include_the_empty_ones(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1, published_at="2026-03-28T22:30:00Z"), mention(2, published_at="2026-03-30T22:30:00Z")])
        store.commit()

        def keys(interval: str, zone: str, **period: Any) -> list[tuple[str, int]]:
            (found,) = store.aggregate(OURS, EVERYTHING, [By("published_at", interval=interval)], time_zone=zone, **period).by
            return [(each["key"], each["count"]) for each in found]

        assert keys("day", "UTC") == [("2026-03-28", 1), ("2026-03-29", 0), ("2026-03-30", 1)]
        assert keys("day", "Europe/Berlin") == [("2026-03-28", 1), ("2026-03-29", 0), ("2026-03-30", 0), ("2026-03-31", 1)]
        assert keys("week", "UTC") == [("2026-03-23", 1), ("2026-03-30", 1)]
        assert keys("month", "Pacific/Auckland") == [("2026-03", 2)]
        assert len(keys("hour", "Europe/Berlin")) == 49
        assert keys("hour", "Asia/Kolkata")[0] == ("2026-03-29T04:00:00+05:30", 1)
        whole = {"after": datetime(2026, 3, 27, tzinfo=UTC), "before": datetime(2026, 4, 1, tzinfo=UTC)}
        assert keys("day", "UTC", **whole) == [(f"2026-03-{day}", count) for day, count in ((27, 0), (28, 1), (29, 0), (30, 1), (31, 0))]

    def test_too_many_buckets_are_refused(self, store: MentionStore) -> None:
        store.write(OURS, [mention(1, published_at="2001-01-01T00:00:00Z"), mention(2)])
        store.commit()
        with pytest.raises(Invalid) as refused:
            store.aggregate(OURS, EVERYTHING, [By("published_at", interval="hour")])
        assert refused.value.code == "too_many_buckets"

    def test_people_are_counted_once(self, store: MentionStore) -> None:
        ann, ben = {"native_id": "1", "handle": "ann"}, {"native_id": "2", "handle": "ben"}
        linked = ben | {"profile": "p"}
        store.write(OURS, [
            mention(1, author=ann), mention(2, author=ann, sentiment="negative"), mention(3, author=linked), mention(4, author=linked, channel="email"),
            mention(5, author=ann, channel="email"), mention(6, author=None),
        ])  # fmt: skip
        store.commit()
        found = store.aggregate(OURS, EVERYTHING, [By("channel"), By("published_at", interval="day")], distinct="author")
        assert (found.count, found.exact) == (3, True)
        assert found.by == [[{"key": "email", "count": 2}, {"key": "reddit", "count": 2}], [{"key": "2026-11-21", "count": 3}]]

    def test_scanning_gives_all_oldest_first(self, store: MentionStore) -> None:
        store.write(OURS, [mention(at, published_at=f"2026-11-{1 + at % 9:02}T00:00:00Z") for at in range(1234)])
        store.commit()
        found = list(store.scan(OURS, api.parse("number")))
        assert len(found) == 1234 == len({each["id"] for each in found})
        assert [each["published_at"] for each in found] == sorted(each["published_at"] for each in found)

    # --- the same meaning as the matcher

    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.differing_executors],
    )
    @given(st.lists(MENTIONS, min_size=5, max_size=12), st.lists(QUERIES, min_size=6, max_size=10))
    def test_a_query_means_what_the_matcher_says(self, store: MentionStore, drawn: list[dict[str, Any]], queries: list[api.Query]) -> None:
        organization = uuid4()
        mentions = [
            mention(at) | values | {"native_id": str(at), "id": str(uuid5(organization, str(at)))} for at, values in enumerate(drawn)
        ]
        reference = MemoryStore()
        for each in (store, reference):
            assert each.write(organization, mentions).written == len(mentions)
            each.commit()
        by = [By("channel"), By("language"), By("tags"), By("rating"), By("published_at", interval="day")]
        for at, query in enumerate(queries):
            expected = reference.search(organization, query, limit=500)
            try:
                found = store.search(organization, query, limit=500)
            except BadInput as refused:
                raise AssertionError(api.canonical(query)) from refused
            assert [each["native_id"] for each in found.items] == [each["native_id"] for each in expected.items], api.canonical(query)
            assert found.count == expected.count
            distinct = ("author", None)[at % 2]
            counted = store.aggregate(organization, query, by, distinct=distinct, time_zone="Europe/Berlin")
            assert counted == reference.aggregate(organization, query, by, distinct=distinct, time_zone="Europe/Berlin"), api.canonical(
                query
            )
