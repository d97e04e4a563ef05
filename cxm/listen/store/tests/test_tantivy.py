from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxm.kernel.errors import NotNow
from cxm.listen.store import By, TantivyStore
from cxm.listen.store.reading import Reader
from cxm.listen.store.tests.conformance import EVERYTHING, OURS, THEIRS, Conformance, mention
from cxm.query import api


class TestTantivy(Conformance):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], TantivyStore]:
        return lambda: TantivyStore(tmp_path / "mentions")


def _filled(path: Path, count: int = 3) -> Path:
    with TantivyStore(path) as store:
        store.write(OURS, [mention(at) for at in range(count)])
    return path


def test_it_is_there_after_reopening(tmp_path: Path) -> None:
    path = _filled(tmp_path / "m")
    with TantivyStore(path) as store:
        assert store.count(OURS, EVERYTHING) == 3
        assert store.write(OURS, [mention(1)]).stale == (mention(1)["id"],)


def test_one_writer_and_many_readers(tmp_path: Path) -> None:
    path = tmp_path / "m"
    with TantivyStore(path) as store:
        with pytest.raises(NotNow) as refused:
            TantivyStore(path)
        assert refused.value.code == "mention_store_busy" and refused.value.hint
        reader = TantivyStore(path, writable=False)
        with pytest.raises(NotNow):
            reader.write(OURS, [mention(1)])
        store.write(OURS, [mention(1)])
        store.commit()
        reader.refresh()
        assert reader.count(OURS, EVERYTHING) == 1
    TantivyStore(path).close()


def test_counts_are_remembered_until_the_next_commit_and_only_where_time_does_not_change_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = _filled(tmp_path / "m"), list[str]()
    count = Reader.aggregate
    monkeypatch.setattr(Reader, "aggregate", lambda *given: (asked.append("counted"), count(*given))[1])
    reader = TantivyStore(path, writable=False)

    def counted(text: str = "", **options: Any) -> tuple[int, list[Any]]:
        found = reader.aggregate(OURS, api.parse(text), [By("channel")], **options)
        answer = found.count, [dict(row) for row in found.by[0]]
        found.by[0].clear()  # what a caller does with it is nobody else's
        return answer

    first = counted()
    assert counted() == first == (3, [{"key": "reddit", "count": 3}]) and len(asked) == 1
    assert counted("number")[0] == 3 and counted(units=["unit-1"])[0] == 3 and counted(units=[])[0] == 0 and len(asked) == 4
    assert counted("published:>now-7d") == counted("published:>now-7d") and len(asked) == 6
    with TantivyStore(path) as writer:
        writer.write(OURS, [mention(7, channel="x")])
        writer.write(THEIRS, [mention(8)])
        writer.commit()
        assert writer.aggregate(OURS, EVERYTHING).count == 4
        assert counted()[0] == 3  # not looked at again yet
        reader.refresh()
        assert counted()[0] == 4 and counted("number") == counted()
        assert reader.aggregate(THEIRS, EVERYTHING).count == 1
    reader.close()


def _count_elsewhere(path: Path, answers: multiprocessing.Queue) -> None:
    answers.put(TantivyStore(path, writable=False).count(OURS, EVERYTHING))


def test_another_process_reads(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with TantivyStore(tmp_path / "m") as store:
        store.write(OURS, [mention(1), mention(2)])
        store.commit()
        answers = context.Queue()
        process = context.Process(target=_count_elsewhere, args=(tmp_path / "m", answers))
        process.start()
        assert answers.get(timeout=60) == 2
        process.join(60)


@pytest.mark.parametrize(
    "harm", ["meta gone", "meta cut", "manifest gone", "manifest cut", "segment gone", "segment cut", "segment emptied"]
)
def test_a_damaged_store_says_so(tmp_path: Path, harm: str) -> None:
    path = _filled(tmp_path / "m")
    what, how = harm.split()
    names = {"meta": "meta.json", "manifest": "store.json"}
    victims = (
        [path / names[what]] if what in names else [each for each in path.iterdir() if each.suffix in (".idx", ".fast", ".store", ".term")]
    )
    assert victims
    for victim in victims:
        content = victim.read_bytes()
        victim.unlink()
        if how != "gone":
            victim.write_bytes(content[: len(content) // 2] if how == "cut" else b"")
    with pytest.raises(NotNow) as refused:
        TantivyStore(path)
    assert refused.value.code == "mention_store_damaged" and "reindex" in refused.value.hint
    assert TantivyStore(tmp_path / "other").count(OURS, EVERYTHING) == 0


def test_a_snapshot_opens_as_it_was(tmp_path: Path) -> None:
    with TantivyStore(tmp_path / "m") as store:
        store.write(OURS, [mention(at) for at in range(5)])
        store.delete(OURS, [mention(4)["id"]])
        store.snapshot(tmp_path / "copy")
        store.write(OURS, [mention(9)])
        store.commit()
        with TantivyStore(tmp_path / "copy") as copy:
            assert copy.count(OURS, EVERYTHING) == 4
            copy.write(OURS, [mention(20)])
            copy.commit()
            assert copy.count(OURS, EVERYTHING) == 5
        assert store.count(OURS, EVERYTHING) == 5
    with TantivyStore(tmp_path / "m") as store:
        assert store.count(OURS, EVERYTHING) == 5
