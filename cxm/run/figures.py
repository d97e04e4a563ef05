"""Figures of two processes as one: ``serve`` answers in one and works in another, and /metrics speaks for both."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_PLACE = "PROMETHEUS_MULTIPROC_DIR"


def share() -> None:
    """Keep the figures of this process and its children in files. Before prometheus_client is first imported, which looks once."""
    place = tempfile.mkdtemp(prefix="cxm-figures-")
    os.environ[_PLACE] = place
    atexit.register(shutil.rmtree, place, ignore_errors=True)


def text() -> bytes:
    """All figures in Prometheus's words."""
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, multiprocess

    if _PLACE not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)
