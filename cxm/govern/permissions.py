"""What this slice lets people do."""

from django.utils.translation import gettext_noop as _

from cxm.kernel.permissions import ROLES, Permission

PERMISSIONS = (
    Permission("organization:read", _("See the organization, its units and its settings"), ROLES),
    Permission("organization:write", _("Rename the organization"), ("owner",)),
    Permission("units:write", _("Make, rename, move and delete units"), ("owner", "manager")),
    Permission("members:read", _("See who works here and in which role"), ROLES),
    Permission("members:write", _("Invite and remove members, change their roles"), ("owner", "manager")),
    Permission("tokens:write", _("Make and revoke one's own API tokens"), ROLES),
    Permission("stops:read", _("See stops and what they hold"), ("owner", "manager", "agent", "publisher", "privacy_officer")),
    Permission("stops:write", _("Stop everything outbound, and lift a stop"), ("owner", "manager", "privacy_officer")),
    Permission("audit:read", _("Read the audit log"), ("owner", "privacy_officer")),
    Permission("events:read", _("Follow what happens, in order"), ("owner", "manager", "analyst")),
)
