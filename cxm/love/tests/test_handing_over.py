"""Handing over: who is off is said before and after, and many are offered only to whom all of them can be given."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from cxm.govern import api as govern
from cxm.kernel.clock import now
from cxm.kernel.weekly import WEEKDAYS
from cxm.love import api
from tests.houses import House, _own_store, assert_safe, house, post  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db


def week(*, off: bool) -> dict[str, list[str]]:
    """Somebody's week (UTC) in which they are off now, or at work: whole days, so that no minute of the test matters."""
    today = timezone.localtime(now()).weekday()
    near = {WEEKDAYS[(today + ahead) % 7] for ahead in (-1, 0, 1)}
    return {day: ["00:00-24:00"] for day in WEEKDAYS if (day in near) != off}


def test_who_is_off_is_said_where_work_is_handed_over(house: House) -> None:
    spain = house.unit("Spain")
    everywhere, there = house.account(), house.account("Spain", spain)
    mentions = [house.hear(account, f"m{number}", "Hello", author=f"a{number}") for number, account in enumerate((everywhere, there))]
    first, second = (api.conversation_of(house.owner, mention) for mention in mentions)
    for name, unit in (("jonas", None), ("nadia", None), ("luis", spain)):
        house.join(f"{name}@marlow.example", "agent", unit)
    ids = {one.name: one.id for one in govern.members(house.organization)}
    govern.save_shifts(house.owner, ids["jonas"], week(off=True))
    govern.save_shifts(house.owner, ids["nadia"], week(off=False))
    page = house.browser()

    shown = assert_safe(page.get(f"/inbox/{first}"))
    menu = shown[shown.index('id="menu-assign"') :]
    menu = menu[: menu.index("menu-case")]
    assert menu.count("off until") == 1 and menu.index("jonas") < menu.index("off until") < menu.index("nadia")
    given = post(page, f"/inbox/{first}/assign", {"member": str(ids["jonas"])}, **{"HX-Request": "true"})
    told = json.loads(given["HX-Trigger"])["cxm:toast"]
    assert told["kind"] == "warn" and told["text"].startswith("jonas is off until ")
    assert "jonas has it · off until" in assert_safe(page.get(f"/inbox/{first}"))
    assert "HX-Trigger" not in post(page, f"/inbox/{first}/assign", {"member": str(ids["nadia"])}, **{"HX-Request": "true"})

    one = assert_safe(page.get("/inbox/bulk/members", {"ids": [str(second)]}))
    assert all(name in one for name in ("nadia", "luis", "jonas (off until")) and "Not offered" not in one
    for asked in ({"ids": [str(first), str(second)]}, {"all": "1"}):
        both = assert_safe(page.get("/inbox/bulk/members", asked, headers={"HX-Current-URL": "http://testserver/inbox?assignee=all"}))
        assert "nadia" in both and f'value="{ids["luis"]}"' not in both and "they may not answer in each of these: luis." in both
    many = post(
        page, "/inbox/bulk", {"do": "assign", "member": str(ids["jonas"]), "ids": [str(first), str(second)]}, **{"HX-Request": "true"}
    )
    assert "jonas is off until" in json.loads(many["HX-Trigger"])["cxm:toast"]["text"]

    assert now() + timedelta(days=1) < govern.member(house.organization, ids["jonas"]).shifts.off_until(now())
    own = house.browser("jonas@marlow.example")
    assert 'value="00:00-24:00"' in assert_safe(own.get("/settings/shifts")) and "nadia" not in own.get("/settings/shifts").content.decode()
    assert own.get(f"/settings/shifts?member={ids['nadia']}").status_code == 404
    assert post(own, "/settings/shifts", {"monday": "9 to 5"}).status_code == 422
    assert post(own, "/settings/shifts", {}).status_code == 302
    assert govern.member(house.organization, ids["jonas"]).shifts is None
    assert "works now" in assert_safe(page.get("/settings/shifts"))
