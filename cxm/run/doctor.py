"""``cxm doctor``: what is wrong here and how to mend it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from cxm.kernel.errors import CxmError
from cxm.platform.config import master_keys, settings
from cxm.platform.postgres import connection_parameters, engine


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, whether it is well, and what to do."""

    check: str
    ok: bool
    text: str


def examine() -> list[Finding]:
    """Every check that can be made; one that fails hides no other."""
    findings = [
        _check(name, look)
        for name, look in (
            ("data directory", _data),
            ("disk", _disk),
            ("secret key", _key),
            ("PostgreSQL", _postgres),
            ("mention store", _mentions),
        )
    ]
    return [*findings, *_accounts()] if all(one.ok for one in findings if one.check in ("secret key", "PostgreSQL")) else findings


def _check(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except CxmError as error:
        return Finding(name, False, str(error))
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


def _data() -> str:
    path = settings().data
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise CxmError("data_missing", f"{path} is no folder that can be written to.", "Name it with --data, or run “cxm setup”.")
    return str(path)


def _disk() -> str:
    free = shutil.disk_usage(settings().data).free
    if free < 1_000_000_000:
        raise CxmError("disk_low", f"Only {free // 1_000_000} MB are free.", "Make room; intake answers 503 when the disk is full.")
    return f"{free // 1_000_000_000} GB free"


def _key() -> str:
    count = len(master_keys())
    path = settings().secret_key_file or settings().data / "secret.key"
    if not settings().secret_key and path.stat().st_mode & 0o077:
        raise CxmError("key_readable", f"{path} can be read by others.", f"Run: chmod 600 {path}")
    return f"{count} key(s)"


def _postgres() -> str:
    import psycopg

    with engine(), psycopg.connect(**connection_parameters()) as connection:  # type: ignore[arg-type]
        version = connection.execute("show server_version").fetchone()
    return f"version {version[0] if version else '?'}, {'embedded' if settings().embedded else 'your own'}"


def _mentions() -> str:
    from cxm.listen.store.tantivy_store import TantivyStore

    folder = settings().data / "mentions"
    if not folder.exists():
        return "empty yet"
    TantivyStore(folder, writable=False).close()
    return "readable"


def _accounts() -> list[Finding]:
    """Every account that fails or is silent, with the mend; one line where all are well."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cxm.run.settings")
    try:
        with engine():
            django.setup()
            return _judged()
    except Exception as error:  # the schema is not there yet, or is another version's
        return [Finding("accounts", True, f"not looked at ({type(error).__name__}); they are once “cxm serve” has run")]


def _judged() -> list[Finding]:
    from cxm.connect import api as connect
    from cxm.govern import api as govern
    from cxm.platform import set_aside

    found: list[Finding] = []
    count = 0
    for organization in govern.organizations():
        counted = connect.source_sums(organization.id)
        for account in connect.accounts(organization.id):
            count += 1
            told = connect.health_of(account, counted.get(account.id))
            told = connect.silence_of(account) or told if told.ok else told
            if not told.ok:
                found.append(Finding(f"account {account.channel}/{account.name}", False, f"{told.text} {told.mend}".strip()))
    found = found or [Finding("accounts", True, f"{count} connected, none fails or is silent")]
    failed = set_aside.count()
    told = f"{failed} failed for a day and were set aside. See “cxm events failed”; after a fix, “cxm events again --all”."
    return [*found, Finding("events", not failed, told if failed else "none was set aside")]
