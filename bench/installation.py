"""An installation of its own for a measurement: set up, serving on a free port, gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CXM = Path(sys.executable).parent / "cxm"


@dataclass
class Installation:
    """A running ``cxm serve``."""

    data: Path
    environment: dict[str, str]
    url: str = ""
    token: str = ""
    process: subprocess.Popen[str] | None = None

    def cxm(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one command on it; its output."""
        done = subprocess.run(
            [CXM, *arguments, "--data", str(self.data)], env=self.environment, input=stdin, text=True, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"cxm {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def serve(self) -> None:
        """Start serving; returns once it answers."""
        self.process = subprocess.Popen(
            [CXM, "serve", "--data", str(self.data), "--port", "0"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = line.removeprefix("url: ").strip()
        if not self.url:
            raise RuntimeError("cxm serve did not start")

    def stop(self) -> None:
        """Drain and stop."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(40)
            self.process = None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API."""
        request = urllib.request.Request(f"{self.url}/api/v1{path}", None if body is None else json.dumps(body).encode(), method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


@contextlib.contextmanager
def installation(**environment: str) -> Generator[Installation]:
    """An organization with an owner and a token in a fresh folder; not serving yet."""
    data = Path(tempfile.mkdtemp(prefix="cxm-bench-"))
    made = Installation(data, {**os.environ, "CXM_API_RATE": "1000000", **environment})
    try:
        made.cxm("setup", "--organization", "Bench", "--email", "bench@example.com", "--password-stdin", stdin="a password for benches\n")
        made.token = made.cxm("token", "create", "--email", "bench@example.com", "--name", "bench").strip()
        yield made
    finally:
        made.stop()
        shutil.rmtree(data, ignore_errors=True)
