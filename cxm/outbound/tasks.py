"""Jobs of outbound."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cxm.platform import jobs


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
