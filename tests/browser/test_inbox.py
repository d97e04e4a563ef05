"""The inbox as somebody uses it: in a real browser, against a real server, with a provider that takes the answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import EMAIL, PASSWORD, PATIENCE, Provider, Site
from tests.kit import axe
from tests.kit.waiting import until

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=PATIENCE)


def row(page: Any, text: str) -> Any:
    return page.locator("#inbox-list [data-row]").filter(has_text=text)


def opened(page: Any, site: Site, text: str, **more: Any) -> Any:
    """A fresh conversation that says ``text``, open on the page by its row."""
    site.deliver(text, **more)
    expect(row(page, text)).to_be_visible()
    row(page, text).locator("[data-open]").click()
    expect(page.locator(".thread")).to_contain_text(text)
    return page.locator("form[data-composer] textarea")


def test_signing_in_leads_back_to_where_one_wanted_to_go(chromium: Any, site: Site) -> None:
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/inbox?sort=due")
    page.get_by_label("Mail address").fill(EMAIL)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".banner-bad")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/inbox\?sort=due$"))
    context.close()


def test_what_somebody_says_appears_in_the_open_inbox(open_page: Any, site: Site) -> None:
    page = open_page()
    site.deliver("My app signs me out every morning", name="Lena K.")
    found = row(page, "My app signs me out every morning")
    expect(found).to_be_visible()
    expect(found).to_contain_text("Lena K.")
    expect(found).to_have_class(re.compile(r"\bunread\b"))
    found.locator("[data-open]").click()
    expect(page).to_have_url(re.compile(r"/inbox/[0-9a-f-]{36}$"))
    site.deliver("And my balance shows zero", author="someone-else", name="Jo")
    expect(row(page, "And my balance shows zero").or_(page.get_by_role("button", name="1 new"))).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Choose a conversation")).to_be_visible()


def test_new_rows_do_not_push_what_is_being_read(open_page: Any, site: Site) -> None:
    page = open_page()
    opened(page, site, "Read me in peace")
    page.locator("#inbox-list [data-row]").first.hover()
    before = page.locator("#inbox-list [data-row]").first.get_attribute("id")
    site.deliver("I am new here", name="Newcomer")
    pill = page.locator("[data-inbox-fresh]")
    expect(pill).to_have_text("1 new")
    assert page.locator("#inbox-list [data-row]").first.get_attribute("id") == before
    pill.click()
    expect(page.locator("#inbox-list [data-row]").first).to_contain_text("I am new here")
    expect(pill).to_have_count(0)


def test_a_private_answer_reaches_the_platform_once(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    area = opened(page, site, "Where is parcel 17?")
    expect(page.locator(".composer-says:visible")).to_contain_text("@marlow · only Lena K. can read it")
    area.fill("It is on its way, Lena.")
    area.press("Control+Enter")
    expect(area).to_have_value("")
    ours = page.locator(".message-ours")
    expect(ours).to_contain_text("leaves in")
    came = provider.next()
    assert (came["type"], came["text"]) == ("reply", "It is on its way, Lena.")
    expect(ours).to_contain_text(re.compile("sent|delivered"))
    expect(ours).to_have_count(1)
    expect(page.locator(".sub")).to_contain_text("their turn")
    assert provider.came.empty()


def test_a_public_answer_says_so_before_it_leaves(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    area = opened(page, site, "@marlow is the bun back?", kind="post", name="Sofia")
    expect(page.locator(".composer-says:visible")).to_contain_text("@marlow · to Sofia, everyone can read it")
    expect(page.locator("[data-send]")).to_contain_text("Reply publicly")
    area.fill("From Monday, Sofia.")
    page.locator("[data-send]").click()
    expect(page.locator(".toast").filter(has_text="Public answer")).to_be_visible()
    assert provider.next()["text"] == "From Monday, Sofia."
    expect(page.locator(".message-ours.message-public")).to_contain_text(re.compile("sent|delivered"))


def test_taken_back_words_return_and_nothing_leaves(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    area = opened(page, site, "Do you still sell the blue kettle?")
    area.fill("No.")
    area.press("Control+Enter")
    expect(area).to_have_value("")
    area.press("Escape")
    page.keyboard.press("u")
    expect(area).to_have_value("No.")
    expect(page.locator(".thread")).to_contain_text("took back an answer")
    assert provider.came.empty()
    area.press("Escape")
    area.fill("")


def test_a_draft_survives_a_reload_and_typing_survives_news(open_page: Any, site: Site) -> None:
    page = open_page()
    area = opened(page, site, "Is oat milk extra?", author="oat")
    area.press_sequentially("Dear ")
    site.deliver("And is it from Halle?", author="oat")
    expect(page.locator(".thread")).to_contain_text("And is it from Halle?")
    expect(area).to_be_focused()
    area.press_sequentially("guest")
    expect(area).to_have_value("Dear guest")
    page.reload()
    expect(area).to_have_value("Dear guest")


def test_a_draft_is_found_in_another_browser_and_each_way_keeps_its_own(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    area = opened(page, site, "Which beans are in the blue bag?", author="blue")
    area.fill("Ethiopian, dear guest")
    with page.expect_response("**/draft"):
        page.locator(".composer-to").get_by_text("Note", exact=True).click()
    expect(area).to_have_value("")
    with page.expect_response("**/draft"):
        area.fill("do not tell them the price")
    other = open_page(page.url)
    elsewhere = other.locator("form[data-composer] textarea")
    expect(elsewhere).to_have_value("do not tell them the price")
    other.locator(".composer-to").get_by_text("Reply privately", exact=True).click()
    expect(elsewhere).to_have_value("Ethiopian, dear guest")
    elsewhere.press("Control+Enter")
    expect(elsewhere).to_have_value("")
    assert provider.next()["text"] == "Ethiopian, dear guest"
    page.reload()
    expect(area).to_have_value("do not tell them the price")
    page.locator(".composer-to").get_by_text("Reply privately", exact=True).click()
    expect(area).to_have_value("")


def test_what_is_refused_is_told_beside_the_composer_and_nothing_is_lost(open_page: Any, site: Site) -> None:
    page = open_page()
    area = opened(page, site, "A question that will be taken back", author="gone")
    page.route("**/write*", lambda route: route.continue_(post_data="text=&visibility=private"))
    area.fill("My long and careful answer")
    area.press("Control+Enter")
    expect(page.locator("#composer-says")).to_contain_text("Write something first")
    expect(area).to_have_value("My long and careful answer")


@pytest.fixture
def lifted(open_page: Any) -> Iterator[None]:
    """Whatever the test stopped is lifted afterwards, so that the others can send."""
    yield
    page = open_page("/stop")
    for _ in range(page.get_by_role("link", name=re.compile("^See the .* held")).count()):
        page.goto("/stop")
        page.get_by_role("link", name=re.compile("^See the .* held")).first.click()
        page.get_by_role("button", name="Lift the stop").click()
        expect(page.locator(".banner-good")).to_be_visible()


def test_a_stop_holds_and_lifting_releases(open_page: Any, site: Site, provider: Provider, lifted: None) -> None:
    page = open_page()
    area = opened(page, site, "Please answer me")
    other = open_page("/stop")
    other.get_by_label("Reason").fill("fire in the roastery")
    other.get_by_role("button", name="Stop now").click()
    expect(other.locator("#halt")).to_be_visible()
    notice = page.locator(".inbox-notices").filter(has_text="A stop is on")
    expect(notice).to_contain_text("fire in the roastery")
    area.fill("As soon as we can")
    area.press("Control+Enter")
    ours = page.locator(".message-ours")
    expect(ours).to_contain_text("held by a stop")
    assert provider.came.empty()
    other.goto("/stop")
    other.get_by_role("link", name=re.compile("^See the .* held")).click()
    other.get_by_text("As soon as we can").click()
    other.get_by_role("button", name="Lift the stop").click()
    expect(other.locator(".banner-good")).to_contain_text("Released: 1")
    assert provider.next()["text"] == "As soon as we can"
    expect(ours).to_contain_text(re.compile("sent|delivered"))
    expect(notice).to_have_count(0)


def test_three_conversations_by_keyboard_alone(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    for name in ("Ana", "Bo", "Cy"):
        site.deliver(f"Hello from {name}", name=name)
        expect(row(page, f"Hello from {name}")).to_be_visible()
    keys = page.keyboard
    heading = page.locator(".pane-main h1")
    keys.press("j")
    expect(page.locator("#inbox-list [data-row]").first.locator("[data-open]")).to_be_focused()
    keys.press("Enter")
    expect(heading).to_have_text("Cy")
    keys.press("i")
    expect(page.locator(".sub")).to_contain_text("you have it")
    keys.press("r")
    expect(page.locator("form[data-composer] textarea")).to_be_focused()
    keys.type("Hello Cy, the letters e, a and s do nothing here")
    expect(heading).to_have_text("Cy")
    keys.press("Control+Enter")
    assert provider.next()["text"].startswith("Hello Cy")
    keys.press("Escape")
    keys.press("e")
    expect(heading).to_have_text("Bo")
    keys.press("n")
    keys.type("Nothing to do here")
    keys.press("Control+Enter")
    expect(page.locator(".note")).to_contain_text("Nothing to do here")
    keys.press("Escape")
    keys.press("t")
    expect(page.locator("#tag-add")).to_be_focused()
    keys.type("greeting")
    keys.press("Enter")
    expect(page.locator(".sub")).to_contain_text("greeting")
    expect(page.locator("#menu-tag")).to_be_hidden()
    keys.press("e")
    expect(heading).to_have_text("Ana")
    keys.press("s")
    expect(page.locator("#menu-snooze .menu-item").first).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator(".toast").filter(has_text="Snoozed until")).to_be_visible()
    expect(heading.filter(has_text="Ana")).to_have_count(0)
    keys.press("u")
    expect(heading).to_have_text("Ana")
    expect(page.locator(".thread")).to_contain_text("woke it from its snooze")


def test_an_answer_is_not_passed_over_when_news_replace_the_pressed_button(open_page: Any, site: Site) -> None:
    """A live update draws the head anew while “Close” travels; htmx would drop the answer of a button that is gone."""
    page = open_page()
    site.deliver("I wait below", name="Below")
    expect(row(page, "I wait below")).to_be_visible()
    opened(page, site, "Close me while something happens", name="Replaced")
    held: list[Any] = []
    page.route("**/close*", lambda route: held.append(route))
    page.locator(".pane-main").get_by_role("button", name="Close", exact=True).click()
    until(lambda: page.evaluate("1") and held, "the press is on its way")
    page.evaluate("""() => { const old = document.querySelector('.pane-main [data-key="e"]'); old.replaceWith(old.cloneNode(true)); }""")
    held[0].continue_()
    expect(page.locator(".pane-main h1")).not_to_have_text("Replaced")
    expect(row(page, "Close me while something happens")).to_have_count(0)


def test_a_cut_connection_is_told_nothing_leaves_by_itself_and_the_page_catches_up(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    area = opened(page, site, "Do you hear me?", author="cut", name="Cut")
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_be_visible()
    area.fill("Loud and clear")
    area.press("Control+Enter")
    expect(page.locator(".toast-bad").first).to_contain_text("did not answer")
    expect(area).to_have_value("Loud and clear")
    site.deliver("I said something while you were away", author="cut", name="Cut")
    site.deliver("So did I", name="Other")
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator(".thread")).to_contain_text("while you were away")
    expect(row(page, "So did I").or_(page.locator("[data-inbox-fresh]")).first).to_be_visible()
    expect(page.locator(".message-ours")).to_have_count(0)
    assert provider.came.empty()
    area.press("Control+Enter")
    expect(area).to_have_value("")
    assert provider.next()["text"] == "Loud and clear"


def test_a_phone_goes_from_list_to_conversation_to_person_and_back(open_page: Any, site: Site) -> None:
    page = open_page(width=390, height=844, has_touch=True)
    site.deliver("One thumb is enough", name="Thea")
    expect(row(page, "One thumb is enough")).to_be_visible()
    expect(page.locator("#pane-main")).to_be_hidden()
    row(page, "One thumb is enough").locator("[data-open]").tap()
    expect(page.locator(".thread")).to_contain_text("One thumb is enough")
    expect(page.locator("#inbox-list")).to_be_hidden()
    page.get_by_role("link", name="Person").tap()
    expect(page.locator("#pane-side")).to_contain_text("Thea")
    page.locator("#pane-side .pane-back").tap()
    page.locator("#pane-main .pane-back").tap()
    expect(row(page, "One thumb is enough")).to_be_visible()
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0, "nothing scrolls sideways"


@pytest.mark.parametrize("path", ["/inbox", "/inbox?lang=ar"])
def test_nothing_serious_stands_in_anybodys_way(open_page: Any, site: Site, path: str) -> None:
    page = open_page(path, color_scheme="light")
    opened(page, site, f"مرحباً @marlow، is this readable? {path}", kind="post", name="نورة العتيبي")
    faults = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        expect(page.locator(".thread")).to_contain_text("is this readable?")
        axe.bring(page)
        faults[scheme] = [one for one in axe.look(page, passes=21) if one["impact"] in ("serious", "critical")]
    assert faults == {"light": [], "dark": []}
