"""Authenticity of a delivery: the Standard Webhooks scheme as it is."""

from __future__ import annotations

from cxm.channels.kit.webhooks import sign, verify

__all__ = ["sign", "verify"]
