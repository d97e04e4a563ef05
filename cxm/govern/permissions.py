"""What this slice lets people do."""

from cxm.kernel.permissions import ROLES, Permission

PERMISSIONS = (
    Permission("organization:read", "See the organization, its units and its settings", ROLES),
    Permission("organization:write", "Rename the organization", ("owner",)),
    Permission("units:write", "Make, rename, move and delete units", ("owner", "manager")),
    Permission("members:read", "See who works here and in which role", ROLES),
    Permission("members:write", "Invite and remove members, change their roles", ("owner", "manager")),
    Permission("tokens:write", "Make and revoke one's own API tokens", ROLES),
    Permission("stops:read", "See stops and what they hold", ("owner", "manager", "agent", "publisher", "privacy_officer")),
    Permission("stops:write", "Stop everything outbound, and lift a stop", ("owner", "manager", "privacy_officer")),
    Permission("audit:read", "Read the audit log", ("owner", "privacy_officer")),
    Permission("events:read", "Follow what happens, in order", ("owner", "manager", "analyst")),
)
