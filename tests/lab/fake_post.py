"""The mail server in memory of the channel's own tests, on ports of loopback: for machines without a real one."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from cxm.channels.email.tests.provider import PASSWORD, USER, MailServer
from cxm.kernel.clock import now


class FakePost(MailServer):
    """``deliver`` puts a mail into our mailbox; ``sent_to`` is what left for somebody. ``fail`` as in :class:`MailServer`."""

    def __init__(self) -> None:
        super().__init__(count=0)
        self.arrived = f"{now():%d-%b-%Y %H:%M:%S} +0000"
        #: Lines to the mailbox, ever and now.
        self.lines, self.open_lines = 0, 0
        self._listening = [self._listen(self._imap), self._listen(self._smtp)]
        self.imap, self.smtp = (one.getsockname()[1] for one in self._listening)

    def settings(self, address: str) -> dict[str, Any]:
        """How an account reaches it."""
        return {
            "address": address, "imap_host": "127.0.0.1", "imap_port": self.imap, "imap_security": "plain",
            "smtp_host": "127.0.0.1", "smtp_port": self.smtp, "smtp_security": "plain",
        }  # fmt: skip

    @property
    def credentials(self) -> dict[str, str]:
        """What it lets in."""
        return {"username": USER, "password": PASSWORD}

    def deliver(self, message: bytes) -> None:
        """A mail arrives."""
        self.mails[max(self.mails, default=0) + 1] = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def sent_to(self, address: str) -> list[EmailMessage]:
        """What was handed over for ``address``, oldest first."""
        found = [content for _, recipient, content in self.sent if f"<{address}>" in recipient]
        return [cast("EmailMessage", message_from_bytes(content, policy=policy.default)) for content in found]

    def close(self) -> None:
        """Nobody is let in any more."""
        for one in self._listening:
            one.close()

    def _imap(self, line: socket.socket) -> None:
        self.lines += 1
        self.open_lines += 1
        try:
            super()._imap(line)
        finally:
            self.open_lines -= 1

    def _listen(self, serve: Callable[[socket.socket], None]) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", 0))

        def talk(line: socket.socket) -> None:
            with contextlib.suppress(OSError, ValueError):
                serve(line)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listening.accept()
                    threading.Thread(target=talk, args=(line,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listening

    def _do_idle(self, file: Any, tag: str, command: str) -> None:
        told = len(self.mails)
        file.write(b"+ idling\r\n")
        while not select.select([file], [], [], 0.05)[0]:
            if len(self.mails) != told:
                told = len(self.mails)
                file.write(f"* {told} EXISTS\r\n".encode())
        file.readline()
        file.write(f"{tag} OK idle over\r\n".encode())
