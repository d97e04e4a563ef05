"""Every address: the API, the live stream, health, and each slice's pages."""

from __future__ import annotations

import importlib
import importlib.util

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

from cxm.kernel.errors import NotFound
from cxm.run import health, home, live, tour
from cxm.run.api import api
from cxm.run.middleware import show, understood


def _slices() -> list[URLPattern | URLResolver]:
    names = [config.name for config in apps.get_app_configs() if config.name.startswith("cxm.") and config.name != "cxm.run"]
    return [path("", include(f"{name}.urls")) for name in names if importlib.util.find_spec(f"{name}.urls")]


urlpatterns = [
    path("api/v1/", api.urls),
    path("live", live.live, name="live"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("home", home.home_page, name="home"),
    path("tour", tour.tour_page, name="tour"),
    path("mentions/<uuid:mention>/conversation", home.conversation_of_mention, name="mention_conversation"),
    path("", include("cxm.listen.media_urls")),
    *_slices(),
]


def handler404(request, exception):  # type: ignore[no-untyped-def]
    """No such page, said as this request wants it."""
    return show(request, NotFound("page"))


def handler500(request):  # type: ignore[no-untyped-def]
    """What broke before any view."""
    return show(request, understood(RuntimeError()))
