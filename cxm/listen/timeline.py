"""What listen knows of a person: every mention of theirs in the store, also those that opened no conversation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import NotNow
from cxm.listen import engine
from cxm.listen.authors import author_of
from cxm.listen.selectors import public
from cxm.people.contracts import ProfileView, TimelineEntry
from cxm.query import api as language

#: The most mentions the store is asked for at once.
_PAGE = 500


class MentionTimeline:
    """Implements ``people.contracts.TimelineSource``. The store narrows by the profiles the person ever was, which is what mentions are stored
    with; who they are today, their identities, decides: so names and handles may change, and be none."""

    def entries(
        self,
        organization: UUID,
        who: ProfileView,
        *,
        before: tuple[datetime, UUID] | None,
        limit: int,
        units: frozenset[UUID] | None,
        whole: bool = False,
    ) -> list[TimelineEntry]:
        """See the protocol. Without the store the timeline shows what PostgreSQL holds."""
        whose = {one.id for one in who.identities}
        found: list[TimelineEntry] = []
        try:
            for item in _said(organization, _profiles(who), before[0] if before else None, units, min(limit + 1, _PAGE)):
                at = parse_instant(item["published_at"])
                if len(found) >= limit and at < found[limit - 1].at:
                    break  # those of one instant come in any order: all of them were seen
                entry = _entry(item, at)
                if author_of(organization, item) in whose and (before is None or (entry.at, entry.id) < before):
                    found.append(entry)
        except NotNow:
            if whole:
                raise
            return []
        return sorted(found, key=lambda entry: (entry.at, entry.id), reverse=True)[:limit]

    def first(self, organization: UUID, who: ProfileView, *, units: frozenset[UUID] | None) -> datetime | None:
        """See the protocol."""
        whose = {one.id for one in who.identities}
        try:
            items = _said(organization, _profiles(who), None, units, 20, sort="oldest")
            return next((parse_instant(item["published_at"]) for item in items if author_of(organization, item) in whose), None)
        except NotNow:
            return None


def _profiles(who: ProfileView) -> set[str]:
    """An identity's own, which it had when it was heard first, and those they were merged into or parted from since."""
    own = {who.id, *(one.id for one in who.identities)}
    return {str(each) for each in own.union(*({step.into, step.source} for step in who.history))}


def _said(
    organization: UUID, profiles: set[str], until: datetime | None, units: frozenset[UUID] | None, limit: int, *, sort: str = "newest"
) -> Iterator[dict[str, Any]]:
    """In that order, ``limit`` fetched at a time."""
    cursor: str | None = None
    while True:
        page = engine.store().search(
            organization,
            language.parse(""),
            before=until + timedelta(microseconds=1) if until else None,
            limit=limit,
            cursor=cursor,
            sort=sort,
            units=None if units is None else [str(unit) for unit in units],
            people=profiles,
        )
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def _entry(item: dict[str, Any], at: datetime) -> TimelineEntry:
    return TimelineEntry(
        at, "mention", UUID(item["id"]), {"conversation": None, "ours": item["media_type"] == "owned", "mention": public(item)}
    )
