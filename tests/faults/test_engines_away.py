"""Engines that go away under ``serve``: PostgreSQL is killed, the mention store is damaged or gone. It stays at work, and they come back."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.kit.browser import signed_in
from tests.kit.deliveries import message
from tests.kit.history import History
from tests.kit.provider import OK, Provider
from tests.kit.serving import Rest, Serve, alive, installation, postmaster
from tests.kit.waiting import until


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[Serve, Rest, Provider]]:
    """An installation that may be broken."""
    with installation() as made:
        yield made


def test_postgresql_dies_under_serve_and_is_started_again(own: tuple[Serve, Rest, Provider]) -> None:
    serve, rest, provider = own
    provider.choose = lambda body, nth: OK
    account = rest.account(provider)
    conversation = account.talk()
    page = signed_in(serve.url, rest.email)
    assert page.get("/inbox").status_code == 200
    first = postmaster(serve.data)
    assert first is not None
    history = History(rest, provider)
    os.kill(first, signal.SIGKILL)
    refused: list[httpx2.Response] = []
    pages: list[httpx2.Response] = []

    def heard() -> bool:
        one = message(f"n-{uuid4().hex}", "Are you there?", "patient")
        answer = account.deliver(one)
        if answer.status_code == 202:
            history.took(one["native_id"], "patient")
            return True
        refused.append(answer)
        pages.append(page.get("/inbox"))
        return False

    until(heard, "a delivery is stored again", 40)
    assert refused and {answer.status_code for answer in refused} == {503}, "what cannot be stored is refused, to be delivered again"
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    away = [answer for answer in pages if answer.status_code != 200]
    assert all(answer.status_code == 503 and "<html" in answer.text and "Traceback" not in answer.text for answer in away), [
        a.status_code for a in away
    ]
    serve.answers()
    assert postmaster(serve.data) not in (None, first)
    until(lambda: page.get("/inbox").status_code == 200, "the page is back")
    # jobs, realtime, the store and sending came back too, and stay
    account.conversation_of("patient")
    cuts = _cuts(serve)
    word = f"again{uuid4().hex[:8]}"
    account.say(word, "patient")
    until(lambda: rest.post("/mentions/search", {"query": word}, 200)["count"] == 1, "the store has it", 60)
    reply = account.reply(conversation, "We are back.")
    until(lambda: rest.reply_of(reply)["state"] == "sent", "a reply is sent", 60)
    history.intends(reply, conversation)
    until(lambda: rest.get("/coverage")["waiting_deliveries"] == 0, "intake rests")
    history.check(account)
    assert _cuts(serve) == cuts, "the worker was cut off again, by nothing"


def _cuts(serve: Serve) -> int:
    """How often the worker ended and was started again, by its own log."""
    return serve.log.read_text().count('"worker.')


def _workers(serve: Serve) -> list[int]:
    """The processes that ``serve`` has started and watches."""
    assert serve.process is not None
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended while we looked
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == serve.process.pid and state != "Z":
                found.append(int(status.parent.name))
    return found


def test_a_worker_that_dies_is_started_again(own: tuple[Serve, Rest, Provider]) -> None:
    serve, rest, provider = own
    provider.choose = lambda body, nth: OK
    account = rest.account(provider)
    conversation = account.talk()
    for _ in range(2):  # the first was a copy of serve, the second began anew
        (first,) = _workers(serve)
        os.kill(first, signal.SIGKILL)
        account.say("Are you there?", said := f"u-{uuid4().hex[:8]}")
        account.conversation_of(said, 60)
        reply = account.reply(conversation, "We are.")
        until(lambda reply=reply: rest.reply_of(reply)["state"] == "sent", "a reply is sent", 60)
        assert [worker for worker in _workers(serve) if worker != first]


def test_a_damaged_mention_store_leaves_the_inbox_at_work_and_is_rebuilt(own: tuple[Serve, Rest, Provider]) -> None:
    serve, rest, provider = own
    provider.choose = lambda body, nth: OK
    account = rest.account(provider)
    before, during = f"before{uuid4().hex[:8]}", f"during{uuid4().hex[:8]}"
    account.say(before, "early")
    until(lambda: rest.post("/mentions/search", {"query": before}, 200)["count"] == 1, "the store has it")
    assert serve.stop() == 0
    for segment in (serve.data / "mentions").glob("*"):
        if segment.is_file() and segment.name not in ("writer.lock",):
            segment.write_bytes(b"\x00damaged\xff" * 40)
    serve.start(wait=False)
    until(lambda: alive(serve), "it serves all the same", 60)
    account.say(during, "late")
    conversation = account.conversation_of("late")
    assert rest.get(f"/conversations/{conversation['id']}")["mentions"][0]["text"] == during
    reply = account.reply(conversation["id"], "We heard you.")
    until(lambda: rest.reply_of(reply)["state"] == "sent", "it is answered")
    page = signed_in(serve.url, rest.email)
    assert page.get("/inbox").status_code == 200
    explorer = page.get("/explorer")
    assert explorer.status_code == 503 and "<html" in explorer.text and "Traceback" not in explorer.text
    assert "reindex" in rest.call("POST", "/mentions/search", {"query": before}).json()["detail"]
    assert serve.stop() == 0
    serve.cxm("reindex")
    serve.start()
    for word in (before, during):
        until(lambda word=word: rest.post("/mentions/search", {"query": word}, 200)["count"] == 1, "both are found again", 30)


def test_a_mention_store_that_is_gone_for_a_while_catches_up(own: tuple[Serve, Rest, Provider]) -> None:
    serve, rest, provider = own
    account = rest.account(provider)
    word = f"gone{uuid4().hex[:8]}"
    assert serve.stop() == 0
    store, aside = serve.data / "mentions", serve.data / "mentions.aside"
    store.rename(aside)
    store.write_text("no folder at all")
    serve.start(wait=False)
    until(lambda: alive(serve), "it serves all the same", 60)
    account.say(word, "meanwhile")
    account.conversation_of("meanwhile")
    store.unlink()
    aside.rename(store)
    until(
        lambda: rest.call("POST", "/mentions/search", {"query": word}).json().get("count") == 1,
        "the store catches up without a restart",
        40,
    )
