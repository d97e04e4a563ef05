"""Rights over mentions."""

from cxm.kernel.permissions import Permission

_ALL = ("owner", "manager", "agent", "publisher", "analyst", "privacy_officer")
PERMISSIONS = (
    Permission("mentions:read", "Search and read mentions, topics and coverage.", _ALL),
    Permission("mentions:write", "Change state, tags and verdicts of mentions.", ("owner", "manager", "agent")),
    Permission("mentions:import", "Import mentions from files.", ("owner", "manager")),
    Permission("mentions:export", "Export mentions.", ("owner", "manager", "analyst", "privacy_officer")),
    Permission("topics:write", "Save, change and delete topics.", ("owner", "manager", "analyst")),
)
