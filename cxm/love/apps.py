"""The Django app of love."""

from django.apps import AppConfig


class LoveConfig(AppConfig):
    """Conversations and what happens in them."""

    name = "cxm.love"
    label = "love"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Subscribe to what happens elsewhere."""
        from cxm.love import subscribers  # noqa: F401 - importing subscribes
