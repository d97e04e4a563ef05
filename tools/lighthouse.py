"""What Lighthouse says of every page, seen as a signed-in member: performance, accessibility, best practices, of 100 each.

``python tools/lighthouse.py`` serves the demo and looks at every page at a desk; ``--phone`` as Lighthouse's phone (a slow line, a processor four
times slower); ``--at URL PASSWORD`` takes a server that runs already; ``--only inbox`` some pages; ``--times 3`` the best of three, since whatever
else the machine does counts against the page. Lighthouse itself is no part of the project: npm fetches it the first time.
It prints a table in Markdown and, below it, what cost points. Nothing here is a test; a test never measures time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.build_assets import node_and_npm  # noqa: E402
from tools.console import PLACES, Place, go  # noqa: E402
from tools.screenshots import EMAIL, served, serving  # noqa: E402

VERSION = "13.5.0"
KINDS = ("performance", "accessibility", "best-practices")
TIMES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift", "speed-index")


def main() -> None:
    """Serve, sign a browser in, let Lighthouse look through it at each page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="pages whose names begin so")
    parser.add_argument("--phone", action="store_true", help="as a phone: a slow line, a processor four times slower")
    parser.add_argument("--times", type=int, default=1, help="the best of so many")
    parser.add_argument("--at", nargs=2, metavar=("URL", "PASSWORD"), help="a server that already runs, and its owner's password")
    asked = parser.parse_args()
    found: list[dict[str, Any]] = []
    print(f"| page | {' | '.join((*KINDS, *TIMES))} |\n|{'---|' * (1 + len(KINDS) + len(TIMES))}")
    with served(asked.at) if asked.at else serving("demo") as (url, password), browser() as port:
        for name, address in addresses(port, url, password, chosen(asked.only)).items():
            runs = [run for _ in range(asked.times) if (run := look(port, address, phone=asked.phone))]
            if not runs:
                continue
            best = max(runs, key=lambda one: sum(one["scores"]))
            found.append({"name": name, **best})
            print(f"| {name} | {' | '.join(map(str, (*best['scores'], *best['times'])))} |", flush=True)
    for one in found:
        for fault in one["faults"]:
            print(f"{one['name']}: {fault}", file=sys.stderr)


def chosen(only: list[str]) -> list[Place]:
    """Each address once, and none of the states of a page that a click makes; the gallery is no page people use."""
    first = {
        place.route: place for place in reversed(PLACES) if place.route and place.signed_in and not place.clicks and place.route != "design"
    }
    return [place for place in PLACES if first.get(place.route) is place and (not only or place.name.startswith(tuple(only)))]


@contextmanager
def browser() -> Iterator[int]:
    """A Chromium with nothing in it; the port by which it is led."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="cxm-lighthouse-", ignore_cleanup_errors=True) as profile:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
        command = [shutil.which("chromium") or "chromium", *flags, f"--remote-debugging-port={port}", "about:blank"]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            assert running.stderr is not None
            while "DevTools listening" not in (line := running.stderr.readline()):
                assert line, "Chromium did not start"
            yield port
        finally:
            running.terminate()
            running.wait()


def addresses(port: int, url: str, password: str, places: list[Place]) -> dict[str, str]:
    """Sign the browser in, and find where each page is by walking there."""
    with sync_playwright() as playwright:
        page = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}").contexts[0].new_page()
        page.goto(f"{url}/sign-in")
        page.fill("[name=login]", EMAIL)
        page.fill("[name=password]", password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/home")
        found = {place.name: page.url for place in places if go(page, url, place)}
        page.close()
        return found


def look(port: int, address: str, *, phone: bool) -> dict[str, Any] | None:
    """One run: the scores, the times, and what cost points; None for a page that is there to say no, which Lighthouse does not look at."""
    _, npm = node_and_npm()
    options = [f"--port={port}", "--disable-storage-reset", "--quiet", "--output=json", f"--only-categories={','.join(KINDS)}"]
    # A page that stays in touch with its server is never done loading: so many milliseconds are enough.
    options += ["--max-wait-for-load=12000", *([] if phone else ["--preset=desktop"])]
    done = subprocess.run(
        [*npm, "exec", "--yes", "--", f"lighthouse@{VERSION}", address, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"not looked at: {address}: {done.stderr.strip().splitlines()[-1][:200]}", file=sys.stderr)
        return None
    report = json.loads(done.stdout)
    audits, kinds = report["audits"], report["categories"]
    faults = [
        f"{audits[part['id']]['title']} {audits[part['id']].get('displayValue', '')}".strip()
        for kind in KINDS
        for part in kinds[kind]["auditRefs"]
        if part["weight"] and (audits[part["id"]]["score"] or 0) < 0.9 and audits[part["id"]]["scoreDisplayMode"] != "notApplicable"
    ]
    scores = [round((kinds[kind]["score"] or 0) * 100) for kind in KINDS]
    return {"scores": scores, "times": [audits[name].get("displayValue", "-") for name in TIMES], "faults": faults}


if __name__ == "__main__":
    main()
