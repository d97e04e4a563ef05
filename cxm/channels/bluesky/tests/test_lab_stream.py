"""The protocol's own stream of a real home server on loopback; skipped, saying so, where none answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from cxm.channels.bluesky.connector import Stream, Test
from cxm.channels.bluesky.firehose import METHOD
from cxm.channels.bluesky.mapping import map_delivery
from cxm.channels.bluesky.tests.test_lab import BASE, Desk, Person, why_not
from cxm.channels.contracts import Deletion, Item, Mention, Session
from cxm.channels.testing.live import loopback_web_socket
from cxm.kernel.clock import now

pytestmark = [pytest.mark.lab, pytest.mark.skipif(why_not() is not None, reason=f"no server to speak to at {BASE}: {why_not()}")]
STREAM = f"{BASE.replace('http', 'ws', 1)}/xrpc/{METHOD}"


def test_what_people_do_is_heard_as_they_do_it():
    acme, ann, bob = Person("acme"), Person("ann"), Person("bob")
    ours = acme.say("We open at nine.")
    session: Session = replace(Desk(acme, stream_url=STREAM).session, web_socket=loopback_web_socket)
    heard: list[Item] = []
    names: set[str] = set()

    async def run() -> None:
        stream = Stream().listen(session, None)

        async def until(seen: Callable[[], object]) -> None:
            async with asyncio.timeout(120):
                while not seen():
                    for delivery in (await anext(stream)).deliveries:
                        if delivery.delivery_id not in names:
                            names.add(delivery.delivery_id)
                            heard.extend(map_delivery(delivery, session.account))

        def ids_heard() -> list[str]:
            return [one.native_id for one in heard if isinstance(one, Mention)]

        await until(lambda: ours in ids_heard() or any(name for name in names))
        named = await asyncio.to_thread(lambda: ann.say(f"👋 @{acme.handle}, are you open?", names=acme))
        await until(lambda: named in ids_heard())
        reply = await asyncio.to_thread(lambda: bob.say("On Sundays too?", to=ours))
        await asyncio.to_thread(lambda: bob.say(f"nothing to us {uuid4()}"))
        quote = await asyncio.to_thread(
            lambda: ann.say("Nine!", embed={"$type": "app.bsky.embed.record", "record": ann.reference(ours)[0]})
        )
        own = await asyncio.to_thread(lambda: acme.say("Yes."))
        await until(lambda: {reply, quote, own} <= set(ids_heard()))
        found = {one.native_id: one for one in heard if isinstance(one, Mention)}
        assert set(found) == {ours, named, reply, quote, own}
        assert [found[one].addressed for one in (named, reply, quote, own)] == [True, True, True, False]
        assert found[own].media_type == "owned" and found[named].author.handle == f"@{ann.handle}" and found[named].author.name == "Ann"
        await asyncio.to_thread(lambda: ann.delete(named))
        await until(lambda: isinstance(heard[-1], Deletion))
        assert heard[-1].native_id == named
        await stream.aclose()

    asyncio.run(run())
    steps = asyncio.run(Test().test(replace(session, now=now())))
    assert [one.name for one in steps if one.ok][-1] == "Hear the live stream"


def test_a_cut_line_goes_on_where_it_was_by_the_servers_own_count():
    """The last of a long thread, of which no list tells us and which lies deeper than threads are read: only the stream has it."""
    acme, ann, bob = Person("acme"), Person("ann"), Person("bob")
    ours = acme.say("We open at nine.")
    asked: list[str] = []
    opened = asyncio.Event()

    async def dial(url: str, **more: Any) -> Any:
        asked.append(url)
        line = await loopback_web_socket(url, **more)
        opened.set()
        return line

    session: Session = replace(Desk(acme, stream_url=STREAM).session, web_socket=dial)
    heard: set[str] = set()
    cursor: Mapping[str, Any] = {}

    async def until(seen: Callable[[], object]) -> None:
        nonlocal cursor
        stream = Stream().listen(session, cursor)
        async with asyncio.timeout(120):
            while not seen():
                try:
                    batch = await anext(stream)
                except StopAsyncIteration:
                    break
                cursor = batch.cursor
                for delivery in batch.deliveries:
                    heard.update(one.native_id for one in map_delivery(delivery, session.account) if isinstance(one, Mention))
        await stream.aclose()

    async def run() -> None:
        nonlocal cursor
        first = asyncio.create_task(until(lambda: len(heard) > 1 and cursor.get("number")))
        await asyncio.wait_for(opened.wait(), 60)
        await asyncio.to_thread(lambda: ann.say(f"@{acme.handle} hello", names=acme))
        await first
        last = ours
        for number in range(9):
            who = (ann, bob)[number % 2]
            last = await asyncio.to_thread(lambda who=who, last=last, number=number: who.say(f"Number {number}", to=last))
        await until(lambda: last in heard)
        assert last in heard and "cursor=" not in asked[0] and "cursor=" in asked[1]

        cursor = {**cursor, "number": 10**12}  # the server's data are others than they were: it has never been as far as that
        await until(lambda: not cursor.get("number"))
        named = "nothing yet"
        opened.clear()
        fresh = asyncio.create_task(until(lambda: named in heard))
        await asyncio.wait_for(opened.wait(), 60)
        named = await asyncio.to_thread(lambda: bob.say(f"@{acme.handle} again", names=acme))
        await fresh
        assert named in heard and "cursor=" not in asked[-1]

    asyncio.run(run())
