"""What a page of a signed-in member gets, without a browser: its cookies, and the names told on ``/live``."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator

import httpx2

from tests.kit.serving import PASSWORD


def signed_in(url: str, email: str, password: str = PASSWORD) -> httpx2.Client:
    """A client that went through the form of ``/sign-in``."""
    client = httpx2.Client(base_url=url, timeout=20, follow_redirects=False)
    form = client.get("/sign-in")
    field = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    assert form.status_code == 200 and field, form.text[:500]
    answer = client.post(
        "/sign-in", data={"login": email, "password": password, "csrfmiddlewaretoken": field[1]}, headers={"Referer": f"{url}/sign-in"}
    )
    assert answer.status_code == 302, answer.text[:500]
    return client


class Live:
    """The names an open page was told, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.open = threading.Event()


@contextlib.contextmanager
def live(client: httpx2.Client) -> Iterator[Live]:
    """An open page: what ``/live`` says while the block runs."""
    told = Live()
    ended = threading.Event()

    def listen() -> None:
        with contextlib.suppress(httpx2.HTTPError), client.stream("GET", "/live", timeout=60) as stream:
            assert stream.status_code == 200
            for line in stream.iter_lines():
                told.open.set()
                if line.startswith("data: "):
                    told.names.append(line[6:])
                if ended.is_set():
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert told.open.wait(20), "the stream of the page did not open"
    try:
        yield told
    finally:
        ended.set()
