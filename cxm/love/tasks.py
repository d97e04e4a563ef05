"""Jobs of love."""

from __future__ import annotations

from uuid import UUID

from cxm.kernel.clock import now
from cxm.platform import jobs


@jobs.task("love.wake")
def wake(organization: str, conversation: str) -> None:
    """The end of a snooze."""
    from cxm.love.services.handling import wake_up

    wake_up(UUID(organization), UUID(conversation))


@jobs.task("love.pledge_due")
def pledge_due(organization: str, pledge: str) -> None:
    """The time of a promise is near."""
    from cxm.love.services.pledges import came_due

    came_due(UUID(organization), UUID(pledge))


@jobs.task("love.let_go")
def let_go(organization: str, member: str) -> None:
    """The next hundred conversations of a member who can no longer answer them."""
    from cxm.love.services.leaving import go_on

    go_on(UUID(organization), UUID(member))


@jobs.task("love.bulk_step")
def bulk_step(organization: str, run: str) -> None:
    """The next hundred conversations of a bulk action."""
    from cxm.love.services.many import step

    step(UUID(organization), UUID(run))


@jobs.task("love.forget_presence")
def forget_presence() -> None:
    """Who is gone is forgotten; goes on while anybody looks at a conversation."""
    from cxm.love.services.presence import SWEEP, sweep

    if sweep():
        forget_presence.defer(queueing_lock="love.presence", schedule_at=now() + SWEEP)
