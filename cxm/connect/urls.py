"""Addresses of the slice: its pages."""

from django.urls import path

from cxm.connect import authorizing_pages, connecting_pages, hooks_pages, pages, quarantine_pages, sources_pages

urlpatterns = [
    path("channels", pages.channels_page, name="channels"),
    path("channels/quarantine", quarantine_pages.quarantine_page, name="quarantine"),
    path("channels/quarantine/events", quarantine_pages.give_back, name="failed_events_again"),
    path("channels/quarantine/<uuid:item>", quarantine_pages.replay, name="quarantine_replay"),
    path("channels/authorized", authorizing_pages.authorized, name="authorized"),
    path("channels/clients/<slug:channel>.json", authorizing_pages.client_metadata, name="client_metadata"),
    path("channels/new/<slug:channel>", connecting_pages.new_account, name="account_new"),
    path("channels/<uuid:account>", pages.account_page, name="account"),
    path("channels/<uuid:account>/test", pages.test_fragment, name="account_test"),
    path("channels/<uuid:account>/sources", sources_pages.sources_page, name="account_sources"),
    path("channels/<uuid:account>/sources/list", sources_pages.sources_list, name="account_sources_list"),
    path("settings/webhooks", hooks_pages.webhooks_page, name="webhooks"),
]
