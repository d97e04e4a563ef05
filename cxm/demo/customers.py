"""The people of the demo while one looks: receipts for our answers, thanks and follow-ups, and newcomers who begin to speak."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any
from uuid import UUID

import orjson
import structlog

from cxm.channels.kit import webhooks
from cxm.connect import api as connect
from cxm.connect.contracts import Account
from cxm.demo import hosting, past, state, telling, wire
from cxm.demo.platforms import Platforms, Taking
from cxm.demo.telling import Said
from cxm.kernel.clock import format_instant, now
from cxm.kernel.ids import new_id

#: Seconds after the start at which the first newcomers speak; then one every 20 to 60 s while somebody looks around, and after that as
#: many as a day of watching needs.
FIRST = (4.0, 11.0, 19.0, 30.0, 46.0)
LIVELY, CALM, LIVELY_COUNT = (20.0, 60.0), (60.0, 220.0), 40
PRIVATE = ("chat", "care")
_log = structlog.get_logger(__name__)


class Customers:
    """Speaks through the inbound door at ``door``; ``remembered`` is what the demo keeps between starts."""

    def __init__(
        self, organization: UUID, accounts: Mapping[str, Account], remembered: state.State, platforms: Platforms, door: tuple[str, int]
    ) -> None:
        self._organization = organization
        self._state = remembered
        self._platforms = platforms
        self._door = door
        self._accounts = accounts
        self._talking: set[asyncio.Task[None]] = set()
        self._chance = random.Random(remembered.began)  # noqa: S311 - spreads talk over time
        platforms.on_taken = lambda taking: self._keep(self._react(taking))

    async def speak(self) -> None:
        """Newcomers, until cancelled."""
        for pause in _pauses(self._chance):
            await asyncio.sleep(pause)
            try:
                await self._newcomer()
            except (OSError, TimeoutError) as error:
                _log.info("demo.not_heard", error=type(error).__name__)

    async def stop(self) -> None:
        """End what is being said."""
        for task in list(self._talking):
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._talking.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._talking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("demo.broke", error=type(error).__name__, text=str(error)[:200])

    async def _newcomer(self) -> None:
        coming = telling.coming()
        turn, number = divmod(self._state.told, len(coming))
        said = coming[number]
        if turn:  # everybody has spoken once: they come again, as new mentions
            said = dataclasses.replace(said, native_id=f"{said.native_id}~{turn + 1}")
        account = self._accounts.get(said.where)
        entry = past.as_json(said, account, now())
        if account is not None:
            await self._deliver(said.where, entry)
        else:
            line = orjson.dumps({**entry, "channel": said.where})
            await asyncio.to_thread(hosting.in_thread, connect.import_lines, self._organization, [line])
        self._state.told += 1
        await asyncio.to_thread(state.write, self._state)

    async def _react(self, taking: Taking) -> None:
        """The receipts of one answer, then perhaps a word."""
        await asyncio.sleep(self._chance.uniform(0.8, 2.5))
        await self._receipt(taking, "delivered")
        said = telling.find(taking.about) if taking.about else None
        private = taking.account in PRIVATE
        await asyncio.sleep(self._chance.uniform(3, 8))
        if private:
            await self._receipt(taking, "read")
        text = self._word(said, taking) if said is not None else None
        if text is None or said is None:
            return
        await asyncio.sleep(self._chance.uniform(4, 12))
        entry = past.later_json(said, 0, text, now(), "message" if private else "comment")
        # The id follows from our answer's, so that the same answer is never thanked for twice.
        await self._deliver(taking.account, {**entry, "native_id": f"{said.native_id}.{taking.native_id}"})

    def _word(self, said: Said, taking: Taking) -> str | None:
        """What the story says next; without one, every second person says thank you to our first answer."""
        base = said.native_id
        same = [one for one in self._platforms.taken.values() if one.about and one.account == taking.account and _base(one.about) == base]
        number = next((place for place, one in enumerate(same) if one.intent == taking.intent), 0)
        if number < len(said.then):
            return said.then[number]
        chance = random.Random(base)  # noqa: S311 - a habit, no secret
        words = telling.thanks().get(said.lang, [])
        if number or said.then or not words or chance.random() < 0.5:
            return None
        return chance.choice(words)

    async def _receipt(self, taking: Taking, status: str) -> None:
        receipt = {"type": "receipt", "native_id": taking.native_id, "status": status, "at": format_instant(now())}
        await self._deliver(taking.account, receipt)

    async def _deliver(self, key: str, entry: dict[str, Any]) -> None:
        """As platforms do: the same delivery again, later each time, until it is taken."""
        body, delivery = orjson.dumps(entry), f"demo_{new_id().hex}"
        for pause in (1, 3, 9, 27, 60):
            headers = {"content-type": "application/json", **webhooks.sign(delivery, body, self._state.secret(key), now())}
            try:
                if await wire.post(self._door, f"/in/webhook/{self._accounts[key].id}", body, headers) < 500:
                    return
            except (OSError, TimeoutError):
                pass
            await asyncio.sleep(pause)


def _base(native_id: str) -> str | None:
    said = telling.find(native_id)
    return said.native_id if said else None


def _pauses(chance: random.Random) -> Iterator[float]:
    before = 0.0
    for moment in FIRST:
        yield moment - before
        before = moment
    for _ in range(LIVELY_COUNT):
        yield chance.uniform(*LIVELY)
    while True:
        yield chance.uniform(*CALM)
