"""From a handle to the server that signs its account in: handle, DID, home server (PDS), authorization server.

Sources: atproto.com/specs/handle, /did, /oauth; RFC 9728 (protected resource), RFC 8414 (server metadata).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from cxm.channels.bluesky.server import DEFAULT
from cxm.channels.contracts import ConnectorError, Rejected, Session, Unavailable
from cxm.channels.kit import answers
from cxm.channels.kit.fields import entries, string, table

DIRECTORY = "https://plc.directory"
_DID = re.compile(r"did:(plc:[a-z2-7]{24}|web:[A-Za-z0-9.%-]{1,253})")
_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Home:
    """Whose account it is, where it lives, and who signs it in."""

    did: str
    handle: str
    pds: str


@dataclass(frozen=True, slots=True)
class SignInServer:
    """An authorization server, as it describes itself."""

    issuer: str
    authorize: str
    token: str
    push: str


async def home_of(session: Session) -> Home:
    """Where the account named by the handle in the settings lives. Raises the five errors."""
    settings = session.account.settings
    handle = string(settings.get("handle"), 254).strip().removeprefix("@").lower()
    if not handle:
        raise Rejected("The account has no handle.", "Enter it.")
    did = await _did_of(session, handle)
    document = await _document(session, did)
    if f"at://{handle}" not in [string(one, 300).lower() for one in entries(document.get("alsoKnownAs"))]:
        raise Rejected(
            f"@{handle} leads to an account that does not call itself so.", "Check the handle; a new one may take a few minutes."
        )
    for one in map(table, entries(document.get("service"))):
        if string(one.get("id"), 300).endswith("#atproto_pds") and (address := _origin(one.get("serviceEndpoint"))):
            return Home(did, handle, address)
    raise Rejected(f"@{handle} names no home server.", "Check the handle.")


async def signs_in(session: Session, pds: str) -> SignInServer:
    """The authorization server of a home server. Raises the five errors."""
    resource = await _json(session, f"{pds}/.well-known/oauth-protected-resource")
    issuers = [_origin(one) for one in entries(resource.get("authorization_servers"))]
    if _origin(resource.get("resource")) != pds or len(issuers) != 1 or not issuers[0]:
        raise Rejected("This server does not offer to sign in by OAuth.", "Use an app password.")
    told = await _json(session, f"{issuers[0]}/.well-known/oauth-authorization-server")
    found = SignInServer(
        string(told.get("issuer"), _LIMIT), string(told.get("authorization_endpoint"), _LIMIT), string(told.get("token_endpoint"), _LIMIT),
        string(told.get("pushed_authorization_request_endpoint"), _LIMIT),
    )  # fmt: skip
    # Who is asked for the token is also who vouches for it: endpoints of elsewhere would let one server speak for another.
    if found.issuer != issuers[0] or not all(_origin_of(url) == found.issuer for url in (found.authorize, found.token, found.push)):
        raise Rejected("The sign-in server describes itself as another one.", "Use an app password, and tell who runs it.")
    return found


async def _did_of(session: Session, handle: str) -> str:
    """By the account's server, which asks the name service; else by the handle's own site."""
    server = string(session.account.settings.get("server_url"), 500).strip().rstrip("/") or f"https://{DEFAULT}"
    try:
        told = await _json(session, f"{server}/xrpc/com.atproto.identity.resolveHandle?handle={quote(handle)}")
        did = string(told.get("did"), 300)
    except Rejected:
        response = await session.http.request("GET", f"https://{handle}/.well-known/atproto-did", timeout=15.0)
        did = response.content[:300].decode("ascii", "replace").strip() if response.status_code == 200 else ""
    except ConnectorError as error:
        raise Unavailable(f"The server cannot be asked who @{handle} is. {error.text}", "Check the server's address.") from error
    if not _DID.fullmatch(did):
        raise Rejected(f"Nobody is called @{handle} there.", "Check the handle and the server's address.")
    return did


async def _document(session: Session, did: str) -> dict[str, Any]:
    if did.startswith("did:web:"):
        document = await _json(session, f"https://{did.removeprefix('did:web:').replace('%3A', ':')}/.well-known/did.json")
    else:
        directory = string(session.account.settings.get("plc_url"), 500).strip().rstrip("/") or DIRECTORY
        document = await _json(session, f"{directory}/{did}")
    if document.get("id") != did:
        raise Rejected("The directory tells of another account than the one that was asked for.", "Try again later.")
    return document


async def _json(session: Session, url: str) -> dict[str, Any]:
    response = await session.http.request("GET", url, headers={"accept": "application/json"}, timeout=15.0)
    if response.status_code >= 500 or response.status_code == 429:
        raise Unavailable(f"{urlsplit(url).hostname} is away ({response.status_code}).", "Try again in a minute.")
    if response.status_code != 200:
        raise Rejected(
            f"{urlsplit(url).hostname} does not know that ({response.status_code}).", "Check the handle and the server's address."
        )
    return answers.body_of(response)


def _origin(value: object) -> str:
    """An address without a path, as it stands; empty for anything else."""
    text = string(value, _LIMIT).rstrip("/")
    return text if text and _origin_of(text) == text else ""


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("https", "http") and parts.hostname and "@" not in parts.netloc else ""
