"""Mail of the installation itself, for invitations: over the operator's server, through the egress guard. Never mail to customers."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from cxm.kernel.errors import NotNow
from cxm.platform import egress
from cxm.platform.config import settings

_PORTS = {"smtp": 587, "smtps": 465}
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """The operator's mail server, from ``CXM_MAIL_URL``."""

    host: str
    port: int
    tls: bool
    user: str
    password: str


class _Guarded(smtplib.SMTP):
    """Dials through the guard."""

    tls = False

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return egress.dial(host, port, tls=self.tls, timeout=timeout)


class _GuardedTls(_Guarded):
    tls = True


def server() -> Server | None:
    """Where mail goes out; None where the operator set nothing up (or something that is no such address; ``cxm doctor`` says so)."""
    parts = urlsplit(settings().mail_url)
    if parts.scheme not in _PORTS or not parts.hostname or not settings().mail_from:
        return None
    return Server(
        parts.hostname,
        parts.port or _PORTS[parts.scheme],
        parts.scheme == "smtps",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _protect(line: smtplib.SMTP, found: Server) -> None:
    if found.tls:
        return
    line.ehlo()
    if line.has_extn("starttls"):
        line.starttls(context=ssl.create_default_context())
    elif found.user and (found.host, found.port) not in egress.allowed_pairs():
        raise NotNow(
            "mail_not_protected", "The mail server offers no TLS, so the password is not told to it.", "Use smtps:// or another port."
        )


def send(to: str, subject: str, text: str) -> None:
    """Send one mail now. Raises NotNow where no server takes it: call from a job, which tries again."""
    found = server()
    if found is None:
        return
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = settings().mail_from, to, subject
    letter["Date"], letter["Message-ID"] = formatdate(), make_msgid(domain=found.host)
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    try:
        with (_GuardedTls if found.tls else _Guarded)(found.host, found.port, timeout=_SECONDS) as line:
            _protect(line, found)
            if found.user:
                line.login(found.user, found.password)
            line.send_message(letter)
    except (smtplib.SMTPException, OSError) as error:
        raise NotNow("mail_not_taken", f"The mail server did not take the mail: {type(error).__name__}.", "See CXM_MAIL_URL.") from error
