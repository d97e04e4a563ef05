"""Addresses of the design slice."""

from django.urls import path

from cxm.design import pages

urlpatterns = [path("design", pages.gallery, name="design")]
