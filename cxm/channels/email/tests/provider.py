"""A mail server in memory: enough IMAP and SMTP for the connector, over socket pairs, with faults on demand."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cxm.channels.contracts import AccountView, Session, SourceView

USER, PASSWORD = "care", 'p"w\\d ü'
SETTINGS = {
    "address": "care@acme.example",
    "imap_host": "imap.acme.example",
    "imap_security": "tls",
    "smtp_host": "smtp.acme.example",
    "smtp_security": "plain",
    "folder": "INBOX",
    "history_days": 30,
}


def mail(number: int, text: str = "Hello") -> bytes:
    """A small mail."""
    return (
        f"From: ann{number}@customer.example\r\nTo: care@acme.example\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}@customer.example>\r\nSubject: Number {number}\r\n\r\n{text} {number}\r\n"
    ).encode()


class MailServer:
    """Mails by UID, and what was sent. ``fail`` names a point at which the line breaks or the server refuses."""

    def __init__(self, count: int = 3) -> None:
        self.validity = 7
        #: INTERNALDATE of everything in it.
        self.arrived = "21-Nov-2026 11:30:00 +0100"
        self.mails: dict[int, bytes] = {number: mail(number) for number in range(1, count + 1)}
        self.folders: dict[str, dict[int, bytes]] = {"INBOX": self.mails}
        self.appended: list[bytes] = []
        self.sent: list[tuple[str, str, bytes]] = []
        #: Whom each mail was for, copies too, in the order they were named.
        self.recipients: list[str] = []
        #: Whom it takes no mail for.
        self.unknown: set[str] = set()
        self.fail = ""
        self.capabilities = "IMAP4rev1 IDLE AUTH=PLAIN"
        self.commands: list[str] = []
        self.tls: ssl.SSLContext | None = None
        self.idling = threading.Event()
        self.news = threading.Event()
        #: Demands XOAUTH2 where set: whether it takes that access token now. ``tokens`` are those it was shown, with who it took for in.
        self.takes: Callable[[str], bool] | None = None
        self.tokens: list[tuple[str, str]] = []
        #: What ends an IDLE with a good-bye, as servers do once the token is too old.
        self.bye = False

    def dial(self, host: str, port: int, *, tls: bool, timeout: float = 10.0) -> Any:
        """What the runtime's dialler would give."""
        if self.fail == "dial":
            raise ConnectionRefusedError("refused")
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        serve = self._imap if host.startswith("imap") else self._smtp
        threading.Thread(target=_quietly, args=(serve, theirs), daemon=True).start()
        return ours

    def session(
        self, now: datetime, settings: Mapping[str, Any] | None = None, password: str = PASSWORD, folders: Sequence[str] = ()
    ) -> Session:
        """A session over this server; ``folders`` are further ones that sources name."""
        account = AccountView(UUID(int=1), "email", "care@acme.example", {**SETTINGS, **(settings or {})})
        sources = tuple(SourceView(UUID(int=number), "folder", {"folder": name}) for number, name in enumerate(folders, 2))
        return Session(account, {"username": USER, "password": password}, http=None, dial=self.dial, now=now, sources=sources)  # type: ignore[arg-type]

    # --- IMAP ---

    def _imap(self, line: socket.socket) -> None:
        file = line.makefile("rwb", buffering=0)
        file.write(f"* OK [CAPABILITY {self.capabilities}] ready\r\n".encode())
        while request := file.readline():
            tag, _, command = request.decode().rstrip("\r\n").partition(" ")
            self.commands.append(command)
            name = command.split()[0].upper()
            if self.fail == name.lower():
                line.close()
                return
            if name == "UID":
                name = command.split()[1].upper()
            if name == "STARTTLS" and self.tls is not None:
                # The second line is an attacker's: it comes in the clear, in the same segment.
                file.write(f"{tag} OK go\r\n* CAPABILITY IMAP4rev1 X-INJECTED\r\n".encode())
                line = self.tls.wrap_socket(line, server_side=True)
                file = line.makefile("rwb", buffering=0)
                continue
            getattr(self, f"_do_{name.lower()}", self._unknown)(file, tag, command)
            if name == "LOGOUT":
                line.close()
                return

    def _unknown(self, file: Any, tag: str, command: str) -> None:
        file.write(f"{tag} BAD unknown\r\n".encode())

    def _do_capability(self, file: Any, tag: str, command: str) -> None:
        file.write(f"* CAPABILITY {self.capabilities}\r\n{tag} OK done\r\n".encode())

    def _do_authenticate(self, file: Any, tag: str, command: str) -> None:
        file.write(b"+ \r\n")
        given = base64.b64decode(file.readline().strip()).decode()
        right = given == f"\0{USER}\0{PASSWORD}" and self.takes is None
        if command.upper().endswith("XOAUTH2") and not (right := self._lets_in("imap", given)):
            file.write(b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")
            assert file.readline() == b"\r\n", "the answer to the explanation is empty"
        file.write(f"{tag} {'OK' if right else 'NO [AUTHENTICATIONFAILED]'} .\r\n".encode())

    def _lets_in(self, protocol: str, given: str) -> bool:
        name, bearer, *rest = given.split("\x01")
        assert name.startswith("user=") and bearer.startswith("auth=Bearer ") and rest == ["", ""], given
        self.tokens.append((f"{protocol} {name[5:]}", bearer[12:]))
        return self.takes is not None and self.takes(bearer[12:])

    def _do_login(self, file: Any, tag: str, command: str) -> None:
        file.write(f"{tag} NO no\r\n".encode())

    def _do_examine(self, file: Any, tag: str, command: str) -> None:
        opened = self.folders.get(command.partition('"')[2].rpartition('"')[0])
        if opened is None:
            file.write(f"{tag} NO no such mailbox\r\n".encode())
            return
        self.mails = opened
        following = max(self.mails, default=0) + 1
        told = f"* {len(self.mails)} EXISTS\r\n* OK [UIDVALIDITY {self.validity}] .\r\n* OK [UIDNEXT {following}] .\r\n"
        file.write(f"{told}{tag} OK [READ-ONLY] done\r\n".encode())

    def _do_search(self, file: Any, tag: str, command: str) -> None:
        uids = sorted(self.mails)
        if match := re.search(r"UID (\d+):\*", command.partition(" ")[2]):
            after = [uid for uid in uids if uid >= int(match.group(1))]
            uids = after or uids[-1:]
        file.write(f"* SEARCH {' '.join(map(str, uids))}\r\n{tag} OK done\r\n".encode())

    def _do_fetch(self, file: Any, tag: str, command: str) -> None:
        wanted = [int(uid) for uid in command.split()[2].split(",")]
        limit = re.search(r"<0\.(\d+)>", command)
        for number, uid in enumerate(sorted(self.mails), 1):
            if uid not in wanted:
                continue
            if limit is None:
                size = len(self.mails[uid])
                file.write(f'* {number} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE "{self.arrived}")\r\n'.encode())
            else:
                body = self.mails[uid][: int(limit.group(1))]
                file.write(f"* {number} FETCH (UID {uid} BODY[]<0> {{{len(body)}}}\r\n".encode() + body + b")\r\n")
        file.write(f"{tag} OK done\r\n".encode())

    def _do_idle(self, file: Any, tag: str, command: str) -> None:
        file.write(b"+ idling\r\n* OK Still here\r\n")
        self.idling.set()
        if self.news.wait(5):
            if self.bye:
                self.bye = False
                self.news.clear()
                file.write(b"* BYE Session expired, please login again.\r\n")
                raise OSError
            # Two lines in one segment: the second must not wait for the next one.
            file.write(f"* OK Still here\r\n* {len(self.mails)} EXISTS\r\n".encode())
        if file.readline().strip() == b"DONE":
            file.write(f"{tag} OK idle over\r\n".encode())

    def _do_append(self, file: Any, tag: str, command: str) -> None:
        size = int(re.findall(r"\{(\d+)\}", command)[-1])
        file.write(b"+ go\r\n")
        body = b""
        while len(body) < size + 2:
            body += file.read(size + 2 - len(body))
        self.appended.append(body[:size])
        file.write(f"{tag} OK done\r\n".encode())

    def _do_logout(self, file: Any, tag: str, command: str) -> None:
        file.write(f"* BYE\r\n{tag} OK bye\r\n".encode())

    # --- SMTP ---

    def _smtp(self, line: socket.socket) -> None:
        file = line.makefile("rwb", buffering=0)
        file.write(b"220 ready\r\n")
        sender = recipient = ""
        while request := file.readline():
            command = request.decode().strip()
            name = command[:4].upper()
            if self.fail == f"smtp {name.lower()}":
                line.close()
                return
            if name == "STAR" and self.tls is not None:
                file.write(b"220 go\r\n")
                line = self.tls.wrap_socket(line, server_side=True)
                file = line.makefile("rwb", buffering=0)
            elif self.fail == f"refuse {name.lower()}":
                file.write(b"550 5.1.1 no such user\r\n")
            elif self.fail == f"later {name.lower()}":
                file.write(b"451 4.7.1 greylisted\r\n")
            elif name == "EHLO":
                offer = b"250-STARTTLS\r\n" if self.tls is not None else b""
                how = b"XOAUTH2" if self.takes else b"PLAIN"
                file.write(b"250-smtp\r\n" + offer + b"250-SIZE 1000000\r\n250 AUTH " + how + b"\r\n")
            elif name == "AUTH" and command.split()[1] == "XOAUTH2":
                if self._lets_in("smtp", base64.b64decode(command.split()[2]).decode()):
                    file.write(b"235 ok\r\n")
                    continue
                file.write(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n")
                assert file.readline() == b"\r\n", "the answer to the explanation is empty"
                file.write(b"535 5.7.8 no\r\n" if self.fail != "smtp off" else b"535 5.7.139 Authentication unsuccessful\r\n")
            elif name == "AUTH":
                right = base64.b64decode(command.split()[2]).decode() == f"\0{USER}\0{PASSWORD}"
                file.write(b"235 ok\r\n" if right else b"535 5.7.8 no\r\n")
            elif name == "MAIL":
                sender = command
                file.write(b"250 ok\r\n")
            elif name == "RCPT" and command.partition(":")[2].split()[0] in self.unknown:
                file.write(b"550 5.1.1 no such user\r\n")
            elif name == "RCPT":
                recipient = command
                self.recipients.append(command.partition(":")[2].split()[0])
                file.write(b"250 ok\r\n")
            elif name == "DATA":
                file.write(b"354 go\r\n")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    body += file.readline()
                if self.fail == "before answer":
                    line.close()
                    self.sent.append((sender, recipient, body))
                    return
                if self.fail == "refuse content":
                    file.write(b"554 5.7.1 spam\r\n")
                    continue
                self.sent.append((sender, recipient, body[:-3].replace(b"\r\n..", b"\r\n.")))
                file.write(b"250 queued\r\n")
            elif name == "QUIT":
                file.write(b"221 bye\r\n")
                line.close()
                return
            else:
                file.write(b"250 ok\r\n")


def _quietly(serve: Any, line: socket.socket) -> None:
    try:
        serve(line)
    except (OSError, ValueError):
        line.close()


def session(now: datetime) -> Session:
    """For the contract test: 120 mails, so that polling takes three rounds."""
    return MailServer(120).session(now)
