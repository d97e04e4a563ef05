"""Tests run on a real PostgreSQL: the embedded one, started once for the session in a folder of its own.

Loaded by ``-p tests.engine`` (pyproject.toml), because Django reads its settings before any conftest is seen.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if "CXM_TEST_ROOT" not in os.environ:
    os.environ["CXM_TEST_ROOT"] = tempfile.mkdtemp(prefix="cxm-tests-")
_ROOT = Path(os.environ["CXM_TEST_ROOT"])
# Nothing of the surroundings may reach the tests.
for _name in [name for name in os.environ if name.startswith("CXM_") and name != "CXM_TEST_ROOT"]:
    del os.environ[_name]
os.environ.update(
    CXM_SECRET_KEY="a key for tests alone, forty characters long",
    CXM_LOG_LEVEL="WARNING",
    CXM_DATA=str(_ROOT / (_WORKER or "main")),
    CXM_API_RATE="100000",
)
os.environ.pop("DATABASE_URL", None)

from cxm.platform.postgres import USER, EmbeddedPostgres, socket_directory  # noqa: E402 - after the environment

os.environ["CXM_DATABASE_URL"] = f"postgresql:///cxm?host={socket_directory(_ROOT)}&user={USER}"
_server = EmbeddedPostgres(_ROOT, durable=False)


def pytest_configure(config: pytest.Config) -> None:
    """Start the server; the workers of a parallel run share the first one's."""
    if not _WORKER:
        _server.start()
    from django.conf import settings
    from django.test import TransactionTestCase

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    TransactionTestCase._fixture_teardown = _empty
    gc.disable()  # while tests are collected, there is no garbage


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was loaded stays: it need not be looked through again and again."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _empty(case: Any) -> None:
    """After a test that commits: empty the tables it filled. Django's own way empties all hundred of them and fills some again."""
    from django.db import connection

    kept = {"django_content_type", "auth_permission"}
    tables = [name for name in connection.introspection.django_table_names(only_existing=True, include_views=False) if name not in kept]
    with connection.cursor() as cursor:
        cursor.execute(" union all ".join(f"select '{name}' where exists (select from \"{name}\")" for name in tables))
        if filled := ", ".join(f'"{name}"' for (name,) in cursor.fetchall()):
            cursor.execute(f"truncate {filled} cascade")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if not _WORKER:
        _server.stop()
        shutil.rmtree(_ROOT, ignore_errors=True)
