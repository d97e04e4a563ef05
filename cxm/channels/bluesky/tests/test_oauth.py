"""OAuth in memory: proofs, nonces and our signature are checked as a strict server does; servers that lie are refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from cxm.channels import registry
from cxm.channels.authorization import AccessToken, Client, SignInEnded, Tokens
from cxm.channels.bluesky import dpop
from cxm.channels.bluesky.authorizing import Authorize, client_id_of
from cxm.channels.bluesky.connector import Test
from cxm.channels.contracts import AuthExpired, Rejected, Session, Unavailable
from cxm.channels.testing.web import Answer, Request, Web, answer, session_over
from cxm.kernel.clock import frozen_at, now

DID, PDS, ISSUER, ENTRY = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "https://pds.example", "https://auth.example", "https://bsky.social"
BASE = "https://cxm.example"
CLIENT = Client(f"{BASE}/channels/authorized", metadata_url=f"{BASE}/channels/clients/bluesky.json", keys=(b"n" * 32, b"o" * 32))
WAY = registry.channel("bluesky").manifest.auth.ways[0]


def taken_apart(token: str, key: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT whose signature holds under ``key``."""
    header, claims, mark = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    x, y = (int.from_bytes(urlsafe_b64decode(key[name] + "=")) for name in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signature = encode_dss_signature(int.from_bytes(mark[:32]), int.from_bytes(mark[32:]))
    public.verify(signature, token.rpartition(".")[0].encode(), ec.ECDSA(SHA256()))
    return json.loads(header), json.loads(claims)


def header_of(token: str) -> dict[str, Any]:
    part = token.partition(".")[0]
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Network:
    """Directory, home and sign-in server. ``nonce`` is demanded in every proof; ``client`` is how we described ourselves."""

    def __init__(self, client: Client = CLIENT) -> None:
        self.web, self.nonce, self.proofs, self.bound = Web(), "nonce-1", set[str](), ""
        self.client, self.code, self.pushed = client, "", dict[str, str]()
        self.refresh, self.access, self.count, self.sub, self.kind = "", "", 0, DID, "DPoP"
        self.document: dict[str, Any] = {
            "id": DID, "alsoKnownAs": ["at://acme.example"],
            "service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": PDS}],
        }  # fmt: skip
        self.resource = {"resource": PDS, "authorization_servers": [ISSUER]}
        self.server = {
            "issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/oauth/authorize", "token_endpoint": f"{ISSUER}/oauth/token",
            "pushed_authorization_request_endpoint": f"{ISSUER}/oauth/par",
        }  # fmt: skip
        on = self.web.on
        on("GET", f"{ENTRY}/xrpc/com.atproto.identity.resolveHandle", json={"did": DID})
        on("GET", f"https://plc.directory/{DID}", lambda asked: answer(json=self.document))
        on("GET", f"{PDS}/.well-known/oauth-protected-resource", lambda asked: answer(json=self.resource))
        on("GET", f"{ISSUER}/.well-known/oauth-authorization-server", lambda asked: answer(json=self.server))
        on("POST", f"{ISSUER}/oauth/par", self._par)
        on("POST", f"{ISSUER}/oauth/token", self._token)
        on("GET", f"{PDS}/xrpc/app.bsky.notification.listNotifications", self._resource)
        on("GET", f"{ENTRY}/xrpc/com.atproto.server.describeServer", json={"did": "did:web:pds.example"})

    def session(self, **more: Any) -> Session:
        return session_over(self.web, "bluesky", settings={"handle": "@Acme.example", **more}, now=now())

    def agree(self, url: str) -> dict[str, str]:
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith(self.server["authorization_endpoint"]) and asked == {
            "client_id": client_id_of(self.client),
            "request_uri": "urn:x",
        }
        self.code = "code-1"
        return {"code": self.code, "state": self.pushed["state"], "iss": ISSUER}

    def _proof(self, asked: Request, access: str = "") -> Answer | None:
        token = asked.headers["dpop"]
        header, claims = taken_apart(token, header_of(token)["jwk"])
        if claims.get("nonce") != self.nonce:
            told = {"dpop-nonce": self.nonce, **({"www-authenticate": 'DPoP error="use_dpop_nonce"'} if access else {})}
            return answer(401 if access else 400, json={"error": "use_dpop_nonce"}, headers=told)
        assert (header["typ"], header["alg"], claims["htm"], claims["htu"]) == ("dpop+jwt", "ES256", asked.method, asked.url)
        assert claims["jti"] not in self.proofs and abs(claims["iat"] - now().timestamp()) < 60 and "d" not in header["jwk"]
        self.proofs.add(claims["jti"])
        if access:
            assert claims["ath"] == urlsafe_b64encode(hashlib.sha256(access.encode()).digest()).rstrip(b"=").decode()
            assert header["jwk"]["x"] == self.bound
        self.bound = header["jwk"]["x"]
        return None

    def _client(self, form: dict[str, str]) -> None:
        assert form["client_id"] == client_id_of(self.client)
        if self.client.metadata_url:
            keys = {key["kid"]: key for key in Authorize().metadata(self.client)["jwks"]["keys"]}
            header, claims = taken_apart(form["client_assertion"], keys[header_of(form["client_assertion"])["kid"]])
            assert header["alg"] == "ES256" and claims["aud"] == ISSUER and claims["iss"] == claims["sub"] == form["client_id"]
            assert claims["jti"] not in self.proofs
            self.proofs.add(claims["jti"])

    def _par(self, asked: Request) -> Answer:
        if (again := self._proof(asked)) is not None:
            return again
        self.pushed = dict(parse_qsl(asked.content.decode()))
        self._client(self.pushed)
        assert self.pushed["code_challenge_method"] == "S256" and self.pushed["login_hint"] == "acme.example"
        assert self.pushed["redirect_uri"] == self.client.redirect_uri and "atproto" in self.pushed["scope"].split()
        return answer(201, json={"request_uri": "urn:x", "expires_in": 299})

    def _token(self, asked: Request) -> Answer:
        if (again := self._proof(asked)) is not None:
            return again
        form = dict(parse_qsl(asked.content.decode()))
        self._client(form)
        if form["grant_type"] == "authorization_code":
            proof = urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
            good = form["code"] == self.code and proof == self.pushed["code_challenge"]
        else:
            good = form["refresh_token"] == self.refresh
        if not good:
            return answer(400, json={"error": "invalid_grant", "error_description": "no"})
        self.code, self.count = "", self.count + 1
        self.access, self.refresh = f"access-{self.count}-of-many", f"refresh-{self.count}-of-many"
        told = {"access_token": self.access, "refresh_token": self.refresh, "token_type": self.kind, "expires_in": 3600, "sub": self.sub}
        return answer(json={**told, "scope": "atproto transition:generic"})

    def _resource(self, asked: Request) -> Answer:
        access = asked.headers["authorization"].removeprefix("DPoP ")
        if (again := self._proof(asked, access)) is not None:
            return again
        return answer(json={"notifications": []}) if access == self.access else answer(401, json={"error": "invalid_token"})


@pytest.fixture(autouse=True)
def _fresh() -> None:
    dpop._NONCES.clear()


def signed_in(network: Network, client: Client = CLIENT) -> Tokens:
    session = network.session()
    started = asyncio.run(Authorize().start(session, client, WAY, "s" * 40))
    return asyncio.run(Authorize().exchange(session, client, WAY, started.kept, network.agree(started.url)))


@pytest.mark.parametrize("client", [CLIENT, Client("http://127.0.0.1:8000/channels/authorized")], ids=["by address", "loopback"])
def test_proofs_nonces_and_our_signature_hold_and_every_call_is_signed(client: Client):
    network = Network(client)
    tokens = signed_in(network, client)
    assert (tokens.extra["did"], tokens.extra["pds"]) == (DID, PDS) and tokens.expires_at is not None
    network.nonce = "nonce-2"  # they change every few minutes
    renewed = asyncio.run(Authorize().refresh(network.session(), client, WAY, tokens))
    assert renewed.refresh != tokens.refresh and renewed.extra["key"] == tokens.extra["key"] not in (repr(tokens), repr(renewed))
    held = [renewed]

    async def source(refused: str = "") -> AccessToken:
        if refused == held[0].access:
            held[0] = await Authorize().refresh(network.session(), client, WAY, held[0])
        return AccessToken(held[0].access, held[0].expires_at, "bluesky", held[0].extra)

    signed = replace(network.session(), token=source)
    network.nonce, network.access = "nonce-3", "none is good any more"
    steps = asyncio.run(Test().test(signed))
    assert all(step.ok for step in steps), steps
    assert held[0].access == network.access and not network.web.asked("POST", f"{ENTRY}/xrpc/com.atproto.server.createSession")
    with frozen_at(now() + timedelta(hours=5)):  # proofs are as old as the call, not as the session
        assert all(step.ok for step in asyncio.run(Test().test(signed)))
    with pytest.raises(SignInEnded):
        asyncio.run(Authorize().refresh(network.session(), client, WAY, tokens))
    stolen = replace(held[0], extra={**held[0].extra, "key": dpop.Key().store()})
    with pytest.raises(AssertionError):
        asyncio.run(Test().test(replace(signed, token=lambda refused="": source_of(stolen))))


async def source_of(tokens: Tokens) -> AccessToken:
    return AccessToken(tokens.access, None, "bluesky", tokens.extra)


def test_servers_that_lie_and_accounts_that_are_others_are_refused():
    for lie, says in [
        (lambda n: n.document.update(alsoKnownAs=["at://other.example"]), "does not call itself so"),
        (lambda n: n.document.update(id="did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"), "another account"),
        (lambda n: n.document.update(service=[{"id": 7}, 8, {"id": "#atproto_pds", "serviceEndpoint": "https://x@pds.example/"}]), "no home server"),
        (lambda n: n.resource.update(resource="https://else.example"), "does not offer"),
        (lambda n: n.resource.update(authorization_servers=[ISSUER, PDS]), "does not offer"),
        (lambda n: n.resource.update(authorization_servers={"a": 1}), "does not offer"),
        (lambda n: n.server.update(issuer="https://evil.example"), "describes itself as another"),
        (lambda n: n.server.update(token_endpoint="https://evil.example/token"), "describes itself as another"),
        (lambda n: setattr(n, "sub", "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"), "another account than @acme.example"),
        (lambda n: n.web.on("GET", f"{ENTRY}/xrpc/com.atproto.identity.resolveHandle", json={"did": "did:plc:../../x"}), "Nobody is called"),
        (lambda n: n.web.on("GET", f"{ENTRY}/xrpc/com.atproto.identity.resolveHandle", status=400), "Nobody is called"),
    ]:  # fmt: skip
        network = Network()
        lie(network)
        with pytest.raises(Rejected, match=says):
            signed_in(network)
    for wrong in ("Bearer", "mac"):
        network = Network()
        network.kind = wrong
        with pytest.raises(Unavailable, match="not as one of OAuth2"):
            signed_in(network)
    network, own = Network(), "https://acme.example/.well-known/atproto-did"
    network.web.on("GET", f"{ENTRY}/xrpc/com.atproto.identity.resolveHandle", status=400)
    network.web.on("GET", own, content=f"{DID}\n")
    assert signed_in(network).extra["did"] == DID and network.web.asked("GET", own), "the handle's own site knows too"


def test_a_signature_survives_a_rotated_key_and_a_lost_one_asks_to_sign_in():
    network = Network()
    tokens = signed_in(network)
    rotated = replace(CLIENT, keys=(b"x" * 32, *CLIENT.keys))
    network.client = rotated
    tokens = asyncio.run(Authorize().refresh(network.session(), rotated, WAY, tokens))
    with pytest.raises(SignInEnded, match="not here any more"):
        asyncio.run(Authorize().refresh(network.session(), replace(CLIENT, keys=(b"y" * 32,)), WAY, tokens))
    with pytest.raises(AuthExpired):
        asyncio.run(Authorize().refresh(network.session(), rotated, WAY, replace(tokens, extra={**tokens.extra, "key": "no key!"})))
    with pytest.raises(Rejected, match="cannot reach this one"):
        client_id_of(Client("http://localhost:8000/channels/authorized"))
    told = Authorize().metadata(CLIENT)
    assert told["client_id"] == CLIENT.metadata_url and told["redirect_uris"] == [CLIENT.redirect_uri] and told["dpop_bound_access_tokens"]
    assert all("d" not in key for key in told["jwks"]["keys"]) and len(told["jwks"]["keys"]) == 2
    with pytest.raises(InvalidSignature):
        taken_apart(dpop.Key().sign({}, {}), dpop.Key().public)


def test_direct_messages_are_asked_for_only_where_they_are_wanted():
    network = Network()
    for settings, scope in (
        ({}, "atproto transition:generic"),
        ({"direct_messages": True}, "atproto transition:generic transition:chat.bsky"),
    ):
        asyncio.run(Authorize().start(network.session(**settings), CLIENT, WAY, "state"))
        assert network.pushed["scope"] == scope
        assert set(scope.split()) <= set(Authorize().metadata(CLIENT)["scope"].split()), "a server refuses what the client does not name"
