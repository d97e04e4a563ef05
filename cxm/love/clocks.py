"""The clocks: what an organization promises until it says otherwise. Business hours come with shifts; until then wall-clock time.

Clocks run from the moment we heard, not from when it was said: we cannot promise for the time a platform kept it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

#: Stands for "no answer is due" where dates are sorted.
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Promise:
    """Times within which an organization answers and settles; ``reopen_within``: a closed conversation goes on, later a new one begins."""

    first_answer_private: timedelta = timedelta(minutes=60)
    first_answer_public: timedelta = timedelta(minutes=120)
    resolution: timedelta = timedelta(hours=24)
    reopen_within: timedelta = timedelta(days=7)

    def answer_due(self, kind: str, heard: datetime) -> datetime:
        """When an answer to what was heard at ``heard`` is due."""
        return heard + (self.first_answer_private if kind == "private" else self.first_answer_public)

    def resolution_due(self, heard: datetime) -> datetime:
        """When the matter is to be settled."""
        return heard + self.resolution


def promise(organization: UUID) -> Promise:
    """The promise of ``organization``; the same for all until each can set its own."""
    return Promise()
