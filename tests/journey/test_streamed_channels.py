"""A live stream all the way inside, through the guard and the runtime: heard, followed, cut, resumed; the gap stands in the ledger, filled."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cxm.channels import registry
from cxm.channels.bluesky import streaming
from cxm.channels.bluesky.tests.provider import ANN, BASE, BOB, ME, Network
from cxm.channels.bluesky.tests.relay import Jetstream, mention
from cxm.connect import api as connect
from cxm.connect import mailbox, runtime, selectors
from cxm.connect.models import Account
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now, shifted_by
from cxm.platform import egress
from tests.houses import House, _own_store, house, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


class Beside:
    """A loop in a thread of its own, as the runtime has; the database it asks for is the test's, in the test's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._asked: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue()
        self._thread.start()

    async def database(self, work: Callable[[], Any]) -> Any:
        done: Future[Any] = Future()
        self._asked.put((work, done))
        return await asyncio.wrap_future(done)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def do(self, work: Callable[..., Any], *given: Any) -> None:
        self._loop.call_soon_threadsafe(work, *given)

    def until(self, seen: Callable[[], object]) -> None:
        """Answer what the database is asked, until something is so."""
        deadline = time.monotonic() + 60
        while not seen():
            assert time.monotonic() < deadline
            with suppress(queue.Empty):
                work, done = self._asked.get(timeout=0.02)
                if not done.set_running_or_notify_cancel():
                    continue
                try:
                    done.set_result(work())
                except Exception as error:
                    done.set_exception(error)

    def wait(self, work: Future[Any]) -> Any:
        self.until(work.done)
        return work.result()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    made = Beside()
    monkeypatch.setattr(runtime, "_db", made.database)
    yield made
    made.end()


@pytest.fixture
def jetstream(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jetstream]:
    monkeypatch.setattr(streaming, "_AGAIN", 0.02)
    network = Network()
    network.now = now()
    made = Jetstream(network)
    beside.wait(beside.begin(made.up()))
    monkeypatch.setattr(egress, "_OWN", {("127.0.0.1", made.port)})
    yield made
    beside.wait(beside.begin(made.down()))


class Ear:
    """An account that a runtime of its own listens for."""

    def __init__(self, house: House, jetstream: Jetstream, beside: Beside) -> None:
        self.house, self.jetstream, self.beside = house, jetstream, beside
        settings = {"handle": "acme.example", "server_url": BASE, "stream_url": jetstream.url}
        made, _ = connect.connect(house.owner, channel="bluesky", name="Ours", settings=settings, credentials={"password": "abcd-efgh"})
        self.account, self.call = made.id, rest(house)

    def row(self) -> Account:
        return Account.everywhere.get(pk=self.account)  # everywhere: a test

    def begin(self) -> Future[None]:
        """What the runtime does with an account that streams, its HTTP in memory."""
        row, channel = self.row(), registry.channel("bluesky")
        assert channel.streams(row.settings) and not channel.streams({**row.settings, "stream_url": ""})
        session = replace(runtime.session_of(row, self.jetstream.network), now=now())  # type: ignore[arg-type]
        assert session.web_socket is egress.web_socket
        return self.beside.begin(runtime.Runtime()._drink(row, channel.stream().listen(session, row.cursor)))

    def texts(self) -> list[str]:
        mailbox.take_in_all(self.account)
        settle()
        answer = self.call("POST", "/mentions/search", {"query": "", "sort": "oldest"})
        return [one["text"] for one in answer.json()["items"]]


def test_a_post_is_in_the_inbox_as_it_is_written_and_a_cut_is_a_gap_that_is_filled(house: House, jetstream: Jetstream, beside: Beside):
    network, ear = jetstream.network, Ear(house, jetstream, beside)
    listening = ear.begin()
    beside.until(lambda: ear.row().last_ok_at)
    first = network.say(ANN, "@acme are you open?", "a1", facets=mention(ME), reason="")
    beside.do(jetstream.tell, first)
    beside.until(lambda: ear.texts() == ["@acme are you open?"])
    (conversation,) = ear.call("GET", "/conversations").json()["items"]
    assert conversation["state"] == "open"
    network.delete(first)
    beside.do(jetstream.tell, first, "delete")
    beside.until(lambda: ear.texts() == [])

    beside.do(jetstream.cut)
    beside.wait(listening)  # it ends by itself, to be begun again
    row = ear.row()
    assert row.next_look_at is not None and row.leased_until is None and row.cursor["cut"] and row.health == ""
    network.say(BOB, "@acme while nobody heard", "b1", facets=mention(ME))
    with shifted_by(streaming.RESUME * 144):  # a day later
        listening = ear.begin()
        beside.until(lambda: ear.texts() == ["@acme while nobody heard"] and not ear.row().cursor.get("cut"))
        listening.cancel()
        beside.until(listening.done)
        told = {one["reason"]: one for one in selectors.gaps(house.organization, since=now() - streaming.RESUME * 300)}
    assert streaming.AWAY in told and all(one["filled_at"] for one in told.values()), told
    assert (told[streaming.AWAY]["ended_at"] - told[streaming.AWAY]["began_at"]).days == 1
    counted = connect.mailbox_sum(house.organization, ear.account)
    assert (counted.accepted, counted.deleted, counted.quarantined) == (2, 1, 0)
