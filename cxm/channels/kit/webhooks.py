"""The Standard Webhooks scheme (standardwebhooks.com, symmetric ``v1``), both ways, with the time given and never read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime

from cxm.channels.contracts import NotAuthentic

#: Seconds a delivery may be older or newer than our clock.
TOLERANCE = 300
_PREFIX = "whsec_"
#: A message's id becomes a key in the mailbox; the scheme sets no limit, we do.
_ID_LIMIT = 256
#: More signatures than any rotation needs would only make us compute.
_SIGNATURES = 16


def new_secret() -> str:
    """A fresh ``whsec_…`` secret of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _key(secret: str | None) -> bytes:
    if not secret:
        raise NotAuthentic("no_secret")
    text = secret.strip().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAuthentic("secret_unreadable") from error
    if not key:
        raise NotAuthentic("no_secret")
    return key


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    signed = message_id.encode() + b"." + timestamp.encode() + b"." + body
    return hmac.new(key, signed, hashlib.sha256).digest()


def sign(message_id: str, body: bytes, secret: str | None, now: datetime) -> dict[str, str]:
    """The three headers that make ``body`` authentic at ``now``. Raises :class:`NotAuthentic` without a usable secret."""
    timestamp = str(int(now.timestamp()))
    signature = base64.b64encode(_signature(_key(secret), message_id, timestamp, body)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


def verify(headers: Mapping[str, str], body: bytes, secret: str | None, now: datetime) -> str:
    """The delivery's ``webhook-id``, once signature and time are right.

    Any of several signatures may match (rotation); comparison takes constant time. Raises :class:`NotAuthentic` with reason
    ``no_secret``, ``secret_unreadable``, ``unsigned``, ``timestamp_invalid``, ``too_old``, ``too_new`` or ``signature_wrong``.
    """
    key = _key(secret)
    lower = {name.lower(): value for name, value in headers.items()}
    message_id = lower.get("webhook-id", "")
    timestamp = lower.get("webhook-timestamp", "")
    given = lower.get("webhook-signature", "")
    if not (message_id and timestamp and given):
        raise NotAuthentic("unsigned")
    if len(message_id) > _ID_LIMIT or not message_id.isascii() or not message_id.isprintable():
        raise NotAuthentic("id_invalid")
    _check_time(timestamp, now)
    expected = _signature(key, message_id, timestamp, body)
    matched = False
    for entry in given.split()[:_SIGNATURES]:
        version, _, encoded = entry.partition(",")
        matched |= version == "v1" and hmac.compare_digest(expected, _decoded(encoded))
    if not matched:
        raise NotAuthentic("signature_wrong")
    return message_id


def _check_time(timestamp: str, now: datetime) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotAuthentic("timestamp_invalid")
    age = now.timestamp() - int(timestamp)
    if age > TOLERANCE:
        raise NotAuthentic("too_old")
    if age < -TOLERANCE:
        raise NotAuthentic("too_new")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
