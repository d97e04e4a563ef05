"""A member's browser without a screen: signs in, keeps its cookies, fetches pages, reads the live stream."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import httpx2

from bench.installation import Installation

PASSWORD = "a password for benches"


def signed_in(made: Installation) -> httpx2.Client:
    """A client with a session."""
    client = httpx2.Client(base_url=made.url, timeout=60, follow_redirects=False)
    page = client.get("/sign-in").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    answer = client.post(
        "/sign-in",
        data={"login": "bench@example.com", "password": PASSWORD, "csrfmiddlewaretoken": token[1]},
        headers={"Referer": made.url + "/sign-in"},
    )
    assert answer.status_code in (302, 303), answer.status_code
    return client


def follow(client: httpx2.Client, heard: Callable[[str, float], None]) -> threading.Thread:
    """Read ``/live`` in a thread; ``heard(name, moment)`` for each name."""

    def read() -> None:
        with client.stream("GET", "/live", timeout=None) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    heard(line[6:], time.perf_counter())

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread
