"""The Explorer as somebody uses it, in a real browser: ask, look at the chart, narrow by a facet, arrive at one mention; keys alone do it too."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.browser.conftest import PATIENCE, Site
from tests.kit.waiting import until

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=PATIENCE)


def heard(page: Any, word: str, many: int) -> None:
    """Wait until the Explorer finds so many: what was delivered is enriched and indexed behind the answer."""

    def found() -> bool:
        page.goto(f"/explorer?q={word}")
        return page.locator("article.voice").count() == many

    until(found, f"{many} mentions of {word}", seconds=90, every=0.25)


@pytest.fixture
def word(site: Site) -> str:
    """A word nobody else says, said by three people: two in English, one in German."""
    made = f"quillon{uuid4().hex[:8]}"
    site.deliver(f"The {made} arrived broken and nobody answers me. I am furious.", name="Ana")
    site.deliver(f"Thank you so much, the {made} is wonderful, I love it!", kind="post", name="Bo")
    site.deliver(f"Wo bleibt mein {made}? Ich warte seit drei Wochen auf die Lieferung.", name="Cy")
    return made


def test_a_question_is_asked_narrowed_and_followed_to_one_mention(open_page: Any, word: str) -> None:
    page = open_page("/explorer")
    heard(page, word, 3)
    page.goto("/explorer")
    line = page.get_by_role("searchbox", name="Ask in the query language")
    line.fill(f"{word} AND (")
    expect(page.locator("#says .says-bad, #says .text-bad, #says [role=alert]").or_(page.locator("#says mark")).first).to_be_visible()
    line.fill(word)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page).to_have_url(re.compile(rf"/explorer\?.*q={word}"))
    expect(page.locator(".stat").filter(has_text="mentions, exact")).to_contain_text("3")
    assert page.locator(".plot-area rect[class^=s]").count() > 0, "the chart has bars"
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("table").first).to_be_visible()
    page.locator("section.facet").filter(has_text="German").locator("a.facet-row").filter(has_text="German").click()
    expect(page.locator("article.voice")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"lang(%3A|:)de"))
    page.locator(".crumbs a").filter(has_text=word).click()
    expect(page.locator("article.voice")).to_have_count(3)
    page.go_back()
    expect(page.locator("article.voice")).to_have_count(1)
    page.locator("article.voice [data-open]").click()
    expect(page.locator("#mention")).to_contain_text(f"Wo bleibt mein {word}?")
    page.get_by_role("link", name="Open its conversation").click()
    expect(page.locator(".thread")).to_contain_text(word)


def test_a_bar_of_the_chart_narrows_to_its_day(open_page: Any, word: str) -> None:
    page = open_page("/explorer")
    heard(page, word, 3)
    page.locator(".plot-area a").last.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("from="))
    expect(page.locator("article.voice")).to_have_count(3)


def test_the_explorer_by_keyboard_alone(open_page: Any, word: str) -> None:
    page = open_page("/explorer")
    heard(page, word, 3)
    page.goto("/home")
    keys = page.keyboard
    keys.press("g")
    keys.press("e")
    expect(page).to_have_url(re.compile("/explorer"))
    keys.press("/")
    line = page.get_by_role("searchbox", name="Ask in the query language")
    expect(line).to_be_focused()
    keys.press("ControlOrMeta+a")
    keys.type(f"{word} lang:en")
    keys.press("Enter")
    voices = page.locator("article.voice")
    expect(voices).to_have_count(2)
    page.locator("section.facet a.facet-row").first.focus()
    keys.press("Enter")
    expect(page.locator(".crumbs a").first).to_be_visible()
    keys.press("j")
    expect(voices.first.locator("[data-open]")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#mention")).to_contain_text(word)
    keys.press("v")
    expect(page.get_by_label("Mood")).to_be_visible()
