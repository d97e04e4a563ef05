"""The embedded engine: a tantivy index in a folder, with one writer among all processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar
from uuid import UUID

import orjson
import tantivy
from tantivy import Query as Engine

from cxm.kernel import clock
from cxm.kernel.errors import NotNow
from cxm.listen.store import folder, spec
from cxm.listen.store.document import FORMAT, TOMBSTONE, changed, document, register, schema, tombstone
from cxm.listen.store.port import Aggregated, By, Change, Mention, Page, Written
from cxm.listen.store.reading import Ask, Reader
from cxm.query.api import Query, lasting

_HEAP = 64_000_000
_SCAN = 500
#: Questions whose counts are remembered until the next commit.
_COUNTS = 2000
T = TypeVar("T")


def _by_engine(error: BaseException) -> bool:
    """Whether the engine failed: it raises ValueError and OSError, and its panics are no Exception."""
    return isinstance(error, ValueError | OSError) or type(error).__name__ == "PanicException"


@dataclass(frozen=True, slots=True)
class _Held:
    """What an id stands for: a mention, or a tombstone (None)."""

    owner: str
    version: int
    mention: Mention | None


class TantivyStore:
    """See :class:`~cxm.listen.store.port.MentionStore`.

    ``writable`` takes the folder's writer lock and raises NotNow ``mention_store_busy`` where another process holds it; any
    number of processes may read beside it. Threads may share one store. Raises NotNow ``mention_store_damaged`` for an index
    that cannot be read.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._held: IO[str] | None = None
        self._writer: tantivy.IndexWriter | None = None
        self._pending: dict[str, _Held] = {}
        self._seen: tuple[int, ...] | None = None
        self._counted: dict[Any, Aggregated] = {}
        self._schema = schema()
        try:
            if writable:
                path.mkdir(parents=True, exist_ok=True)
                self._held = folder.take_lock(path)
            self._index = self._open(writable)
            self.refresh()
            self._engine(lambda: self._searcher().search(Engine.all_query(), 1, order_by_field="published"))
        except OSError as error:  # the folder is none, is closed to us, or its disk is full
            self._let_go()
            raise folder.damaged(path, error) from error
        except BaseException:
            self._let_go()
            raise

    def _open(self, writable: bool) -> tantivy.Index:
        manifest = self._path / folder.MANIFEST
        if not manifest.exists():
            if (self._path / "meta.json").exists() or not writable:
                raise folder.damaged(self._path, FileNotFoundError(folder.MANIFEST + " is missing"))
            index = self._engine(lambda: tantivy.Index(self._schema, path=str(self._path)))
            manifest.write_bytes(orjson.dumps({"format": FORMAT}))
        else:
            folder.check(self._path)
            if not (self._path / "meta.json").exists():
                raise folder.damaged(self._path, FileNotFoundError("meta.json is missing"))
            index = self._engine(lambda: tantivy.Index.open(str(self._path)))
        register(index)
        index.config_reader(reload_policy="manual")
        return index

    def _engine(self, call: Callable[[], T]) -> T:
        """Run an engine call that reads; what the engine dies of means the index cannot be read."""
        try:
            return call()
        except BaseException as error:
            if _by_engine(error):
                raise folder.damaged(self._path, error) from error
            raise

    def _change(self, call: Callable[[], T]) -> T:
        """Run an engine call that writes; where it fails (disk full) all that is not committed is gone, and the next write starts anew."""
        try:
            return call()
        except BaseException as error:
            self._writer = None
            self._pending.clear()
            if not _by_engine(error):
                raise
            raise NotNow(
                "mention_store_unwritable",
                f"The mention store cannot be written ({str(error)[:120]}).",
                "Free some disk space; what was not committed is written again by itself.",
            ) from error

    def _searcher(self) -> tantivy.Searcher:
        return self._index.searcher()

    def _reader(self) -> Reader:
        return Reader(self._schema, self._searcher())

    # --- writing -----------------------------------------------------------------------------------------------------

    def _writing(self) -> tantivy.IndexWriter:
        if self._held is None:
            raise NotNow(
                "mention_store_read_only",
                "This process only reads the mention store.",
                "Write through the process that serves it.",
            )
        if self._writer is None:
            self._writer = self._change(lambda: self._index.writer(_HEAP, 1))
        return self._writer

    def _current(self, ids: Collection[str]) -> dict[str, _Held]:
        """What is held under each id, committed or not."""
        asked = [each for each in ids if each not in self._pending]
        found = {each: self._pending[each] for each in ids if each in self._pending}
        if known := self._engine(lambda: self._mentioned(asked)):
            for each in self._engine(lambda: self._reader().holding(known)):
                gone = each.get("tombstone") is True
                found[each["id"]] = _Held(each["organization"], TOMBSTONE if gone else each["version"], None if gone else each)
        return found

    def _mentioned(self, ids: Sequence[str]) -> list[str]:
        """Those that some segment knows, be it as something deleted: a tenth of the price of looking for the mentions themselves."""
        frequency = self._searcher().doc_freq
        return [each for each in ids if frequency("id", each)]

    def write(self, organization: UUID | str, mentions: Sequence[Mention]) -> Written:
        owner = str(organization)
        with self._lock:
            writer = self._writing()
            current = self._current({mention["id"] for mention in mentions})
            stale: list[str] = []
            for mention in mentions:
                held = current.get(mention["id"])
                if held is not None and (held.version >= mention["version"] or held.owner != owner):
                    stale.append(mention["id"])
                    continue
                owned = mention if mention.get("organization") == owner else mention | {"organization": owner}
                current[mention["id"]] = self._put(writer, owned, fresh=held is None)
        return Written(len(mentions) - len(stale), tuple(stale))

    def _put(self, writer: tantivy.IndexWriter, mention: Mention, *, fresh: bool) -> _Held:
        made = document(mention)
        if not fresh:
            self._change(lambda: writer.delete_documents_by_term("id", mention["id"]))
        self._change(lambda: writer.add_document(made))
        held = self._pending[mention["id"]] = _Held(mention["organization"], mention["version"], mention)
        return held

    def rewrite(self, organization: UUID | str, changes: Sequence[Change]) -> Written:
        owner = str(organization)
        with self._lock:
            writer = self._writing()
            current = self._current({change.id for change in changes})
            stale: list[str] = []
            missing: list[str] = []
            for change in changes:
                held = current.get(change.id)
                if held is None or held.owner != owner:
                    missing.append(change.id)
                elif held.mention is None or held.version >= change.version:
                    stale.append(change.id)
                else:
                    current[change.id] = self._put(writer, changed(held.mention, change), fresh=False)
        return Written(len(changes) - len(stale) - len(missing), tuple(stale), tuple(missing))

    def delete(self, organization: UUID | str, ids: Collection[str], at: datetime | None = None) -> int:
        owner = str(organization)
        moment = clock.format_instant(at or clock.now())
        gone = 0
        with self._lock:
            writer = self._writing()
            current = self._current(set(ids))
            for each in set(ids):
                held = current.get(each)
                if held is not None and (held.owner != owner or held.mention is None):
                    continue
                gone += held is not None
                grave = tombstone(owner, each, moment)
                self._change(lambda each=each: writer.delete_documents_by_term("id", each))
                self._change(lambda grave=grave: writer.add_document(grave))
                self._pending[each] = _Held(owner, TOMBSTONE, None)
        return gone

    def commit(self) -> None:
        with self._lock:
            if self._writer is not None:
                self._change(self._writer.commit)
            self.refresh()
            self._pending.clear()

    def refresh(self) -> None:
        state = self._state()
        if state is not None and state == self._seen:
            return
        self._engine(self._index.reload)
        # In this order: whoever still counts with the former searcher puts it into the former dictionary.
        self._seen, self._counted = state, {}

    def _state(self) -> tuple[int, ...] | None:
        """What differs after every commit: the engine replaces this file then."""
        try:
            found = (self._path / "meta.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    # --- reading -----------------------------------------------------------------------------------------------------

    def get(self, organization: UUID | str, ids: Collection[str]) -> dict[str, Mention]:
        def read() -> dict[str, Mention]:
            reader = self._reader()
            return {mention["id"]: mention for mention in map(reader.load, reader.by_id(str(organization), ids))}

        return self._engine(read)

    def deleted(self, organization: UUID | str, ids: Collection[str]) -> dict[str, str]:
        def read() -> dict[str, str]:
            reader = self._reader()
            return {each["id"]: each["deleted_at"] for each in map(reader.load, reader.by_id(str(organization), ids, graves=True))}

        return self._engine(read)

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
        ask = Ask(str(organization), query, after, before, units, people, scored=sort == "relevance")
        return self._engine(lambda: self._reader().page(ask, sort, limit, cursor, highlight=highlight))

    def scan(
        self,
        organization: UUID | str,
        query: Query,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        units: Collection[str] | None = None,
    ) -> Iterator[Mention]:
        ask = Ask(str(organization), query, after, before, units)
        reader = self._reader()  # one state of the index for the whole scan
        cursor: str | None = None
        while True:
            page = self._engine(lambda cursor=cursor: reader.page(ask, "oldest", _SCAN, cursor, highlight=False, counting=False))
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def count(
        self,
        organization: UUID | str,
        query: Query,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        units: Collection[str] | None = None,
    ) -> int:
        return self._engine(lambda: self._reader().count(Ask(str(organization), query, after, before, units)))

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
        ask = Ask(str(organization), query, after, before, units)
        asked = (ask.organization, query.root, after, before, None if units is None else frozenset(units), tuple(by), time_zone, distinct)
        counted = self._counted
        found = counted.get(asked)
        if found is None:
            found = self._engine(lambda: self._reader().aggregate(ask, by, time_zone, distinct))
            if lasting(query) and len(counted) < _COUNTS:
                counted[asked] = found
        return replace(found, by=[[dict(row) for row in rows] for rows in found.by])

    # --- keeping -----------------------------------------------------------------------------------------------------

    def snapshot(self, target: Path) -> None:
        with self._lock:
            if self._writer is not None:
                self.commit()
            target.mkdir(parents=True, exist_ok=True)
            for _ in range(20):  # a merge may replace files between reading the list and linking them
                with contextlib.suppress(FileNotFoundError):
                    folder.copy(self._path, target)
                    return
        raise NotNow("mention_store_moving", "The mention store is being rearranged.", "Try again in a minute.", retry_after=60)

    def close(self) -> None:
        with self._lock:
            if self._writer is not None:
                self.commit()
            if self._writer is not None:
                writer, self._writer = self._writer, None
                self._engine(writer.wait_merging_threads)
            self._let_go()

    def _let_go(self) -> None:
        self._writer = None
        if self._held is not None:
            self._held.close()
            self._held = None

    def __enter__(self) -> TantivyStore:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
