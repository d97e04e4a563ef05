"""The demo as a Django app. It keeps no tables: what it must remember stands in one file of the data directory."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The demo company."""

    name = "cxm.demo"
    label = "demo"
