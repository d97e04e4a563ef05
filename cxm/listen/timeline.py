"""What listen knows of a person: every mention of theirs in the store, also those that opened no conversation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from cxm.kernel.clock import parse_instant
from cxm.kernel.errors import NotNow
from cxm.listen import engine
from cxm.listen.selectors import public
from cxm.people.contracts import IdentityView, TimelineEntry
from cxm.query import api as language


class MentionTimeline:
    """Implements ``people.contracts.TimelineSource``; the store narrows by channel and handle, the identity itself decides."""

    def entries(
        self,
        organization: UUID,
        identities: Sequence[IdentityView],
        *,
        before: tuple[datetime, UUID] | None,
        limit: int,
        units: frozenset[UUID] | None,
    ) -> list[TimelineEntry]:
        """See the protocol. Without the store the timeline shows what PostgreSQL holds."""
        found: list[TimelineEntry] = []
        for identity in identities:
            if identity.handle:
                found += self._of(organization, identity, identity.handle, before, limit, units)
        return sorted(found, key=lambda entry: (entry.at, entry.id), reverse=True)[:limit]

    def _of(
        self,
        organization: UUID,
        identity: IdentityView,
        handle: str,
        before: tuple[datetime, UUID] | None,
        limit: int,
        units: frozenset[UUID] | None,
    ) -> list[TimelineEntry]:
        quoted = handle.replace("\\", "").replace('"', "")
        until = before[0] + timedelta(microseconds=1) if before else None
        try:
            query = language.parse(f'channel:{identity.channel} handle:"{quoted}"')
            items = (
                engine.store()
                .search(
                    organization,
                    query,
                    before=until,
                    limit=min(limit * 2, 500),
                    units=None if units is None else [str(unit) for unit in units],
                )
                .items
            )
        except NotNow:
            return []
        entries = [
            TimelineEntry(
                parse_instant(item["published_at"]),
                "mention",
                UUID(item["id"]),
                {"conversation": None, "ours": item["media_type"] == "owned", "mention": public(item)},
            )
            for item in items
            if (item.get("author") or {}).get("native_id") == identity.native_id
        ]
        return [entry for entry in entries if before is None or (entry.at, entry.id) < before]
