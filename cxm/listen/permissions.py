"""Rights over mentions."""

from django.utils.translation import gettext_noop as _

from cxm.kernel.permissions import Permission

_ALL = ("owner", "manager", "agent", "publisher", "analyst", "privacy_officer")
PERMISSIONS = (
    Permission("mentions:read", _("Search and read mentions, topics and coverage"), _ALL),
    Permission("mentions:write", _("Change state, tags and verdicts of mentions"), ("owner", "manager", "agent")),
    Permission("mentions:import", _("Import mentions from files"), ("owner", "manager")),
    Permission("mentions:export", _("Export mentions"), ("owner", "manager", "analyst", "privacy_officer")),
    Permission("topics:write", _("Save, change and delete topics"), ("owner", "manager", "analyst")),
)
