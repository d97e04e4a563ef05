"""The Django app of the platform."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """Event log, deliveries to subscribers, idempotency keys."""

    name = "cxm.platform"
    label = "platform"
    default_auto_field = "django.db.models.BigAutoField"
