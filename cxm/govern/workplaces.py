"""The organizations somebody signed in can work in."""

from __future__ import annotations

from django.http import HttpRequest

from cxm.govern import access, models
from cxm.govern.contracts import Organization


def workplaces(request: HttpRequest) -> list[Organization]:
    """Where the signed-in user is a member, by name; ``/switch-organization?to=<id>`` goes there."""
    ids = [row.organization_id for row in access.memberships(request.user.pk)] if request.user.is_authenticated else []
    rows = {row.id: row for row in models.Organization.objects.filter(id__in=ids)}
    return [Organization(rows[one].id, rows[one].name, rows[one].slug) for one in ids]
