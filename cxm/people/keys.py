"""Derived ids: what they name decides them, so parallel writers agree without asking each other."""

from __future__ import annotations

import hashlib
from uuid import UUID

from cxm.channels.contracts import Proof


def identity_id(organization: UUID, channel: str, account: UUID | None, native_id: str) -> UUID:
    """The id of an identity, and of the profile it gets when it is heard for the first time."""
    return _derived(organization, "identity", channel, account.hex if account else "", native_id)


def proof_id(organization: UUID, proof: Proof) -> UUID:
    """The id of a proof; ``value`` is normalised by the channel's mapping."""
    return _derived(organization, "proof", proof.kind, proof.value)


def _derived(organization: UUID, *parts: str) -> UUID:
    text = "\x1f".join(parts).encode("utf-8", "replace")
    value = int.from_bytes(hashlib.blake2b(text, digest_size=16, key=organization.bytes).digest(), "big")
    value = value & ~(0xF << 76 | 0b11 << 62) | 0x8 << 76 | 0b10 << 62  # UUIDv8 (RFC 9562): our own derivation
    return UUID(int=value)
