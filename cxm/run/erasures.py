"""Erased people stay erased: the ledger of deletions, written beside every backup and applied to whatever is restored, before anything serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import NotFound
from cxm.platform import graves

#: The migration since which the database itself knows who was erased.
KNOWN_SINCE = "people.0002_erasure"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a ledger took out of a restored installation."""

    people: int
    mentions: int


def write(target: Path, migrations: Sequence[str]) -> None:
    """Everything that must stay gone, as a ledger in ``target``: what the database knows, and what the data directory's own ledger says besides."""
    from cxm.listen import api as listen
    from cxm.people import api as people

    target.touch(mode=0o600, exist_ok=False)
    own = graves.path()
    if own.exists():
        graves.add(target, graves.read(own))
    if KNOWN_SINCE in migrations:
        graves.add(target, people.erasure_lines())
    for some in _some(listen.graves_of_all(), 200):
        graves.add(target, some)


def apply(files: Sequence[Path], progress: Callable[[str], object] = lambda text: None) -> Applied:
    """Erase again whom these ledgers name, and delete what they say was deleted; then keep all of it in the ledger of this place.

    Raises NotFound where a file is not there.
    """
    from cxm.govern import api as govern
    from cxm.people import api as people

    for file in files:
        if not file.is_file():
            raise NotFound(f"ledger {file}")
    here = {str(one.id) for one in govern.organizations()}
    persons: dict[str, dict[str, Any]] = {}
    for told in _told(files, here, "person"):
        persons[told["erasure"]] = told
    count = 0
    for told in sorted(persons.values(), key=lambda told: told["at"]):
        progress("erasures")
        if people.erase_again(told) is not None:
            count += 1
    for organization, erasure in people.unfinished_erasures():
        _to_the_end(organization, erasure)
    mentions = _deletions(files, here)
    _keep(files)
    return Applied(count, mentions)


def _to_the_end(organization: UUID, erasure: UUID) -> None:
    """Nothing else runs in a place that is being restored, so what an erasure waits for ends by itself within a minute."""
    from cxm.people import api as people

    while not people.carry_out_erasure(organization, erasure):
        time.sleep(1)


def _deletions(files: Sequence[Path], here: set[str]) -> int:
    from cxm.listen import api as listen
    from cxm.love import api as love

    count = 0
    organizations: set[UUID] = set()
    for told in _told(files, here, "deleted"):
        organization, at = UUID(told["organization"]), parse_instant(told["at"])
        ids = [UUID(each) for each in told["mentions"]]
        deleted = _delete(listen, love, organization, ids, at)
        count += deleted
        if deleted:
            organizations.add(organization)
    for organization in organizations:
        listen.redact(organization)
    return count


def _delete(listen: Any, love: Any, organization: UUID, ids: list[UUID], at: datetime) -> int:
    deleted: int = listen.delete_again(organization, ids, at)
    if deleted:
        love.delete_mentions_again(organization, ids, at)
    return deleted


def _told(files: Sequence[Path], here: set[str], kind: str) -> Iterator[dict[str, Any]]:
    for file in files:
        for told in graves.read(file):
            if told.get("kind") == kind and told.get("organization") in here:
                yield told


def _keep(files: Sequence[Path]) -> None:
    """The next backup of this place, and the next restore into it, must know it too."""
    own = graves.path()
    known = {orjson.dumps(told) for told in graves.read(own)} if own.exists() else set[bytes]()
    for file in files:
        if file.resolve() != own.resolve():
            fresh = (told for told in graves.read(file) if orjson.dumps(told) not in known)
            for some in _some(fresh, 200):
                graves.append(*some)


def _some(lines: Iterator[dict[str, Any]], count: int) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= count:
            yield batch
            batch = []
    if batch:
        yield batch
