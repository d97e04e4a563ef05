"""An installation of its own: ``cxm setup``, ``cxm serve`` as a process, its REST API; killed and started again at will."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx2

T = TypeVar("T")
OWNER, PASSWORD = "ines@acme.example", "a long password 17"
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-c", "from cxm.run.cli import main; main()"]


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(look: Callable[[], T], what: str, *, seconds: float = 30, every: float = 0.1) -> T:
    """What ``look`` says once it is true; a failure that tells ``what`` was waited for, and the last answer, else."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"After {seconds:g} s still not: {what}. Last seen: {found!r}")
        time.sleep(every)


class Installation:
    """One data directory with its ``cxm serve``. ``allowed`` are the ports of loopback it may connect to."""

    def __init__(self, *allowed: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cxm-lab-", ignore_cleanup_errors=True)
        self.data = Path(self._folder.name) / "data"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CXM_") and name not in ("DATABASE_URL", "MENTIONS_URL")}
        pairs = ",".join(f"127.0.0.1:{port}" for port in allowed)
        self.environment = {**kept, "CXM_DATA": str(self.data), "CXM_EGRESS_ALLOW": pairs, "CXM_API_RATE": "100000", "CXM_LOG_FORMAT": "text"}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.token = ""
        self._http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    # --- the program ---

    def command(self, *arguments: str, given: str = "") -> str:
        """What ``cxm …`` prints; fails where it does."""
        done = subprocess.run(
            [*PROGRAM, *arguments], input=given.encode(), capture_output=True, env=self.environment, cwd=ROOT, timeout=120
        )
        assert done.returncode == 0, (arguments, done.returncode, done.stdout.decode()[-2000:], done.stderr.decode()[-2000:])
        return done.stdout.decode()

    def set_up(self) -> None:
        """An organization with its owner, and serving."""
        self.command("setup", "--organization", "Acme", "--email", OWNER, "--password-stdin", given=PASSWORD + "\n")
        self.serve()
        self.token = self.command("token", "create", "--email", OWNER, "--name", "tests").strip()

    def serve(self) -> None:
        """Start ``cxm serve`` and wait until it is ready."""
        with (self.data.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*PROGRAM, "serve", "--port", str(self.port)], stdout=log, stderr=log, env=self.environment, cwd=ROOT
            )
        until(self._ready, "cxm serve answers", seconds=90)

    def _ready(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log()[-3000:]
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx2.HTTPError:
            return False

    def kill(self) -> None:
        """The process is gone between two instructions; its engines' processes stay as a crash leaves them."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """The orderly end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self._http.close()
        self._folder.cleanup()

    def log(self) -> str:
        """What it logged."""
        return (self.data.parent / "log").read_text(errors="replace")

    # --- its REST API ---

    def call(self, method: str, path: str, *, expect: int = 200, **body: Any) -> Any:
        """The JSON answer; fails where the status is not ``expect``."""
        answer = self._http.request(
            method, f"/api/v1{path}", json=body or None, headers={"Authorization": f"Bearer {self.token}"}
        )
        assert answer.status_code == expect, (method, path, answer.status_code, answer.text[:1000])
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        """GET."""
        return self.call("GET", path)

    def raw(self, path: str, *, signed: bool = True) -> httpx2.Response:
        """A GET as it comes."""
        return self._http.get(path, headers={"Authorization": f"Bearer {self.token}"} if signed else {})

    def connect(self, name: str, settings: Mapping[str, Any], credentials: Mapping[str, str]) -> str:
        """Connect an e-mail account by the command line; its id."""
        pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        shown = self.command(
            "account", "add", "email", "--name", name, *pairs, "--credentials-stdin", "--json", given=json.dumps(dict(credentials))
        )
        return json.loads(shown)["id"]

    def conversations(self, **filters: str) -> list[dict[str, Any]]:
        """The inbox, each with its mentions."""
        asked = "&".join(f"{key}={value}" for key, value in filters.items())
        found = self.get(f"/conversations?limit=100&{asked}")["items"]
        return [self.get(f"/conversations/{item['id']}") for item in found]

    def mentions(self, query: str = "") -> list[dict[str, Any]]:
        """Mentions in the Explorer, oldest first."""
        return self.call("POST", "/mentions/search", query=query, sort="oldest", limit=500)["items"]
