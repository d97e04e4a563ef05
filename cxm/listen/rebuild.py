"""``cxm reindex``: the store from the events, into a fresh folder that takes the old one's place at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from cxm.kernel.clock import now
from cxm.listen import engine
from cxm.listen.events import MentionsChanged, MentionsDeleted, MentionsHeard
from cxm.listen.store.port import MentionStore
from cxm.listen.subscribers import apply
from cxm.platform import events


def rebuild(progress: Callable[[int], object] = lambda done: None) -> int:
    """Write every mention event again, in order; idempotent by version. Returns how many mentions were heard."""
    from cxm.listen.store.tantivy_store import TantivyStore

    engine.close()
    folder = engine.folder()
    fresh = folder.with_name(f"mentions.rebuilding-{now():%Y%m%d%H%M%S}")
    store: MentionStore = TantivyStore(fresh)
    count = 0
    try:
        for index, event in enumerate(events.replay(MentionsHeard.name, MentionsChanged.name, MentionsDeleted.name)):
            apply(store, event)  # type: ignore[arg-type]
            count += len(event.mentions) if isinstance(event, MentionsHeard) else 0
            if index % 50 == 49:
                store.commit()
                progress(count)
    finally:
        store.close()
    old = folder.with_name("mentions.before-rebuild")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return count
