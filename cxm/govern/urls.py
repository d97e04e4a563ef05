"""Addresses of the slice's pages."""

from django.urls import path

from cxm.govern import pages, settings_pages, shift_pages, stop_pages
from cxm.govern.sign_in import sign_in, sign_out

urlpatterns = [
    path("", pages.root, name="root"),
    path("sign-in", sign_in, name="account_login"),
    path("sign-out", sign_out, name="account_logout"),
    path("accept-invitation/<str:secret>", pages.accept_invitation, name="accept_invitation"),
    path("switch-organization", pages.switch_organization, name="switch_organization"),
    path("settings", settings_pages.settings_root, name="settings"),
    path("settings/organization", settings_pages.organization_page, name="settings_organization"),
    path("settings/units", settings_pages.units_page, name="settings_units"),
    path("settings/units/<uuid:unit>", settings_pages.unit_page, name="settings_unit"),
    path("settings/members", settings_pages.members_page, name="settings_members"),
    path("settings/members/<uuid:member>", settings_pages.member_page, name="settings_member"),
    path("settings/tokens", settings_pages.tokens_page, name="settings_tokens"),
    path("settings/sessions", settings_pages.sessions_page, name="settings_sessions"),
    path("settings/appearance", settings_pages.appearance_page, name="settings_appearance"),
    path("settings/shifts", shift_pages.shifts_page, name="settings_shifts"),
    path("settings/audit", settings_pages.audit_page, name="settings_audit"),
    path("settings/stops", stop_pages.moved, name="settings_stops"),
    path("stop", stop_pages.stop_page, name="stop"),
    path("stop/<uuid:stop>", stop_pages.one_stop_page, name="stop_one"),
]
