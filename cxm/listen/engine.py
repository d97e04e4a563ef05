"""The mention store of this process: the writer where it may be, a reader elsewhere."""

from __future__ import annotations

import threading
from pathlib import Path

from cxm.listen.store.memory import MemoryStore
from cxm.listen.store.port import MentionStore
from cxm.platform.config import settings

_lock = threading.Lock()
_store: MentionStore | None = None
_writes = False
_anew = False


def folder() -> Path:
    """Where the embedded store lives."""
    return settings().data / "mentions"


def writer() -> MentionStore:
    """The store opened for writing; the first process to ask holds it until it ends. Raises NotNow where another holds it."""
    return _open(writes=True)


def store() -> MentionStore:
    """The store for reading; sees what the writer has committed."""
    found = _open(writes=False)
    if not _writes:
        found.refresh()
    return found


def made_anew() -> bool:
    """Whether :func:`writer` had to make the folder, so that everything heard has to be written again; said once."""
    global _anew
    found, _anew = _anew, False
    return found


def close() -> None:
    """Commit and let go."""
    global _store, _writes
    with _lock:
        if _store is not None:
            _store.close()
        _store, _writes = None, False


def _open(*, writes: bool) -> MentionStore:
    global _store, _writes, _anew
    with _lock:
        if _store is None or (writes and not _writes):
            if not folder().exists():
                if not writes:
                    return MemoryStore()  # nothing was written yet
                _anew = True
            from cxm.listen.store.tantivy_store import TantivyStore

            fresh = TantivyStore(folder(), writable=writes)
            if _store is not None:
                _store.close()
            _store, _writes = fresh, writes
        return _store
