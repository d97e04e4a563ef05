"""Addresses of the slice's pages."""

from django.urls import path

from cxm.listen import coverage_pages, mention_pages, pages, topic_pages

urlpatterns = [
    path("explorer", pages.explorer_page, name="explorer"),
    path("explorer/check", pages.check_fragment, name="explorer_check"),
    path("explorer/new", pages.new_fragment, name="explorer_new"),
    path("explorer/export", pages.export_file, name="explorer_export"),
    path("mentions/<uuid:mention>", mention_pages.mention_page, name="mention"),
    path("topics", topic_pages.topics_page, name="topics"),
    path("topics/new", topic_pages.new_topic, name="topic_new"),
    path("topics/<uuid:topic>", topic_pages.topic_page, name="topic"),
    path("coverage", coverage_pages.coverage_page, name="coverage"),
]
