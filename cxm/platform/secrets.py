"""Secrets at rest: AES-256-GCM under keys derived from the master key, with rotation.

A sealed text is ``v1.<key fingerprint>.<base64(nonce + ciphertext)>``. The newest master key seals; former ones still open, until
``cxm secrets rotate`` has sealed everything anew.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cxm.kernel.errors import CxmError
from cxm.platform.config import master_keys


class SecretUnreadable(CxmError):
    """A stored secret cannot be opened with any key we have."""

    title = "A stored secret cannot be read"


@functools.lru_cache(maxsize=16)
def _derived(master: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"opencxm:" + purpose).derive(master.encode())


def fingerprint(master: str) -> str:
    """Eight hex digits by which a master key is known; they say nothing of the key."""
    return hashlib.sha256(_derived(master, b"fingerprint")).hexdigest()[:8]


def derive(purpose: str) -> bytes:
    """32 bytes for one purpose (sessions, cursors), different for each; the master key itself never leaves this module."""
    return _derived(master_keys()[0], purpose.encode())


def derived(purpose: str) -> tuple[bytes, ...]:
    """As :func:`derive`, of each master key, the newest first: for what was signed with a former one and still holds."""
    return tuple(_derived(master, purpose.encode()) for master in master_keys())


def seal(text: str) -> str:
    """``text`` encrypted for rest."""
    master = master_keys()[0]
    nonce = os.urandom(12)
    sealed = AESGCM(_derived(master, b"seal")).encrypt(nonce, text.encode(), None)
    return f"v1.{fingerprint(master)}.{base64.b64encode(nonce + sealed).decode()}"


@functools.lru_cache(maxsize=1024)
def unseal(sealed: str) -> str:
    """The text that :func:`seal` got; raises :class:`SecretUnreadable` where the key is another or the bytes were changed."""
    try:
        version, mark, body = sealed.split(".", 2)
        data = base64.b64decode(body)
    except ValueError as error:
        raise SecretUnreadable("secret_damaged", "A stored secret is damaged.", "Enter the credentials again.") from error
    for master in master_keys():
        if version == "v1" and fingerprint(master) == mark:
            try:
                return AESGCM(_derived(master, b"seal")).decrypt(data[:12], data[12:], None).decode()
            except InvalidTag as error:
                raise SecretUnreadable("secret_damaged", "A stored secret was changed.", "Enter the credentials again.") from error
    raise SecretUnreadable(
        "secret_key_unknown", "A secret was sealed with a key that is not here.", "Put the former key below the new one in the key file."
    )


def is_current(sealed: str) -> bool:
    """Whether it was sealed with the newest key (rotation skips it)."""
    return sealed.split(".", 2)[1] == fingerprint(master_keys()[0])
