"""Signed deliveries to an account of the generic channel."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import httpx2


class Sender:
    """Signs by the Standard Webhooks scheme and posts."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.key = url, base64.b64decode(secret.removeprefix("whsec_"))
        self.client = httpx2.Client(timeout=60)

    def send(self, value: Any) -> None:
        """One delivery; raises unless it is answered 2xx."""
        body = json.dumps(value).encode()
        identifier, stamp = uuid.uuid4().hex, str(int(time.time()))
        mark = base64.b64encode(hmac.new(self.key, f"{identifier}.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()
        headers = {
            "webhook-id": identifier,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{mark}",
            "content-type": "application/json",
        }
        self.client.post(self.url, content=body, headers=headers).raise_for_status()
