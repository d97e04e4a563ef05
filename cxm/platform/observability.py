"""Logs and figures: structured, without message texts or addresses; Prometheus counters; health."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.dev import ConsoleRenderer, plain_traceback

#: Keys that must never be logged: what people said, who they are, what opens doors.
PRIVATE = frozenset(
    {"text", "title", "body", "raw", "address", "email", "handle", "password", "secret", "token", "credentials", "headers", "query", "url"}
)

deliveries = Counter("cxm_deliveries_total", "Inbound deliveries by channel and what became of them.", ["channel", "outcome"])
mentions = Counter("cxm_mentions_total", "Mentions by what intake made of them.", ["outcome"])
sends = Counter("cxm_sends_total", "Attempts to send by channel and outcome.", ["channel", "outcome"])
job_failures = Counter("cxm_job_failures_total", "Jobs that failed, by name.", ["job"])
intake_seconds = Histogram(
    "cxm_intake_seconds", "Seconds from a delivery's last byte to its answer.", buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5)
)
events_set_aside = Gauge("cxm_events_set_aside", "Events that failed for a day and wait for a person.", multiprocess_mode="livemax")
pages_open = Gauge("cxm_pages_open", "Pages that listen for news.", multiprocess_mode="livesum")


def _without_private(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    for key in PRIVATE & event.keys():
        event[key] = "…"
    return {
        key: value.replace("\n", "\\n").replace("\r", "\\r") if isinstance(value, str) and key != "exception" else value
        for key, value in event.items()
    }


def _readable() -> ConsoleRenderer:
    """Text for people. Tracebacks are plain: the renderer's own way prints local variables, and in those stand addresses and texts."""
    return ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)


def _plain_until_configured() -> None:
    """Whoever logs before :func:`configure`, or without it (a test, a script), prints no local variables either."""
    if not structlog.is_configured():
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        structlog.configure(
            processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, stamp, _without_private, _readable()]
        )


def configure(level: str, style: str) -> None:
    """Set up logging for this process: JSON lines, or readable text on a terminal (``style``: json, text, auto)."""
    as_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_private,
    ]
    renderer: Any = _readable() if as_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("procrastinate", "httpx2", "httpcore2", "uvicorn.access", "asyncio", "django.request"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("django.request").setLevel(logging.ERROR)


_plain_until_configured()
