"""Long polls: a question for news that the server answers late, asked again and again, is a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from cxm.channels.contracts import Polled, Session
from cxm.kernel import clock


class Ask(Protocol):
    """One question for news after ``cursor``, which the server may leave open for ``wait`` seconds."""

    async def __call__(self, session: Session, cursor: Mapping[str, Any] | None, *, wait: int) -> Polled: ...


async def listen(ask: Ask, session: Session, cursor: Mapping[str, Any] | None, seconds: int) -> AsyncIterator[Polled]:
    """Batches as they come, an empty one at least every ``seconds`` as a sign of life. The first question, and the next while there is more,
    does not wait."""
    wait = 0
    while True:
        # A stream outlives the moment its session was made at.
        batch = await ask(replace(session, now=clock.now()), cursor, wait=wait)
        cursor = batch.cursor
        yield batch
        wait = 0 if batch.more else seconds
