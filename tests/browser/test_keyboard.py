"""Whole journeys by keyboard alone, in Chromium; answering and triage also in Arabic on a phone with a keyboard. No pointer is used here."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from cxm.channels.email.tests.provider import mail
from tests.browser.conftest import PASSWORD, PATIENCE, Provider, Site
from tests.browser.test_inbox import row
from tests.kit.waiting import until
from tests.lab.fake_post import FakePost

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=PATIENCE)
#: More presses than any page of ours needs.
_MOST_TABS = 120
DESK, PHONE = {"width": 1440}, {"width": 390, "height": 844, "has_touch": True, "locale": "ar"}
both = pytest.mark.parametrize("kind", ["desk", "arabic phone"])


def sat_down(open_page: Any, kind: str, path: str = "/inbox") -> Any:
    """A page at a desk in English, or on a phone in Arabic with a keyboard beside it."""
    if kind == "desk":
        return open_page(path, **DESK)
    page = open_page(path, **PHONE)
    page.context.add_cookies([{"name": "cxm_language", "value": "ar", "url": page.url}])
    page.goto(path)
    assert page.evaluate("document.dir") == "rtl"
    return page


def tab_to(page: Any, wanted: Any, key: str = "Tab") -> None:
    """Press Tab until ``wanted`` has the focus; it must be one that can be seen there."""
    expect(wanted).to_be_attached()
    for _ in range(_MOST_TABS):
        page.keyboard.press(key)
        if wanted.evaluate("(element) => element === document.activeElement"):
            expect(wanted).to_be_visible()
            return
    raise AssertionError(f"no way to {wanted} by {key}")


def in_a_list(page: Any, text: str) -> Any:
    """The row that says so, moved to by j."""
    expect(row(page, text)).to_be_visible()
    link = row(page, text).locator("[data-open]")
    for _ in range(60):
        page.keyboard.press("j")
        if link.evaluate("(element) => element === document.activeElement"):
            return link
    raise AssertionError(f"j does not lead to {text}")


#: The name of the conversation that is open and has the focus, where it is one of these; asked at every frame, since a look each second
#: would take longer than the work.
_OPEN = """(names) => {
  const head = document.querySelector(".pane-main h1");
  const name = head?.textContent.trim();
  return head === document.activeElement && names.includes(name) && name;
}"""
#: Counts what is put on the page before it answers to keys and clicks, looked at before anything else can happen.
_DEAF = """() => {
  window.deaf = [];
  const look = (node) => node.querySelectorAll?.("[hx-post]:not([data-htmx-powered])") ?? [];
  new MutationObserver((all) => {
    for (const one of all) for (const node of one.addedNodes) window.deaf.push(...[...look(node)].filter((e) => e.isConnected).map((e) => e.outerHTML));
  }).observe(document.body, { childList: true, subtree: true });
}"""


@both
def test_twenty_conversations_are_triaged(open_page: Any, site: Site, kind: str) -> None:
    page = sat_down(open_page, kind)
    word = f"t{uuid4().hex[:6]}"
    names = [f"{word}-{number:02}" for number in range(20)]
    for name in names:
        site.deliver(f"I am {name}", name=name)
    mine = page.locator("#inbox-list [data-row]").filter(has_text=word)
    expect(mine).to_have_count(20)
    heading = page.locator(".pane-main h1")
    in_a_list(page, mine.first.inner_text().partition("I am ")[2][:10])
    page.evaluate(_DEAF)
    page.keyboard.press("Enter")
    rest, last = set(names), ""
    for number in range(20):
        last = page.wait_for_function(_OPEN, arg=sorted(rest), timeout=PATIENCE).json_value()
        rest.remove(last)
        if number == 3:  # somebody's turn later
            page.keyboard.press("s")
            expect(page.locator("#menu-snooze .menu-item").first).to_be_focused()
            page.keyboard.press("End")
            page.keyboard.press("Enter")
        else:
            page.keyboard.press("e")
    expect(heading.get_by_text(word)).to_have_count(0)
    expect(mine).to_have_count(0)
    page.keyboard.press("u")
    expect(heading).to_have_text(last)
    assert page.evaluate("window.deaf") == []


@both
def test_answers_public_and_private_and_one_taken_back(open_page: Any, site: Site, provider: Provider, kind: str) -> None:
    page = sat_down(open_page, kind)
    word = f"w{uuid4().hex[:6]}"
    site.deliver(f"@marlow hello from {word}", kind="post", name="Sofia")
    in_a_list(page, word)
    keys, area = page.keyboard, page.locator("form[data-composer] textarea")
    keys.press("Enter")
    expect(page.locator(".thread")).to_contain_text(word)
    keys.press("r")
    expect(area).to_be_focused()
    keys.type(f"Public {word}, e a s u j")
    keys.press("Control+Enter")
    expect(area).to_have_value("")
    expect(area).to_be_focused()
    keys.press("Shift+Tab")
    keys.press("ArrowDown")
    expect(page.locator("form[data-composer] input[value=private]")).to_be_checked()
    keys.press("Tab")
    expect(area).to_be_focused()
    keys.type(f"Private {word}")
    keys.press("Control+Enter")
    expect(page.locator(".message-ours")).to_have_count(2)
    keys.type(f"Never {word}")
    keys.press("Control+Enter")
    expect(page.locator(".message-ours")).to_have_count(3)
    keys.press("Escape")
    expect(page.locator("#thread-scroll")).to_be_focused()
    keys.press("u")
    expect(area).to_have_value(f"Never {word}")
    expect(area).to_be_focused()
    assert {provider.next()["text"], provider.next()["text"]} == {f"Public {word}, e a s u j", f"Private {word}"}
    assert provider.came.empty()
    keys.press("Control+a")
    with page.expect_response("**/draft"):
        keys.press("Delete")


def test_a_menu_keeps_letters_to_itself_and_gives_the_focus_back(open_page: Any, site: Site) -> None:
    page = open_page()
    word = f"m{uuid4().hex[:6]}"
    site.deliver(f"Menus {word}", name=word)
    in_a_list(page, word)
    keys, heading = page.keyboard, page.locator(".pane-main h1")
    keys.press("Enter")
    expect(heading).to_be_focused()
    keys.press("s")
    items = page.locator("#menu-snooze .menu-item")
    expect(items.first).to_be_focused()
    keys.press("e")  # closes nothing: letters choose in the menu
    keys.press("ArrowUp")
    expect(page.locator("#menu-snooze")).to_be_visible()
    keys.press("Home")
    expect(items.first).to_be_focused()
    keys.press("Escape")
    expect(heading).to_be_focused()
    for key, field in (("t", "#tag-add"), ("c", "#case-title"), ("m", "#promise-text")):
        keys.press(key)
        expect(page.locator(field)).to_be_focused()
        keys.press("Escape")
        expect(heading).to_be_focused()
    keys.press("t")
    expect(page.locator("#tag-add")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#tag-add")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#tag-add")).to_be_focused()
    keys.type(word)
    keys.press("Enter")
    expect(page.locator(".sub")).to_contain_text(word)
    expect(heading).to_be_focused()
    keys.press("F6")
    expect(page.locator("#pane-side .scroll")).to_be_focused()
    keys.press("Shift+F6")
    expect(heading).to_be_focused()
    keys.press("Shift+F6")
    expect(row(page, word).locator("[data-open]")).to_be_focused()


def heard(page: Any, word: str, many: int) -> Any:
    """The Explorer, asked by keys until it finds so many."""
    voices = page.locator("article.voice")

    def found() -> bool:
        page.keyboard.press("/")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(word)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        return bool(voices.count() == many)

    until(found, f"{many} mentions of {word}", seconds=90, every=0.5)
    return voices


def test_a_wish_is_found_and_who_asked_and_two_of_them_are_one_person(open_page: Any, site: Site) -> None:
    page = open_page("/home")
    word = f"wish{uuid4().hex[:6]}"
    first, second = f"Ada{uuid4().hex[:5]}", f"Bea{uuid4().hex[:5]}"
    site.deliver(f"Please bring back the {word} roast", name=first)
    site.deliver(f"I wish the {word} roast were back", name=second)
    keys = page.keyboard
    keys.press("g")
    with page.expect_navigation():
        keys.press("e")
    voices = heard(page, word, 2)
    keys.press("j")
    expect(voices.first.locator("[data-open]")).to_be_focused()
    asked = voices.first.locator("[data-open]").inner_text()
    with page.expect_navigation():
        keys.press("Enter")
    tab_to(page, page.get_by_role("link", name="Their profile"))
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.get_by_role("heading", name=asked).first).to_be_visible()
    tab_to(page, page.locator("#join > summary"))
    keys.press("Enter")
    tab_to(page, page.locator("#join [data-search]"))
    other = second if asked == first else first
    keys.type(other)
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator("#join input[name=other]")).to_be_focused()
    keys.press("Space")
    keys.press("Tab")
    keys.press("Enter")  # without a reason
    expect(page.locator("#reason")).to_be_focused()
    expect(page.locator("#reason")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#join input[name=other]")).to_be_checked()
    keys.type("They wrote it in both")
    with page.expect_navigation():
        keys.press("Enter")
    for name in (first, second):
        expect(page.get_by_text(name).first).to_be_visible()
    expect(page.get_by_text("They wrote it in both")).to_be_visible()


def test_a_mail_account_is_connected(open_page: Any, site: Site, post: FakePost) -> None:
    page = open_page("/channels/new/email")
    keys = page.keyboard
    address = f"care-{uuid4().hex[:6]}@marlow.example"
    expect(page.locator("[name=name]")).to_be_focused()
    keys.type(address)
    tab_to(page, page.locator(".form-actions button[type=submit]").last)
    keys.press("Enter")  # a test without an address: what is missing is told beside its field
    expect(page.locator("[name='settings.address']")).to_be_focused()
    expect(page.locator("[name='settings.address']")).to_have_attribute("aria-invalid", "true")
    typed = {f"settings.{name}": str(value) for name, value in post.settings(address).items()}
    typed |= {f"credentials.{name}": value for name, value in post.credentials.items()}
    expect(page.locator("[name=name]")).to_have_value(address)
    for name in page.locator("#connect input:not([type=hidden]), #connect select").evaluate_all("(all) => all.map((one) => one.name)"):
        if name not in typed:
            continue
        field = page.locator(f"[name='{name}']")
        if not field.evaluate("(element) => element === document.activeElement"):
            tab_to(page, field)
        keys.press("ControlOrMeta+a") if "security" not in name else None
        keys.type("not" if typed[name] == "plain" else typed[name])  # not encrypted
        expect(field).to_have_value(typed[name])
    tab_to(page, page.locator("#try-all"))
    keys.press("Enter")
    expect(page.get_by_text("Every step worked.", exact=True)).to_be_visible()
    expect(page.locator("#try-all")).to_be_focused()
    keys.press("Shift+Tab")
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.get_by_role("heading", name=address)).to_be_visible()
    post.deliver(mail(7, "By keyboard alone"))
    keys.press("g")
    with page.expect_navigation():
        keys.press("i")
    expect(row(page, "By keyboard alone")).to_be_visible(timeout=90_000)


def test_a_member_is_invited_and_joins(chromium: Any, open_page: Any, site: Site) -> None:
    page = open_page("/settings/members")
    keys = page.keyboard
    tab_to(page, page.locator("#email"))
    keys.type("not an address")
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator("#email")).to_be_focused()
    expect(page.locator("#email")).to_have_value("not an address")
    keys.press("ControlOrMeta+a")
    keys.type(f"{uuid4().hex[:8]}@marlow.example")
    keys.press("Tab")
    keys.type("Ana Alone")
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator("[data-said]")).to_be_focused()
    tab_to(page, page.locator("#invitation"))
    link = urlsplit(page.locator("#invitation").input_value()).path
    context = chromium.new_context(base_url=site.url)
    context.set_default_timeout(PATIENCE)
    ana = context.new_page()
    ana.goto(link)
    tab_to(ana, ana.locator("#password"))
    ana.keyboard.type("short")
    with ana.expect_navigation():
        ana.keyboard.press("Enter")
    expect(ana.locator("#password")).to_be_focused()
    expect(ana.locator("#password")).to_have_attribute("aria-invalid", "true")
    ana.keyboard.type(PASSWORD)
    with ana.expect_navigation():
        ana.keyboard.press("Enter")
    expect(ana).to_have_url(re.compile("/(home|inbox)"))
    context.close()


def test_a_stop_is_turned_on_and_lifted_item_by_item(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    word = f"s{uuid4().hex[:6]}"
    site.deliver(f"Answer me {word}", name=word)
    in_a_list(page, word)
    keys, area = page.keyboard, page.locator("form[data-composer] textarea")
    keys.press("Enter")
    expect(page.locator(".thread")).to_contain_text(word)
    conversation = page.url
    keys.press("ControlOrMeta+k")
    keys.type("stop outbound")
    with page.expect_navigation():
        keys.press("Enter")
    tab_to(page, page.locator("#reason"))
    keys.type("fire in the roastery")
    keys.press("Tab")
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator("#halt")).to_contain_text("fire in the roastery")
    page.goto(conversation)
    for text in ("goes", "stays"):
        keys.press("r")
        keys.type(f"{word} {text}")
        keys.press("Control+Enter")
        expect(area).to_have_value("")
        keys.press("Escape")
    expect(page.locator(".message-ours").filter(has_text="held by a stop")).to_have_count(2)
    tab_to(page, page.locator("#halt a").first)
    with page.expect_navigation():
        keys.press("Enter")
    tab_to(page, page.locator("label.check").filter(has_text=f"{word} goes").locator("input"))
    keys.press("Space")
    tab_to(page, page.get_by_role("button", name="Lift the stop"))
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator(".banner-good")).to_contain_text("Released: 1. Cancelled: 1.")
    assert provider.next()["text"] == f"{word} goes"
    assert provider.came.empty()


def test_an_at_sign_in_a_note_offers_whom_it_can_tell(open_page: Any, site: Site) -> None:
    page = open_page("/settings/members")
    word = f"n{uuid4().hex[:6]}"
    names = [f"Álvaro {word}", f"Bea {word}", f"Bea {word}s Sister"]
    for name in names:
        page.get_by_label("Mail address").fill(f"{uuid4().hex[:8]}@marlow.example")
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Invite").click()
        expect(page.locator("[data-said]")).to_be_visible()
        page.goto("/settings/members")
    for kind in ("desk", "arabic phone"):
        page = sat_down(open_page, kind)
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url) if request.url.endswith("/names") else None)
        said = f"{kind[:4]}{uuid4().hex[:6]}"
        site.deliver(f"Tell them {said}", name=said)
        in_a_list(page, said)
        keys, area = page.keyboard, page.locator("form[data-composer] textarea")
        keys.press("Enter")
        expect(page.locator(".thread")).to_contain_text(said)
        keys.press("n")
        expect(area).to_be_focused()
        offered = page.get_by_role("option")
        keys.type("mail ines@alv")
        expect(offered).to_have_count(0)  # an address is nobody's name
        keys.type("a.example for @alv")
        expect(offered).to_have_count(1)
        expect(area).to_have_attribute("aria-activedescendant", offered.first.get_attribute("id"))
        keys.press("Escape")
        expect(offered).to_have_count(0)
        expect(area).to_be_focused()
        keys.press("Control+a")
        keys.type("@bea ")
        keys.press("Backspace")
        expect(offered).to_have_count(2)
        keys.press("ArrowDown")
        expect(page.get_by_role("option", selected=True)).to_contain_text("Sister")
        box, screen = page.locator("[data-names]").bounding_box(), page.viewport_size
        assert box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= screen["width"]
        keys.press("Tab")
        expect(area).to_have_value(f"@Bea {word}s Sister ")
        assert len(asked) == 1, "a second answer would take away what is picked"
        keys.type(f"and @{word}")  # any of their names
        expect(offered).to_have_count(3)
        if kind == "desk":
            keys.press("Enter")
        else:
            offered.first.tap()
        expect(area).to_have_value(f"@Bea {word}s Sister and @Álvaro {word} ")
        expect(area).to_be_focused()
        keys.press("Control+Enter")
        expect(page.locator(".thread")).to_contain_text(f"and @Álvaro {word}")
        keys.press("r")
        keys.type("@bea")
        expect(offered).to_have_count(0)  # a customer's answer names nobody of ours
