from collections.abc import Callable

import pytest

from cxm.listen.store import MemoryStore
from cxm.listen.store.tests.conformance import Conformance


class TestMemory(Conformance):
    @pytest.fixture
    def make(self) -> Callable[[], MemoryStore]:
        return MemoryStore
