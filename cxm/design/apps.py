"""The Django app that carries templates, template tags and static files."""

from django.apps import AppConfig


class DesignConfig(AppConfig):
    """Label ``design``; it has no models."""

    name = "cxm.design"
    label = "design"

    def ready(self) -> None:
        """Problem documents speak the reader's language too."""
        from cxm.design import refusals
        from cxm.platform import problems

        problems.told_by(refusals.told)
