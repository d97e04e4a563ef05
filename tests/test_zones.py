"""Times are told by the reader's clock: their own zone, else the organization's; the zone is said with the date."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from tests.houses import House, _own_store, house, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_every_time_is_the_readers_and_says_its_zone(house: House) -> None:
    house.hear(house.account(), "n1", "What time is it?")
    (view,) = love.conversations(house.owner, InboxFilter()).items
    owner, jonas = house.browser(), house.join("jonas@marlow.example", "manager")
    assert post(owner, "/settings/organization", {"name": "Marlow Coffee", "zone": "Asia/Kathmandu"}).status_code == 302
    assert (
        post(owner, "/settings/appearance", {"theme": "dark", "language": "en", "letters": "on", "zone": "America/St_Johns"}).status_code
        == 302
    )

    def told(client: object) -> tuple[str, str, str]:
        text = client.get(f"/inbox/{view.id}").content.decode()  # type: ignore[attr-defined]
        found = re.search(r'<article class="message.*?datetime="([^"]+)" title="([^"]+)">\s*([\d:]+)<', text, re.DOTALL)
        assert found, text[:2000]
        return found[1], found[2], found[3]

    for client, zone in ((owner, "America/St_Johns"), (jonas, "Asia/Kathmandu")):
        at, title, shown = told(client)
        local = datetime.fromisoformat(at).astimezone(ZoneInfo(zone))
        assert shown == f"{local:%H:%M}" and title.endswith(f"{local:%H:%M} {local.tzname()}"), (zone, title, shown)
    # Taken back, it is the organization's again; what is none is refused beside its field, and the choice stands.
    assert post(owner, "/settings/appearance", {"zone": "Nowhere/At_all"}).status_code == 422
    assert told(owner)[2] != told(jonas)[2]
    assert post(owner, "/settings/appearance", {"zone": ""}).status_code == 302
    assert told(owner)[2] == told(jonas)[2]
    assert "UTC" in owner.get("/coverage").content.decode()
