"""What open pages are told."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID, uuid4

from cxm.platform.realtime import Hub


async def _first(hub: Hub, organization: UUID, since: float | None, count: int) -> list[str]:
    stream = hub.stream(organization, since)
    return [await asyncio.wait_for(anext(stream), 10) for _ in range(count)]


def test_a_page_is_told_first_what_came_between_its_rendering_and_its_listening() -> None:
    hub, ours, theirs, before = Hub(), uuid4(), uuid4(), time.time()
    for whose, names in ((ours, ["inbox", "explorer"]), (theirs, ["secret"]), (ours, ["inbox"])):
        hub._spread(json.dumps([str(whose), *names]))
    assert asyncio.run(_first(hub, ours, before, 2)) == ["inbox", "explorer"]

    async def nothing_old() -> list[str]:
        listening = asyncio.ensure_future(_first(hub, ours, time.time() + 1, 1))
        for _ in range(10):  # it runs up to where it waits
            await asyncio.sleep(0)
        hub._spread(json.dumps([str(ours), "fresh"]))
        return await listening

    assert asyncio.run(nothing_old()) == ["fresh"]


def test_nonsense_is_told_to_nobody() -> None:
    hub = Hub()
    for payload in ("", "[]", "null", "[1]", '["x", "y"]', "{"):
        hub._spread(payload)
    assert not hub._recent
