"""Rights over accounts, intake and outbound webhooks."""

from django.utils.translation import gettext_noop as _

from cxm.kernel.permissions import Permission

PERMISSIONS = (
    Permission(
        "accounts:read",
        _("See accounts, their health and what they listen to"),
        ("owner", "manager", "agent", "publisher", "analyst", "privacy_officer"),
    ),
    Permission("accounts:write", _("Connect, change, pause and remove accounts"), ("owner", "manager")),
    Permission("intake:read", _("See quarantined deliveries with their bytes"), ("owner", "manager", "privacy_officer")),
    Permission("intake:replay", _("Replay quarantined deliveries"), ("owner", "manager")),
    Permission("webhooks:write", _("Have other programs told what happens, within one's own rights"), ("owner", "manager")),
)
