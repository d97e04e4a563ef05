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
from collections.abc import Callable, Iterable
from typing import IO

import structlog

_READY_SECONDS = 60
#: How far the child gives way to whoever answers people and platforms (steps of nice).
_GIVES_WAY = 2
_log = structlog.get_logger(__name__)


class _Copy:
    """A copy of this process that does something else, as :class:`subprocess.Popen` shows a child."""

    def __init__(self, work: Callable[[], None], leaving: Iterable[int]) -> None:
        heard, said = os.pipe(), os.pipe()
        # Ours would end the copy by going back through what it was copied from.
        waiting = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        self.pid = os.fork()
        if self.pid == 0:
            self._be(work, (heard[0], said[1]), (heard[1], said[0], *leaving), waiting)
        signal.pthread_sigmask(signal.SIG_SETMASK, waiting)
        os.close(heard[0])
        os.close(said[1])
        self.stdin: IO[bytes] | None = os.fdopen(heard[1], "wb", buffering=0)
        self.stdout: IO[bytes] | None = os.fdopen(said[0], "rb", buffering=0)
        self._ended = os.pidfd_open(self.pid)
        self._lock = threading.Lock()
        self._status: int | None = None

    @staticmethod
    def _be(work: Callable[[], None], own: tuple[int, int], leaving: Iterable[int], waiting: Iterable[int]) -> None:
        """The copy's life. Nothing of it may go back into what it was copied from: that would stop the engines under its parent."""
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, waiting)
            for number, file in enumerate(own):
                os.dup2(file, number)
            for file in {*own, *leaving} - {0, 1, 2}:
                os.close(file)
            work()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            try:
                sys.stderr.flush()  # None where it was closed when this program began
            finally:
                os._exit(status)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended. Raises :class:`subprocess.TimeoutExpired`."""
        if not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("cxm worker", timeout or 0)
        with self._lock:
            if self._status is None:
                self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            return self._status

    def poll(self) -> int | None:
        """Its exit status, or None while it lives."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with self._lock:
            if self._status is None:
                os.kill(self.pid, number)


class Beside:
    """The child as ``serve`` holds it. It touches no data before :meth:`go`."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._word = b""
        self._ended = False
        self._process: _Copy | subprocess.Popen[bytes] | None = None

    def begin(self, leaving: Iterable[int]) -> None:
        """Start it, once everything is loaded and before there is a thread or a connection: as a copy of this process, which then has
        nothing to load and shares its memory. ``leaving`` are open files that are none of its business.

        Where a process cannot be copied safely (macOS), and whenever it is started again, it is one of its own that loads everything.
        """
        if _copies_well():
            self._process = _Copy(_live, leaving)
        else:
            self._process = self._start()

    def go(self, allowed: list[tuple[str, int]]) -> None:
        """Let it begin; ``allowed`` are addresses that this installation serves to itself."""
        self._word = json.dumps({"allow": allowed}).encode() + b"\n"
        self._tell()

    def wait_until_ready(self) -> None:
        """Return once it works. One that does not is logged: reading, receiving and stopping work without it."""
        assert self._process is not None and self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _READY_SECONDS)
        if not readable or self._process.stdout.readline() != b"ready\n":
            _log.error("worker.not_ready")

    async def keep(self) -> None:
        """Start it again where it died, until cancelled."""
        while True:
            assert self._process is not None
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
        if self._process is None:
            return
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
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; keep() starts another
            self._process.stdin.write(self._word)


def worker(leaving: Iterable[int]) -> _Copy | subprocess.Popen[bytes]:
    """A worker beside a command that brings it many jobs, silent: a copy of this process, which must have no connection open, where one can be
    made (see :meth:`Beside.begin`); it then ends with this process, however that goes. Else a process of its own."""
    if _copies_well():
        return _Copy(_work, leaving)
    return subprocess.Popen(
        [sys.executable, "-m", "cxm.run.beside", "worker"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _copies_well() -> bool:
    """Whether this process can be copied: on Linux, with one thread, where the end of a process can be waited for as a file."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # a kernel before 5.3, or one that is only played
        return False
    return True


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


def _live() -> None:
    words: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_heed, args=(words,), daemon=True).start()
    os.nice(_GIVES_WAY)
    from cxm.run import serving

    serving.load_beside()
    word = words.get()
    if word:
        serving.work_beside([(str(host), int(port)) for host, port in json.loads(word)["allow"]])


def _work() -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    threading.Thread(target=_heed, args=(queue.SimpleQueue[bytes](),), daemon=True).start()
    from cxm.run import serving

    serving.work_for_a_command()


def say_ready() -> None:
    """Tell ``serve`` that work is being done."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), b"ready\n")


def main() -> None:
    """The child, where it is a process that begins anew."""
    if sys.argv[1:] == ["worker"]:
        _work()
    else:
        _live()


if __name__ == "__main__":
    main()
