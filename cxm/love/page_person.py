"""The person beside a conversation: names on each channel and how we know, what is open, what happened. For pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from cxm.kernel.actor import Actor
from cxm.kernel.errors import NotFound
from cxm.love import api as love
from cxm.love import page_words as words
from cxm.love.contracts import CaseView, ConversationView, InboxFilter
from cxm.people import api as people

_TIMELINE = 8
_NAMES = 12
_OPEN = 6


def person(actor: Actor, view: ConversationView) -> dict[str, Any]:
    """Who they are: names on each channel and how we know, what is open with them, what happened."""
    who, handle = words.person(view.author)
    found: dict[str, Any] = {"who": who, "handle": handle, "note": "", "identities": [], "open": [], "happened": [], "url": ""}
    if view.profile is None or not actor.may("profiles:read"):
        return found
    try:
        profile = people.profile(actor.organization, view.profile)
    except NotFound:
        return found
    found |= {"who": profile.name, "note": profile.note, "url": f"/people/{profile.id}"}
    found["identities"] = [_identity(entry) for entry in profile.identities[:_NAMES]]
    open_states = frozenset({"open", "waiting", "snoozed"})
    others = love.conversations(actor, InboxFilter(states=open_states, profile=view.profile), None, _OPEN).items
    found["open"] = [_matter(one) for one in others if one.id != view.id]
    found["happened"] = [
        entry for item in people.timeline(actor, profile, None, _TIMELINE).items if (entry := _happened(item.at, item.data, view))
    ]
    return found


def cases(actor: Actor, view: ConversationView) -> dict[str, Any]:
    """What an open conversation shows of cases: its own, and those one may put it under."""
    own: CaseView | None = love.case(actor, view.case) if view.case else None
    offered = love.offered_cases(actor, view.profile) if actor.may("conversations:manage", view.unit) else []
    return {"case": own, "cases": [one for one in offered if one.id != view.case]}


def _identity(entry: Any) -> dict[str, Any]:
    how = {"heard": _("spoke to us"), "proof": _("proven"), "hand": _("joined by us"), "parted": _("parted by us")}
    return {
        "channel": entry.channel,
        "title": words.channel(entry.channel),
        "name": entry.handle or entry.name or entry.native_id,
        "how": how.get(entry.reason, entry.reason),
        "tone": {"proof": "good", "hand": "accent", "parted": "warn"}.get(entry.reason, "outline"),
        "proofs": ", ".join(proof.value for proof in entry.proofs),
    }


def _matter(one: ConversationView) -> dict[str, Any]:
    last = one.last_mention or {}
    text = one.subject or str(last.get("text") or "")
    return {
        "url": f"/inbox/{one.id}",
        "text": " ".join(text.split())[:90],
        "state": words.states()[one.state],
        "at": one.last_at,
        "channel": one.channel,
    }


def _happened(at: datetime, data: Mapping[str, Any], view: ConversationView) -> dict[str, Any] | None:
    told = data.get("mention")
    if not isinstance(told, Mapping):
        return None
    text = " ".join(str(told.get("text") or told.get("title") or "").split())
    verbs = {
        "complaint": _("complained"),
        "question": _("asked"),
        "request": _("requested"),
        "praise": _("praised us"),
        "purchase": _("wants to buy"),
    }
    verb = next((verbs[one] for one in told.get("intents") or () if one in verbs), _("wrote"))
    verb = _("we answered") if data.get("ours") else verb
    here = str(data.get("conversation")) == str(view.id)
    return {
        "at": at,
        "verb": verb,
        "channel": words.channel(str(told.get("channel") or "")),
        "text": text[:80],
        "url": "" if here else f"/inbox/{data.get('conversation')}",
    }
