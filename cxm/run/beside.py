"""The worker beside ``serve``: jobs and streams in a process of their own, so that computing never makes an answer wait.

Still one command and one installation: the child is started, watched and stopped by ``serve``, holds the data directory's lock with
it, and ends the moment ``serve`` is gone, however it went: the pipe between them closes (decision record 0013).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading

import structlog

_READY_SECONDS = 60
#: How far the child gives way to whoever answers people and platforms (steps of nice).
_GIVES_WAY = 2
_log = structlog.get_logger(__name__)


class Beside:
    """The child as ``serve`` holds it. Started early, so that it loads while PostgreSQL starts; it touches no data before :meth:`go`."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._word = b""
        self._ended = False
        self._process = self._start()

    def go(self, allowed: list[tuple[str, int]]) -> None:
        """Let it begin; ``allowed`` are addresses that this installation serves to itself."""
        self._word = json.dumps({"allow": allowed}).encode() + b"\n"
        self._tell()

    def wait_until_ready(self) -> None:
        """Return once it works. One that does not is logged: reading, receiving and stopping work without it."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _READY_SECONDS)
        if not readable or self._process.stdout.readline() != b"ready\n":
            _log.error("worker.not_ready")

    async def keep(self) -> None:
        """Start it again where it died, until cancelled."""
        while True:
            status = await asyncio.to_thread(self._process.wait)
            if self._ended:
                return
            _log.error("worker.died", status=status)
            await asyncio.sleep(1)
            self._process = self._start()
            self._tell()

    def end(self, seconds: float) -> None:
        """Let it drain, at most so long."""
        self._ended = True
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            _log.error("worker.cut_off")
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "cxm.run.beside"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[self._lock], bufsize=0
        )

    def _tell(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; keep() starts another
            self._process.stdin.write(self._word)


def _heed(words: queue.SimpleQueue[bytes]) -> None:
    """Hand on the one word; where the pipe closes, ``serve`` is gone and nothing may go on."""
    said = b""
    while got := os.read(0, 4096):  # not sys.stdin: its lock would be held while the interpreter ends
        said += got
        if said.endswith(b"\n"):
            words.put(said)
            said = b""
    words.put(b"")
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """The child."""
    words: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_heed, args=(words,), daemon=True).start()
    os.nice(_GIVES_WAY)
    from cxm.run import serving

    serving.load_beside()
    word = words.get()
    if word:
        serving.work_beside([(str(host), int(port)) for host, port in json.loads(word)["allow"]])


def say_ready() -> None:
    """Tell ``serve`` that work is being done."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), b"ready\n")


if __name__ == "__main__":
    main()
