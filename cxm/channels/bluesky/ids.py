"""Record keys and addresses. Pure.

Source: the AT Protocol's TID (64 bits: a zero, 53 of microseconds, 10 of a clock, in base32-sortable) and at:// addresses.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from uuid import UUID

POST = "app.bsky.feed.post"
_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
_URI = re.compile(r"at://(did:[a-z0-9]{1,20}:[A-Za-z0-9._:%-]{1,500})/([A-Za-z0-9.-]{1,200})/([A-Za-z0-9._:~-]{1,200})")

_MESSAGE = re.compile(r"chat:([A-Za-z0-9._~-]{1,100})/([A-Za-z0-9._~-]{1,100})(?:/did:[^\s]{1,500}/[^/]{1,200})?")


def record_keys(intent: UUID) -> tuple[str, str]:
    """The keys an intent may stand under, the same whenever they are asked for: its own moment, the rest from its hash.

    A key tells only a million intents of one millisecond apart, so two of one account can share their first; the second is for the later one.
    """
    return _record_key(intent, intent.bytes), _record_key(intent, intent.bytes + b"2")


def _record_key(intent: UUID, hashed: bytes) -> str:
    digest = int.from_bytes(hashlib.sha256(hashed).digest()[:8], "big")
    milliseconds = intent.int >> 80 if intent.version == 7 else digest % 1_700_000_000_000
    value = ((milliseconds * 1000 + digest % 1000) & (1 << 53) - 1) << 10 | (digest >> 32) & 0x3FF
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(60, -1, -5))


def uri(did: str, key: str) -> str:
    """A post's address."""
    return f"at://{did}/{POST}/{key}"


def parts(address: str) -> tuple[str, str, str] | None:
    """Owner, collection and key of a record's address, None where it is none."""
    match = _URI.fullmatch(address)
    return (match[1], match[2], match[3]) if match else None


def post_parts(address: str) -> tuple[str, str] | None:
    """Owner and key of a post's address, None for anything else."""
    found = parts(address)
    return (found[0], found[2]) if found and found[1] == POST else None


def talk(convo: str) -> str:
    """What a conversation of direct messages is known by here."""
    return f"chat:{convo}"


def message(convo: str, key: str) -> str:
    """A direct message's address, made here: its service gives it none. A conversation has one id for all who are in it."""
    return f"chat:{convo}/{key}"


def reaction(convo: str, key: str, did: str, sign: str) -> str:
    """The address of somebody's sign under a direct message."""
    return f"{message(convo, key)}/{did}/{sign}"


def message_parts(address: str) -> tuple[str, str] | None:
    """Conversation and key of a direct message's address, or of a reaction's to it; None for anything else."""
    match = _MESSAGE.fullmatch(address)
    return (match[1], match[2]) if match else None


def moment(text: str) -> datetime | None:
    """The moment in an RFC 3339 text with its zone, in UTC; None where it is none."""
    if not 16 <= len(text) <= 40:
        return None
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
