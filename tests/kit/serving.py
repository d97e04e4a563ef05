"""A real ``cxm serve`` in a folder of its own, its API, and an account of the generic channel on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from tests.kit.deliveries import deliver, message
from tests.kit.provider import Provider
from tests.kit.waiting import until

#: One client for all calls: building one each time costs more than the call. No line is kept open, since servers here die.
CLIENT = httpx2.Client(verify=False, trust_env=False, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))
CXM = Path(sys.executable).parent / "cxm"
PASSWORD = "a long password 17"
#: Who owns an installation that was furnished.
OWNER = "ines@marlow.example"


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Serve:
    """An installation: its folder, and the process that serves it (or not)."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CXM_", "DATABASE_URL", "PYTEST", "DJANGO"))}
        self.environment = {**inherited, "CXM_DATA": str(data), "CXM_API_RATE": "1000000", "CXM_LOG_FORMAT": "json", **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data.parent / f"{data.name}.log"

    def cxm(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command beside (or without) the running process."""
        done = subprocess.run(
            [CXM, *arguments], env=self.environment, input=stdin, text=True, capture_output=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, f"cxm {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def organization(self, name: str, email: str = "") -> Rest:
        """An organization with an owner and a token of theirs."""
        email = email or f"{uuid4().hex[:10]}@example.com"
        self.cxm("setup", "--organization", name, "--email", email, "--password-stdin", stdin=PASSWORD + "\n")
        token = self.cxm("token", "create", "--email", email, "--name", "tests", "--organization", name).stdout.strip()
        return Rest(self.url, token, email, name)

    def start(self, *, wait: bool = True) -> None:
        """Serve; returns once it answers (or at once)."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [CXM, "serve", "--port", str(self.port)],
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.answers()

    def answers(self, seconds: float = 90) -> None:
        """Wait until it is able to serve."""

        def ready() -> bool:
            assert self.process is not None and self.process.poll() is None, f"cxm serve ended: {self.said()[-2000:]}"
            with contextlib.suppress(httpx2.HTTPError):
                return CLIENT.get(f"{self.url}/readyz", timeout=5).status_code == 200
            return False

        until(ready, "cxm serve is ready", seconds)

    def kill(self) -> None:
        """SIGKILL, as a machine that loses its power; the embedded PostgreSQL is left running."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, seconds: float = 40) -> int:
        """SIGTERM and wait; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def said(self) -> str:
        """Everything it logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@dataclass
class Rest:
    """The API as one organization's owner calls it."""

    url: str
    token: str
    email: str
    name: str

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = 30, **headers: str) -> httpx2.Response:
        """One call; whatever is answered."""
        everything = {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return CLIENT.request(method, f"{self.url}/api/v1{path}", json=body, headers=everything, timeout=timeout)

    def get(self, path: str, status: int = 200) -> Any:
        """A call that must answer ``status``."""
        return self.did("GET", path, None, status)

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        """A call that must answer ``status``."""
        return self.did("POST", path, {} if body is None else body, status)

    def did(self, method: str, path: str, body: Any, status: int) -> Any:
        """A call that must answer ``status``; its JSON."""
        answer = self.call(method, path, body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        found: list[dict[str, Any]] = []
        mark = "&" if "?" in path else "?"
        cursor = ""
        while True:
            page = self.get(f"{path}{mark}limit=500{cursor}")
            found += page["items"]
            if not page["next"]:
                return found
            cursor = f"&{'after' if path.startswith('/events') else 'cursor'}={page['next']}"

    def account(self, provider: Provider | None = None, **settings: Any) -> WebhookAccount:
        """An account of the generic channel, answered by ``provider``."""
        name = f"hook-{uuid4().hex[:8]}"
        if provider is not None:
            settings = {"reply_url": provider.url(name), "reads_back": True, **settings}
        made = self.post("/accounts", {"channel": "webhook", "name": name, "settings": settings})
        if provider is not None:
            provider.secret_of[name] = made["secret"]
        return WebhookAccount(self, made["id"], made["name"], made["url"], made["secret"])

    def reply_of(self, reply: str) -> dict[str, Any]:
        """One reply."""
        return self.get(f"/replies/{reply}")


@dataclass
class WebhookAccount:
    """One handle on the generic channel: deliveries in, conversations out."""

    rest: Rest
    id: str
    name: str
    url: str
    secret: str

    def deliver(self, body: Any, **options: Any) -> httpx2.Response:
        """One signed delivery."""
        return deliver(self.url, self.secret, body, **options)

    def say(self, text: str = "Where is my order?", author: str = "", **more: Any) -> dict[str, Any]:
        """Somebody writes; the message that was delivered and stored."""
        author = author or f"u-{uuid4().hex[:8]}"
        said = message(f"n-{uuid4().hex}", text, author, **more)
        answer = self.deliver(said)
        assert answer.status_code == 202, answer.text
        return said

    def conversations(self) -> list[dict[str, Any]]:
        """Conversations of this account."""
        return self.rest.all(f"/conversations?account={self.id}")

    def conversation_of(self, author: str, seconds: float = 30) -> dict[str, Any]:
        """The one conversation with ``author``, once it is there."""

        def look() -> dict[str, Any] | None:
            found = [entry for entry in self.conversations() if entry["author"]["native_id"] == author]
            assert len(found) <= 1, found
            return found[0] if found else None

        return until(look, f"a conversation with {author}", seconds)

    def talk(self, text: str = "Where is my order?") -> str:
        """A new person writes; the id of their conversation."""
        author = f"u-{uuid4().hex[:8]}"
        self.say(text, author)
        return str(self.conversation_of(author)["id"])

    def reply(self, conversation: str, text: str, **more: Any) -> str:
        """Answer; the reply's id."""
        return str(self.rest.post(f"/conversations/{conversation}/replies", {"text": text, **more}, 202)["id"])


def furnished(data: Path, url: str = "") -> Rest:
    """The first organization of an installation in ``data``, where there is none yet; ``url``: where it will be served.

    Set up once in a run of the tests, then copied: making a database and going through every migration takes seconds.
    """
    shelf = Path(os.environ["CXM_TEST_ROOT"]) / "furnished"
    shelf.mkdir(exist_ok=True)
    with (shelf / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shelf / "token").exists():
            (shelf / "token").write_text(Serve(shelf / "data").organization("Marlow Coffee", OWNER).token)
    # cp keeps whom files belong to: PostgreSQL starts on none but its own.
    subprocess.run(["cp", "-Rp", shelf / "data", data], check=True)
    return Rest(url, (shelf / "token").read_text(), OWNER, "Marlow Coffee")


@contextlib.contextmanager
def installation(*, start: bool = True, **environment: str) -> Iterator[tuple[Serve, Rest, Provider]]:
    """A provider, an installation that may reach it, an organization, all gone afterwards."""
    provider = Provider()
    folder = Path(tempfile.mkdtemp(prefix="cxm-fault-"))
    served = Serve(folder / "data", CXM_EGRESS_ALLOW=provider.address, **environment)
    try:
        rest = furnished(served.data, served.url)
        if start:
            served.start()
        yield served, rest, provider
    finally:
        provider.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            served.stop()
        if served.process is not None and served.process.poll() is None:
            served.kill()
        _end_postgres(served.data)
        shutil.rmtree(folder, ignore_errors=True)


def alive(serve: Serve) -> bool:
    """Whether it answers; it must not have ended."""
    assert serve.process is not None and serve.process.poll() is None, f"cxm serve ended: {serve.said()[-3000:]}"
    with contextlib.suppress(httpx2.HTTPError):
        return CLIENT.get(f"{serve.url}/healthz", timeout=5).status_code == 200
    return False


def postmaster(data: Path) -> int | None:
    """The process id of an installation's embedded PostgreSQL, None where there is none."""
    try:
        return int((data / "postgres" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def kill_postgres(data: Path) -> bool:
    """Kill an installation's PostgreSQL, if it runs: the file that names it outlives it, and the number may be another's by then."""
    found = postmaster(data)
    status = Path(f"/proc/{found}/cmdline")
    if found is None or (status.parent.parent.exists() and not (status.exists() and b"postgres" in status.read_bytes())):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(found, signal.SIGKILL)
        return True
    return False


def _end_postgres(data: Path) -> None:
    """A killed serve leaves its PostgreSQL running, as it should; the test cleans up after itself."""
    found = postmaster(data)
    if found is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found, signal.SIGQUIT)
