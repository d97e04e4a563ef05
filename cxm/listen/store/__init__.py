"""The mention store: the record of what was said, searchable. One port, several engines, one conformance suite."""

from cxm.listen.store.memory import MemoryStore
from cxm.listen.store.port import Aggregated, By, Change, MentionStore, Page, Written
from cxm.listen.store.tantivy_store import TantivyStore

__all__ = ["Aggregated", "By", "Change", "MemoryStore", "MentionStore", "Page", "TantivyStore", "Written"]
