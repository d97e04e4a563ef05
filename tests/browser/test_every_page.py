"""Nothing serious stands in anybody's way, on any page: axe over all of them, in light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.browser.conftest import PATIENCE, Site
from tests.kit.waiting import until

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=PATIENCE)
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "/home", "/explorer", "/topics", "/people", "/coverage", "/channels", "/channels/new/email", "/stop", "/settings/organization", "/settings/units", "/settings/members",
    "/settings/tokens", "/settings/sessions", "/settings/appearance", "/settings/audit", "/settings/webhooks", "/settings/hours", "/settings/queues", "/inbox/promises", "/inbox/cases",
)  # fmt: skip


def serious(page: Any, scheme: str) -> list[str]:
    """What axe calls serious or critical on the page as it stands; in the dark only of its colours, for nothing else differs there."""
    page.evaluate(AXE.read_text())
    only = ["color-contrast"] if scheme == "dark" else None
    found = page.evaluate("(only) => axe.run({resultTypes: ['violations'], ...(only && {runOnly: only})})", only)
    assert len(found["passes"]) >= (1 if only else 15) or found["violations"], f"axe looked at {page.url}"
    return [
        f"{page.url} {one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_on_any_page(open_page: Any, site: Site, scheme: str) -> None:
    assert AXE.exists(), "axe-core is not installed; make install-test brings it"
    word = f"axe{uuid4().hex[:8]}"
    site.deliver(f"Is the {word} readable? I am angry and sad about it.", name="نورة العتيبي")
    page = open_page(f"/explorer?q={word}", color_scheme=scheme)

    def heard() -> bool:
        page.goto(f"/explorer?q={word}")
        return bool(page.locator("article.voice").count() == 1)

    until(heard, "the mention stands in the Explorer", seconds=90, every=0.25)
    faults = serious(page, scheme)
    page.locator("article.voice [data-open]").click()
    expect(page.locator("#mention")).to_contain_text(word)
    faults += serious(page, scheme)
    page.get_by_role("link", name="Their profile").click()
    page.wait_for_url("**/people/*")
    faults += serious(page, scheme)
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None and answer.status == 200, f"{path}: {answer and answer.status}"
        faults += serious(page, scheme)
    assert not faults, "\n".join(faults)
