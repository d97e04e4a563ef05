"""An SMTP server that hands each mail on to the mailbox it is for, and breaks off or refuses where a test asks it to."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.kit.serving import free_port

Deliver = Callable[[str, bytes, str], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail it took: envelope and content."""

    sender: str
    recipient: str
    content: bytes


class Postman:
    """``deliver(recipient, content, sender)`` is called for each mail taken.

    ``fault``: ``""`` (none), ``after_data`` (the mail is delivered, the line cut before the answer), ``lost`` (cut, not delivered),
    ``refuse`` (550 to the recipient), ``later`` (451 to the recipient).
    """

    def __init__(self, deliver: Deliver, password: str) -> None:
        self.port = free_port()
        self.taken: list[Taken] = []
        self.fault = ""
        self.connections = 0
        self.password = password
        self._deliver = deliver
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """No more mail."""
        self._listening.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, line.makefile("rwb", buffering=0) as file, contextlib.suppress(OSError):
            file.write(b"220 postman\r\n")
            sender = recipient = ""
            while request := file.readline():
                command = request.decode().strip()
                name = command[:4].upper()
                if name == "DATA":
                    content = self._content(file)
                    if self.fault in ("after_data", "lost"):
                        if self.fault == "after_data":
                            self._hand_on(sender, recipient, content)
                        line.shutdown(socket.SHUT_RDWR)
                        return
                    self._hand_on(sender, recipient, content)
                    file.write(b"250 queued\r\n")
                    continue
                if name == "MAIL":
                    sender = _address(command)
                elif name == "RCPT":
                    recipient = _address(command)
                file.write(self._answer(name, command))
                if name == "QUIT":
                    return

    def _answer(self, name: str, command: str) -> bytes:
        if name == "EHLO":
            return b"250-postman\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n250 AUTH PLAIN\r\n"
        if name == "AUTH":
            right = base64.b64decode(command.split()[-1]).decode().endswith(f"\0{self.password}")
            return b"235 ok\r\n" if right else b"535 5.7.8 no\r\n"
        if name == "RCPT" and self.fault in ("refuse", "later"):
            return b"550 5.1.1 no such user here\r\n" if self.fault == "refuse" else b"451 4.7.1 greylisted, come again\r\n"
        return b"221 bye\r\n" if name == "QUIT" else b"250 ok\r\n"

    @staticmethod
    def _content(file: Any) -> bytes:
        file.write(b"354 go\r\n")
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += file.readline()
        return content[:-3].replace(b"\r\n..", b"\r\n.")

    def _hand_on(self, sender: str, recipient: str, content: bytes) -> None:
        self._deliver(recipient, content, sender)
        self.taken.append(Taken(sender, recipient, content))


def _address(command: str) -> str:
    return command.partition("<")[2].partition(">")[0]
