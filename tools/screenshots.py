"""Every page as a picture in .screenshots: light, dark, right-to-left, phone, phone in Arabic; of the demo and of an empty organization.

``make screenshots`` takes all (some minutes, niced). ``tools/screenshots.py --only inbox --look phone --full`` takes some.
A picture's name is ``<company>-<look>/<page>.png``. ``tools/console.py`` lists the pages.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from playwright.sync_api import Browser, Error, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cxm.kernel.clock import now  # noqa: E402
from tools.console import PLACES, UUID, Place, go  # noqa: E402

TARGET = ROOT / ".screenshots"
CXM = Path(sys.executable).parent / "cxm"
EMAIL, PASSWORD = "ines@marlow.example", "a long password 17"
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LOOKS = {
    "light": (WIDE, "light", ""),
    "dark": (WIDE, "dark", ""),
    "rtl": (WIDE, "light", "lang=ar"),
    "phone": (PHONE, "light", ""),
    "phone-rtl": (PHONE, "light", "lang=ar"),
}


def main() -> None:
    """Serve the demo, sign in, take the pictures, stop; then the same of an organization in which nothing has happened."""
    asked = arguments()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for company in asked.company:
            with served(asked.at) if asked.at else serving(company) as (url, password):
                for look in asked.look:
                    Shoot(browser, url, password, TARGET / f"{company}-{look}", look, asked.full).take(chosen(asked.only))
        browser.close()


def arguments() -> argparse.Namespace:
    """What to take; without any, everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="pages whose names begin so")
    parser.add_argument("--look", nargs="*", default=list(LOOKS), choices=list(LOOKS))
    parser.add_argument("--company", nargs="*", default=["demo", "empty"], choices=["demo", "empty"])
    parser.add_argument("--at", nargs=2, metavar=("URL", "PASSWORD"), help="a server that already runs, and its owner's password")
    parser.add_argument("--full", action="store_true", help="the whole page, however long it scrolls")
    return parser.parse_args()


def chosen(only: list[str]) -> list[Place]:
    """The pages asked for."""
    return [place for place in PLACES if not only or place.name.startswith(tuple(only))]


@contextmanager
def served(at: list[str]) -> Iterator[tuple[str, str]]:
    """A server that somebody else runs."""
    yield at[0], at[1]


@contextmanager
def serving(company: str) -> Iterator[tuple[str, str]]:
    """A served installation of its own; the address and the owner's password."""
    with tempfile.TemporaryDirectory(prefix="cxm-screenshots-") as data:
        environment = {**os.environ, "CXM_DATA": data, "CXM_LOG_LEVEL": "WARNING"}
        if company == "empty":
            setup = [CXM, "setup", "--organization", "Marlow Coffee", "--email", EMAIL, "--password-stdin"]
            subprocess.run(setup, env=environment, input=PASSWORD, text=True, check=True, capture_output=True)
        command = ["nice", "-n", "5", CXM, "serve", "--port", "0", *(["--demo"] if company == "demo" else [])]
        serve = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert serve.stdout is not None
            said: dict[str, str] = {}
            while not {"url", *(["password"] if company == "demo" else [])} <= set(said):
                line = serve.stdout.readline()
                assert line, "cxm serve did not start"
                if found := re.match(r"(url|email|password): (\S+)", line):
                    said[found[1]] = found[2]
            yield said["url"], said.get("password", PASSWORD)
        finally:
            serve.terminate()
            serve.wait()


class Shoot:
    """All pages in one look, into one folder."""

    prepared: ClassVar[set[str]] = set()

    def __init__(self, browser: Browser, url: str, password: str, folder: Path, look: str, full: bool) -> None:
        viewport, scheme, query = LOOKS[look]
        self.browser, self.url, self.password, self.folder, self.query, self.full = browser, url, password, folder, query, full
        self.options: dict[str, Any] = {"viewport": viewport, "color_scheme": scheme, "reduced_motion": "reduce"}

    def take(self, places: list[Place]) -> None:
        """Signed out first, then as the owner, then as somebody who may little."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        page = self.browser.new_context(**self.options).new_page()
        for place in [one for one in places if not one.signed_in]:
            self.picture(page, place)
        self.sign_in(page)
        self.prepare(page)
        for place in [one for one in places if one.signed_in]:
            self.picture(page, place)
        if len(places) == len(PLACES):
            self.stopped(page)
            self.guest(page)
        page.context.close()

    def sign_in(self, page: Any) -> None:
        """By the form."""
        page.goto(f"{self.url}/sign-in")
        page.fill("[name=login]", EMAIL)
        page.fill("[name=password]", self.password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/home")

    def guest(self, page: Any) -> None:
        """Somebody invited to read: the invitation as its sender and its reader see it, and a page that is not for them."""
        page.goto(f"{self.url}/settings/members")
        page.fill("[name=email]", f"guest-{uuid4().hex[:8]}@marlow.example")
        page.select_option("[name=role]", "analyst")
        page.click("form.form button[type=submit]")
        link = page.locator("#invitation").input_value()
        self.save(page, "member-invited")
        other = self.browser.new_context(**self.options).new_page()
        other.goto(f"{link}?{self.query}")
        self.save(other, "invitation")
        for field in other.locator("input:visible").all():
            field.fill(PASSWORD if field.get_attribute("type") == "password" else "Noor")
        other.click("button[type=submit]")
        other.wait_for_url("**/home")
        other.goto(f"{self.url}/settings/audit")
        self.save(other, "not-allowed")
        other.context.close()

    def prepare(self, page: Any) -> None:
        """A case, a promise, a stop and a change of several at once, by the forms of the pages: so that their pages have something to show."""
        page.goto(f"{self.url}/inbox?assignee=all")
        rows = page.locator("[data-select]")
        if not rows.count() or self.url in Shoot.prepared:
            return
        ids = [rows.nth(index).get_attribute("value") for index in range(min(4, rows.count()))]
        token = page.evaluate("() => JSON.parse(document.body.getAttribute('hx-headers:inherited'))['X-CSRFToken']")

        def post(path: str, **form: str) -> None:
            answer = page.request.post(f"{self.url}{path}", form=form, headers={"X-CSRFToken": token, "Referer": self.url})
            assert answer.ok, f"{path}: {answer.status}"

        post(f"/inbox/{ids[0]}/case", title="Signed out every morning, balance shows zero")
        for one in ids[1:]:
            post(f"/inbox/{one}/promise", text="I'll write when the parcel has left", own=f"{now().date() + timedelta(days=3)}T12:00")
        post("/inbox/bulk", do="tag", add="sign-in", ids=str(ids[0]))
        Shoot.prepared.add(self.url)

    def stopped(self, page: Any) -> None:
        """A stop on everything, its page and its banner, and the stop lifted."""
        page.goto(f"{self.url}/stop")
        page.fill("[name=reason]", "fire in the roastery")
        page.click("form.form button[type=submit]")
        for place in (Place("stop-on", "stop", "/stop"), Place("home-stopped", "home", "/home"), Place("inbox-stopped", "inbox", "/inbox"),
                      Place("stop-one", "stop/<uuid:stop>", "/stop", (f"/stop/{UUID}",))):  # fmt: skip
            self.picture(page, place)
        page.goto(f"{self.url}/stop")
        page.click("a.btn-primary")
        page.locator(".stack-l button[type=submit]").last.click()
        page.wait_for_load_state("load")

    def picture(self, page: Any, place: Place) -> None:
        """One page; one that breaks is told and does not end the others."""
        try:
            if go(page, self.url, place, self.query):
                self.save(page, place.name)
        except Error as error:
            print(f"{self.folder.name}/{place.name}: {error.message.splitlines()[0]}", file=sys.stderr)

    def save(self, page: Any, name: str) -> None:
        """The picture, once fonts are there; the whole length where asked, by a window as high as what scrolls."""
        page.evaluate("() => document.fonts.ready.then(() => true)")
        page.wait_for_function("() => !document.querySelector('.htmx-request, [data-waits]')", timeout=90_000)
        if self.full:
            high = page.evaluate(
                "() => Math.max(innerHeight, ...[...document.querySelectorAll('.scroll')].map((one) => one.scrollHeight + 110))"
            )
            page.set_viewport_size({**self.options["viewport"], "height": min(high, 4000)})
        page.screenshot(path=self.folder / f"{name}.png", animations="disabled")
        if self.full:
            page.set_viewport_size(self.options["viewport"])


if __name__ == "__main__":
    main()
