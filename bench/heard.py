"""From a word said on a real server until a search of the inbox's mentions finds it: what of the lab runs. Goal: within 2 s by a stream."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cxm.channels.bluesky.firehose import METHOD
from cxm.channels.bluesky.tests import test_lab as bluesky
from cxm.channels.matrix.tests import test_lab as matrix
from cxm.channels.telegram.tests import test_lab as telegram
from tests.kit.waiting import until
from tests.lab import dovecot
from tests.lab.desk import Desk, desk, letter
from tests.lab.dovecot import Dovecot
from tests.lab.telegram_gate import Gate

CARE = "care@acme.example"


@contextlib.contextmanager
def shelf() -> Iterator[None]:
    """Where the tests' kit keeps what it made once; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cxm-bench-") as folder:
        before = os.environ.get("CXM_TEST_ROOT")
        os.environ["CXM_TEST_ROOT"] = folder
        try:
            yield
        finally:
            os.environ.pop("CXM_TEST_ROOT") if before is None else os.environ.update(CXM_TEST_ROOT=before)


def run(count: int = 20) -> dict[str, object]:
    """Words one after another on each server there is; milliseconds."""
    with shelf(), ExitStack() as stack:
        server = stack.enter_context(closing(Dovecot())) if dovecot.why_not() is None else None
        gate = stack.enter_context(closing(Gate(telegram.BASE, telegram.fresh_token()))) if telegram.why_not() is None else None
        for one in (server.start if server else None, gate.open if gate else None):
            if one is not None:
                one()
        ports = [urlsplit(base).port or 443 for base in (bluesky.BASE, matrix.BASE)]
        made = stack.enter_context(desk(*ports, *([server.imap] if server else []), *([gate.port] if gate else [])))
        ways = {
            "matrix": _matrix(made) if matrix.why_not() is None else None,
            "bluesky": _bluesky(made) if bluesky.why_not() is None else None,
            "email": _email(made, server) if server else None,
            "telegram": _telegram(made, gate) if gate else None,
        }
        return {name: _measured(made, say, count) if say else "not there" for name, say in ways.items()}


def _measured(made: Desk, say: Callable[[str], Any], count: int) -> dict[str, int]:
    times: list[float] = []
    for number in range(count + 1):
        mark = f"m{uuid4().hex[:10]}"
        began = time.perf_counter()
        say(mark)
        until(lambda mark=mark: made.rest.post("/mentions/search", {"query": mark}, 200)["items"], "it is heard", 120, every=0.02)
        if number:  # the first opens what is opened once
            times.append(time.perf_counter() - began)
    times.sort()
    return {"p50_ms": round(times[len(times) // 2] * 1000), "max_ms": round(times[-1] * 1000)}


def _matrix(made: Desk) -> Callable[[str], Any]:
    care, ann = matrix.Person("care"), matrix.Person("ann")
    body = {"channel": "matrix", "name": "Rooms", "settings": {"server_url": matrix.BASE}, "credentials": {"access_token": care.token}}
    made.heard_well(made.rest.post("/accounts", body, 201)["id"], 60)
    room = ann.room(care.id, is_direct=True, preset="trusted_private_chat")
    return lambda mark: ann.say(room, mark)


def _bluesky(made: Desk) -> Callable[[str], Any]:
    acme, ann = bluesky.Person("acme"), bluesky.Person("ann")
    base = bluesky.BASE.replace("localhost", "127.0.0.1")
    settings = {"handle": acme.handle, "server_url": base, "stream_url": f"{base.replace('http', 'ws', 1)}/xrpc/{METHOD}"}
    body = {"channel": "bluesky", "name": "Posts", "settings": settings, "credentials": {"password": acme.password}}
    made.heard_well(made.rest.post("/accounts", body, 201)["id"], 90)
    return lambda mark: ann.say(f"@{acme.handle} {mark}", names=acme)


def connected(made: Desk, server: Dovecot) -> None:
    """A mailbox of ours there, heard well."""
    settings = {"address": CARE, "imap_host": "127.0.0.1", "imap_port": server.imap, "imap_security": "plain"}
    settings |= {"smtp_host": "127.0.0.1", "smtp_port": server.imap, "smtp_security": "plain"}
    made.heard_well(made.connect(CARE, settings, {"username": CARE, "password": dovecot.PASSWORD}), 60)


def _email(made: Desk, server: Dovecot) -> Callable[[str], Any]:
    connected(made, server)
    return lambda mark: server.deliver(CARE, letter("ann@customer.example", CARE, mark, "Hello").as_bytes(), "ann@customer.example")


def _telegram(made: Desk, gate: Gate) -> Callable[[str], Any]:
    body = {"channel": "telegram", "name": "Bot", "settings": {"server_url": gate.url}, "credentials": {"token": gate.token}}
    made.heard_well(made.rest.post("/accounts", body, 201)["id"], 60)
    return telegram.Person("Ann", gate.token).write
