"""Signing in to mail servers with an access token: SASL XOAUTH2, as Google and Microsoft take it.

Source: developers.google.com/workspace/gmail/imap/xoauth2-protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cxm.channels.contracts import AuthExpired

#: Servers end a line with the token it was opened with, and their clocks are not ours.
_CLOCKS = timedelta(minutes=2)


class TokenRefused(AuthExpired):
    """The server does not take the access token; a fresh one may be."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in: with a password, or with ``token`` where there is one."""

    username: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    expires_at: datetime | None = None

    def over(self, now: datetime) -> bool:
        """Whether a line opened with the token may have been ended for its age alone."""
        return bool(self.token) and self.expires_at is not None and now >= self.expires_at - _CLOCKS


def said(login: Login) -> bytes:
    """The one message of the mechanism. Raises :class:`AuthExpired` for a user name that would say more than a name."""
    if not login.username or any(ord(sign) < 32 or ord(sign) == 127 for sign in login.username):
        raise AuthExpired("The account has no user name that a mail server takes.", "Set its address in the account's settings.")
    return f"user={login.username}\x01auth=Bearer {login.token}\x01\x01".encode()


def refusal(protocol: str, login: Login, answer: object = b"") -> AuthExpired:
    """What a server's no to a token means."""
    if b"5.7.139" in (answer if isinstance(answer, bytes) else b""):
        return AuthExpired(
            "Microsoft does not let this mailbox send by SMTP.", "Its administrator switches it on: Mailbox, Manage email apps, Authenticated SMTP."
        )  # fmt: skip
    return TokenRefused(
        f"The {protocol} server does not let {login.username} in with this sign-in.",
        f"Sign in anew as {login.username}, and check that {protocol} is switched on for that mailbox.",
    )
