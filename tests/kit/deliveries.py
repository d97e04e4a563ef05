"""Deliveries as a platform sends them: signed by the Standard Webhooks scheme, written here anew so that nothing proves itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import httpx2

_CLIENT = httpx2.Client(verify=False, trust_env=False, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))


def encoded(body: Any) -> bytes:
    """``body`` as the bytes of a request."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def mark(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """The signature of the scheme."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()


def signed(secret: str, body: Any, *, message_id: str | None = None, age: int = 0) -> dict[str, str]:
    """Headers that make ``body`` authentic, ``age`` seconds ago."""
    identifier, stamp = message_id or f"msg_{uuid4().hex}", str(int(time.time()) - age)
    return {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": stamp,
        "webhook-signature": mark(secret, identifier, stamp, encoded(body)),
    }


def deliver(url: str, secret: str, body: Any, *, message_id: str | None = None, age: int = 0, timeout: float = 20) -> httpx2.Response:
    """One delivery."""
    content = encoded(body)
    return _CLIENT.post(url, content=content, headers=signed(secret, content, message_id=message_id, age=age), timeout=timeout)


def message(native_id: str, text: str = "Where is my order?", author: str = "lena", **more: Any) -> dict[str, Any]:
    """A private message of somebody."""
    said = {"native_id": native_id, "handle": author, "name": author.title()}
    moment = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"
    return {**said, "kind": "message", "text": text, "published_at": stamp, "author": {"native_id": author, "handle": author}} | more


def verified(secret: str, headers: Any, body: bytes) -> bool:
    """Whether what we got is signed under ``secret`` and not old; what a provider would check."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
        return False
    return mark(secret, message_id, stamp, body) in (headers.get("webhook-signature") or "").split()
