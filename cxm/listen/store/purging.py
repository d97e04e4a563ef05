"""Deleted mentions out of the files of the embedded store.

The engine only marks what is deleted, and leaves it in its segment until it merges that with others, which may be never. So every
segment that holds something deleted is written anew: what lives in it is put once more, and an empty segment is removed.
"""

from __future__ import annotations

from typing import Any

import orjson
import tantivy

from cxm.listen.store.document import TOMBSTONE, tombstone
from cxm.listen.store.port import MentionStore
from cxm.listen.store.tantivy_store import TantivyStore, _Held

#: Documents moved at once; the store is written to by others in between.
STEP = 2_000


def purge(store: MentionStore) -> int:
    """Write anew each segment that holds something deleted; how many mentions and tombstones were put once more."""
    if not isinstance(store, TantivyStore):
        return 0
    with store._lock:
        store.commit()
        searcher, holed = store._index.searcher(), _holed(store)  # both of one moment: the searcher goes on seeing what it saw
    moved = 0
    for number, size in holed:
        seen: set[str] = set()
        for start in range(0, size, STEP):
            ids = _ids(searcher, number, range(start, min(start + STEP, size))) - seen
            seen |= ids
            moved += _move(store, ids)
            store.commit()
    del searcher
    with store._lock:
        if moved or holed:
            store._change(store._writing().garbage_collect_files)
    return moved


def _holed(store: TantivyStore) -> list[tuple[int, int]]:
    """Segments that hold something deleted: which, and how many documents they had at first."""
    meta: dict[str, Any] = orjson.loads((store._path / "meta.json").read_bytes())
    return [(number, segment["max_doc"]) for number, segment in enumerate(meta["segments"]) if segment.get("deletes")]


def _ids(searcher: tantivy.Searcher, number: int, places: range) -> set[str]:
    """Whose documents lie at these places, living or not."""
    bodies = (bytes(searcher.doc(tantivy.DocAddress(number, place)).get_first("json") or b"{}") for place in places)
    return {key for body in bodies if (key := orjson.loads(body).get("id"))}


def _move(store: TantivyStore, ids: set[str]) -> int:
    """Put what is held under these ids once more; its former place is marked as deleted then."""
    with store._lock:
        writer = store._writing()
        found = store._reader().holding([each for each in ids if each not in store._pending]) if ids else []
        for each in found:
            if each.get("tombstone") is not True:
                store._put(writer, each, fresh=False)
                continue
            grave = tombstone(each["organization"], each["id"], each["deleted_at"])
            store._change(lambda each=each: writer.delete_documents_by_term("id", each["id"]))
            store._change(lambda grave=grave: writer.add_document(grave))
            store._pending[each["id"]] = _Held(each["organization"], TOMBSTONE, None)
    return len(found)
