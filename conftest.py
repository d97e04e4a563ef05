"""Tests run on a real PostgreSQL: the embedded one, started once for the session in a folder of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

_server = None


def pytest_configure(config: pytest.Config) -> None:
    """Start the engine before Django reads its settings; workers of a parallel run share the first one's."""
    global _server
    os.environ.setdefault("CXM_SECRET_KEY", "a key for tests alone, forty characters long")
    os.environ.setdefault("CXM_LOG_LEVEL", "WARNING")
    if "CXM_TEST_ROOT" not in os.environ:
        os.environ["CXM_TEST_ROOT"] = tempfile.mkdtemp(prefix="cxm-tests-")
    root = Path(os.environ["CXM_TEST_ROOT"])
    os.environ["CXM_DATA"] = str(root)
    if hasattr(config, "workerinput"):  # each worker its own store; the server is the first one's
        os.environ["CXM_DATA"] = str(root / config.workerinput["workerid"])
    else:
        from cxm.platform.postgres import USER, EmbeddedPostgres

        _server = EmbeddedPostgres(root, durable=False)
        _server.start()
        os.environ["CXM_DATABASE_URL"] = f"postgresql:///cxm?host={_server.sockets}&user={USER}"
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cxm.run.settings")
    django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if _server is not None and not hasattr(config, "workerinput"):
        import shutil

        _server.stop()
        shutil.rmtree(os.environ["CXM_TEST_ROOT"], ignore_errors=True)
