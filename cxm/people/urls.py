"""Addresses of the slice's pages."""

from django.urls import path

from cxm.people import erasing_pages, pages

urlpatterns = [
    path("people", pages.people_page, name="people"),
    path("people/erasures", erasing_pages.erasures_page, name="erasures"),
    path("people/<uuid:profile>", pages.profile_page, name="profile"),
    path("people/<uuid:profile>/erase", erasing_pages.erase_page, name="erase"),
]
