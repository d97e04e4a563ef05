"""Jobs of love."""

from __future__ import annotations

from uuid import UUID

from cxm.platform import jobs


@jobs.task("love.wake")
def wake(organization: str, conversation: str) -> None:
    """The end of a snooze."""
    from cxm.love.services.handling import wake_up

    wake_up(UUID(organization), UUID(conversation))
