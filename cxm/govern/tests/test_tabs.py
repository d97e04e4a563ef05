"""The tabs of the settings: each one that is shown opens."""

from __future__ import annotations

import re

import pytest

from cxm.kernel.permissions import ROLES
from tests.houses import House, _own_store, assert_safe, house  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_every_tab_that_is_shown_opens_also_to_whose_right_ends_at_a_unit(house: House) -> None:
    unit = house.unit("North")
    shown: dict[str, set[str]] = {}
    for role in ROLES[1:]:
        browser = house.join(f"{role}@marlow.example", role, unit)
        page = assert_safe(browser.get("/settings/sessions"))
        shown[role] = set(re.findall(r'href="/settings/([a-z]+)"', page))
        assert "sessions" in shown[role]
        refused = {name: code for name in sorted(shown[role]) if (code := browser.get(f"/settings/{name}").status_code) != 200}
        assert not refused, (role, refused)
    assert not any("addresses" in tabs for tabs in shown.values()), shown
    assert 'href="/settings/addresses"' in assert_safe(house.browser().get("/settings/sessions"))
