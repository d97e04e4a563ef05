"""IMAP over a dialled socket: what a mailbox reader needs, with every size capped. Blocking; runs in a thread."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import re
import select
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

from cxm.channels.contracts import AuthExpired, Dialler, Rejected, Unavailable
from cxm.channels.kit.mail import xoauth2
from cxm.channels.kit.mail.xoauth2 import Login

TIMEOUT = 30.0
_CHUNK = 65_536
_IDLE_TAG = b"IDLE1"
_LINE_LIMIT = 4_000_000
_FETCH_ITEM = re.compile(rb"UID (\d{1,10})")
_SIZE = re.compile(rb"RFC822\.SIZE (\d{1,18})")
_INTERNAL = re.compile(rb'INTERNALDATE "([^"]{10,40})"')
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True, slots=True)
class Server:
    """Where to sign in, and how: ``security`` is tls, starttls or plain."""

    host: str
    port: int
    security: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A selected folder: UIDs mean something only within one ``validity``; ``next_uid`` is that of the next mail (0: unknown)."""

    validity: int
    next_uid: int


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a mail before it is fetched."""

    uid: int
    size: int
    internal_date: datetime | None


class _Client(imaplib.IMAP4):
    """The library's protocol over our socket and our own buffer, so that a time-out breaks nothing and a lying size is refused."""

    def __init__(self, server: Server, dial: Dialler, limit: int) -> None:
        self._dial = dial
        self._server = server
        self._limit = limit
        self._buffer = bytearray()
        super().__init__(server.host, server.port, TIMEOUT)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock = self._dial(host, port, tls=self._server.security == "tls", timeout=timeout or TIMEOUT)
        self.sock.settimeout(TIMEOUT)
        # The library closes it on shutdown; reading goes through our buffer.
        self.file = self.sock.makefile("rb")

    def read(self, size: int) -> bytes:
        if size > self._limit:
            raise self.abort(f"the server announces {size} bytes at once")
        while len(self._buffer) < size:
            self._fill()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def readline(self) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _LINE_LIMIT:
                raise self.abort("the server sends an endless line")
            self._fill()
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _fill(self) -> None:
        data = self.sock.recv(_CHUNK)
        if not data:
            raise self.abort("the server closed the connection")
        self._buffer += data

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        return super().starttls(ssl_context or ssl.create_default_context())

    def _get_capabilities(self) -> None:
        # The library asks again right after the handshake. What lies in the buffer by then came in the clear, from anybody
        # (the response injection of CVE-2021-33515 and its kin).
        if self._tls_established:
            self._buffer.clear()
        cast("Any", super())._get_capabilities()

    def ready(self, seconds: float) -> bool:
        """Whether something can be read within ``seconds``."""
        if self._buffer or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        poller = select.poll()
        poller.register(self.sock.fileno(), select.POLLIN)
        return bool(poller.poll(max(0.0, seconds) * 1000))


class Mailbox:
    """One signed-in connection. Use as a context manager; :meth:`cut` may be called from another thread to end it at once."""

    def __init__(self, server: Server, dial: Dialler, limit: int = 40_000_000) -> None:
        self._server = server
        try:
            self._client = _Client(server, dial, limit)
        except (OSError, imaplib.IMAP4.error) as error:
            raise Unavailable(f"The IMAP server {server.host}:{server.port} does not answer.", "Check host, port and security.") from error

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._client.sock.settimeout(3.0)
            self._client.logout()
        except (OSError, imaplib.IMAP4.error, ValueError):
            self.cut()

    def cut(self) -> None:
        """End the connection at once, waking whoever reads from it."""
        with contextlib.suppress(OSError, ValueError):
            self._client.sock.shutdown(socket.SHUT_RDWR)

    def sign_in(self, login: Login) -> None:
        """Raises :class:`AuthExpired` where the server refuses; secrets never go over a line that should be encrypted and is not."""
        client = self._client
        if self._server.security == "starttls":
            self._do("The IMAP server starts no TLS.", client.starttls)
        if login.token and "AUTH=XOAUTH2" not in client.capabilities:
            raise Rejected("The IMAP server takes no sign-in by OAuth2.", "Sign in with a password instead.")
        try:
            self._authenticate(login)
        except imaplib.IMAP4.abort as error:
            raise Unavailable("The IMAP server ended the connection while signing in.", "Try again in a minute.") from error
        except (imaplib.IMAP4.error, UnicodeError) as error:
            if login.token:
                raise xoauth2.refusal("IMAP", login) from error
            raise AuthExpired(
                "The IMAP server refuses user name or password.", "Enter them again; many providers ask for an app password."
            ) from error
        except OSError as error:
            raise Unavailable("The IMAP server stopped answering while signing in.", "Try again in a minute.") from error

    def _authenticate(self, login: Login) -> None:
        client, answers = self._client, [b""]
        if login.token:
            # A server that refuses explains itself first, and waits for an empty answer before it says no.
            answers.append(xoauth2.said(login))
            client.authenticate("XOAUTH2", lambda _: answers.pop() if answers else b"")
        elif "AUTH=PLAIN" in client.capabilities:
            client.authenticate("PLAIN", lambda _: f"\0{login.username}\0{login.password}".encode())
        else:
            client.login(_quoted(login.username), _plain(login.password))

    def select(self, folder: str) -> Folder:
        """Open ``folder`` for reading only. Raises :class:`Rejected` where there is none."""
        kind, _ = self._do("The IMAP server opens no folder.", lambda: self._client.select(encoded(folder), readonly=True))
        if kind != "OK":
            raise Rejected(f"There is no folder “{folder}” in this mailbox.", "Choose another folder in the account's settings.")
        return Folder(self._number("UIDVALIDITY"), self._number("UIDNEXT"))

    def _number(self, name: str) -> int:
        # The library types neither its answers nor its attributes.
        values = cast("list[bytes | None]", self._client.response(name)[1] or [])
        return int(values[-1]) if values and values[-1] else 0

    def since(self, day: date) -> list[int]:
        """UIDs of what came on ``day`` or later, by the server's own calendar."""
        return self._search(f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year}")

    def after(self, uid: int) -> list[int]:
        """UIDs above ``uid``."""
        # "5:*" always matches the last mail, even when it is older.
        return [found for found in self._search(f"UID {uid + 1}:*") if found > uid]

    def by_message_id(self, message_id: str) -> list[int]:
        """UIDs of mails with that Message-ID."""
        return self._search(f"HEADER Message-ID {_quoted(message_id)}")

    def _search(self, criteria: str) -> list[int]:
        kind, data = self._do("The IMAP server cannot search the folder.", lambda: self._client.uid("SEARCH", criteria))
        if kind != "OK":
            raise Unavailable("The IMAP server cannot search the folder.", "Try again in a minute.")
        return sorted({int(word) for line in data if isinstance(line, bytes) for word in line.split() if word.isdigit()})

    def heads(self, uids: list[int]) -> list[Head]:
        """Size and arrival of ``uids`` (at most a few hundred), in order; those gone meanwhile are missing."""
        _, data = self._do(
            "The IMAP server cannot list mail.", lambda: self._client.uid("FETCH", _set(uids), "(UID RFC822.SIZE INTERNALDATE)")
        )
        found: dict[int, Head] = {}
        for entry in cast("list[object]", data):
            line = cast("tuple[object, ...]", entry)[0] if isinstance(entry, tuple) else entry
            if isinstance(line, bytes) and (uid := _FETCH_ITEM.search(line)):
                size = _SIZE.search(line)
                found[int(uid.group(1))] = Head(int(uid.group(1)), int(size.group(1)) if size else 0, _internal(line))
        return [found[uid] for uid in uids if uid in found]

    def fetch(self, uid: int, limit: int) -> bytes | None:
        """The first ``limit`` bytes of a mail, left unread; None where it is gone."""
        _, data = self._do("The IMAP server gives no mail.", lambda: self._client.uid("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{limit}>)"))
        for entry in cast("list[object]", data):
            content = cast("tuple[object, ...]", entry)[1] if isinstance(entry, tuple) else None
            if isinstance(content, bytes):
                return content[:limit]
        return None

    def append(self, folder: str, message: bytes, moment: datetime) -> None:
        """Put a copy into ``folder``, read. Raises like the others."""
        kind, _ = self._do("The IMAP server takes no copy.", lambda: self._client.append(encoded(folder), "(\\Seen)", moment, message))
        if kind != "OK":
            raise Rejected(f"The IMAP server takes no copy in “{folder}”.", "Choose another folder in the account's settings.")

    @property
    def can_idle(self) -> bool:
        """Whether the server tells of new mail by itself."""
        return "IDLE" in self._client.capabilities

    def fileno(self) -> int:
        """The socket to watch while waiting. Raises :class:`Unavailable` once it is closed."""
        number = self._client.sock.fileno()
        if number < 0:
            raise Unavailable("The connection to the IMAP server is closed.", "It is opened again.")
        return number

    @property
    def buffered(self) -> bool:
        """Whether something was received already that no one would be woken for."""
        return self._client.ready(0)

    def begin_wait(self) -> bool:
        """Ask the server to tell of new mail (IDLE, RFC 2177); True where it does so at once. Always followed by :meth:`end_wait`."""
        return bool(self._do("The IMAP server does not wait for news.", self._begin_idle)) if self.can_idle else False

    def heard(self) -> bool:
        """Read what the server said meanwhile; True where it is news. Call it once the socket can be read."""
        return bool(self._do("The IMAP server broke off.", self._listen)) if self.can_idle else True

    def end_wait(self) -> bool:
        """Back to commands; True where news came with the last words."""
        return bool(self._do("The IMAP server broke off.", self._end_idle)) if self.can_idle else False

    def _begin_idle(self) -> bool:
        client = self._client
        client.send(_IDLE_TAG + b" IDLE\r\n")
        news = False
        # Everything until the server's "+" may already be news.
        while not (line := client.readline()).startswith(b"+"):
            if line.startswith(_IDLE_TAG):
                raise client.abort("the server refuses to idle")
            news |= _is_news(line)
        return news

    def _listen(self) -> bool:
        news = False
        while self._client.ready(0):
            line = self._client.readline()
            if line.startswith(b"* BYE"):
                raise self._client.abort("the server says good-bye")
            news |= _is_news(line)
        return news

    def _end_idle(self) -> bool:
        news = False
        self._client.send(b"DONE\r\n")
        while not (line := self._client.readline()).startswith(_IDLE_TAG):
            news |= _is_news(line)
        return news

    def _do(self, failed: str, call: Any) -> Any:
        """Run one command; every way it can break is the server being away."""
        try:
            return call()
        except (OSError, imaplib.IMAP4.error, ValueError) as error:
            text = f"{failed} It says: {error}" if str(error) else failed
            raise Unavailable(text[:300], "Try again in a minute; check host, port and security.") from error


def _is_news(line: bytes) -> bool:
    return line.startswith(b"* ") and line.rstrip().endswith((b"EXISTS", b"RECENT"))


def _set(uids: list[int]) -> str:
    return ",".join(map(str, uids))


def _plain(text: str) -> str:
    # A line break would begin a command of its own.
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise AuthExpired("User name or password holds a control character.", "Enter them again.")
    return text


def _quoted(text: str) -> str:
    return '"' + _plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def encoded(folder: str) -> str:
    """A folder's name as the protocol wants it: modified UTF-7, quoted."""
    name = "".join(character for character in folder if character.isprintable())
    return '"' + _utf7(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _utf7(name: str) -> str:
    """RFC 3501, 5.1.3: printable ASCII as it is, ``&`` as ``&-``, the rest UTF-16 in a base64 of its own."""

    def shifted(run: re.Match[str]) -> str:
        coded = base64.b64encode(run.group().encode("utf-16-be", "replace")).decode("ascii")
        return "&" + coded.rstrip("=").replace("/", ",") + "-"

    return re.sub(r"[^\x20-\x7e]+", shifted, name.replace("&", "&-"))


def _internal(line: bytes) -> datetime | None:
    match = _INTERNAL.search(line)
    if match is None:
        return None
    try:
        day, month, rest = match.group(1).decode("ascii").strip().split("-", 2)
        moment = datetime.strptime(f"{int(day):02d}-{_MONTHS.index(month) + 1:02d}-{rest}", "%d-%m-%Y %H:%M:%S %z")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
