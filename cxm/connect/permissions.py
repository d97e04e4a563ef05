"""Rights over accounts, intake and outbound webhooks."""

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
    Permission("webhooks:write", "Have other programs told what happens, within one's own rights.", ("owner", "manager")),
)
