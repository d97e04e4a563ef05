"""Tokens of accounts that signed in by OAuth2, sealed in their rows. Whoever calls holds the row locked, or only reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from cxm.channels.authorization import Tokens
from cxm.connect.models import Account
from cxm.kernel.clock import format_instant, parse_instant
from cxm.platform import secrets


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a person must sign in anew, with what to do."""

    text: str
    mend: str


def put(row: Account, way: str, tokens: Tokens) -> None:
    """Make ``tokens`` those of ``row``; the caller saves it."""
    row.way, row.token_expires_at, row.renewing_until = way, tokens.expires_at, None
    row.sealed_tokens = _sealed(tokens, None)


def end(row: Account, why: Ended) -> None:
    """Note that they are good for nothing any more; the caller saves it. What the channel keeps beside them stays, to know whose it was."""
    row.token_expires_at = row.renewing_until = None
    row.sealed_tokens = _sealed(replace(get(row) or Tokens(""), access="", refresh="", expires_at=None), why)


def clear(row: Account) -> None:
    """Back to typed credentials; the caller saves it."""
    row.way, row.sealed_tokens, row.token_expires_at, row.renewing_until = "", "", None, None


def get(row: Account) -> Tokens | None:
    """The tokens of ``row``; None where nobody signed in."""
    if not row.sealed_tokens:
        return None
    told = json.loads(secrets.unseal(row.sealed_tokens))
    return Tokens(
        told["access"], parse_instant(told["expires_at"]) if told["expires_at"] else None, told["refresh"], told["scope"], told["extra"]
    )


def ended(row: Account) -> Ended | None:
    """Why a person must sign in anew; None where nobody must."""
    told = json.loads(secrets.unseal(row.sealed_tokens)).get("ended") if row.sealed_tokens else None
    return Ended(told["text"], told["mend"]) if told else None


def _sealed(tokens: Tokens, why: Ended | None) -> str:
    return secrets.seal(
        json.dumps({
            "access": tokens.access, "refresh": tokens.refresh, "scope": tokens.scope, "extra": dict(tokens.extra),
            "expires_at": format_instant(tokens.expires_at) if tokens.expires_at else None,
            "ended": {"text": why.text, "mend": why.mend} if why else None,
        })
    )  # fmt: skip
