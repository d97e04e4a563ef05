"""Signing in by OAuth as the AT Protocol has it: the server is found by the handle, and the tokens are bound to a key of ours.

Source: atproto.com/specs/oauth (pushed requests, PKCE, DPoP with nonces, client metadata that servers read at our address).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from cxm.channels.authorization import Client, SignInEnded, Started, Tokens, Way
from cxm.channels.bluesky import dpop, identity
from cxm.channels.bluesky.talking import wanted
from cxm.channels.contracts import AuthExpired, Rejected, Response, Session, Unavailable
from cxm.channels.kit import answers, oauth2
from cxm.channels.kit.fields import string
from cxm.kernel import clock

SCOPE = "atproto transition:generic"
#: What direct messages need besides; who we are names all that may ever be asked for.
CHAT = "transition:chat.bsky"
_TITLE = "Bluesky"


class Authorize:
    """Finds the server, asks it beforehand, and comes back with tokens that only our key can use."""

    async def start(self, session: Session, client: Client, way: Way, state: str) -> Started:
        """The page of the account's own sign-in server; what is asked for was handed over before."""
        home = await identity.home_of(session)
        server = await identity.signs_in(session, home.pds)
        scope = f"{SCOPE} {CHAT}" if wanted(session) else SCOPE
        key, verifier, client_id = dpop.Key(), oauth2.verifier(), client_id_of(client, scope)
        kept = {
            "did": home.did, "handle": home.handle, "pds": home.pds, "issuer": server.issuer, "token_url": server.token, "key": key.store(),
            "verifier": verifier, "client_id": client_id, "kid": _own_keys(client)[0].thumbprint if client.metadata_url else "",
        }  # fmt: skip
        form = {
            "response_type": "code", "redirect_uri": client.redirect_uri, "scope": scope, "state": state, "login_hint": home.handle,
            "code_challenge": oauth2.challenge(verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        response = await _posted(session, client, kept, server.push, form)
        if response.status_code not in (200, 201):
            oauth2.tokens_of(response, _TITLE, clock.now(), hidden=(verifier,), kind="dpop")
        pushed = string(answers.body_of(response).get("request_uri"), 2_000)
        if not pushed:
            raise Unavailable("The sign-in server does not say where to go on.", "Try again later, or use an app password.")
        return Started(f"{server.authorize}?{urlencode({'client_id': client_id, 'request_uri': pushed})}", kept)

    async def exchange(self, session: Session, client: Client, way: Way, kept: Mapping[str, str], answer: Mapping[str, str]) -> Tokens:
        """Tokens, where they are those of the account that was meant."""
        if answer.get("iss") != kept["issuer"]:
            raise Rejected("The answer came from another sign-in server than the one that was asked.", "Begin the sign-in again.")
        form = {
            "grant_type": "authorization_code", "code": answer.get("code", ""), "redirect_uri": client.redirect_uri, "code_verifier": kept["verifier"],
        }  # fmt: skip
        response = await _posted(session, client, kept, kept["token_url"], form)
        try:
            tokens = _tokens(response, kept, hidden=(form["code"], kept["verifier"]))
        except SignInEnded as error:
            raise Rejected(f"{_TITLE} does not take its own answer back: it is too old, or was used before.", "Begin the sign-in again.") from error  # fmt: skip
        if "atproto" not in tokens.scope.split():
            raise Rejected("Not everything was allowed there.", "Sign in again and agree to what is asked.")
        return tokens

    async def refresh(self, session: Session, client: Client, way: Way, tokens: Tokens) -> Tokens:
        """Fresh tokens under the same key."""
        kept = tokens.extra
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
        response = await _posted(session, client, kept, kept["token_url"], form)
        return _tokens(response, kept, tokens, hidden=(tokens.refresh,))

    def metadata(self, client: Client) -> dict[str, Any]:
        """Who we are, as servers read it at our address."""
        base = client.metadata_url.partition("/channels/")[0]
        return {
            "client_id": client.metadata_url, "client_name": "OpenCXM", "client_uri": base, "redirect_uris": [client.redirect_uri],
            "application_type": "web", "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "scope": f"{SCOPE} {CHAT}",
            "dpop_bound_access_tokens": True, "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
            "jwks": {"keys": [{**key.public, "kid": key.thumbprint, "use": "sig", "alg": "ES256"} for key in _own_keys(client)]},
        }  # fmt: skip


def client_id_of(client: Client, scope: str = SCOPE) -> str:
    """Our address as the client, or the protocol's own way of trying it on one's own machine. Raises :class:`Rejected`."""
    if client.metadata_url:
        return client.metadata_url
    host = urlsplit(client.redirect_uri).hostname
    if host not in ("127.0.0.1", "::1"):
        raise Rejected(
            "Bluesky reads at our own address who we are, and cannot reach this one.",
            "Set CXM_PUBLIC_URL to an https address (to try it on one machine: open OpenCXM as http://127.0.0.1), or use an app password.",
        )
    return f"http://localhost?{urlencode({'redirect_uri': client.redirect_uri, 'scope': scope})}"


def _own_keys(client: Client) -> list[dpop.Key]:
    return [dpop.Key(seed) for seed in client.keys]


async def _posted(session: Session, client: Client, kept: Mapping[str, str], url: str, form: Mapping[str, str]) -> Response:
    """A form for the sign-in server, with the proof of our key and, where we are known there by our address, our signature."""
    form = {**form, "client_id": kept["client_id"]}
    if kept.get("kid"):
        own = next((key for key in _own_keys(client) if key.thumbprint == kept["kid"]), None)
        if own is None:
            raise SignInEnded("The key this installation signed in with is not here any more.", "Sign in anew.")
        form |= dpop.assertion(own, kept["client_id"], kept["issuer"])
    try:
        key = dpop.Key.stored(kept["key"])
    except ValueError as error:
        raise AuthExpired("The key of the sign-in cannot be read.", "Sign in anew.") from error
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    return await dpop.request(session, key, "POST", url, headers=headers, content=urlencode(form).encode(), timeout=15.0)


def _tokens(response: Response, kept: Mapping[str, str], former: Tokens | None = None, *, hidden: tuple[str, ...] = ()) -> Tokens:
    found = oauth2.tokens_of(response, _TITLE, clock.now(), former, hidden=hidden, kind="dpop")
    if string(answers.body_of(response).get("sub"), 300) != kept["did"]:
        raise Rejected(f"Somebody signed in as another account than @{kept.get('handle', '')}.", "Sign in again as that one.")
    extra = {name: kept[name] for name in ("did", "handle", "pds", "issuer", "token_url", "key", "client_id", "kid") if name in kept}
    return Tokens(found.access, found.expires_at, found.refresh, found.scope, extra)
