"""Who runs what when: files begin in the order of what they take, and nobody waits behind a long one.

Loaded by ``-p tests.turns`` (pyproject.toml). A file is run by one process, in its order, for its tests may share what they start.
"""

from __future__ import annotations

from typing import Any

import pytest

#: What takes long, the longest first: begun last, it would keep one process busy while the others have nothing left.
LONG = (
    "tests/faults/test_crashes.py",
    "tests/lab/test_mail.py",
    "tests/browser/",
    "tests/faults/test_engines_away.py",
    "tests/journey/test_backup.py",
    "tests/lab/",
    "tests/attacks/test_bodies.py",
    "tests/attacks/test_contract.py",
    "tests/test_docs.py",
    "cxm/design/tests/test_browser.py",
    "tests/attacks/",
    "tests/faults/",
    "tests/test_forms.py",
    "cxm/design/tests/test_looks.py",
    "cxm/channels/tests/",
    "cxm/channels/bluesky/tests/test_hearing.py",
    "cxm/outbound/tests/test_intents.py",
    "tests/test_demo.py",
    "tests/test_house.py",
)
#: Files that one process runs one after another, for they share a server and a browser that cost seconds to start.
TOGETHER = {
    "tests/browser/test_explorer.py": "tests/browser/test_every_page.py",
    "tests/browser/test_writing.py": "tests/browser/test_inbox.py",
}


def rank(path: str) -> int:
    """How early ``path`` begins; what is not long stands last."""
    return next((at for at, name in enumerate(LONG) if path.startswith(name)), len(LONG))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; within a file everything stays in its order."""
    items.sort(key=lambda item: rank(item.nodeid.partition("::")[0]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run in several processes, ours says who runs what."""
    from xdist.scheduler import LoadScopeScheduling

    class Turns(LoadScopeScheduling):
        """Like ``--dist loadfile``, which begins with the files of the most tests; ours begin with what takes longest."""

        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return TOGETHER.get(path, path)

        def _reschedule(self, node: Any) -> None:
            # A process runs a test once it knows the next: one more is handed over when it begins its last, and no sooner.
            if not self.workqueue or self._pending_of(self.assigned_work[node]) < 2:
                super()._reschedule(node)

        def _assign_work_unit(self, node: Any) -> None:
            # What is handed over now waits for the last test under way. Behind a long one it would be missed elsewhere: a short one goes there.
            under_way = [path for path, unit in self.assigned_work.get(node, {}).items() if not all(unit.values())]
            if any(rank(path) < len(LONG) for path in under_way):
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return Turns(config, log)
