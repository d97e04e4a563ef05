"""The addresses that the tests of this slice walk: the API, its pages, and a home to arrive at."""

from django.http import HttpResponse
from django.urls import include, path

from cxm.govern.doors import page
from cxm.run.api import api


@page(None)
def home(request):
    return HttpResponse(f"home of {request.actor.organization}")


@page("organization:write")
def owners_only(request):
    return HttpResponse("for owners")


urlpatterns = [path("api/v1/", api.urls), path("home", home), path("owners", owners_only), path("", include("cxm.govern.urls"))]
