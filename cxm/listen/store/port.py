"""The port every mention store answers to. Each call names the organization first and never sees another's mentions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from cxm.query.api import Query

#: A mention as its public JSON, with ``version`` (whole number), ``unit``, ``private`` and ``heard_at`` besides.
Mention = dict[str, Any]
SORTS = ("newest", "oldest", "relevance", "engagement")
INTERVALS = ("hour", "day", "week", "month")


@dataclass(frozen=True, slots=True)
class Change:
    """New values for some keys of one mention, as of ``version``. ``author`` and ``engagement`` are merged key by key."""

    id: str
    version: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch. ``stale``: ids the store knows in the same or a newer version, or as deleted; ``missing``: ids of
    changes to mentions it does not hold."""

    written: int = 0
    stale: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of mentions, ``next`` (a cursor, None at the end) and the exact ``count`` of all that match.

    With ``highlight`` each item has ``highlights``: ``{"text": [[start, end], ...], "title": ...}``, in characters.
    """

    items: list[Mention]
    next: str | None
    count: int


@dataclass(frozen=True, slots=True)
class By:
    """One list of counts: of ``size`` values of a field, or of ``published_at`` by ``interval`` (hour, day, week, month)."""

    field: str
    size: int = 10
    interval: str | None = None


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Counts. ``by``: one list for each :class:`By`, of ``{"key", "count"}``: largest first and ``None`` last, or by time with
    the empty ones. ``exact`` is False where people were estimated because there were too many to count one by one."""

    count: int
    by: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])
    exact: bool = True


class MentionStore(Protocol):
    """Mentions of many organizations. Writes become visible, and durable, with :meth:`commit`.

    ``after`` is included, ``before`` is not. ``units`` restricts to mentions of those units (None: all). A search in a query the
    engine cannot answer exactly at bearable cost is refused (BadInput ``query_too_broad``). Where the engine is away or damaged
    every call raises NotNow.
    """

    def write(self, organization: UUID | str, mentions: Sequence[Mention]) -> Written:
        """Store mentions whole, by id; an equal or older ``version`` changes nothing, a deleted one stays deleted."""
        ...

    def rewrite(self, organization: UUID | str, changes: Sequence[Change]) -> Written:
        """Change mentions by id; an equal or older ``version`` changes nothing."""
        ...

    def delete(self, organization: UUID | str, ids: Collection[str], at: datetime | None = None) -> int:
        """Forget mentions for good, leaving a tombstone that no later write undoes, also for ids not held. How many were held."""
        ...

    def commit(self) -> None:
        """Make everything written so far durable and visible."""
        ...

    def refresh(self) -> None:
        """See what another process has committed."""
        ...

    def get(self, organization: UUID | str, ids: Collection[str]) -> dict[str, Mention]:
        """The mentions with these ids, by id; those it does not hold are absent."""
        ...

    def deleted(self, organization: UUID | str, ids: Collection[str]) -> dict[str, str]:
        """Of these ids the deleted ones, each with when."""
        ...

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
        """A page, in an order that ties cannot disturb; mentions that come meanwhile neither repeat nor skip others.

        ``people``: only what was said by these, as ``query.api.person`` names them when it is heard (a profile, as a rule).
        """
        ...

    def scan(
        self,
        organization: UUID | str,
        query: Query,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        units: Collection[str] | None = None,
    ) -> Iterator[Mention]:
        """All of them, oldest first, in constant memory."""
        ...

    def count(
        self,
        organization: UUID | str,
        query: Query,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        units: Collection[str] | None = None,
    ) -> int:
        """How many match; exact."""
        ...

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
        """Counts of mentions, or with ``distinct="author"`` of people."""
        ...

    def snapshot(self, target: Path) -> None:
        """Commit, and copy the store into the empty folder ``target``, which opens as a store."""
        ...

    def close(self) -> None:
        """Commit and let go."""
        ...
