"""Every page of the demo company as a picture in .screenshots: light, dark, right-to-left, phone. ``make screenshots``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".screenshots"
PAGES = (
    "home", "inbox", "explorer", "topics", "people", "coverage", "channels", "channels/new/email", "stop", "design",
    "settings/organization", "settings/units", "settings/members", "settings/tokens", "settings/sessions", "settings/appearance", "settings/audit",
)  # fmt: skip
LOOKS = {
    "light": ({"width": 1440, "height": 900}, "light", ""),
    "dark": ({"width": 1440, "height": 900}, "dark", ""),
    "rtl": ({"width": 1440, "height": 900}, "light", "?lang=ar"),
    "phone": ({"width": 390, "height": 844}, "light", ""),
}


def main() -> None:
    """Serve the demo, sign in, take the pictures, stop."""
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cxm-screenshots-") as data:
        cxm = Path(sys.executable).parent / "cxm"
        serve = subprocess.Popen(
            [cxm, "serve", "--demo", "--data", data, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert serve.stdout is not None
            url, email, password = (re.sub(r"^\w+: ", "", serve.stdout.readline()).strip() for _ in range(3))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
                for name in LOOKS:
                    take(browser, name, url, email, password)
                browser.close()
        finally:
            serve.terminate()
            serve.wait()


def take(browser: Browser, name: str, url: str, email: str, password: str) -> None:
    """All pages in one look, and one conversation."""
    viewport, scheme, query = LOOKS[name]
    page = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.goto(f"{url}/sign-in")
    page.screenshot(path=TARGET / f"sign-in-{name}.png")
    page.fill("[name=login]", email)
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/home")
    for path in PAGES:
        page.goto(f"{url}/{path}{query}")
        page.wait_for_load_state("load")
        page.screenshot(path=TARGET / f"{path.replace('/', '-')}-{name}.png")
        print(TARGET / f"{path.replace('/', '-')}-{name}.png")
    page.goto(f"{url}/inbox{query}")
    page.locator("[data-row]").first.click()
    page.wait_for_url("**/inbox/*")
    page.screenshot(path=TARGET / f"conversation-{name}.png")


if __name__ == "__main__":
    main()
