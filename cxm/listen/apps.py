"""The Django app of listen."""

from django.apps import AppConfig


class ListenConfig(AppConfig):
    """Intake, ledger, store, Explorer."""

    name = "cxm.listen"
    label = "listen"

    def ready(self) -> None:
        from cxm.listen import subscribers  # noqa: F401 - registers itself
