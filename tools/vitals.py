"""What a page costs a browser that comes for the first time: paint, shifts, blocked time, bytes, and what makes them. It is not Lighthouse.

``python tools/vitals.py`` serves the demo and measures every page at a desk; ``--phone`` as a phone on a slow line; ``--at URL PASSWORD``
takes a server that runs already; ``--only inbox`` some pages. It prints a table in Markdown and, below it, what is wrong.
The line and the processor are slowed as Lighthouse slows them, and its published curves make the estimate of its score of performance;
its speed index is left out, and its own runs differ by some points. Nothing here is a test; a test never measures time.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.console import PLACES, Place, go  # noqa: E402
from tools.screenshots import EMAIL, served, serving  # noqa: E402

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
#: Round trip in ms, bytes a second, how many times slower the processor is, the window.
DESK = (40, 10_240 * 1024 / 8, 1, {"width": 1350, "height": 940})
PHONE = (150, 1_638.4 * 1024 / 8, 4, {"width": 412, "height": 823})
#: Of each measure: its weight, and where the score is 0.9 and 0.5 (Lighthouse's log-normal curves); the speed index (0.10) is left out.
CURVES = {
    "desk": {"fcp": (0.10, 934, 1600), "lcp": (0.25, 1200, 2400), "tbt": (0.30, 150, 350), "cls": (0.25, 0.1, 0.25)},
    "phone": {"fcp": (0.10, 1800, 3000), "lcp": (0.25, 2500, 4000), "tbt": (0.30, 200, 600), "cls": (0.25, 0.1, 0.25)},
}
_OBSERVE = """() => {
  const seen = window.__vitals = { fcp: 0, lcp: 0, cls: 0, tasks: [], last: 0, what: '', moved: '' };
  const watch = (type, take) => new PerformanceObserver((list) => { for (const one of list.getEntries()) { take(one); seen.last = performance.now(); } }).observe({ type, buffered: true });
  watch('paint', (one) => { if (one.name === 'first-contentful-paint') seen.fcp = one.startTime; });
  watch('largest-contentful-paint', (one) => { seen.lcp = one.startTime; seen.what = one.element ? one.element.tagName.toLowerCase() + '.' + one.element.className : ''; });
  watch('layout-shift', (one) => { if (!one.hadRecentInput) { seen.cls += one.value; seen.moved = one.sources.map((source) => source.node?.nodeName + '.' + (source.node?.className ?? '')).join(' '); } });
  watch('longtask', (one) => seen.tasks.push([one.startTime, one.duration]));
}"""
_CALM = "() => document.readyState === 'complete' && performance.now() - Math.max(window.__vitals.last, performance.timing.loadEventEnd - performance.timing.navigationStart) > 1500"
_SHAPE = """() => {
  const faults = [];
  if (!document.title.trim()) faults.push('no title');
  if (!document.documentElement.lang) faults.push('no language');
  if (!document.querySelector('meta[name=description]')?.content) faults.push('no description');
  if (!document.querySelector('meta[name=viewport]')) faults.push('no viewport');
  for (const one of document.images) if (!one.getAttribute('width') || !one.getAttribute('height')) faults.push('a picture without measures');
  return faults;
}"""
_AXE = """() => axe.run({ resultTypes: ['violations'], rules: { 'target-size': { enabled: true } },
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })"""


def main() -> None:
    """Serve, sign in once, measure each page in a browser that knows nothing but the session."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="pages whose names begin so")
    parser.add_argument("--phone", action="store_true", help="as a phone: a slow line, a processor four times slower")
    parser.add_argument("--times", type=int, default=1, help="the best of so many: what else the machine does is not the page's")
    parser.add_argument("--at", nargs=2, metavar=("URL", "PASSWORD"), help="a server that already runs, and its owner's password")
    asked = parser.parse_args()
    form = "phone" if asked.phone else "desk"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        with served(asked.at) if asked.at else serving("demo") as (url, password):
            found = [one for place in _chosen(asked.only) if (one := _best(browser, url, password, place, form, asked.times))]
        browser.close()
    print("| page | first paint | largest paint | blocked | shift | bytes (kB) | files | estimate |\n|---|---|---|---|---|---|---|---|")
    for one in found:
        print(f"| {one['name']} | {one['fcp']:.0f} ms | {one['lcp']:.0f} ms | {one['tbt']:.0f} ms | {one['cls']:.3f} | {one['bytes'] / 1000:.0f} | {one['files']} | {one['score']:.0f} |")  # fmt: skip
    for one in found:
        for fault in dict.fromkeys(one["faults"]):
            print(f"{one['name']}: {fault}", file=sys.stderr)


def _chosen(only: list[str]) -> list[Place]:
    """Each address once, and none of the states of a page that a click makes."""
    first = {place.route: place for place in reversed(PLACES) if place.route and not place.clicks and place.route != "design"}
    return [place for place in PLACES if first.get(place.route) is place and (not only or place.name.startswith(tuple(only)))]


_SESSIONS: dict[str, Any] = {}


def _session(browser: Browser, url: str, password: str) -> Any:
    """The cookies of the owner; signed in once."""
    if url not in _SESSIONS:
        page = browser.new_context().new_page()
        page.goto(f"{url}/sign-in")
        page.fill("[name=login]", EMAIL)
        page.fill("[name=password]", password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/home")
        _SESSIONS[url] = page.context.storage_state()
        page.context.close()
    return _SESSIONS[url]


def _best(browser: Browser, url: str, password: str, place: Place, form: str, times: int) -> dict[str, Any] | None:
    """The run with the best estimate, with the faults of all."""
    runs = [one for _ in range(times) if (one := _measured(browser, url, password, place, form))]
    return max(runs, key=lambda one: one["score"]) | {"faults": [fault for one in runs for fault in one["faults"]]} if runs else None


def _measured(browser: Browser, url: str, password: str, place: Place, form: str) -> dict[str, Any] | None:
    delay, rate, slower, window = PHONE if form == "phone" else DESK
    state = _session(browser, url, password) if place.signed_in else None
    address = _address(browser, url, place, state)
    if address is None:
        return None
    context = browser.new_context(viewport=window, storage_state=state, reduced_motion="reduce")
    page = context.new_page()
    line = context.new_cdp_session(page)
    got: dict[str, Any] = {"bytes": 0, "files": 0, "faults": []}
    _listen(line, page, got)
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions", {"offline": False, "latency": delay, "downloadThroughput": rate, "uploadThroughput": rate}
    )
    line.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.add_init_script(f"({_OBSERVE})()")
    try:
        page.goto(address)
        page.wait_for_function(_CALM, timeout=60_000)
        seen = page.evaluate("() => window.__vitals")
        line.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        got["faults"] += page.evaluate(_SHAPE)
        page.evaluate(AXE.read_text())
        got["faults"] += [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in page.evaluate(_AXE)["violations"]]
    except Error as error:
        print(f"{place.name}: {error.message.splitlines()[0]}", file=sys.stderr)
        return None
    finally:
        context.close()
    blocked = sum(max(long - 50, 0) for begin, long in seen["tasks"] if begin + long > seen["fcp"])
    if seen["cls"] > 0.01:
        got["faults"].append(f"shifted by {seen['cls']:.3f}: {seen['moved'][:150]}")
    measures = {"fcp": seen["fcp"], "lcp": seen["lcp"] or seen["fcp"], "tbt": blocked, "cls": seen["cls"]}
    return {"name": place.name, **got, **measures, "score": score(measures, form)}


def _address(browser: Browser, url: str, place: Place, state: Any) -> str | None:
    """Where the place is, found by its links without being measured."""
    context = browser.new_context(storage_state=state)
    page = context.new_page()
    try:
        return page.url if go(page, url, place) else None
    finally:
        context.close()


def _listen(line: Any, page: Any, got: dict[str, Any]) -> None:
    def came(event: Any) -> None:
        answer = event["response"]
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        kind, large = headers.get("content-type", ""), int(headers.get("content-length") or 0)
        plain = any(word in kind for word in ("text/", "javascript", "json", "svg"))
        if plain and "event-stream" not in kind and large > 1400 and not headers.get("content-encoding"):
            got["faults"].append(f"not compressed: {answer['url']}")
        if "/static/" in answer["url"] and not any(word in headers.get("cache-control", "") for word in ("immutable", "max-age=2592000")):
            got["faults"].append(f"kept too shortly: {answer['url']}")
        if answer["status"] >= 400 and event["type"] != "Document":  # some pages are there to say no
            got["faults"].append(f"{answer['status']}: {answer['url']}")

    def ended(event: Any) -> None:
        got["bytes"] += event["encodedDataLength"]
        got["files"] += 1

    line.on("Network.responseReceived", came)
    line.on("Network.loadingFinished", ended)
    page.on(
        "console",
        lambda message: (
            got["faults"].append(f"console: {message.text[:150]}")
            if message.type == "error" and "status of 4" not in message.text
            else None
        ),
    )
    page.on("pageerror", lambda error: got["faults"].append(f"script: {str(error)[:150]}"))


def score(measures: dict[str, float], form: str) -> float:
    """0 to 100: the weighted mean of each measure's place on its curve; the speed index is not among them."""
    curves = CURVES[form]
    whole = sum(weight for weight, _, _ in curves.values())
    return 100 * sum(weight * _share(measures[name], good, middle) for name, (weight, good, middle) in curves.items()) / whole


def _share(value: float, good: float, middle: float) -> float:
    """The log-normal curve that is 0.9 at ``good`` and 0.5 at ``middle``."""
    if value <= 0:
        return 1.0
    width = (math.log(middle) - math.log(good)) / 1.2815515655446004
    return 0.5 * math.erfc((math.log(value) - math.log(middle)) / (width * math.sqrt(2)))


if __name__ == "__main__":
    main()
