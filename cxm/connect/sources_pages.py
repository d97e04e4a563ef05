"""/channels/<account>/sources: what an account listens to, each with its health; added, paused, removed, whole lists taken and given."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from cxm.channels import registry
from cxm.channels.manifest import SourceKind
from cxm.connect import api as connect
from cxm.connect import lists, schema_forms
from cxm.connect.contracts import Account, Source, SourcesAdded, SourceSum
from cxm.connect.keeping_rest import list_answer
from cxm.connect.page_kit import about, given, visible
from cxm.design import refusals
from cxm.govern import api as govern
from cxm.kernel.actor import Actor
from cxm.kernel.errors import CxmError, NotFound
from cxm.kernel.ids import parse_id

_PAGE = 50


@never_cache
@require_http_methods(["GET", "POST"])
@govern.page("accounts:read")
def sources_page(request: HttpRequest, account: UUID) -> HttpResponse:
    """All of them or, by ``?failing=1``, those that cannot be heard; newest first."""
    actor = govern.actor_of(request)
    one = visible(actor, account, "accounts:read")
    known = registry.channel(one.channel)
    if not known.manifest.sources:
        raise NotFound("page")
    error: CxmError | None = None
    done: SourcesAdded | None = None
    if request.method == "POST":
        visible(actor, account, "accounts:write")
        try:
            done = _act(request, actor, one)
        except CxmError as refused:
            if refused.status not in (404, 409, 422):
                raise
            error = refused
        if done is None and error is None:
            changed = request.POST.get("action") == "change"
            return HttpResponseRedirect(request.path if changed else request.get_full_path())
    context = _context(request, actor, one, error) | {"done": done}
    return render(request, "connect/sources.html", context, status=error.status if error else 200)


@require_GET
@govern.page("accounts:read")
def sources_list(request: HttpRequest, account: UUID) -> HttpResponse:
    """The list as a file."""
    visible(govern.actor_of(request), account, "accounts:read")
    return list_answer(request, account)


def _act(request: HttpRequest, actor: Actor, one: Account) -> SourcesAdded | None:
    action = request.POST.get("action", "")
    if action == "add":
        kind = _kind(one, request.POST.get("kind", ""))
        connect.add_source(actor, account=str(one.id), kind=kind.name, settings=given(_values(kind, request)))
    elif action == "list":
        sent = request.FILES.get("list")
        return lists.take(actor, one.id, sent.read(lists.LIMIT + 1) if sent else b"")
    elif action in ("pause", "resume", "remove", "change"):
        source = parse_id(request.POST.get("source", "")) or UUID(int=0)
        if action == "change":
            kind = _kind(one, _mine(actor, one, source).kind)
            connect.change_source(actor, source, given(_values(kind, request), keep_empty=True))
        elif action == "remove":
            connect.remove_source(actor, source)
        else:
            connect.change_source(actor, source, state="paused" if action == "pause" else "active")
    return None


def _context(request: HttpRequest, actor: Actor, one: Account, error: CxmError | None) -> dict[str, Any]:
    failing = request.GET.get("failing") == "1"
    page = connect.source_page(
        actor, channel=None, account=one.id, kind=None, cursor=request.GET.get("cursor") or None, limit=_PAGE, failing=failing
    )
    counted = connect.source_sums(actor.organization, one.id).get(one.id, SourceSum())
    module = lists.module_of(one.channel)
    may_write = actor.may("accounts:write", one.unit)
    path = f"/channels/{one.id}/sources"
    return {
        "account": one,
        "rows": rows(page.items, one),
        "next": page.next,
        "sum": counted,
        "failing": failing,
        "tabs": [
            {"label": _("All"), "url": path, "active": not failing, "count": counted.total},
            {"label": _("Cannot be heard"), "url": f"{path}?failing=1", "active": failing, "count": counted.failing},
        ],
        "kinds": _forms(request, one, error) if may_write else [],
        **(_changing(request, actor, one, error) if may_write else {}),
        "list": module.FORMAT if module else "",
        "may_write": may_write,
        "error": error,
        "list_error": refusals.fields(error).get("list", ""),
        "action": request.POST.get("action", "") if error else "",
        **about(registry.channel(one.channel)),
    }


def rows(listed: list[Source], one: Account) -> list[dict[str, Any]]:
    """Sources as the list shows them: each with the times of its account where its channel tells nothing of it alone."""
    titles = {kind.name: kind.title for kind in registry.channel(one.channel).manifest.sources}
    found = []
    for source in listed:
        tone, icon = _sign(source, one)
        detail = [str(value) for key, value in source.settings.items() if key != "title" and str(value) not in ("", source.name)]
        found.append({"source": source, "kind": titles.get(source.kind, source.kind), "tone": tone, "icon": icon, "detail": detail})
    return found


def _sign(source: Source, one: Account) -> tuple[str, str]:
    if source.state == "paused":
        return "neutral", "pause"
    if source.health or (one.health and source.last_ok_at is None):  # of an account that fails as a whole its sources are not heard either
        return "warn", "triangle-alert"
    return ("good", "circle-check") if source.last_ok_at else ("info", "clock")


def _forms(request: HttpRequest, one: Account, error: CxmError | None) -> list[dict[str, Any]]:
    errors = refusals.fields(error)
    found = []
    for kind in registry.channel(one.channel).manifest.sources:
        mine = error is not None and request.POST.get("action") == "add" and request.POST.get("kind") == kind.name
        typed = _values(kind, request) if mine else {}
        found.append(
            {"kind": kind, "open": mine, "fields": schema_forms.fields_of(kind.settings, "settings", typed, errors if mine else {})}
        )
    return found


def _changing(request: HttpRequest, actor: Actor, one: Account, error: CxmError | None) -> dict[str, Any]:
    """The source that is being changed, with its settings as they are or, where they were refused, as typed."""
    wanted = parse_id(request.GET.get("change", ""))
    if wanted is None:
        return {}
    source = _mine(actor, one, wanted)
    kind = _kind(one, source.kind)
    mine = error is not None and request.POST.get("action") == "change"
    typed = _values(kind, request) if mine else source.settings
    return {
        "changing": source,
        "changing_fields": schema_forms.fields_of(kind.settings, "settings", typed, refusals.fields(error) if mine else {}),
    }


def _mine(actor: Actor, one: Account, source: UUID) -> Source:
    """A source of this account; NotFound for another's."""
    found = connect.source(actor, source)
    if found.account_id != one.id:
        raise NotFound("source")
    return found


def _kind(one: Account, name: str) -> SourceKind:
    kind = registry.channel(one.channel).source_kind(name)
    if kind is None:
        raise NotFound("kind of source")
    return kind


def _values(kind: SourceKind, request: HttpRequest) -> dict[str, Any]:
    return schema_forms.values_of(kind.settings, "settings", request.POST)
