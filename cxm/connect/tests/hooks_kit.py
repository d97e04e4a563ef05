"""What tests of webhooks share: an integrator who listens over real HTTP, the API as a token sees it, one turn of the postman."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction
from django.test import Client

from cxm.connect import hooks_post
from cxm.connect.events import AccountChanged
from cxm.govern import api as govern
from cxm.govern.events import StopChanged
from cxm.platform import config, egress, events
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

DAY = timedelta(days=1)


@dataclass
class Receiver:
    """An integrator: keeps what it got, answers as told."""

    port: int = 0
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[str, bytes], tuple[int, dict[str, str]]] = lambda path, body: (204, {})

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def names(self, path: str = "/hook") -> list[str]:
        return [json.loads(body)["name"] for at, _, body in self.got if at == path]

    def data(self, path: str = "/hook") -> list[dict[str, Any]]:
        return [json.loads(body)["data"] for at, _, body in self.got if at == path]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver on loopback, allowed as an operator would allow it."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            status, headers = made.answer(self.path, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.port = server.server_address[1]
    monkeypatch.setenv("CXM_EGRESS_ALLOW", f"127.0.0.1:{made.port}")
    config.settings.cache_clear()
    yield made
    server.shutdown()
    server.server_close()
    monkeypatch.undo()
    config.settings.cache_clear()


@dataclass
class Rest:
    """A token's view of the API."""

    secret: str

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return Client().generic(method, f"/api/v1{path}", headers={"Authorization": f"Bearer {self.secret}", **headers}, **data)

    def hook(self, url: str, *names: str) -> dict[str, Any]:
        answer = self("POST", "/webhooks", {"url": url, "events": list(names)})
        assert answer.status_code == 201, answer.content
        return answer.json()

    def one(self, made: dict[str, Any]) -> dict[str, Any]:
        return self("GET", f"/webhooks/{made['id']}").json()


def rest(house: House, *scopes: str) -> Rest:
    return Rest(govern.create_token(house.owner, "tests", list(scopes) or None)[1])


def happened(house: House, *changes: str) -> None:
    """Something happens to an account, once for each of ``changes``."""
    with transaction.atomic():
        for change in changes:
            events.publish(AccountChanged(organization=house.organization, account=UUID(int=7), change=change))


def stopped(house: House) -> None:
    with transaction.atomic():
        events.publish(StopChanged(organization=house.organization, stop=uuid4(), scope="organization", on=True))


@pytest.fixture
def turn() -> Iterator[Callable[[], int]]:
    """Call every hook that is due, as the runtime does each second, within the test's own transaction; how many there were."""
    mine = connections["default"]
    mine.inc_thread_sharing()

    def on_mine(work: Callable[[], Any]) -> Any:
        connections["default"] = mine
        return work()

    async def db(work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(on_mine, work)

    async def client() -> egress.GuardedHttp:
        return egress.GuardedHttp()  # making one takes a third of a second

    async def go(http: egress.GuardedHttp) -> int:
        due = await db(lambda: hooks_post.claim_due(100))
        for hook in due:  # one after another: they share the test's connection
            await hooks_post.serve_one(hook, http, db)
        return len(due)

    with asyncio.Runner() as runner:
        http = runner.run(client())
        yield lambda: runner.run(go(http), context=contextvars.copy_context())
        runner.run(http.close())
    mine.dec_thread_sharing()
