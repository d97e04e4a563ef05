"""SMTP over a dialled socket, step by step, so that it is known whether a mail may have left. Blocking; runs in a thread."""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import Sequence
from typing import Any

from cxm.channels.contracts import AuthExpired, ConnectorError, Dialler, LeftOut, RateLimited, Rejected, Unavailable
from cxm.channels.kit.mail import returns, xoauth2
from cxm.channels.kit.mail.imap import Server
from cxm.channels.kit.mail.xoauth2 import Login
from cxm.channels.kit.text import one_line

TIMEOUT = 30.0


_NO_MAIL = "The mail server does not take the mail."


class _Client(smtplib.SMTP):
    """The library's protocol over our socket."""

    def __init__(self, server: Server, dial: Dialler, domain: str) -> None:
        self._dial = dial
        self._server = server
        # A given name keeps the library from asking the name service for our own.
        super().__init__(local_hostname=domain, timeout=TIMEOUT)
        self._host = server.host
        code, greeting = self.connect(server.host, server.port)
        if code != 220:
            self.close()
            raise smtplib.SMTPConnectError(code, greeting)

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        return self._dial(host, port, tls=self._server.security == "tls", timeout=timeout)


class Outbox:
    """One connection to a mail server. Use as a context manager."""

    def __init__(self, server: Server, dial: Dialler, domain: str) -> None:
        self._server = server
        try:
            self._client = _Client(server, dial, domain)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"The SMTP server {server.host}:{server.port} does not answer.", "Check host, port and security.") from error

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._client.quit()
        except (OSError, smtplib.SMTPException):
            self._client.close()

    def sign_in(self, login: Login) -> None:
        """Encrypt where asked, then sign in where a user name is given. Raises :class:`AuthExpired` or :class:`Unavailable`."""
        client = self._client
        try:
            client.ehlo_or_helo_if_needed()
            if self._server.security == "starttls":
                client.starttls(context=ssl.create_default_context())
                client.ehlo()
            if login.username:
                self._authenticate(login)
        except smtplib.SMTPAuthenticationError as error:
            if 400 <= error.smtp_code < 500:
                raise Unavailable("The SMTP server cannot check the password just now.", "Try again in a minute.") from error
            if login.token:
                raise xoauth2.refusal("SMTP", login, error.smtp_error) from error
            raise AuthExpired(
                "The SMTP server refuses user name or password.", "Enter them again; many providers ask for an app password."
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Rejected(f"The SMTP server does not offer what is set ({error}).", "Choose another security or port.") from error
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise Unavailable(f"Signing in to the SMTP server broke off ({error})."[:300], "Check host, port and security.") from error

    def _authenticate(self, login: Login) -> None:
        client = self._client
        offered = client.esmtp_features.get("auth", "").upper().split()
        if login.token and "XOAUTH2" not in offered:
            raise Rejected("The SMTP server takes no sign-in by OAuth2.", "Sign in with a password instead.")
        if not login.token and "PLAIN" not in offered:
            client.login(login.username, login.password)
            return
        # The library writes only ASCII passwords; RFC 4616 says UTF-8.
        words = xoauth2.said(login) if login.token else f"\0{login.username}\0{login.password}".encode()
        given = base64.b64encode(words).decode("ascii")
        code, answer = client.docmd("AUTH", f"{'XOAUTH2' if login.token else 'PLAIN'} {given}")
        if code == 334:  # it explains itself first, and waits for an empty answer before it says no
            code, answer = client.docmd("")
        if code not in (235, 503):
            raise smtplib.SMTPAuthenticationError(code, answer)

    def send(self, sender: str, recipient: str, message: bytes, *, copies: Sequence[str] = ()) -> tuple[LeftOut, ...]:
        """Hand over one mail. Until the server was asked for the content nothing can have left; from then on, unless it says no, it may.
        One of the ``copies`` that the server does not take costs only itself, and is told."""
        client = self._client
        left_out: list[LeftOut] = []
        try:
            _expect(
                client.mail(sender, [f"size={len(message)}"] if client.has_extn("size") else []),
                f"The mail server takes no mail from {sender}.",
            )
            _expect(client.rcpt(recipient), f"The mail server takes no mail to {recipient}.")
            for one in copies:
                left_out += _left_out(one, *client.rcpt(one))
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable("The SMTP server broke off before it took the mail.", "It is tried again.") from error
        try:
            code, answer = client.data(message)
        except smtplib.SMTPDataError as error:
            # The server refused to be given the content at all.
            raise _refusal(error.smtp_code, error.smtp_error, _NO_MAIL) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(
                "The SMTP server broke off while it took the mail.", "Look in the mailbox whether it arrived.", effect_possible=True
            ) from error
        _expect((code, answer), _NO_MAIL)
        return tuple(left_out)


def _left_out(copy: str, code: int, answer: bytes) -> list[LeftOut]:
    """That the server takes no copy for this one; nothing where it does."""
    if 200 <= code < 300:
        return []
    words = _words(answer)
    why = returns.reason("failed", str(code), words)
    return [LeftOut(copy, "refused" if why in ("returned", "later") else why, f"{code} {words}".strip())]


def _expect(answer: tuple[int, bytes], refused: str) -> None:
    code, text = answer
    if not 200 <= code < 300:
        raise _refusal(code, text, refused)


def _refusal(code: int, text: bytes | str, refused: str) -> ConnectorError:
    said = _words(text)
    if code in (421, 450, 451, 452, 454) or 400 <= code < 500:
        return RateLimited(f"{refused} It says: {code} {said}", "It is tried again.")
    return Rejected(f"{refused} It says: {code} {said}", "Mend what it says, then answer again.")


def _words(answer: bytes | str) -> str:
    return one_line(answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer, 300)
