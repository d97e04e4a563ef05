"""Jobs of people."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cxm.kernel.clock import now
from cxm.platform import jobs


@jobs.task("people.erase")
def erase(organization: str, erasure: str) -> None:
    """Erase one person, to the end or until something has to be waited for."""
    from cxm.people.erasing import carry_out

    carry_out(UUID(organization), UUID(erasure))


@jobs.periodic("people.erase_forgotten", "*/5 * * * *")
def erase_forgotten() -> None:
    """An erasure whose job was lost gets one again."""
    from cxm.people.erasing import again_later
    from cxm.people.models import Erasure

    for row in Erasure.everywhere.exclude(state="done").filter(asked_at__lt=now() - timedelta(minutes=4)):  # everywhere: a watch over all
        again_later(row)
