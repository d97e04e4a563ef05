"""Addresses of the slice's pages."""

from django.urls import path

from cxm.people import pages

urlpatterns = [
    path("people", pages.people_page, name="people"),
    path("people/<uuid:profile>", pages.profile_page, name="profile"),
]
