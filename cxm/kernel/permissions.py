"""What a slice lets people do, declared beside it."""

from __future__ import annotations

from dataclasses import dataclass

ROLES = ("owner", "manager", "agent", "publisher", "analyst", "privacy_officer")


@dataclass(frozen=True, slots=True)
class Permission:
    """One right: ``name`` (``conversations:reply``, also the token scope), what it allows in words, and the roles that hold it."""

    name: str
    text: str
    roles: tuple[str, ...]
