"""Writing in the inbox, in a real browser: files by picker, paste and drop; two members at one conversation."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.browser.conftest import PASSWORD, PATIENCE, Provider, Site
from tests.browser.test_inbox import opened

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
expect.set_options(timeout=PATIENCE)
GIVE = """([kind, name]) => {
  const data = new DataTransfer();
  data.items.add(new File(["by " + kind], name, {type: "text/plain"}));
  const area = document.querySelector("form[data-composer] textarea");
  const more = {bubbles: true, cancelable: true};
  area.dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", {clipboardData: data, ...more}) : new DragEvent("drop", {dataTransfer: data, ...more}));
}"""


def test_files_by_picker_paste_and_drop_go_with_the_answer(open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    area = opened(page, site, "Please send me the manual", author="manual")
    chips = page.locator("form[data-composer] [data-file]")
    page.locator("[data-file-input]").set_input_files({"name": "manual.txt", "mimeType": "text/plain", "buffer": b"by picker"})
    expect(chips).to_have_count(1)
    page.evaluate(GIVE, ["paste", "pasted.txt"])
    expect(chips).to_have_count(2)
    page.evaluate(GIVE, ["drop", "dropped.txt"])
    expect(chips).to_have_count(3)
    page.locator("[data-file-input]").set_input_files({"name": "tool.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"})
    expect(page.locator("#composer-says")).to_contain_text("tool.exe is a program")
    with page.expect_response("**/files/drop"):
        page.get_by_role("button", name="Remove dropped.txt").click()
    expect(chips).to_have_count(2)
    with page.expect_response("**/draft"):
        area.fill("Here it is.")
    page.reload()
    expect(chips).to_have_count(2)
    page.locator(".composer-to").get_by_text("Note", exact=True).click()
    expect(chips.first).to_be_hidden()
    page.locator(".composer-to").get_by_text("Reply privately", exact=True).click()
    expect(chips.first).to_be_visible()
    area.press("Control+Enter")
    expect(chips).to_have_count(0)
    came = provider.next()
    assert came["text"] == "Here it is."
    got = {one["name"]: base64.b64decode(one["content"]) for one in came["media"]}
    assert got == {"manual.txt": b"by picker", "pasted.txt": b"by paste"}
    expect(page.locator(".message-ours").get_by_role("link", name=re.compile("manual.txt"))).to_be_visible()


def test_two_members_see_each_other_and_only_one_answers_unawares(chromium: Any, open_page: Any, site: Site, provider: Provider) -> None:
    page = open_page()
    area = opened(page, site, "Is anybody there?", author="anybody")
    members = open_page("/settings/members")
    members.get_by_label("Mail address").fill(f"{uuid4().hex[:8]}@marlow.example")
    members.get_by_label("Name").fill("Jonas")
    members.get_by_role("button", name="Invite").click()
    link = urlsplit(members.get_by_label("Invitation link").input_value()).path
    context = chromium.new_context(base_url=site.url)
    context.set_default_timeout(PATIENCE)
    jonas = context.new_page()
    jonas.goto(link)
    jonas.get_by_label("Your name").fill("Jonas")
    jonas.get_by_label("Password").fill(PASSWORD)
    jonas.get_by_role("button", name="Join").click()
    jonas.wait_for_url(re.compile("/(home|inbox)"))
    jonas.goto(page.url)
    expect(page.locator("[data-here]")).to_contain_text("Jonas is looking at this too")
    theirs = jonas.locator("form[data-composer] textarea")
    theirs.press_sequentially("Yes, ")
    expect(page.locator("[data-here]")).to_contain_text("Jonas is writing here")
    theirs.press_sequentially("we are.")
    area.fill("Who asks?")
    theirs.press("Control+Enter")
    assert provider.next()["text"] == "Yes, we are."
    expect(page.locator(".inbox-notices").first).to_contain_text("Jonas answered while you have this open.")
    area.press("Control+Enter")
    expect(page.locator("#composer-says")).to_contain_text("Yes, we are.")
    expect(area).to_have_value("Who asks?")
    page.get_by_role("button", name="Send mine too").click()
    expect(area).to_have_value("")
    assert provider.next()["text"] == "Who asks?"
    jonas.goto("/home")
    # The sign that he left may get lost with his page; then he is forgotten within a minute.
    expect(page.locator("[data-here]")).to_be_empty(timeout=90_000)
    context.close()
