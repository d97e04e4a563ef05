"""Processes that die: ``serve`` by SIGKILL at seeded moments under load (now and then its PostgreSQL too), and by SIGTERM in time."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2
import pytest

from tests.kit.browser import signed_in
from tests.kit.deliveries import message
from tests.kit.history import History
from tests.kit.provider import OK, Behaviour, Provider
from tests.kit.serving import Rest, Serve, WebhookAccount, alive, installation, kill_postgres, postmaster
from tests.kit.waiting import until

MISCHIEF = (
    OK,
    OK,
    OK,
    OK,
    Behaviour(cut=True),
    Behaviour(500),
    Behaviour(503, effect=False, headers={"retry-after": "1"}),
    Behaviour(effect=False, cut=True),
)


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[Serve, Rest, Provider]]:
    """An installation that may be broken."""
    with installation() as made:
        yield made


@dataclass
class Load:
    """Platforms and members at work: whoever is cut off says the same again under the same id, as they do."""

    history: History
    account: WebhookAccount
    seed: int
    people: int = 4
    writing: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    answers: set[int] = field(default_factory=set)

    def begin(self, conversations: list[str]) -> None:
        """People write, a member answers in ``conversations``."""
        self.writing.set()
        work = [lambda number=number: self._person(number) for number in range(self.people)] + [lambda: self._member(conversations)]
        self.threads = [threading.Thread(target=self._guarded, args=(one,), daemon=True) for one in work]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Each says what it was saying until it is heard."""
        self.ended.set()
        for thread in self.threads:
            thread.join(90)
        assert not self.broken, self.broken
        assert not any(thread.is_alive() for thread in self.threads), "somebody is not heard"

    def _guarded(self, work) -> None:
        try:
            work()
        except BaseException as error:
            self.broken.append(error)

    def _person(self, number: int) -> None:
        dice = random.Random(self.seed * 100 + number)
        tick = threading.Event()
        author, said = f"person-{number}-{uuid4().hex[:6]}", []
        while not self.ended.is_set():
            one = message(f"n-{uuid4().hex}", f"{author} says {len(said)}", author)
            self._heard(one)
            self.history.took(one["native_id"], author)
            said.append(one)
            if dice.random() < 0.2:
                self._heard(dice.choice(said))
            tick.wait(0.05 + dice.random() * 0.2)

    def _heard(self, one: dict) -> None:
        answer = patiently(lambda: self.account.deliver(one, message_id=f"m-{one['native_id']}", timeout=10), self.answers)
        assert answer.status_code in (200, 202), f"{answer.status_code} {answer.text}"

    def _member(self, conversations: list[str]) -> None:
        dice = random.Random(self.seed)
        tick = threading.Event()
        while not self.ended.is_set() and self.writing.is_set():
            conversation, key, text = dice.choice(conversations), uuid4().hex, f"answer {uuid4().hex}"
            path = f"/conversations/{conversation}/replies"
            answer = patiently(
                lambda path=path, text=text, key=key: self.history.rest.call("POST", path, {"text": text}, timeout=10, Idempotency_Key=key),
                self.answers,
            )
            assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
            self.history.intends(answer.json()["id"], conversation)
            tick.wait(0.2 + dice.random() * 0.4)


def patiently(call, seen: set[int]) -> httpx2.Response:
    """The first answer that is no refusal for now; a cut line or a closed port is tried again."""

    def once() -> httpx2.Response | None:
        with contextlib.suppress(httpx2.HTTPError):
            answer = call()
            seen.add(answer.status_code)
            if answer.status_code not in (429, 503, 409):
                return answer
            assert answer.headers.get("retry-after"), f"{answer.status_code} without Retry-After"
        return None

    return until(once, "somebody is heard", 90, every=0.1)


def crash_many_times(own: tuple[Serve, Rest, Provider], seed: int, times: int, mostly: float, *, servers: float = 0.0) -> None:
    """Load, ``times`` kills of serve (or, at a share of ``servers``, its PostgreSQL) at moments drawn by ``seed``, then both ledgers."""
    serve, rest, provider = own
    dice = random.Random(seed)
    mischief = random.Random(seed + 1)
    provider.choose = lambda body, nth: mischief.choice(MISCHIEF) if nth == 0 else OK
    account = rest.account(provider)
    history = History(rest, provider)
    load = Load(history, account, seed)
    load.begin([account.talk() for _ in range(6)])
    for number in range(times):
        if number == int(times * 0.6):
            load.writing.clear()  # what the last replies came to is known a minute after their call
        if number % 3 == 0:  # one in three under full load, the others wherever they hit its start
            until(lambda: alive(_supervised(serve)), "it serves again", 60)
        threading.Event().wait(dice.uniform(0.0, mostly))
        if dice.random() < servers and kill_postgres(serve.data):  # between two statements, a commit and its answer: serve starts it again
            threading.Event().wait(dice.uniform(0.0, mostly))
            if dice.random() < 0.5:
                continue
        serve.kill()
        serve.start(wait=False)
    until(lambda: alive(_supervised(serve)), "it serves at last", 60)
    serve.answers()
    load.end()
    until(lambda: rest.get("/coverage")["waiting_deliveries"] == 0, "intake rests", 60)
    until(lambda: _whole(history, account), "every message stands in the inbox", 60, every=1)
    pending = list(history.replies)

    def settled() -> bool:
        pending[:] = [reply for reply in pending if rest.reply_of(reply)["state"] != "sent"]
        return not pending

    until(settled, "every reply is sent", 150, every=1)
    history.check(account)
    assert len(history.accepted) > times and len(history.replies) >= min(times, 10) / 2, "there was load"


def _whole(history: History, account: WebhookAccount) -> bool:
    shown = {mention["native_id"] for mentions in history.shown(account).values() for mention in mentions}
    return set(history.accepted) <= shown


def test_killed_at_twenty_moments_nothing_is_lost_and_nothing_is_sent_twice(own: tuple[Serve, Rest, Provider]) -> None:
    seed = int(os.environ.get("FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    sys.stderr.write(f"FAULT_SEED={seed}\n")
    crash_many_times(own, seed, 20, 4.0)


@pytest.mark.soak
def test_killed_at_a_thousand_moments(own: tuple[Serve, Rest, Provider]) -> None:
    seed = int(os.environ.get("FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    sys.stderr.write(f"FAULT_SEED={seed}\n")
    for part in range(int(os.environ.get("FAULT_PARTS", "20"))):
        crash_many_times(own, seed + part, 50, 6.0, servers=0.25)


def _supervised(serve: Serve) -> Serve:
    """Where its PostgreSQL is killed before it is up, serve ends and says so; whoever started it starts it again."""
    if serve.process is not None and serve.process.poll() is not None:
        assert "PostgreSQL went away" in serve.said()[-400:], f"cxm serve ended: {serve.said()[-3000:]}"
        serve.start(wait=False)
    return serve


def test_sigterm_under_load_ends_in_time_and_loses_nothing(own: tuple[Serve, Rest, Provider]) -> None:
    serve, rest, provider = own
    provider.choose = lambda body, nth: Behaviour(delay=1.0)
    account = rest.account(provider)
    history = History(rest, provider)
    load = Load(history, account, 7)
    load.begin([account.talk() for _ in range(3)])
    until(lambda: len(history.replies) > 3 and len(history.accepted) > 10, "there is load")
    told = len(serve.said())
    with (
        contextlib.closing(signed_in(serve.url, rest.email)) as page,
        page.stream("GET", "/live", timeout=60),
    ):  # an open page must not hold it
        began = time.monotonic()
        assert serve.stop(35) == 0
        took = time.monotonic() - began
    assert took < 30, f"drained in {took:.1f} s"
    assert postmaster(serve.data) is None, "PostgreSQL was stopped too"
    provider.choose = lambda body, nth: OK
    serve.start(wait=False)
    load.writing.clear()
    serve.answers()
    load.end()
    until(lambda: rest.get("/coverage")["waiting_deliveries"] == 0, "intake rests")
    until(lambda: _whole(history, account), "every message stands in the inbox", 60, every=1)
    until(lambda: all(rest.reply_of(reply)["state"] == "sent" for reply in history.replies), "every reply is sent", 90, every=1)
    history.check(account)
    said = serve.said()[told:]
    assert "Traceback" not in said, said[max(0, said.index("Traceback") - 500) :][:3000]


def test_what_was_killed_leaves_nothing_behind(own: tuple[Serve, Rest, Provider]) -> None:
    serve = own[0]
    assert serve.stop() == 0
    assert '"whole": true' in serve.cxm("audit", "verify", "--json").stdout
    assert serve.cxm("doctor").returncode == 0
    assert postmaster(serve.data) is None
    assert not list(serve.data.glob("*rebuild*"))
