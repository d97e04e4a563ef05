"""The Django app of people."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Profiles, identities, proofs and the log of merges."""

    name = "cxm.people"
    label = "people"
    default_auto_field = "django.db.models.BigAutoField"
