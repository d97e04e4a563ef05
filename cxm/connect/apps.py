"""The Django app of connect."""

from django.apps import AppConfig


class ConnectConfig(AppConfig):
    """Accounts and the mailbox."""

    name = "cxm.connect"
    label = "connect"

    def ready(self) -> None:
        from cxm.connect import tasks  # noqa: F401 - registers jobs
