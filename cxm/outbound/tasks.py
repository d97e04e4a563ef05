"""Jobs of outbound."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cxm.platform import jobs

#: Further ahead no step of an intent is ever put off (an hour), nor its time to be taken back (ten minutes).
FARTHEST = timedelta(hours=1, minutes=15)


@jobs.task("outbound.carry_out", queue="outbound")
def carry_out(intent: str) -> None:
    """One step towards the end of one intent."""
    from cxm.outbound import gateway

    gateway.carry_out(UUID(intent))


@jobs.periodic("outbound.clear_uploads", "17 3 * * *")
def clear_uploads() -> None:
    """Files that were never sent, and those long sent, are forgotten every night."""
    from cxm.outbound.uploads import purge

    purge()


@jobs.periodic("outbound.look_after", "* * * * *", queue="outbound")
def look_after() -> None:
    """Intents whose job was lost (a killed process) get one again, every minute."""
    from cxm.kernel.clock import now
    from cxm.outbound.models import Intent

    late = Intent.everywhere.filter(
        state__in=("waiting", "queued", "claimed"), not_before__lt=now() - timedelta(seconds=90)
    )  # everywhere: a watch over all
    for row in late[:1000]:
        carry_out.defer(queueing_lock=f"look_after:{row.id}", intent=str(row.id))
    _set_back()


def _set_back() -> None:
    """Nothing waits for longer than an hour. What does was put off by a clock that has been set back since: it goes on now, and what may still be
    taken back in a minute."""
    from cxm.kernel.clock import now
    from cxm.outbound.models import Intent

    far = Intent.everywhere.filter(state__in=("waiting", "queued"), not_before__gt=now() + FARTHEST)  # everywhere: a watch over all
    for row in far[:1000]:
        row.not_before = now() + timedelta(minutes=1 if row.state == "waiting" else 0)
        row.save(update_fields=["not_before"])
        carry_out.hasten(f"lane:{row.lane}", intent=str(row.id))
