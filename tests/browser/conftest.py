"""A real ``cxm serve`` on a fresh data directory and a free port, a provider that takes what we send, and a browser.

Started once for this folder and ended with it: while Playwright runs, this thread has a running event loop, in which Django refuses to
read its database. The process gets its own environment: nothing of the test's own database reaches it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cxm.channels.kit import webhooks
from cxm.kernel.clock import format_instant, now
from tests.kit.chromium import launch
from tests.kit.serving import OWNER, furnished
from tests.kit.serving import PASSWORD as PASSWORD
from tests.lab.fake_post import FakePost

EMAIL = OWNER
CXM = [sys.executable, "-c", "from cxm.run.cli import main; main()"]
START_SECONDS = 90
#: Generous: two cores are shared with whatever else runs; what is slower than this is broken.
PATIENCE = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


# --- the provider ------------------------------------------------------------------------------------------------------


@dataclass
class Provider:
    """A platform's end of the line: takes signed replies, answers with a native id, keeps what came."""

    port: int
    came: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)

    @property
    def address(self) -> str:
        """Where replies go."""
        return f"http://127.0.0.1:{self.port}/reply"

    def next(self) -> dict[str, Any]:
        """The next reply; fails where none comes in time."""
        return self.came.get(timeout=PATIENCE / 1000)


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.provider.came.put(body)
        answer = json.dumps({"native_id": f"sent-{body['id']}"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="package")
def provider() -> Iterator[Provider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    _Handler.provider = Provider(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield _Handler.provider
    server.shutdown()
    thread.join()


# --- the server ----------------------------------------------------------------------------------------------------------


@dataclass
class Site:
    """A running installation: its address, one webhook account and its secret."""

    url: str
    account: str
    secret: str

    def deliver(self, text: str, *, kind: str = "message", name: str = "Lena K.", author: str | None = None, **more: Any) -> str:
        """Somebody says something; the delivery is signed as a platform signs it. Returns the mention's native id."""
        native = f"m-{uuid4().hex[:12]}"
        mention = {"native_id": native, "kind": kind, "author": {"native_id": author or f"a-{native}", "name": name}, "text": text,
                   "published_at": format_instant(now()), **more}  # fmt: skip
        body = json.dumps(mention).encode()
        headers = {"Content-Type": "application/json", **webhooks.sign(uuid4().hex, body, self.secret, now())}
        request = urllib.request.Request(f"{self.url}/in/webhook/{self.account}", data=body, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert 200 <= answer.status < 300, answer.status
        return native


def _environment(data: Path, provider: Provider, post: FakePost) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("CXM_", "DATABASE_URL", "DJANGO_"))}
    return {
        **clean,
        "CXM_DATA": str(data),
        "CXM_EGRESS_ALLOW": ",".join(f"127.0.0.1:{port}" for port in (provider.port, post.imap, post.smtp)),
        "CXM_LOG_LEVEL": "WARNING",
    }


@pytest.fixture(scope="package")
def post() -> Iterator[FakePost]:
    """A mail server the installation may reach."""
    server = FakePost()
    yield server
    server.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, provider: Provider, post: FakePost) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("browser") / "data"
    environment = _environment(data, provider, post)
    rest = furnished(data)
    log = (data / "serve.log").open("w+")
    process = subprocess.Popen([*CXM, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    assert process.stdout is not None
    url = next((line.split(" ", 1)[1].strip() for line in process.stdout if line.startswith("url: ")), "")
    watchdog.cancel()
    assert url, f"cxm serve did not start: {(data / 'serve.log').read_text()[-2000:]}"
    settings = {"reply_url": provider.address}
    made = replace(rest, url=url).post("/accounts", {"channel": "webhook", "name": "@marlow", "settings": settings})
    yield Site(url, made["id"], made["secret"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    log.close()
    shutil.rmtree(data.parent, ignore_errors=True)


# --- the browser -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """One browser for the session: the one on PATH, else Playwright's own. Without any, these tests say so and are skipped."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            found = launch(playwright)
        except Error as error:
            pytest.skip(f"no Chromium here: {error.message.splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="package")
def signed_in(chromium: Any, site: Site) -> list[Any]:
    """Cookies of the owner, who signed in by the form."""
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/inbox")
    page.get_by_label("Mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/inbox")
    cookies = context.cookies()
    context.close()
    return cookies


def _is_fault(message: Any) -> bool:
    """An error of a page's own. A refusal is an answer; what the network dropped shows by what is missing."""
    return message.type == "error" and "status of 4" not in message.text and not re.search("net::ERR|Failed to fetch", message.text)


@pytest.fixture
def open_page(chromium: Any, site: Site, signed_in: list[Any]) -> Iterator[Any]:
    """``open_page(path="/inbox", width=1440, ...)``: a page of the signed-in owner; errors in its console fail the test."""
    contexts: list[Any] = []
    faults: list[str] = []

    def build(path: str = "/inbox", width: int = 1440, height: int = 900, **options: Any) -> Any:
        context = chromium.new_context(base_url=site.url, viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE)
        context.add_cookies(signed_in)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
        contexts.append(context)
        page.goto(path)
        return page

    yield build
    for context in contexts:
        context.close()
    assert not faults, faults
