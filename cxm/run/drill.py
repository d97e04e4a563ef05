"""``cxm stop drill``: shows on this installation that the stop holds, without touching anybody's reply."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from cxm.govern import api as govern
from cxm.kernel.actor import system
from cxm.outbound import api as outbound


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the drill, whether it went as promised, and how long it took."""

    name: str
    ok: bool
    seconds: float


def drill(organization: UUID) -> list[Step]:
    """A stop of the kind “call”, a rehearsal intent of that kind to nobody, held, reviewed, cancelled."""
    actor = system(organization, "stop drill")
    steps: list[Step] = []
    began = time.perf_counter()
    stop = govern.stop_on(actor, "kind:call", "drill")
    steps.append(Step("The stop is acknowledged within a second", time.perf_counter() - began <= 1, time.perf_counter() - began))
    began = time.perf_counter()
    intent = outbound.rehearse(actor)
    held = outbound.reply(organization, intent)
    steps.append(
        Step("A rehearsal intent is held and nothing leaves", held.state == "held" and not held.attempts, time.perf_counter() - began)
    )
    listed = any(item.id == intent for item in govern.held(organization, stop.id))
    steps.append(Step("It stands in the list of held items", listed, 0))
    began = time.perf_counter()
    receipt = govern.lift(actor, stop.id, release="none")
    cancelled = outbound.reply(organization, intent).state == "cancelled"
    steps.append(
        Step(
            "Lifting gives a receipt, and what was not released is cancelled",
            intent in receipt.cancelled and cancelled,
            time.perf_counter() - began,
        )
    )
    return steps
