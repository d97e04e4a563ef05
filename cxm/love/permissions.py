"""What love lets people do."""

from __future__ import annotations

from cxm.kernel.permissions import ROLES, Permission

PERMISSIONS = (
    Permission("conversations:read", "Read conversations and cases", ROLES),
    Permission("conversations:reply", "Answer, publicly and privately, and take an answer back", ("owner", "manager", "agent")),
    Permission("conversations:note", "Write notes beside a conversation", ("owner", "manager", "agent", "publisher")),
    Permission(
        "conversations:manage", "Assign, snooze, tag, close and reopen conversations, and open cases", ("owner", "manager", "agent")
    ),
)
