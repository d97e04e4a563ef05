"""OAuth2 as most platforms speak it: authorization code with PKCE, refresh, and whatever token endpoints answer.

Sources: RFC 6749 (the framework), RFC 7636 (PKCE, S256), RFC 9207 (``iss`` in the answer), RFC 9700 (current practice).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import quote, urlencode

from cxm.channels.authorization import Client, SignInEnded, Started, Tokens, Way
from cxm.channels.contracts import AuthExpired, ConnectorError, RateLimited, Rejected, Response, Session, Unavailable
from cxm.channels.kit import answers
from cxm.channels.kit.fields import string
from cxm.channels.kit.text import one_line

#: Longest token and longest life of one (seconds) that are believed.
TOKEN_LIMIT, LONGEST_LIFE = 20_000, 10 * 366 * 86_400
#: Tokens go into headers and mail commands: anything but visible ASCII could begin a line of its own.
_TOKEN = re.compile(r"[\x21-\x7e]+")
_CODE = re.compile(r"[A-Za-z0-9_.-]+")
_PLACE = re.compile(r"\{([a-z0-9_]+)\}")
#: Asked for, but not named again in what was granted.
_UNNAMED = {"offline_access", "openid", "email", "profile"}
#: Members of a request that a server must not make us repeat.
_SECRET = ("code", "code_verifier", "refresh_token")
_TIMEOUT = 15.0


class OAuth2:
    """The authorization code flow by what a manifest declares."""

    async def start(self, session: Session, client: Client, way: Way, state: str) -> Started:
        """The platform's authorize page with everything it needs in its address."""
        asked = {**way.parameters, "response_type": "code", "client_id": client.id, "redirect_uri": client.redirect_uri, "state": state}
        if way.scopes:
            asked["scope"] = " ".join(way.scopes)
        kept: dict[str, str] = {}
        if way.pkce:
            kept["verifier"] = verifier()
            asked |= {"code_challenge": challenge(kept["verifier"]), "code_challenge_method": "S256"}
        address = address_of(way.authorize_url, session.account.settings)
        return Started(f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", kept)

    async def exchange(self, session: Session, client: Client, way: Way, kept: Mapping[str, str], answer: Mapping[str, str]) -> Tokens:
        """Tokens for the code that came back."""
        if way.issuer and answer.get("iss", way.issuer) != way.issuer:
            raise Rejected("The answer came from another sign-in server than the one that was asked.", "Begin the sign-in again.")
        form = {"grant_type": "authorization_code", "code": answer.get("code", ""), "redirect_uri": client.redirect_uri}
        if way.pkce:
            form["code_verifier"] = kept.get("verifier", "")
        try:
            tokens = await _asked(session, client, way, form)
        except SignInEnded as error:
            raise Rejected(f"{way.title} does not take its own answer back: it is too old, or was used before.", "Begin the sign-in again.") from error  # fmt: skip
        if missing := refused_scopes(way.scopes, tokens.scope):
            raise Rejected(f"Not everything was allowed there: {', '.join(missing)} is missing.", "Sign in again and leave every tick set.")
        return tokens

    async def refresh(self, session: Session, client: Client, way: Way, tokens: Tokens) -> Tokens:
        """Fresh tokens; where the platform gives no new refresh token, the old one goes on."""
        return await _asked(session, client, way, {"grant_type": "refresh_token", "refresh_token": tokens.refresh}, tokens)


def verifier() -> str:
    """A fresh PKCE verifier."""
    return secrets.token_urlsafe(48)


def challenge(text: str) -> str:
    """The S256 challenge of a verifier."""
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def address_of(template: str, settings: Mapping[str, Any]) -> str:
    """A manifest's address with the account's settings in their places; one that begins it is an address itself."""

    def filled(found: re.Match[str]) -> str:
        value = str(settings.get(found[1]) or "").strip()
        if not value:
            raise Rejected(f"The setting {found[1]} is needed to sign in.", "Fill it in first.")
        return value.rstrip("/") if found.start() == 0 else quote(value, safe="")

    return _PLACE.sub(filled, template)


async def _asked(session: Session, client: Client, way: Way, form: dict[str, str], former: Tokens | None = None) -> Tokens:
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    if way.client == "basic":
        pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
        headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        form = {**form, "client_id": client.id, **({"client_secret": client.secret} if way.client == "post" else {})}
    response = await session.http.request(
        "POST", address_of(way.token_url, session.account.settings), headers=headers, content=urlencode(form).encode(), timeout=_TIMEOUT
    )
    return tokens_of(response, way.title, session.now, former, hidden=[form.get(name, "") for name in _SECRET] + [client.secret])


def tokens_of(
    response: Response, title: str, now: datetime, former: Tokens | None = None, *, hidden: Iterable[str] = (), kind: str = "bearer"
) -> Tokens:
    """What a token endpoint answered, whatever that is. ``hidden``: secrets it may not make us repeat. Raises the five errors."""
    status, body = response.status_code, answers.body_of(response)
    code = string(body.get("error"), 60)
    code = code if _CODE.fullmatch(code) else "an error of its own" if body.get("error") else ""
    if status == 429 or code in ("slow_down", "temporarily_unavailable"):
        raise RateLimited(f"{title} asks us to sign in later.", retry_after=answers.retry_after(response.headers, now))
    if status >= 500 or status < 200:
        raise Unavailable(f"The sign-in of {title} is away ({status}).", retry_after=answers.retry_after(response.headers, now))
    if code or status >= 400:
        raise _refusal(title, status, code, _said(body, hidden))
    access = string(body.get("access_token"), TOKEN_LIMIT)
    if 300 <= status < 400 or not _TOKEN.fullmatch(access) or string(body.get("token_type") or kind).casefold() != kind:
        raise Unavailable(f"The sign-in of {title} answers, but not as one of OAuth2.", "Check its address; else try again later.")
    refresh = string(body.get("refresh_token"), TOKEN_LIMIT)
    return Tokens(
        access=access,
        expires_at=_expiry(body.get("expires_in"), now),
        refresh=refresh if _TOKEN.fullmatch(refresh) else former.refresh if former else "",
        scope=_scope(body.get("scope")) or (former.scope if former else ""),
        extra=former.extra if former else {},
    )


def _refusal(title: str, status: int, code: str, said: str) -> ConnectorError:
    detail = f" It says: {said}" if said else ""
    if code == "invalid_grant":
        return SignInEnded(
            f"{title} no longer takes our sign-in: it was withdrawn there, or has run out.{detail}",
            "Sign in anew; nothing is lost meanwhile, and replies wait.",
        )
    if code in ("invalid_client", "unauthorized_client") or status == 401:
        return AuthExpired(f"{title} does not know the client ID and secret." + detail, "Enter them again as they stand there.")
    if code in ("invalid_scope", "access_denied"):
        return Rejected(f"{title} does not allow what was asked for." + detail, "Check what the app there may do.")
    return Rejected(f"{title} refused the sign-in ({code or status})." + detail, "Mend what it says, and sign in again.")


def _said(body: Mapping[str, Any], hidden: Iterable[str]) -> str:
    """The server's own words, without any secret we sent it: some repeat what they were asked."""
    text = one_line(string(body.get("error_description"), 10_000), 10_000)
    for secret in hidden:
        if len(secret) >= 8:
            text = text.replace(secret, "…").replace(quote(secret, safe=""), "…")
    return text[:300]


def _expiry(value: object, now: datetime) -> datetime | None:
    """When it ends: seconds as a number or as text; None where they say nothing one can believe."""
    if isinstance(value, str):
        value = float(value) if re.fullmatch(r"\s*\d{1,12}(\.\d{1,6})?\s*", value) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_LIFE:
        return None
    return now + timedelta(seconds=value)


def _scope(value: object) -> str:
    if isinstance(value, list):
        value = " ".join(one for one in cast("list[object]", value) if isinstance(one, str))
    return string(value, 4_000).strip()


def refused_scopes(asked: Iterable[str], granted: str) -> list[str]:
    """What was asked for and not granted, where the server says what was. Servers name scopes by their last part, and in any case."""
    given = {_short(one) for one in re.split(r"[\s,]+", granted) if one}
    return [one for one in asked if given and _short(one) not in given and one not in _UNNAMED]


def _short(scope: str) -> str:
    return scope.rstrip("/").rpartition("/")[2].casefold()


async def bearer(session: Session, method: str, url: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A call signed with the account's access token; where the platform refuses that, once more with a fresh one.

    The rest as :meth:`~cxm.channels.contracts.Http.request`; the answer as it came.
    """
    token = await session.token()
    for again in (True, False):
        signed = {**(headers or {}), "authorization": f"Bearer {token.value}"}
        response = await session.http.request(method, url, headers=signed, **more)
        if response.status_code != 401 or not again:
            break
        token = await session.token(refused=token.value)
    return response  # pyright: ignore[reportPossiblyUnboundVariable]
