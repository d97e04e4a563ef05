"""The islands in a real browser, under the strict content policy: keys, palette, composer, live names, swaps, looks, accessibility."""

from __future__ import annotations

import mimetypes
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import RequestFactory

from cxm.design.pages import gallery
from tests.kit import axe, waiting
from tests.kit.chromium import launch

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

ROOT = Path(__file__).parents[3]
CHROMIUM = Path("/usr/bin/chromium")
SITE = "http://cxm.test"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'"
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine")]

Answer = Callable[[object], dict[str, object]]


def until(page: playwright.Page, truth: str) -> None:
    """Wait until ``truth``, an expression, holds (the page's policy forbids the driver's own way, which needs eval)."""
    for _ in range(200):
        if page.evaluate(f"Boolean({truth})"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {truth}")


class Site:
    """The gallery served to one page without a server: ``answers`` adds addresses, ``asked`` lists what was called."""

    def __init__(self, page: playwright.Page) -> None:
        self.page = page
        self.answers: dict[str, dict[str, object]] = {"/live": {"status": 204}}
        self.asked: list[tuple[str, str, str]] = []
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: self.faults.append(message.text) if "Content Security Policy" in message.text else None)
        page.on("dialog", lambda dialog: (self.faults.append("a stranger's script ran"), dialog.dismiss()))
        page.route(f"{SITE}/**", self.serve)

    def serve(self, route: playwright.Route) -> None:
        """Static files from disk, named answers, and the gallery."""
        request, address = route.request, urlsplit(route.request.url)
        self.asked.append((request.method, address.path, request.post_data or ""))
        if address.path.startswith("/static/"):
            path = ROOT / "cxm" / "design" / "static" / address.path.removeprefix("/static/")
            route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream")
        elif address.path in self.answers:
            route.fulfill(**self.answers[address.path])  # type: ignore[arg-type]
        else:
            route.fulfill(body=self.gallery(address.query), content_type="text/html", headers={"Content-Security-Policy": POLICY})

    @staticmethod
    def gallery(query: str) -> str:
        """The page's markup."""
        request = RequestFactory().get(f"/design?{query}")
        request.user = type("Member", (), {"is_authenticated": True})()
        return gallery(request).content.decode()

    def open(self, query: str = "") -> playwright.Page:
        """Go there and wait for the script."""
        self.page.goto(f"{SITE}/design?{query}")
        until(self.page, "window.htmx")
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    """One Chromium for the module, with fresh assets."""
    subprocess.run([sys.executable, str(ROOT / "tools" / "build_assets.py")], check=True, capture_output=True)
    with playwright.sync_playwright() as started:
        chromium = launch(started)
        yield chromium
        chromium.close()


@pytest.fixture
def site(browser: playwright.Browser) -> Iterator[Site]:
    """A page of its own; nothing it reported may be left unseen."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    made = Site(context.new_page())
    yield made
    context.close()
    assert not made.faults


LOOKS = ["theme=light", "theme=dark&dir=rtl", "sample=inbox&theme=light&stop", "sample=inbox&open=1&theme=dark&dir=rtl"]


def assert_nothing_spills(page: playwright.Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("use").count() > 10
    assert page.evaluate("getComputedStyle(document.querySelector('.shell')).display") == "grid"


@pytest.mark.parametrize("widths", [(1440, 1024), (390,)])
@pytest.mark.parametrize("look", LOOKS)
def test_accessible_and_nothing_spills_over_the_edge(site: Site, look: str, widths: tuple[int, ...]) -> None:
    site.page.set_viewport_size({"width": widths[0], "height": 900})
    page = site.open(look)
    for width in (*widths[1:], widths[0]):
        page.set_viewport_size({"width": width, "height": 900})
        assert_nothing_spills(page)
    axe.bring(page)
    assert axe.look(page, passes=16, runOnly=["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]) == []


def test_keys_move_select_and_open(site: Site) -> None:
    page = site.open("sample=inbox")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.querySelector('.at').id") == "row-2"
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.closest('[data-row]').id") == "row-1"
    page.keyboard.press("x")
    assert page.locator("[data-bulk]").is_visible() and "1 selected" in page.locator("[data-bulk-count]").inner_text()
    page.locator("[data-bulk-none]").click()
    assert not page.locator("[data-bulk]").is_visible()
    page.keyboard.press("k")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**open=1*")


def test_letters_are_silent_while_writing_and_when_switched_off(site: Site) -> None:
    page = site.open("sample=inbox")
    page.evaluate("window.pressed = 0; document.querySelector('[data-key=a]').addEventListener('click', () => window.pressed++)")
    page.locator("textarea").focus()
    page.keyboard.press("a")
    assert page.evaluate("window.pressed") == 0
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    assert page.evaluate("window.pressed") == 1
    page.locator("button[popovertarget=me]").click()
    page.locator("#me [data-letters-switch]").uncheck()
    page.keyboard.press("Escape")
    assert "cxm_letters=off" in page.evaluate("document.cookie")
    page.keyboard.press("a")
    page.keyboard.press("?")
    assert page.evaluate("window.pressed") == 1 and not page.locator("#keys").is_visible()


def test_g_leads_to_pages_and_question_mark_shows_the_map(site: Site) -> None:
    page = site.open("sample=inbox")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/explorer")


def test_palette_finds_pages_actions_and_what_the_server_knows(site: Site) -> None:
    page = site.open("sample=inbox")
    site.answers["/found"] = {"json": {"items": [{"label": "Lena Krüger <b>", "kind": "person", "url": "/people/1"}]}}
    page.evaluate("document.body.dataset.palette = '/found'")
    page.keyboard.press("Control+k")
    assert page.locator("#palette li").count() >= 10
    page.keyboard.type("assi")
    assert "Assign" in page.locator("#palette li").first.inner_text()
    page.locator("#palette input").fill("lena")
    page.locator("#palette li", has_text="Lena Krüger <b>").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/people/1")


def test_composer_counts_keeps_its_draft_and_says_who_reads_it(site: Site) -> None:
    page = site.open("sample=inbox")
    area = page.locator("textarea")
    area.fill("👩‍👩‍👧‍👦 ok")
    assert page.locator("[data-count]").inner_text() == "4 / 300"
    kept = page.evaluate("JSON.parse(localStorage.getItem('cxm.draft.sample.public'))")
    assert kept == {"text": "👩‍👩‍👧‍👦 ok"}
    page.get_by_text("Message privately", exact=True).click()
    assert page.get_by_role("button", name="Send privately").is_visible() and page.get_by_text("only Lena reads it").is_visible()
    assert not page.get_by_text("everyone can read it").is_visible()
    assert area.input_value() == "", "public words do not slip into a private message"
    page.get_by_text("Reply publicly", exact=True).first.click()
    assert area.input_value() == "👩‍👩‍👧‍👦 ok"
    area.fill("x" * 301)
    assert page.locator("[data-send]").is_disabled() and "1 characters too many" in page.locator(".composer-over").inner_text()


def test_draft_ends_when_the_server_took_it_and_not_before(site: Site) -> None:
    page = site.open("sample=inbox")
    site.answers["/send"] = {"status": 503, "body": "<p>not now</p>", "content_type": "text/html"}
    page.evaluate("""() => { const form = document.querySelector('form[data-composer]'); form.setAttribute('hx-post', '/send');
        form.setAttribute('hx-target', '#panel'); htmx.process(form); }""")
    page.locator("textarea").fill("on its way")
    with page.expect_request("**/send") as sent:
        page.locator("textarea").press("Control+Enter")
    assert len(sent.value.headers.get("x-csrftoken", "")) >= 32
    page.get_by_text("not now").wait_for()
    assert (
        page.evaluate("localStorage.getItem('cxm.draft.sample.public')") is not None
        and page.locator("textarea").input_value() == "on its way"
    )
    site.answers["/send"] = {"body": "<p>taken</p>", "content_type": "text/html"}
    page.locator("textarea").press("Control+Enter")
    page.get_by_text("taken").wait_for()
    assert page.evaluate("localStorage.getItem('cxm.draft.sample.public')") is None and page.locator("textarea").input_value() == ""
    assert any(method == "POST" and path == "/send" and "on+its+way" in body.replace("%20", "+") for method, path, body in site.asked)


def test_live_names_become_events_and_a_cut_is_made_good(site: Site) -> None:
    site.answers["/live"] = {"body": "data: inbox\n\ndata: conversation:7\n\n", "content_type": "text/event-stream"}
    site.page.add_init_script("""window.heard = []; addEventListener('DOMContentLoaded', () => {
        for (const name of ['inbox', 'conversation:7', 'resync']) document.body.addEventListener('live:' + name, () => heard.push(name)); })""")
    page = site.open("sample=inbox")
    until(page, "heard.includes('inbox') && heard.includes('conversation:7')")
    until(page, "heard.includes('resync')")


def test_a_lasting_cut_is_shown_quietly(site: Site) -> None:
    site.answers["/live"] = {"status": 503}
    site.page.clock.install()
    page = site.open("sample=inbox")
    assert not page.locator("#connection").is_visible()
    page.clock.run_for(9000)
    assert page.locator("#connection").is_visible()


def test_a_live_name_refreshes_the_list_and_leaves_focus_selection_and_scrolling(site: Site) -> None:
    page = site.open("sample=inbox")
    page.set_viewport_size({"width": 1440, "height": 500})
    fresh = page.evaluate("document.querySelector('[data-rows]').innerHTML").replace("Haruki Nakano", "Haruki N.")
    site.answers["/list"] = {"body": fresh, "content_type": "text/html"}
    page.evaluate("""() => { const list = document.querySelector('[data-rows]'); list.setAttribute('hx-get', '/list'); list.setAttribute('hx-swap', 'innerHTML');
        list.setAttribute('hx-trigger', 'live:inbox from:body'); htmx.process(list); document.querySelector('[data-keep-scroll=list]').scrollTop = 60; }""")
    for key in ("j", "j", "x"):
        page.keyboard.press(key)
    top = page.evaluate("document.querySelector('[data-keep-scroll=list]').scrollTop")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live:inbox'))")
    page.locator("#row-1 .list-who", has_text="Haruki N.").wait_for()
    assert page.evaluate("document.activeElement.closest('[data-row]')?.id") == "row-2"
    assert page.locator("#row-2 [data-select]").is_checked() and page.locator("[data-bulk]").is_visible()
    assert page.evaluate("document.querySelector('[data-keep-scroll=list]').scrollTop") == top


def test_look_is_kept_in_a_cookie_and_changes_at_once(site: Site) -> None:
    page = site.open("sample=inbox&theme=light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("button[popovertarget=me]").click()
    page.locator("#me [data-theme=dark]").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert "cxm_theme=dark" in page.evaluate("document.cookie")


def test_toast_from_the_server_can_be_undone_by_u(site: Site) -> None:
    page = site.open("sample=inbox")
    site.answers["/close"] = {
        "status": 204,
        "headers": {"HX-Trigger": '{"cxm:toast": {"text": "Closed <b>now</b>", "kind": "good", "undo": "/undo"}}'},
    }
    site.answers["/undo"] = {"status": 204}
    page.evaluate(
        "() => { const b = document.querySelector('[data-key=e]'); b.setAttribute('hx-post', '/close'); b.setAttribute('hx-swap', 'none'); htmx.process(b); }"
    )
    page.keyboard.press("e")
    page.locator("#toasts .toast", has_text="Closed <b>now</b>").wait_for()
    with page.expect_request("**/undo"):
        page.keyboard.press("u")
    until(page, "document.querySelectorAll('#toasts .toast').length === 0")


def test_confirmation_opens_and_escape_keeps_things_as_they_are(site: Site) -> None:
    page = site.open()
    page.locator("[data-dialog=confirm-two]").click()
    assert page.locator("#confirm-two").is_visible()
    assert page.evaluate("document.activeElement.textContent.trim()") == "Keep as it is"
    page.keyboard.press("Escape")
    assert not page.locator("#confirm-two").is_visible()


def test_a_phone_shows_one_pane_and_the_bar_below(site: Site) -> None:
    site.page.set_viewport_size({"width": 390, "height": 844})
    page = site.open("sample=inbox")
    assert page.locator(".pane-list").is_visible() and not page.locator(".pane-main").is_visible() and page.locator(".bottom").is_visible()
    page.locator("#row-1 [data-open]").click()
    page.wait_for_url("**open=1*")
    assert (
        page.locator(".pane-main").is_visible() and page.locator(".pane-back").is_visible() and not page.locator(".pane-list").is_visible()
    )
    page.locator(".bottom [popovertarget=more]").click()
    assert page.locator("#more").get_by_text("Channels").is_visible()


def test_pictures_that_lie_elsewhere_are_asked_for_three_at_once_and_leave_the_lines_free(site: Site) -> None:
    page = site.open("sample=inbox")
    held: list[playwright.Route] = []
    page.route(f"{SITE}/slow/**", lambda route: held.append(route))
    page.evaluate(
        """() => {
      const place = document.createElement('div');
      place.id = 'thumbs';
      for (let i = 0; i < 8; i += 1) {
        const picture = new Image(56, 56);
        picture.dataset.src = `/slow/${i}`;
        place.append(picture);
      }
      document.querySelector('.list').before(place);
      document.dispatchEvent(new CustomEvent('htmx:after:swap'));
    }"""
    )
    dot = (ROOT / "cxm" / "demo" / "pictures" / "wc-sign.jpg").read_bytes()
    asked = "document.querySelectorAll('#thumbs img[src]').length"
    for answered in range(8):
        until(page, f"{asked} === {min(answered + 3, 8)}")
        # The driver hears of requests while it is asked something.
        waiting.until(lambda least=answered: page.evaluate("1") and len(held) > least, "the next request")
        assert len(held) <= answered + 3
        held[answered].fulfill(body=dot, content_type="image/jpeg")
        until(page, f"[...document.querySelectorAll('#thumbs img')].filter((one) => one.naturalWidth).length === {answered + 1}")
    assert len(held) == 8
    # The part is drawn anew, as the server writes it: what was seen is there at once, and nobody asks for it again.
    page.evaluate(
        """() => {
      for (const one of document.querySelectorAll('#thumbs img')) one.removeAttribute('src');
      document.dispatchEvent(new CustomEvent('htmx:after:swap'));
    }"""
    )
    assert page.evaluate(asked) == 8
