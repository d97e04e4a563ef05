"""Rights over accounts and intake."""

from cxm.kernel.permissions import Permission

PERMISSIONS = (
    Permission(
        "accounts:read",
        "See accounts, their health and what they listen to.",
        ("owner", "manager", "agent", "publisher", "analyst", "privacy_officer"),
    ),
    Permission("accounts:write", "Connect, change, pause and remove accounts.", ("owner", "manager")),
    Permission("intake:read", "See quarantined deliveries with their bytes.", ("owner", "manager", "privacy_officer")),
    Permission("intake:replay", "Replay quarantined deliveries.", ("owner", "manager")),
)
