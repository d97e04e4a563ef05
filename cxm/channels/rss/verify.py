"""WebSub: what an address at our door proves, and who signed a delivery. Pure.

Source: W3C Recommendation WebSub, sections 5.3 (verification of intent) and 7 (authenticated content distribution). The address a hub calls
names the feed, and a mark over feed and topic that only we can make; so nothing need be remembered to answer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from cxm.channels.contracts import NotAuthentic
from cxm.channels.kit.answers import header

#: The strongest first. Most hubs sign by SHA-1, which is still sound for this.
_METHODS = ("sha512", "sha384", "sha256", "sha1")
_LONGEST = 1000


def callback(inbound: str, origin: str, topic: str, secret: str) -> str:
    """The address to give a hub for ``topic``, of which the account's feed is ``origin``."""
    return f"{inbound}?{urlencode({'feed': origin, 'mark': _mark(secret, origin, topic)})}"


def signing_secret(origin: str, secret: str) -> str:
    """What a hub is to sign deliveries of this feed with."""
    return _hmac(secret, f"deliveries\x1f{origin}")


def feed_of(query: str) -> str:
    """Which feed an address is for, "" where it does not say."""
    return _pairs(query).get("feed", "")


def challenge(query: str, secret: str, *, leaving: bool = False) -> str:
    """The answer to a hub that asks whether we want (or no longer want) to be told; ``leaving``: we want nothing. Raises NotAuthentic."""
    asked = _pairs(query)
    word = asked.get("hub.challenge", "")
    expected = _mark(secret, asked.get("feed", ""), asked.get("hub.topic", ""))
    if not secret or not hmac.compare_digest(expected.encode(), asked.get("mark", "").encode("utf-8", "replace")):
        raise NotAuthentic("mark")
    if (
        asked.get("hub.mode") not in (("unsubscribe",) if leaving else ("subscribe", "unsubscribe"))
        or not 0 < len(word) <= _LONGEST
        or not (word.isascii() and word.isprintable())
    ):
        raise NotAuthentic("challenge")
    return word


def verify(headers: Mapping[str, str], body: bytes, secret: str | None, now: datetime) -> str:
    """The id of a delivery: of its feed and its bytes, so that the same again is the same. Raises NotAuthentic."""
    origin = feed_of(headers.get(":query", ""))
    if not secret or not origin:
        raise NotAuthentic("unconfigured")
    told = [header(headers, name) or "" for name in ("x-hub-signature-256", "x-hub-signature")]
    pairs = [one.strip().lower().partition("=") for one in ",".join(told).split(",")]
    given = {name: mark.strip() for name, _, mark in pairs}
    method = next((one for one in _METHODS if one in given), "")
    if not method:
        raise NotAuthentic("unsigned")
    expected = hmac.new(signing_secret(origin, secret).encode(), body, method).hexdigest()
    if not hmac.compare_digest(expected.encode(), given[method].encode("utf-8", "replace")):
        raise NotAuthentic("signature")
    digest = hashlib.sha256(origin.encode("utf-8", "replace") + b"\x1f" + body)
    return f"websub:{digest.hexdigest()}"


def _mark(secret: str, origin: str, topic: str) -> str:
    return _hmac(secret, f"topic\x1f{origin}\x1f{topic}")


def _hmac(secret: str, said: str) -> str:
    return hmac.new(secret.encode(), said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _pairs(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, max_num_fields=20))
    except ValueError:
        return {}
