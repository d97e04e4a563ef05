"""The gallery looks as it did when somebody last said that it should: every box where it was, and where fonts allow it every pixel.

Boxes are compared everywhere, by the font we ship, each within ``NEAR`` pixels of where it stood in its state. Pixels are compared
where the browser draws that font as the one that took the pictures did; elsewhere the test says so and is skipped. ``make looks`` takes
the present look for the right one: look at the pictures in ``looks/`` before you commit them.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cxm.design import specimens
from cxm.design.templatetags import cxm as tags
from cxm.design.tests.test_browser import CHROMIUM, Site, browser

__all__ = ["browser"]
HERE = Path(__file__).parent
LOOKS = HERE / "looks"
ACCEPT = bool(os.environ.get("ACCEPT_LOOKS"))
MOMENT = datetime(2026, 3, 2, 9, 41, tzinfo=UTC)
#: How far a box may stand from where it stood, in pixels, in either direction and in either measure.
NEAR = 2
#: A pixel differs when one of its colours does by more than this of 255; so many of a thousand may.
STEP, THOUSANDTHS = 24, 2
WIDTHS = {"wide": 1180, "phone": 390}
DIRECTIONS = ("ltr", "rtl")
#: Colours do not depend on the direction: the dark is drawn once.
PICTURES = (("ltr", "light"), ("ltr", "dark"), ("rtl", "light"))
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def gallery(browser: Any) -> Iterator[Any]:
    """``gallery(direction, width, theme)``: the gallery at a moment that does not pass, in our font alone, with nothing moving."""
    pages: dict[str, Any] = {}

    def opened(direction: str) -> Any:
        context = browser.new_context(
            viewport={"width": 1180, "height": 900}, device_scale_factor=1, bypass_csp=True, reduced_motion="reduce", timezone_id="UTC"
        )
        page = context.new_page()
        page.clock.set_fixed_time(MOMENT)
        Site(page).open(f"dir={direction}")
        page.evaluate((HERE / "looks.js").read_text("utf-8"))
        assert page.evaluate("looks.prepare()"), "the font we ship was not loaded"
        return page

    def build(direction: str, width: int = 1180, theme: str = "light") -> Any:
        page = pages.get(direction) or pages.setdefault(direction, opened(direction))
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("(theme) => { document.documentElement.className = theme }", theme)
        return page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specimens, "now", lambda: MOMENT)
        patch.setattr(tags, "now", lambda: MOMENT)
        yield build
    for page in pages.values():
        page.context.close()


def kept(direction: str, width: str) -> Path:
    return LOOKS / f"{direction}-{width}.json.gz"


def moved(now: dict[str, list[list[Any]]], then: dict[str, list[list[Any]]]) -> list[str]:
    """What stands elsewhere than it did, one line a state: the first box that did."""
    found = [f"{state}: {'is new' if state in now else 'is gone'}" for state in sorted(now.keys() ^ then.keys())]
    for state in [state for state in then if state in now]:
        rows, before = now[state], then[state]
        if [row[0] for row in rows] != [row[0] for row in before]:
            found.append(f"{state}: holds other elements: {len(rows)}, there were {len(before)}")
            continue
        away = [
            pair for pair in zip(rows, before, strict=True) if max(abs(a - b) for a, b in zip(pair[0][1:], pair[1][1:], strict=True)) > NEAR
        ]
        if away:
            found.append(f"{state}: {len(away)} of {len(rows)} boxes; first {away[0][0]}, was {away[0][1]} (x, y, width, height)")
    return found


@contextmanager
def changed(page: Any, rule: str) -> Iterator[None]:
    """The page with another rule of style."""
    page.evaluate(
        "(rule) => { looks.rule = new CSSStyleSheet(); looks.rule.replaceSync(rule); document.adoptedStyleSheets.push(looks.rule) }", rule
    )
    yield
    page.evaluate("document.adoptedStyleSheets.pop()")


@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_box_stands_where_it_stood(gallery: Any, direction: str, width: str) -> None:
    boxes = gallery(direction, WIDTHS[width]).evaluate("looks.boxes()")
    assert len(boxes) > 45 and sum(map(len, boxes.values())) > 900, "the gallery was not there"
    if ACCEPT:
        LOOKS.mkdir(exist_ok=True)
        kept(direction, width).write_bytes(gzip.compress(json.dumps(boxes, separators=(",", ":")).encode(), mtime=0))
    assert moved(boxes, json.loads(gzip.decompress(kept(direction, width).read_bytes()))) == [], "Was it meant? Then: make looks"


@pytest.mark.parametrize(
    "rule",
    [
        ".chip { padding-inline: 12px !important; }",
        ".list-row { padding-block: 13px !important; }",
        ".btn { min-block-size: 34px !important; }",
    ],
)
def test_a_changed_padding_is_found(gallery: Any, rule: str) -> None:
    """Without this the test above could pass for nothing."""
    page = gallery("ltr")
    then = json.loads(gzip.decompress(kept("ltr", "wide").read_bytes()))
    with changed(page, rule):
        assert len(moved(page.evaluate("looks.boxes()"), then)) >= 2
    assert moved(page.evaluate("looks.boxes()"), then) == []


def picture(page: Any) -> str:
    whole = base64.b64encode(page.screenshot(full_page=True, animations="disabled", caret="hide")).decode()
    return str(page.evaluate("(data) => looks.shrink(data)", whole))


def hand(page: Any) -> dict[str, str]:
    """How this browser draws: pictures of another hand are not compared."""
    return {"chromium": page.context.browser.version.split(".")[0], "font": page.evaluate("looks.hand()")}


def share_changed(page: Any, path: Path) -> tuple[float, str]:
    """How much of the picture kept is otherwise now, of a thousand, and where it begins."""
    before = base64.b64encode(path.read_bytes()).decode()
    share, where = page.evaluate("([one, other, step]) => looks.differ(one, other, step)", [picture(page), before, STEP])
    return share * 1000, where


@pytest.mark.parametrize(("direction", "theme"), PICTURES)
def test_every_pixel_is_as_it_was(gallery: Any, direction: str, theme: str) -> None:
    page = gallery(direction, theme=theme)
    sign, path, here = LOOKS / "drawn-by.json", LOOKS / f"{direction}-{theme}.png", hand(page)
    if ACCEPT:
        sign.write_text(json.dumps(here, indent=1) + "\n")
        path.write_bytes(base64.b64decode(picture(page)))
    if (drawn_by := json.loads(sign.read_text())) != here:
        pytest.skip(f"pixels not compared: this browser ({here}) draws otherwise than the one that took the pictures ({drawn_by})")
    changes, where = share_changed(page, path)
    assert changes <= THOUSANDTHS, f"{changes:.1f} of 1,000 pixels changed, {where}. Was it meant? Then: make looks"
    if (direction, theme) == ("ltr", "light"):
        with changed(page, ":root { --accent: #a0207a !important; --line: #000 !important; }"):
            assert share_changed(page, path)[0] > THOUSANDTHS, "another accent would not be found"


def test_the_pictures_are_small() -> None:
    files = list(LOOKS.iterdir())
    assert len(files) == len(DIRECTIONS) * len(WIDTHS) + len(PICTURES) + 1
    assert sum(file.stat().st_size for file in files) < 1_500_000
