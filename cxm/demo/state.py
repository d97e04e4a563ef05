"""What the demo remembers between starts, in ``<data>/demo.json`` (0600): its password and secrets sealed, when it began, how far it got."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cxm.kernel.clock import format_instant, parse_instant
from cxm.platform import secrets
from cxm.platform.config import settings


@dataclass(slots=True)
class State:
    """``stages``: what is built already; ``port``: where the simulated platforms were last; ``told``: how many newcomers spoke."""

    sealed_password: str
    began: str
    sealed_secrets: dict[str, str] = field(default_factory=dict[str, str])
    stages: list[str] = field(default_factory=list[str])
    port: int = 0
    told: int = 0

    @property
    def password(self) -> str:
        """The owner's password, opened."""
        return secrets.unseal(self.sealed_password)

    @property
    def start(self) -> datetime:
        """The moment of the first start; every date of the stories counts back from it."""
        return parse_instant(self.began)

    def secret(self, account: str) -> str:
        """The signing secret of an account, opened."""
        return secrets.unseal(self.sealed_secrets[account])


def path() -> Path:
    """Where it stands."""
    return settings().data / "demo.json"


def read() -> State | None:
    """What is remembered, or None in a directory that never held the demo."""
    try:
        known: dict[str, Any] = json.loads(path().read_text())
    except FileNotFoundError:
        return None
    return State(**known)


def fresh(password: str, secret_of: dict[str, str], moment: datetime) -> State:
    """A new memory, not yet written."""
    return State(secrets.seal(password), format_instant(moment), {name: secrets.seal(text) for name, text in secret_of.items()})


def write(state: State) -> None:
    """Keep it; a crash leaves the former one whole."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(state), file, indent=1)
    beside.replace(target)
