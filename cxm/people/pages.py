"""/people: finding a person, and one person: their names on each channel, how we know, what happened, joining and parting by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from cxm.channels import registry
from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import CxmError, FieldError, Invalid, NotFound
from cxm.kernel.ids import parse_id
from cxm.people import api as people
from cxm.people.contracts import IdentityView, MergeEntry, ProfileView, TimelineEntry

_PAGE = 50
_TIMELINE = 40
_CANDIDATES = 8
_EXCERPT = 600


@require_GET
@govern.page("profiles:read")
def people_page(request: HttpRequest) -> HttpResponse:
    """Everybody who ever spoke to us, found by name, handle or address."""
    actor = govern.actor_of(request)
    query = request.GET.get("q", "").replace("\x00", "")
    found = people.profiles(actor.organization, query, request.GET.get("cursor") or None, _PAGE)
    context = {"q": query, "rows": [_row(one) for one in found.items], "next": found.next, "later": bool(request.GET.get("cursor"))}
    context["may_erase"] = actor.may("profiles:erase") and actor.units("profiles:erase") is None
    return render(request, "people/people.html", context)


def _row(one: ProfileView) -> dict[str, Any]:
    first = one.identities[0] if one.identities else None
    return {
        "profile": one,
        "channels": list(dict.fromkeys(entry.channel for entry in one.identities))[:6],
        "titles": ", ".join(dict.fromkeys(channel_title(entry.channel) for entry in one.identities)),
        "handle": (first.handle or "") if first and first.handle != one.name else "",
        "count": len(one.identities),
    }


@require_http_methods(["GET", "POST"])
@govern.page("profiles:read")
def profile_page(request: HttpRequest, profile: UUID) -> HttpResponse:
    """One person. A merged profile's address leads to the person it became."""
    actor = govern.actor_of(request)
    one = people.profile(actor.organization, profile)
    if one.id != profile and request.method == "GET":
        return HttpResponseRedirect(f"/people/{one.id}")
    error = None
    if request.method == "POST":
        govern.require(actor, "profiles:write")
        error, target = _act(request, actor, one)
        if error is None:
            return HttpResponseRedirect(f"/people/{target}")
    context = _context(request, actor, one) | {
        "error": error,
        **{f"{name}_error": refusals.fields(error).get(name, "") for name in ("reason", "other", "name", "note")},
        "join_error": refusals.fields(error).get("reason", "") if request.POST.get("action") == "merge" else "",
        "parting": request.POST.get("identity", "") if error and request.POST.get("action") == "unlink" else "",
        "action": request.POST.get("action", "") if error else "",
        "reason": _text(request, "reason"),
        "chosen": request.POST.get("other", ""),
    }
    for entry in context["identities"] if context["parting"] else ():
        again = str(entry["identity"].id) == context["parting"]
        entry.update(again=again, typed=context["reason"] if again else "", error=context["reason_error"] if again else "")
    return render(request, "people/profile.html", context, status=error.status if error else 200)


def _act(request: HttpRequest, actor: Actor, one: ProfileView) -> tuple[CxmError | None, UUID]:
    """What a form of the page asks; what it refuses, and the profile to go to."""
    acts: Mapping[str, Callable[[], UUID | None]] = {
        "merge": lambda: _merge(request, actor, one),
        "unlink": lambda: people.unlink(actor, one.id, parse_id(request.POST.get("identity", "")) or UUID(int=0), _text(request, "reason")),
        "describe": lambda: people.describe(actor, one.id, name=_text(request, "name"), note=_text(request, "note")),
    }
    act = acts.get(request.POST.get("action", ""))
    if act is None:
        raise NotFound("action")
    try:
        target = act()
    except CxmError as error:
        if error.status not in (409, 422):
            raise
        return error, one.id
    return None, target if request.POST.get("action") == "merge" and target else one.id


def _merge(request: HttpRequest, actor: Actor, one: ProfileView) -> UUID:
    other = parse_id(request.POST.get("other", ""))
    if other is None:
        raise Invalid("other_missing", _("Choose whom to join with."), _("Find the other person first, then mark one."),
                      errors=(FieldError("other", _("Choose whom to join with.")),))  # fmt: skip
    return people.merge(actor, [one.id, other], _text(request, "reason"))


def _context(request: HttpRequest, actor: Actor, one: ProfileView) -> dict[str, Any]:
    asked = request.GET.get("join", "").replace("\x00", "")
    candidates = people.profiles(actor.organization, asked, None, _CANDIDATES + 1).items if asked.strip() else []
    timeline = people.timeline(actor, one, request.GET.get("cursor") or None, _TIMELINE)
    return {
        "one": one,
        "since": people.known_since(actor, one),
        "identities": [identity(entry) for entry in one.identities],
        "history": [history(entry) for entry in one.history],
        "timeline": [entry for entry in (happened(item) for item in timeline.items) if entry],
        "next": timeline.next,
        "later": bool(request.GET.get("cursor")),
        "may_write": actor.may("profiles:write"),
        "may_erase": actor.may("profiles:erase") and actor.units("profiles:erase") is None,
        "join": asked,
        "candidates": [_row(other) for other in candidates if other.id != one.id][:_CANDIDATES],
        "name": request.POST.get("name", one.name).replace("\x00", ""),
        "note": request.POST.get("note", one.note).replace("\x00", ""),
        "said_url": _explorer(one) if actor.may("mentions:read") else "",
    }


def identity(entry: IdentityView) -> dict[str, Any]:
    """One name on one channel, and how we know that it is theirs."""
    words = {
        "heard": _("they spoke to us there"),
        "proof": _("proven"),
        "hand": _("joined by a member"),
        "parted": _("parted by a member"),
    }
    kinds = {"email": _("proven mail address"), "phone": _("proven number"), "account": _("signed in")}
    return {
        "identity": entry,
        "name": entry.handle or entry.name or entry.native_id,
        "channel": channel_title(entry.channel),
        "how": words.get(entry.reason, entry.reason),
        "tone": {"proof": "good", "hand": "accent", "parted": "warn"}.get(entry.reason, "outline"),
        "proofs": [(kinds.get(proof.kind, proof.kind), proof.value) for proof in entry.proofs],
        "url": entry.url if (entry.url or "").startswith(("https://", "http://")) else "",
        "dialog": f"part-{entry.id}",
    }


def history(entry: MergeEntry) -> dict[str, Any]:
    """One line of how the profile came to be."""
    words = {
        "proof": _("Joined by a proof"),
        "hand": _("Joined by {name}").format(name=entry.by),
        "parted": _("Parted by {name}").format(name=entry.by),
    }
    return {"text": words.get(entry.kind, entry.kind), "entry": entry}


def happened(item: TimelineEntry) -> dict[str, Any] | None:
    """A thing that happened, ready to show; whatever a source tells beyond what is known here is one quiet line."""
    data = item.data
    told = data.get("mention") if isinstance(data.get("mention"), Mapping) else data
    text = str(told.get("text") or told.get("title") or data.get("subject") or "")
    return {
        "kind": item.kind,
        "id": item.id,
        "at": item.at,
        "text": text[:_EXCERPT] + ("…" if len(text) > _EXCERPT else ""),
        "language": told.get("language") or "",
        "channel": channel_title(str(told.get("channel") or data.get("channel") or "")),
        "icon_channel": str(told.get("channel") or data.get("channel") or ""),
        "ours": told.get("media_type") == "owned" or bool(data.get("ours")),
        "deleted": bool(data.get("deleted_at") or told.get("deleted_at")),
        "by": data.get("by") or "",
        "state": data.get("state") or "",
        "url": _where(item, data),
    }


def _where(item: TimelineEntry, data: Mapping[str, Any]) -> str:
    if data.get("conversation"):
        return f"/inbox/{data['conversation']}"
    return {"mention": f"/mentions/{item.id}", "conversation": f"/inbox/{item.id}"}.get(item.kind, "")


def channel_title(channel: str) -> str:
    """A channel as people call it."""
    return refusals.told(registry.title(channel))


def _explorer(one: ProfileView) -> str:
    """All they said, as a question: by their handles."""
    from urllib.parse import urlencode

    handles = list(dict.fromkeys(entry.handle for entry in one.identities if entry.handle))[:20]
    quoted = ['"' + handle.replace("\\", "\\\\").replace('"', '\\"') + '"' for handle in handles]
    return "/explorer?" + urlencode({"q": f"handle:({' OR '.join(quoted)})"}) if quoted else ""


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "")
