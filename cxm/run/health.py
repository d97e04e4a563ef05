"""Is it alive, is it able, what are its figures."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST

from cxm.kernel.errors import NotFound
from cxm.platform import observability, set_aside
from cxm.platform.config import settings
from cxm.platform.realtime import hub
from cxm.run import figures


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """It can serve: the database answers and the mention store opens; 503 with what is wrong else."""
    checks = {"database": _database(), "mentions": _mentions()}
    good = all(entry == "ok" for entry in checks.values())
    return JsonResponse({"status": "ok" if good else "unavailable", "checks": checks}, status=200 if good else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus; only loopback may read it unless CXM_METRICS_PUBLIC says otherwise."""
    address = request.META.get("REMOTE_ADDR", "")
    forwarded = "HTTP_X_FORWARDED_FOR" in request.META
    if not settings().metrics_public and (forwarded or not address or not ipaddress.ip_address(address).is_loopback):
        raise NotFound("page")
    observability.pages_open.set(hub.open_streams)
    with suppress(Error):  # the figures of a process whose database is away are those that are wanted most
        observability.events_set_aside.set(set_aside.count())
    return HttpResponse(figures.text(), content_type=CONTENT_TYPE_LATEST)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        return "ok"
    except Exception as error:
        return type(error).__name__


def _mentions() -> str:
    from cxm.listen import engine

    try:
        engine.store()
        return "ok"
    except Exception as error:
        return type(error).__name__
