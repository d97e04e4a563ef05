"""Derived ids: ten messages at once agree on their conversation without asking each other."""

from __future__ import annotations

from uuid import UUID, uuid5

_NAMESPACE = UUID("0f5b3c0a-52de-5c5e-8d0e-6f6a3b7e9a11")


def conversation_key(organization: UUID, account: UUID, author: str, thread: str | None) -> UUID:
    """What one conversation is about: one author, one of our accounts, one thread (or none)."""
    return uuid5(_NAMESPACE, f"{organization.hex}\x1f{account.hex}\x1f{author}\x1f{'' if thread is None else f'+{thread}'}")


def conversation_id(key: UUID, number: int) -> UUID:
    """The id of the ``number``-th conversation of ``key``, counted from 0."""
    return uuid5(key, str(number))


def thread_key(organization: UUID, account: UUID, thread: str) -> UUID:
    """One thread on one of our accounts."""
    return uuid5(_NAMESPACE, f"{organization.hex}\x1f{account.hex}\x1fthread\x1f{thread}")
