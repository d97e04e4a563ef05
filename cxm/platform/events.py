"""Events: appended in the writer's transaction, then handed on in one of two ways.

A *subscriber* gets each event once, in the owner's order: what love, outbound and the like do. A *follower* reads the log in commit
order from where it stopped: what keeps a derived store, which has to know that everything before is in.
"""

from __future__ import annotations

from django.db import connection

from cxm.kernel.events import Event
from cxm.platform import deliveries, eventlog, followers
from cxm.platform.deliveries import at_once, on, wake_waiting
from cxm.platform.eventlog import LoggedEvent, decode, ends, forget_recent, replay, since
from cxm.platform.followers import StartOver, catch_up, follow, lag, start_over


def publish(event: Event) -> int:
    """Append ``event`` to the log and wake whoever listens, all within the caller's transaction. Returns its id."""
    if not connection.in_atomic_block:
        raise RuntimeError(f"{event.name} was published outside a transaction; the row and the event must stand or fall together.")
    identifier = eventlog.append(event)
    deliveries.hand_over(identifier, event)
    followers.wake_for(event)
    return identifier


__all__ = [
    "LoggedEvent", "StartOver", "at_once", "catch_up", "decode", "ends", "follow", "forget_recent", "lag", "on", "publish", "replay", "since", "start_over", "wake_waiting",
]  # fmt: skip
