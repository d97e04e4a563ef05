"""The Django app of the slice."""

from django.apps import AppConfig


class GovernConfig(AppConfig):
    """Organizations, members, tokens, stops, audit."""

    name = "cxm.govern"
    label = "govern"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Read what every slice lets people do."""
        from cxm.govern.access import registry

        registry.load()
