"""What people may do with profiles."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from cxm.kernel.permissions import Permission

PERMISSIONS = (
    Permission(
        "profiles:read",
        _("Look at profiles, their identities and their timeline"),
        ("owner", "manager", "agent", "analyst", "privacy_officer"),
    ),
    Permission("profiles:erase", _("Erase a person and everything they said, for good"), ("owner", "privacy_officer")),
    Permission("profiles:write", _("Write notes, merge and part profiles"), ("owner", "manager", "agent", "privacy_officer")),
)
