"""The Django app of outbound."""

from django.apps import AppConfig


class OutboundConfig(AppConfig):
    """Intents and attempts."""

    name = "cxm.outbound"
    label = "outbound"

    def ready(self) -> None:
        from cxm.outbound import subscribers, tasks  # noqa: F401 - register themselves
