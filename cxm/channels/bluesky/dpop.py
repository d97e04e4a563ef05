"""Tokens that are good only together with a key: proofs of possession (DPoP), and our own signature as a client.

Sources: RFC 9449 (DPoP), RFC 7523 (client assertions), RFC 7638 (thumbprints), atproto.com/specs/oauth. ES256 throughout, as there.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from cxm.channels.contracts import Response, Session
from cxm.channels.kit import answers
from cxm.channels.kit.fields import string
from cxm.kernel import clock

#: The order of P-256.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: The last nonce of each origin, in this process. They change every few minutes, and a wrong one costs a second request.
_NONCES: dict[str, str] = {}
_ORIGINS = 1_000


class Key:
    """A P-256 key from 32 bytes, or a fresh one."""

    def __init__(self, seed: bytes | None = None) -> None:
        number = int.from_bytes(seed if seed is not None else secrets.token_bytes(40)) % (_ORDER - 1) + 1
        self._number = number
        self._private = ec.derive_private_key(number, ec.SECP256R1())
        public = self._private.public_key().public_numbers()
        self.public = {"crv": "P-256", "kty": "EC", "x": _text(public.x.to_bytes(32)), "y": _text(public.y.to_bytes(32))}
        self.thumbprint = _text(hashlib.sha256(orjson.dumps(self.public)).digest())

    @classmethod
    def stored(cls, text: str) -> Key:
        """The key that :meth:`store` wrote down. Raises ValueError."""
        number = int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return cls((number - 1).to_bytes(32))

    def store(self) -> str:
        """The key as text, to be sealed."""
        return _text(self._number.to_bytes(32))

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """A JWT signed with it."""
        text = f"{_text(orjson.dumps({'alg': 'ES256', **header}))}.{_text(orjson.dumps(dict(claims)))}"
        r, s = decode_dss_signature(self._private.sign(text.encode(), ec.ECDSA(SHA256())))
        return f"{text}.{_text(r.to_bytes(32) + s.to_bytes(32))}"


def assertion(key: Key, client_id: str, issuer: str) -> dict[str, str]:
    """What proves to a token endpoint that we are the client ``client_id``."""
    now = int(clock.now().timestamp())
    claims = {"iss": client_id, "sub": client_id, "aud": issuer, "jti": secrets.token_urlsafe(16), "iat": now, "exp": now + 60}
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": key.sign({"kid": key.thumbprint}, claims),
    }


async def request(
    session: Session, key: Key, method: str, url: str, *, access: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """A request with its proof, once more where the server asks for a nonce of its own. ``access``: the token it goes with."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    for again in (True, False):
        signed = {**(headers or {}), "dpop": _proof(key, method, f"{origin}{parts.path}", access, _NONCES.get(origin, ""))}
        if access:
            signed["authorization"] = f"DPoP {access}"
        response = await session.http.request(method, url, headers=signed, **more)
        if fresh := (answers.header(response.headers, "dpop-nonce") or "")[:1_000]:
            while len(_NONCES) >= _ORIGINS:
                _NONCES.pop(next(iter(_NONCES)))
            _NONCES[origin] = fresh
        if not (again and fresh and _wants_nonce(response)):
            break
    return response  # pyright: ignore[reportPossiblyUnboundVariable]


def _wants_nonce(response: Response) -> bool:
    if response.status_code not in (400, 401):
        return False
    said = answers.header(response.headers, "www-authenticate") or ""
    return 'error="use_dpop_nonce"' in said or string(answers.body_of(response).get("error"), 100) == "use_dpop_nonce"


def _proof(key: Key, method: str, url: str, access: str, nonce: str) -> str:
    claims: dict[str, Any] = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(clock.now().timestamp())}
    if nonce:
        claims["nonce"] = nonce
    if access:
        claims["ath"] = _text(hashlib.sha256(access.encode()).digest())
    return key.sign({"typ": "dpop+jwt", "jwk": key.public}, claims)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
