"""Times are told by the reader's clock: their own zone, else the organization's; the zone is said with the date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from cxm.connect.models import Account, Gap
from cxm.connect.strips import gap_strip
from cxm.kernel.clock import frozen_at, parse_instant
from cxm.listen import api as listen
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from tests.houses import House, _own_store, house, line, post  # noqa: F401 - fixtures

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
    assert "days on the clock of Asia/Kathmandu" in owner.get("/coverage").content.decode()


def test_days_of_charts_and_sums_are_the_readers_and_lead_to_what_they_count(house: House) -> None:
    """The night the clocks go back in New York: its 1 November has 25 hours, and in UTC none of its edges."""
    said = ["10-31T03:59:59", "11-01T04:00:00", "11-01T05:30:00", "11-01T06:30:00", "11-02T04:59:59", "11-02T05:00:00", "11-04T12:00:00"]
    house.read(*(line(f"n{at}", f"Hello {at}", published_at=f"2026-{at}Z") for at in said))
    browser = house.browser()
    assert post(browser, "/settings/appearance", {"zone": "America/New_York"}).status_code == 302
    for page, by in (("/explorer", "Explorer"), ("/coverage?from=all&by=day", "Coverage")):
        text = browser.get(page).content.decode()
        assert "days on the clock of America/New_York" in text
        ends = dict.fromkeys(re.findall(r"from=(2026-[^&\"]+Z)&amp;to=(2026-[^&\"]+Z)", text))
        counts = {}
        for since, until in ((parse_instant(unquote(a)), parse_instant(unquote(b))) for a, b in ends):
            local = since.astimezone(ZoneInfo("America/New_York"))
            assert (local.hour, local.minute) == (0, 0), (by, local)
            assert (until - since).total_seconds() == (25 if f"{local:%m-%d}" == "11-01" else 24) * 3600
            counts[f"{local:%m-%d}"] = listen.search(house.owner, "", after=since, before=until).count
        assert {day: n for day, n in counts.items() if n} == {"10-30": 1, "11-01": 4, "11-02": 1, "11-04": 1}, by
        told = {}
        for row in re.findall(r"<tr\b.*?</tr>", text, re.DOTALL):
            if day := re.search(r">\s*(\d+ (?:Oct|Nov))", row):
                told[day[1]] = max(int(number) for number in re.findall(r">\s*(\d+)\s*<", row))  # the sum of its row
        assert {day: n for day, n in told.items() if n} == {"30 Oct": 1, "1 Nov": 4, "2 Nov": 1, "4 Nov": 1}, (by, told)


def test_the_strip_of_gaps_has_the_readers_days(house: House) -> None:
    """Cut from 23:30 to 00:30 in UTC: one day of a reader in New York, two in London; and the day with 25 hours is one day."""
    account = house.account()
    with frozen_at(datetime(2026, 11, 3, 12, tzinfo=UTC)):
        Account.objects.for_organization(house.organization).filter(id=account.id).update(created_at=datetime(2026, 10, 1, tzinfo=UTC))
        for day, hour, minutes in ((31, 23.5, 60), (32, 3.5, 26 * 60)):
            began = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour)
            Gap.objects.add(house.organization, account_id=account.id, began_at=began, ended_at=began + timedelta(minutes=minutes))
        cut = {}
        for zone in ("Europe/London", "America/New_York"):
            with timezone.override(zone):
                days = gap_strip(house.owner, 7).days
            assert [day.date.isoformat()[5:] for day in days] == ["10-28", "10-29", "10-30", "10-31", "11-01", "11-02", "11-03"]
            cut[zone] = {day.date.isoformat()[5:]: day.minutes for day in days if day.minutes}
    assert cut["Europe/London"] == {"10-31": 30, "11-01": 30 + 1230, "11-02": 330}
    assert cut["America/New_York"] == {"10-31": 60 + 30, "11-01": 1500, "11-02": 30}
