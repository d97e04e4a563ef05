"""The live stream, against a Jetstream on loopback: heard as it is written, nothing lost and nothing twice, however the line behaves."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from cxm.channels.bluesky import jetstream as jetstream_hosts
from cxm.channels.bluesky import streaming
from cxm.channels.bluesky.connector import Stream, Test
from cxm.channels.bluesky.jetstream import Filter, address
from cxm.channels.bluesky.mapping import map_delivery
from cxm.channels.bluesky.tests.provider import ANN, BOB, ME, Network, refusal
from cxm.channels.bluesky.tests.relay import Jetstream, mention, stamp
from cxm.channels.contracts import AuthExpired, Deletion, Item, Mention, Polled, Session, Unavailable
from cxm.channels.testing.live import loopback_web_socket
from cxm.kernel import clock


class Ear:
    """An account that listens, time and again; what it was told, and under which names."""

    def __init__(self, jetstream: Jetstream, **settings: Any) -> None:
        self.jetstream, self.network, self.settings = jetstream, jetstream.network, settings
        self.cursor: Any = None
        self.names: list[str] = []
        self.items: list[Item] = []
        self.batches: list[Polled] = []

    def session(self) -> Session:
        told = {"stream_url": self.jetstream.url, **self.settings}
        return replace(self.network.session(clock.now(), **told), web_socket=loopback_web_socket)

    def take(self, polled: Polled) -> None:
        self.batches.append(polled)
        self.cursor = json.loads(json.dumps(polled.cursor))
        for delivery in polled.deliveries:
            if delivery.delivery_id not in self.names:  # the mailbox takes each once
                self.names.append(delivery.delivery_id)
                self.items += map_delivery(delivery, self.session().account)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Callable[[Callable[[], object]], Coroutine[Any, Any, None]]]:
        """Listens until the block ends; what it gives waits until something has been told. All there was is told at its beginning."""
        stream = Stream().listen(self.session(), self.cursor)

        async def until(seen: Callable[[], object]) -> None:
            async with asyncio.timeout(60):
                while not seen():
                    self.take(await anext(stream))

        try:
            begun = len(self.batches)
            await until(lambda: len(self.batches) > begun and not self.batches[-1].more)
            yield until
        finally:
            await stream.aclose()

    async def to_the_end(self) -> Polled:
        """Listens until the stream gives up; its last batch."""
        async with asyncio.timeout(60):
            async for polled in Stream().listen(self.session(), self.cursor):
                self.take(polled)
        return self.batches[-1]

    def said(self) -> list[str]:
        return [one.text for one in self.items if isinstance(one, Mention)]

    def gaps(self) -> list[tuple[str, bool]]:
        return [(one.reason, one.filled) for batch in self.batches for one in batch.unheard]


@asynccontextmanager
async def a_jetstream() -> AsyncIterator[Jetstream]:
    network = Network()
    network.now = clock.now()
    async with Jetstream(network) as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_AGAIN", 0.02)
    monkeypatch.setattr(streaming, "ALIVE", 0.1)
    monkeypatch.setattr(jetstream_hosts, "FIRST", timedelta(0))


def test_what_concerns_us_is_heard_as_it_is_written_and_nothing_else():
    async def run() -> None:
        async with a_jetstream() as jetstream:
            network = jetstream.network
            ours = network.say(ME, "We open at nine.", "o")
            ear = Ear(jetstream)
            async with ear.listening() as until:
                assert ear.said() == ["We open at nine."]
                theirs = network.say(BOB, "Who knows?", "b0", reason="")
                named = network.say(ANN, "@acme hello", "a1", facets=mention(ME), reason="")
                said = [
                    theirs,
                    named,
                    network.say(BOB, "On Sundays too?", "b1", to=ours, reason=""),
                    network.say(
                        ANN, "Nine!", "a2", reason="", embed={"$type": "app.bsky.embed.record", "record": {"uri": ours, "cid": "x"}}
                    ),
                    network.say(ME, "Yes.", "o2"),
                    network.say(BOB, f"not {ME} in words alone", "b2", reason=""),
                ]
                for one in said:
                    jetstream.tell(one)
                jetstream.tell(said[1])  # once more
                last = network.say(BOB, "deep in our thread", "b3", to=said[2], reason="")
                jetstream.tell(last)
                await until(lambda: "deep in our thread" in ear.said() and len(ear.items) == 6)
                assert sorted(ear.said()[1:]) == ["@acme hello", "Nine!", "On Sundays too?", "Yes.", "deep in our thread"]
                found = {one.text: one for one in ear.items if isinstance(one, Mention)}
                assert [found[text].addressed for text in ("@acme hello", "On Sundays too?", "deep in our thread", "Yes.")] == [
                    True,
                    True,
                    False,
                    False,
                ]
                assert found["Yes."].media_type == "owned" and found["@acme hello"].author.handle == "@ann.example"
                network.edit(named, "@acme good morning")
                jetstream.tell(named, "update")
                await until(lambda: "@acme good morning" in ear.said())
                edited = ear.items[-1]
                assert isinstance(edited, Mention) and edited.edited_at is not None and edited.native_id == named
                network.delete(named)
                jetstream.tell(theirs, "delete")  # nothing to us
                jetstream.tell(named, "delete")
                await until(lambda: isinstance(ear.items[-1], Deletion))
                assert ear.items[-1].native_id == named and len(ear.items) == 8
            assert jetstream.asked[0]["path"] == "/subscribe" and jetstream.asked[0]["wantedCollections"] == "app.bsky.feed.post"
            before = len(ear.items)
            async with ear.listening() as until:  # from where it was: what comes again is not new
                network.say(ANN, "@acme and now", "a9", facets=mention(ME), reason="")
                jetstream.tell(network_address(ANN, "a9"))
                await until(lambda: ear.said()[-1] == "@acme and now")
            assert len(ear.items) == before + 1

    asyncio.run(run())


def network_address(did: str, key: str) -> str:
    return f"at://{did}/app.bsky.feed.post/{key}"


def test_what_the_view_does_not_show_yet_is_waited_for_and_then_told_as_it_came(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        async with a_jetstream() as jetstream:
            network, ear = jetstream.network, Ear(jetstream)
            async with ear.listening() as until:
                late = network.say(
                    ANN, "@acme late", "late", facets=mention(ME), reason="", embed={"$type": "app.bsky.embed.images", "images": []}
                )
                network.hidden = {late}
                jetstream.tell(late)
                await until(lambda: any(call[0]["uris"] == [late] for call in network.calls("app.bsky.feed.getPosts")) or ear.said())
                assert ear.said() == []
                assert ear.batches[-1].cursor.get("stream", 0) < jetstream.said[-1][0], "what is not told yet is behind the cursor"
                network.hidden = set()
                await until(lambda: ear.said() == ["@acme late"])
                assert isinstance(ear.items[-1], Mention) and ear.items[-1].engagement.likes == 1
                monkeypatch.setattr(streaming, "WORDS", 0.0)
                network.viewers = {BOB: {"blockedBy": True}}
                blocked = network.say(BOB, "@acme we are blocked", "b1", facets=mention(ME), reason="")
                taken_back = network.say(ANN, "@acme oh", "a1", facets=mention(ME), reason="")
                words = network.say(ANN, "@acme words", "a2", facets=mention(ME), reason="")
                network.hidden = {blocked, words, taken_back}
                jetstream.tell(taken_back)
                network.delete(taken_back)
                jetstream.tell(taken_back, "delete")
                jetstream.tell(blocked)
                jetstream.tell(words)
                await until(lambda: "@acme words" in ear.said())
                as_it_came = ear.items[-1]
                assert isinstance(as_it_came, Mention) and as_it_came.author.handle == "@ann.example" and as_it_came.addressed
                jetstream.tell(network.say(ANN, "@acme end", "a3", facets=mention(ME), reason=""))
                await until(lambda: "@acme end" in ear.said())
                assert "@acme we are blocked" not in ear.said() and "@acme oh" not in ear.said()[:-1]

    asyncio.run(run())


@pytest.mark.parametrize("away", [timedelta(seconds=1), timedelta(minutes=9), timedelta(days=1)])
def test_a_cut_loses_nothing_and_tells_nothing_twice_and_stands_in_the_ledger(away: timedelta):
    async def run(ear: Ear, jetstream: Jetstream) -> None:
        network = jetstream.network
        async with ear.listening() as until:
            jetstream.tell(network.say(ANN, "@acme before", "a1", facets=mention(ME), at=clock.now()))
            await until(lambda: "@acme before" in ear.said())
            jetstream.cut()
            jetstream.tell(network.say(BOB, "@acme while away", "b1", facets=mention(ME), at=clock.now()))
            with suppress(StopAsyncIteration):
                await until(lambda: False)
        last = ear.batches[-1]
        assert last.next_look is not None and last.next_look - clock.now() < timedelta(seconds=11)
        assert ear.gaps() == [] and ear.said() == ["@acme before"]
        with clock.shifted_by(away):
            network.now = clock.now()
            network.say(ANN, "@acme unheard of by the stream", "a2", facets=mention(ME))
            async with ear.listening() as until:
                jetstream.tell(network.say(ANN, "@acme after", "a3", facets=mention(ME), at=clock.now()))
                await until(lambda: "@acme after" in ear.said())
            asked = int(jetstream.asked[-1]["cursor"])
            early = stamp() - asked > 10_000_000 + away.total_seconds() * 1_000_000 - 5_000_000
            assert early == (away < streaming.RESUME), "resumed where it was, unless that is long ago"
        assert sorted(ear.said()) == ["@acme after", "@acme before", "@acme unheard of by the stream", "@acme while away"]
        assert ear.gaps() == [(streaming.AWAY, True)]
        assert not ear.cursor.get("cut")

    async def whole() -> None:
        async with a_jetstream() as jetstream:
            await run(Ear(jetstream), jetstream)

    asyncio.run(whole())


def test_where_there_is_no_stream_the_account_is_looked_at():
    async def run() -> None:
        async with a_jetstream() as jetstream:
            network, ear = jetstream.network, Ear(jetstream)
            await jetstream.down()
            for number in range(3):
                network.say(ANN, f"@acme {number}", f"a{number}", at=clock.now())
                last = await ear.to_the_end()
                assert not last.more and last.next_look is not None
                assert last.next_look - clock.now() <= timedelta(seconds=10)
            assert sorted(ear.said()) == ["@acme 0", "@acme 1", "@acme 2"]
            assert ear.gaps() == [(streaming.AWAY, True)] * 3
            begun = {one.began_at for batch in ear.batches for one in batch.unheard}
            assert len(begun) == 1, "one gap that grows"
            await jetstream.up()
            async with ear.listening():
                pass
            assert len(ear.gaps()) == 4 and not ear.cursor.get("cut")

    asyncio.run(run())


def test_a_stream_that_stays_away_is_dialled_ever_more_seldom_and_elsewhere_while_looks_go_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jetstream_hosts, "FIRST", timedelta(seconds=5))
    dialled: list[tuple[int, str]] = []

    async def run(base: str) -> list[tuple[int, str]]:
        dialled.clear()
        async with a_jetstream() as jetstream:
            ear = Ear(jetstream)
            for second in range(0, 2400, 10):

                async def dial(url: str, second: int = second, **more: Any) -> Any:
                    dialled.append((second, urlsplit(url).hostname or ""))
                    raise Unavailable("It is away.")

                with clock.shifted_by(timedelta(seconds=second)):
                    stream = Stream().listen(replace(jetstream.network.session(clock.now(), stream_url=base), web_socket=dial), ear.cursor)
                    async for polled in stream:
                        ear.take(polled)
                    last = ear.batches[-1]
                    assert not last.more and last.next_look is not None and last.next_look - clock.now() <= timedelta(seconds=10)
        return list(dialled)

    public = jetstream_hosts.PUBLIC
    found = asyncio.run(run(f"wss://{public[1]}"))
    pauses = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(found)]
    assert pauses[0] == 10 and 480 <= max(pauses) <= 730 and len(found) <= 11, pauses
    assert [host for _, host in found[:10]] == [public[1]] * 3 + [public[2]] * 3 + [public[3]] * 3 + [public[0]], found
    assert {host for _, host in asyncio.run(run("wss://own.example/subscribe"))} == {"own.example"}


def test_nonsense_on_the_line_costs_nothing():
    async def run() -> None:
        async with a_jetstream() as jetstream:
            network, ear = jetstream.network, Ear(jetstream)
            nonsense: list[Any] = [None, 7, [], {}, {"did": ME}, {"did": ME, "commit": ME}, {"did": 1, "commit": {"operation": "delete"}}]
            good = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "k", "cid": "c", "record": {"text": "x"}}
            broken = [(name, value) for name in good for value in (None, 1, [], {"a": ME}, "\ud800" * 9)]
            nonsense += [{"did": ANN, "time_us": 2**70, "me": ME, "commit": good | {name: value}} for name, value in broken]
            nonsense += [
                {"did": ANN, "commit": good | {"record": {"text": "x", "reply": value, "facets": value, "embed": value}}, "me": ME}
                for value in (ME, [ME], {"parent": ME})
            ]
            async with ear.listening() as until:
                for one in nonsense:
                    jetstream.send(json.dumps(one).encode())
                for raw in (b"", b"\xff", ME.encode(), b'{"did":"' + ME.encode(), b'"operation":"delete"' * 10, b"[" * 5000 + ME.encode()):
                    jetstream.send(raw)
                jetstream.tell(network.say(ANN, "@acme still there?", "a1", facets=mention(ME), reason=""))
                await until(lambda: ear.said())
            assert ear.said() == ["@acme still there?"]

    asyncio.run(run())


def test_a_look_may_fail_while_the_stream_goes_on_but_not_for_ever_and_not_for_a_password(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        async with a_jetstream() as jetstream:
            network, ear = jetstream.network, Ear(jetstream, own_posts=False)
            listing = "app.bsky.notification.listNotifications"
            async with ear.listening() as until:
                monkeypatch.setattr(streaming, "LOOK", 0.0)
                network.fail(listing, refusal(502, "UpstreamFailure"))
                jetstream.tell(network.say(ANN, "@acme hello", "a1", facets=mention(ME), reason=""))
                await until(lambda: ear.said() and not network.fails[listing])
                network.fail(listing, *[refusal(502, "UpstreamFailure")] * streaming._FAILURES)
                with pytest.raises(Unavailable):
                    await until(lambda: False)
            network.fails.clear()
            with pytest.raises(AuthExpired):
                async with ear.listening() as until:
                    network.tokens.clear()
                    network.password = "another"
                    await until(lambda: False)

    asyncio.run(run())


def test_the_button_tries_the_stream_too():
    async def run() -> None:
        async with a_jetstream() as jetstream:
            ear = Ear(jetstream)
            steps = await Test().test(ear.session())
            assert (steps[-1].name, steps[-1].ok, len(steps)) == ("Hear the live stream", True, 4)
            await jetstream.down()
            steps = await Test().test(ear.session())
            assert [one.ok for one in steps] == [True, True, True, False] and "ten seconds" in steps[-1].text

    asyncio.run(run())


def test_most_messages_are_passed_over_unread():
    chosen = Filter(ME, own=True)
    assert chosen.events(b'{"did":"did:plc:x","time_us":5,"kind":"commit","commit":{"operation":"create"', ()) == []
    assert chosen.place_of(b'{"did":"x", "time_us": 1725911162329308 ,"kind":"commit"}') == (1725911162329308, 0)
    for kind in ("identity", "account"):  # every listener gets those, whatever it asked for
        told = f'{{"did":"{ME}","time_us":1725911162329308,"kind":"{kind}","{kind}":{{"did":"{ME}","active":false}}}}'
        assert chosen.events(told.encode(), ()) == []
    assert chosen.place_of(b"{}") == (0, 0) and chosen.complaint(b"{}") == ""
    assert address("wss://jetstream.example", 5) == "wss://jetstream.example/subscribe?wantedCollections=app.bsky.feed.post&cursor=5"
    assert address("wss://jetstream.example/other?x=1#y", 5).startswith("wss://jetstream.example/other?wantedCollections=")
