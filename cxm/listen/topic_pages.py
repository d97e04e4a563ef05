"""/topics: saved queries, how much each found lately; save, change, delete."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from cxm.govern import api as govern
from cxm.kernel.errors import CxmError
from cxm.listen import forms, pages, topics
from cxm.listen.asking import Asked
from cxm.listen.glances import glance
from cxm.listen.models import Topic

_SHOWN = 50


@require_GET
@govern.page("mentions:read")
def topics_page(request: HttpRequest) -> HttpResponse:
    """Every topic with its last two weeks."""
    actor = govern.actor_of(request)
    found = topics.topics(actor.organization, cursor=request.GET.get("cursor") or None, limit=_SHOWN)
    context = {"rows": [glance(actor, row) for row in found.items], "next": found.next, "may_write": topics.may_write(actor)}
    return render(request, "listen/topics.html", context)


@require_http_methods(["GET", "POST"])
@govern.page("topics:write")
def new_topic(request: HttpRequest) -> HttpResponse:
    """Save a query under a name; ``?q=`` brings one along."""
    actor = govern.actor_of(request)
    govern.require_everywhere(actor, topics.WRITE)
    form = {"name": request.GET.get("name", ""), "query": request.GET.get("q", "")}
    error = None
    if request.method == "POST":
        form = {"name": forms.text(request, "name"), "query": forms.text(request, "query")}
        error = forms.attempt(lambda: topics.save(actor, **form))
        if error is None:
            return HttpResponseRedirect("/topics")
    return _form(request, form, error, None)


@require_http_methods(["GET", "POST"])
@govern.page("topics:write")
def topic_page(request: HttpRequest, topic: UUID) -> HttpResponse:
    """Rename a topic, change its query, or delete it."""
    actor = govern.actor_of(request)
    govern.require_everywhere(actor, topics.WRITE)
    row = topics.topic(actor.organization, topic)
    form, error = {"name": row.name, "query": row.query}, None
    if request.method == "POST":
        if request.POST.get("action") == "delete":
            topics.delete(actor, topic)
            return HttpResponseRedirect("/topics")
        form = {"name": forms.text(request, "name"), "query": forms.text(request, "query")}
        error = forms.attempt(lambda: topics.save(actor, topic_id=topic, **form))
        if error is None:
            return HttpResponseRedirect("/topics")
    return _form(request, form, error, row)


def _form(request: HttpRequest, form: dict[str, str], error: CxmError | None, row: Topic | None) -> HttpResponse:
    actor = govern.actor_of(request)
    asked = Asked(form["query"])
    context = {
        "topic": row,
        "form": form,
        "error": error,
        "field_errors": forms.field_errors(error),
        "says": pages.says(actor, asked, error if error is not None and "position" in error.extra else None),
        "asked": asked,
        "old_name": Topic.objects.for_organization(actor.organization).get(pk=row.pk).name if row else "",
    }
    return render(request, "listen/topic.html", context, status=error.status if error else 200)
