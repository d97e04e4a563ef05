"""Addresses of the slice: its pages."""

from django.urls import path

from cxm.outbound import pages

urlpatterns = [path("settings/addresses", pages.addresses_page, name="addresses")]
