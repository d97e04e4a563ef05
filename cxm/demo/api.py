"""The door of the demo: :func:`prepare` before the server starts, :func:`trickle` while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from uuid import UUID

from cxm.channels.kit import webhooks
from cxm.demo import company, hosting, past, state, telling
from cxm.demo.customers import Customers
from cxm.demo.platforms import Platforms
from cxm.kernel.clock import now

__all__ = ["is_demo", "prepare", "trickle"]

#: The first words of the stories are about so old.
HALF_A_YEAR = timedelta(days=184)
_STAGES = {"history": past.import_history, "heard": past.hear, "answered": past.answer, "handled": past.handle}


def prepare() -> tuple[str, str]:
    """Make the demo company, or find it; returns the owner's address and password.

    Binds the simulated platforms' port and opens the egress guard for it, in this process alone. A start that was cut off goes on
    where it stopped. Raises Conflict where the data directory holds another organization.
    """
    known = state.read()
    company.check_directory(known)
    if known is None:
        secret_of = {key: webhooks.new_secret() for key in telling.company()["accounts"]}
        known = state.fresh(company.new_password(), secret_of, now())
        state.write(known)
    address = _bind(known)
    if "company" not in known.stages:
        company.build(known.password, {key: known.secret(key) for key in known.sealed_secrets}, address, known.start - HALF_A_YEAR)
        _done(known, "company")
    where = company.organization()
    company.point(where, address)
    for name, stage in _STAGES.items():
        if name not in known.stages:
            stage(where, known.start)
            _done(known, name)
    return telling.company()["email"], known.password


def is_demo() -> bool:
    """Whether the demo company lives in this data directory."""
    return state.path().exists()


async def trickle(door: tuple[str, int] | None = None) -> None:
    """Run the simulated platforms and their people until cancelled. ``door``: where ``serve`` listens; without it nobody speaks."""
    known = await asyncio.to_thread(state.read)
    if known is None:
        return
    where = await asyncio.to_thread(hosting.in_thread, company.organization)
    accounts = await asyncio.to_thread(hosting.in_thread, company.accounts, where)
    platforms = Platforms(known.secret, state.path().with_name("demo-platforms.jsonl"))
    server = hosting.server_of(platforms)
    customers = Customers(where, accounts, known, platforms, _reachable(door)) if door else None
    serving = asyncio.create_task(hosting.serve(server), name="demo-platforms")
    try:
        await _catch_up(where, known)
        if customers is not None:
            await customers.speak()
        await serving
    finally:
        if customers is not None:
            await customers.stop()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(serving, 3)


async def _catch_up(where: UUID, known: state.State) -> None:
    """What need not be there at once, while the server already answers."""
    if "handled before" not in known.stages:
        await asyncio.to_thread(hosting.in_thread, past.handle_before, where, known.start)
        await asyncio.to_thread(_done, known, "handled before")
    if "joined" not in known.stages:
        await asyncio.to_thread(hosting.in_thread, company.join, where, known.password)
        await asyncio.to_thread(_done, known, "joined")


def _bind(known: state.State) -> str:
    port = hosting.bind(known.port)
    if known.port != port:
        known.port = port
        state.write(known)
    return f"http://{hosting.HOST}:{port}"


def _done(known: state.State, stage: str) -> None:
    known.stages.append(stage)
    state.write(known)


def _reachable(door: tuple[str, int]) -> tuple[str, int]:
    host = {"0.0.0.0": hosting.HOST, "::": "::1"}.get(door[0], door[0])  # noqa: S104 - a comparison
    return host, door[1]
