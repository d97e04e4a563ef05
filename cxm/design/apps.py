"""The Django app that carries templates, template tags and static files."""

from django.apps import AppConfig


class DesignConfig(AppConfig):
    """Label ``design``; it has no models."""

    name = "cxm.design"
    label = "design"
