"""Nothing stands in anybody's way, on any page: axe of every level in light and dark, 200 % zoom, landmarks and headings."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.browser.conftest import PATIENCE, Site
from tests.kit import axe
from tests.kit.waiting import until
from tools.console import PLACES, UUID, Place, go

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=PATIENCE)
#: One place of each address, and the states of a page that hold what it otherwise does not. The gallery has tests of its own.
STATES = {
    "inbox-views",
    "inbox-filter",
    "conversation-person",
    "explorer-refused",
    "explorer-nothing",
    "keys",
    "me",
    "not-found",
    "sign-in-wrong",
}
FIRST = {place.route: place for place in reversed(PLACES) if place.route}
WALK = [place for place in PLACES if place.name in STATES or (FIRST.get(place.route) is place and place.route != "design")]

#: What a page is for somebody who does not see it, and for somebody who doubles it.
_SHAPE = """() => {
  const seen = (one) => one.checkVisibility({ visibilityProperty: true });
  const faults = [];
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
  if (![...document.querySelectorAll("h1")].some(seen)) faults.push("no h1");
  if (!document.title.trim() || !document.documentElement.lang) faults.push("no title or no language");
  for (const one of document.querySelectorAll("nav")) if (!one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")) faults.push("a nav without a name");
  return faults;
}"""
#: The Explorer's facets are one strip that runs sideways where there is no room beside the messages.
_WIDE = "() => [document.documentElement.scrollWidth, innerWidth, ...[...document.querySelectorAll('main .scroll:not(.explore-facets), main .wrap')].flatMap((one) => [one.scrollWidth - 1, one.clientWidth])]"


def findings(page: Any) -> list[str]:
    """What axe finds on the page as it stands, of any level: everything in the light, colours again in the dark."""
    axe.bring(page)
    light = axe.look(page, passes=10)
    page.evaluate(
        "() => { document.documentElement.classList.add('dark'); return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))) }"
    )
    dark = axe.look(page, passes=0, runOnly=["color-contrast"])
    page.evaluate("() => document.documentElement.classList.remove('dark')")
    return [
        f"{page.url} {scheme} {one['impact']} {one['id']}: {one['help']}: {one['nodes'][0]}"
        for scheme, found in (("light", light), ("dark", dark))
        for one in found
    ]


def shape(page: Any) -> list[str]:
    """Landmarks and headings; and at 200 % (720 x 450 of 1440 x 900) nothing that must be scrolled sideways."""
    faults = page.evaluate(_SHAPE)
    page.set_viewport_size({"width": 720, "height": 450})
    sizes = page.evaluate(_WIDE)
    page.set_viewport_size({"width": 1440, "height": 900})
    faults += [f"{wide} wide in {room} at 200 %" for wide, room in zip(sizes[::2], sizes[1::2], strict=True) if wide > room]
    return [f"{page.url} {fault}" for fault in faults]


def furnish(page: Any, conversation: str) -> None:
    """Something on every page that would else be empty: by the forms of the pages."""
    token = page.evaluate("() => JSON.parse(document.body.getAttribute('hx-headers:inherited'))['X-CSRFToken']")

    def post(path: str, **form: str) -> None:
        answer = page.request.post(path, form=form, headers={"X-CSRFToken": token, "Referer": page.url})
        assert answer.ok, f"{path}: {answer.status}"

    word = uuid4().hex[:6]
    post(f"{conversation}/case", title=f"Parcels that were lost {word}")
    post("/topics/new", name=f"lost-{word}", query=f"parcel{word}")
    post("/channels/new/rss", name=f"News {word}")
    post("/stop", scope=f"account:{_account(page)}", reason="tried by a test")
    page.goto("/stop")
    page.locator("article.stop-card a").first.click()
    page.locator(".stack-l button[type=submit]").click()
    expect(page.locator(".banner-good")).to_be_visible()


def _account(page: Any) -> str:
    page.goto("/channels")
    return re.search(UUID, page.locator(".place a[href^='/channels/0']").first.get_attribute("href"))[0]  # type: ignore[index,no-any-return]


def look_at(page: Any, place: Place) -> list[str]:
    assert go(page, "", place), f"no way to {place.name}"
    page.wait_for_load_state("load")
    status = page.evaluate("() => performance.getEntriesByType('navigation')[0].responseStatus")
    assert status < 500, f"{page.url}: {status}"
    return shape(page) + findings(page)


def test_nothing_stands_in_the_way_on_any_page(open_page: Any, site: Site) -> None:
    assert len(WALK) > 40
    word = f"axe{uuid4().hex[:8]}"
    site.deliver(f"Is the {word} readable? I am angry and sad about it.", name="نورة العتيبي")
    page = open_page("/inbox?assignee=all")

    def heard() -> bool:
        page.goto(f"/explorer?q={word}")
        return bool(page.locator("article.voice").count() == 1)

    until(heard, "the mention stands in the Explorer", seconds=90, every=0.25)
    page.goto("/inbox?assignee=all")
    page.locator("[data-row] [data-open]").first.click()
    page.wait_for_url("**/inbox/*")
    furnish(page, page.url.partition("?")[0])
    faults = [fault for place in WALK if place.signed_in for fault in look_at(page, place)]
    page.context.clear_cookies()
    faults += [fault for place in WALK if not place.signed_in for fault in look_at(page, place)]
    assert not faults, "\n".join(sorted(set(faults)))
