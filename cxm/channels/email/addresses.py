"""The addresses of one account: the one that names it, and its aliases."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any, cast

from cxm.channels.kit.text import one_line


def own(name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """All of them, lower-case, the main one first."""
    found = [str(settings.get("address") or name).strip().lower(), name.strip().lower(), *aliases(settings)]
    return tuple(dict.fromkeys(one for one in found if one))


def aliases(settings: Mapping[str, Any]) -> dict[str, str]:
    """The further addresses an account answers from, each with the name it shows (empty: that of the account)."""
    given = settings.get("aliases")
    written = [one for one in cast("list[object]", given) if isinstance(one, str)] if isinstance(given, list | tuple) else []
    parsed = [parseaddr(one[:500]) for one in written[:100]]
    return {address.strip().lower(): one_line(shown, 100) for shown, address in parsed if "@" in address}


def sender(settings: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[str, str]:
    """(address, name shown) an answer leaves from: the alias that was written to, where the settings still name it, else the main address."""
    wanted, known = context.get("alias"), aliases(settings)
    main = str(settings.get("display_name") or "")
    if isinstance(wanted, str) and wanted in known:
        return wanted, known[wanted] or main
    return str(settings.get("address") or ""), main
