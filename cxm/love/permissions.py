"""What love lets people do."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from cxm.kernel.permissions import ROLES, Permission

PERMISSIONS = (
    Permission("conversations:read", _("Read conversations and cases"), ROLES),
    Permission("conversations:reply", _("Answer, publicly and privately, and take an answer back"), ("owner", "manager", "agent")),
    Permission("conversations:note", _("Write notes beside a conversation"), ("owner", "manager", "agent", "publisher")),
    Permission("desk:write", _("Set opening hours, how soon we answer, and queues"), ("owner", "manager")),
    Permission(
        "conversations:manage", _("Assign, snooze, tag, close and reopen conversations, and open cases"), ("owner", "manager", "agent")
    ),
)
