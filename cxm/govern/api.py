"""The door of the slice: who acts, what they may, the stop, the audit log. Everything the other slices use of it."""

from __future__ import annotations

from cxm.govern.access import (
    actor_again,
    actor_for,
    actor_of,
    actor_of_session,
    actor_of_token,
    own_preferences,
    registry,
    require,
    require_everywhere,
    rights_of,
)
from cxm.govern.contracts import (
    Audited,
    ChainReport,
    Grant,
    HeldItem,
    HeldItems,
    Invited,
    Member,
    Organization,
    Receipt,
    SignIn,
    Stop,
    Token,
    Unit,
)
from cxm.govern.doors import Body, page, requires, router, to_sign_in
from cxm.govern.failed import again as give_back_events
from cxm.govern.failed import listed as failed_events
from cxm.govern.frame import banners as stop_banners
from cxm.govern.frame import workplaces
from cxm.govern.services.audit import entries, intent, outcome, record, unmatched_intents
from cxm.govern.services.audit import verify as verify_audit
from cxm.govern.services.members import SetUp, invite, member, member_by_email, members, prefer, set_up, who_may
from cxm.govern.services.members import accept as accept_invitation
from cxm.govern.services.members import change as change_member
from cxm.govern.services.organizations import (
    ancestors,
    create_unit,
    descendants,
    organization,
    organization_named,
    organizations,
    register_unit_user,
    root_unit,
    unit,
    units,
)
from cxm.govern.services.shifts import save as save_shifts
from cxm.govern.services.stops import (
    beginning,
    covering_stops,
    held,
    lift,
    register_accounts,
    register_held_items,
    stop_of,
    stop_on,
    stops,
)
from cxm.govern.services.tokens import create_token
from cxm.govern.settings_pages import tabs as settings_tabs
from cxm.govern.shapes import Week

__all__ = [
    "Audited",
    "Body",
    "ChainReport",
    "Grant",
    "HeldItem",
    "HeldItems",
    "Invited",
    "Member",
    "Organization",
    "Receipt",
    "SetUp",
    "SignIn",
    "Stop",
    "Token",
    "Unit",
    "Week",
    "accept_invitation",
    "actor_again",
    "actor_for",
    "actor_of",
    "actor_of_session",
    "actor_of_token",
    "ancestors",
    "beginning",
    "change_member",
    "covering_stops",
    "create_token",
    "create_unit",
    "descendants",
    "entries",
    "failed_events",
    "give_back_events",
    "held",
    "intent",
    "invite",
    "lift",
    "member",
    "member_by_email",
    "members",
    "organization",
    "organization_named",
    "organizations",
    "outcome",
    "own_preferences",
    "page",
    "prefer",
    "record",
    "register_accounts",
    "register_held_items",
    "register_unit_user",
    "registry",
    "require",
    "require_everywhere",
    "requires",
    "rights_of",
    "root_unit",
    "router",
    "save_shifts",
    "set_up",
    "settings_tabs",
    "stop_banners",
    "stop_of",
    "stop_on",
    "stops",
    "to_sign_in",
    "unit",
    "units",
    "unmatched_intents",
    "verify_audit",
    "who_may",
    "workplaces",
]
