"""Sign-in by OAuth2: the shapes between whoever keeps the tokens (the runtime), whoever speaks to the platform's sign-in server
(:class:`~cxm.channels.kit.oauth2.OAuth2`, or a channel's own ``Authorize``) and the connectors that use an access token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from cxm.kernel.network import AuthExpired

if TYPE_CHECKING:
    from cxm.channels.contracts import Session


@dataclass(frozen=True, slots=True)
class Way:
    """One way of signing in by OAuth2, as ``[auth.oauth2.<name>]`` of a manifest declares it.

    ``authorize_url`` and ``token_url`` may name settings of the account in braces (``{server_url}``, ``{tenant}``). ``client``: how we
    prove to the token endpoint who we are, ``post`` or ``basic`` with id and secret that the operator brings, ``public`` with an id
    alone, ``none`` where nothing is arranged beforehand. ``parameters`` go along to the authorize page. ``settings``: those that follow
    from choosing this way (a provider's hosts). ``own``: the channel's connector has a class ``Authorize`` of its own.
    """

    name: str
    title: str
    authorize_url: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] = ()
    client: str = "post"
    pkce: bool = True
    issuer: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    own: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are to a platform: what the operator arranged there, and where people come back to.

    ``metadata_url``: where our own description of ourselves can be read, empty where nobody outside can reach us. ``keys``: 32 bytes
    each, for a channel that signs with keys of its own; the first signs, the others were in use before.
    """

    redirect_uri: str
    id: str = ""
    secret: str = field(default="", repr=False)
    metadata_url: str = ""
    keys: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Started:
    """Where a person goes to agree, and what is needed when they come back; ``kept`` is sealed and never shown."""

    url: str
    kept: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a platform gave us. ``expires_at``: None where it did not say. ``extra``: what the channel needs beside them (a key, a server)."""

    access: str = field(repr=False)
    expires_at: datetime | None = None
    refresh: str = field(default="", repr=False)
    scope: str = ""
    extra: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a connector signs its calls with. ``way``: by which of the manifest's ways it was got."""

    value: str = field(repr=False)
    expires_at: datetime | None = None
    way: str = ""
    extra: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class SignInEnded(AuthExpired):
    """The platform takes our refresh token no longer: only a person can sign in anew. Nothing is asked of it again until then."""


class TokenSource(Protocol):
    """Gives the account's access token, renewed before it runs out.

    ``refused``: the token the platform has just refused, which is renewed even where it should still be good. Ask again for each call or
    connection, and keep none. Raises :class:`~cxm.kernel.network.AuthExpired` where a person must sign in,
    :class:`~cxm.kernel.network.Unavailable` (never with an effect) where it cannot be renewed just now.
    """

    async def __call__(self, refused: str = "") -> AccessToken: ...


async def no_token(refused: str = "") -> AccessToken:
    """For an account that did not sign in by OAuth2."""
    raise AuthExpired("Nobody has signed in for this account yet.", "Sign in on its page.")


class Authorizer(Protocol):
    """Speaks to a platform's sign-in server. ``session`` has no credentials, only the account's settings and the ways out."""

    async def start(self, session: Session, client: Client, way: Way, state: str) -> Started:
        """Where to send the person; ``state`` must come back unchanged. Raises the five errors."""
        ...

    async def exchange(self, session: Session, client: Client, way: Way, kept: Mapping[str, str], answer: Mapping[str, str]) -> Tokens:
        """Tokens for what came back (``code`` and perhaps more). Raises the five errors."""
        ...

    async def refresh(self, session: Session, client: Client, way: Way, tokens: Tokens) -> Tokens:
        """Fresh tokens. Raises :class:`SignInEnded` where ``tokens`` are good for nothing any more, else the five errors."""
        ...
