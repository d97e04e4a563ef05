"""Run as the last Django app: when every slice is ready, they are wired."""

from django.apps import AppConfig


class RunConfig(AppConfig):
    """Wires the slices."""

    name = "cxm.run"
    label = "run"

    def ready(self) -> None:
        from cxm.run.wiring import wire

        wire()
