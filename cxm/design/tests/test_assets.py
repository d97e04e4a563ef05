"""What the browser loads: locked, small, readable in light and dark, and spoken in htmx 4."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "cxm" / "design" / "static" / "built"
CSS = ROOT / "assets" / "css"
TEMPLATES = sorted(path for path in (ROOT / "cxm").rglob("templates/**/*.html"))
BUDGET_JS = 60_000


@pytest.fixture(scope="module")
def built() -> Path:
    """The output folder, built if an input changed."""
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "build_assets.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return BUILT


def test_lock_file_has_hashes_and_no_addresses() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert len(packages) > 5
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package.get("link") or package.get("integrity", "").startswith("sha"), name


def test_packages_are_pinned_exactly() -> None:
    manifest = json.loads((ROOT / "package.json").read_text())
    versions = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values()), versions


def test_script_stays_within_its_budget(built: Path) -> None:
    size = len(gzip.compress((built / "app.js").read_bytes()))
    assert 10_000 < size <= BUDGET_JS


@pytest.mark.parametrize("name", ["app.js", "app.css", "icons.svg"])
def test_browsers_that_take_gzip_get_it(built: Path, name: str) -> None:
    from django.test import Client

    answer = Client().get(f"/static/built/{name}", headers={"Accept-Encoding": "gzip, br"})
    sent = b"".join(answer.streaming_content)
    assert answer["Content-Encoding"] == "gzip" and "Accept-Encoding" in answer["Vary"]
    assert gzip.decompress(sent) == (built / name).read_bytes()
    assert len(sent) < (built / name).stat().st_size * 0.45
    assert "Content-Encoding" not in Client().get(f"/static/built/{name}", headers={"Accept-Encoding": "identity"}).headers


def test_building_again_does_nothing(built: Path) -> None:
    before = (built / "app.js").stat().st_mtime_ns
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "build_assets.py")], capture_output=True, text=True, check=True)
    assert "up to date" in done.stdout
    assert (built / "app.js").stat().st_mtime_ns == before


def test_every_icon_a_template_names_is_in_the_sprite(built: Path) -> None:
    held = set(re.findall(r'<symbol id="([^"]+)"', (built / "icons.svg").read_text()))
    assert len(held) > 60
    named = {}
    for path in TEMPLATES:
        text = path.read_text()
        for name in re.findall(r'{%\s*icon "([a-z0-9-]+)"', text) + re.findall(r'(?<![\w-])icon="([a-z0-9-]+)"', text):
            named[name] = path.name
    from cxm.design import words

    assert {*words.CHANNEL_ICONS.values(), *words.KIND_ICONS.values()} <= held
    assert {name: where for name, where in named.items() if name not in held} == {}


def test_styles_know_no_left_and_right() -> None:
    physical = re.compile(
        r"(?<![\w-])(?:margin|padding|border)-(?:left|right)\b|(?<![\w-])(?:left|right)\s*:|text-align:\s*(?:left|right)|(?<![\w-])float:"
    )
    found = {path.name: physical.findall(path.read_text()) for path in sorted(CSS.glob("*.css"))}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_colours_are_only_in_the_tokens() -> None:
    loose = {
        path.name: re.findall(r"#[0-9a-fA-F]{3,8}\b", path.read_text())
        for path in CSS.glob("*.css")
        if path.name not in ("tokens.css", "feedback.css")
    }
    assert {name: hits for name, hits in loose.items() if hits} == {}


def _tokens() -> dict[str, tuple[str, str]]:
    pairs = re.findall(r"--([\w-]+):\s*light-dark\((#\w+),\s*(#\w+)\)", (CSS / "tokens.css").read_text())
    return {name: (light, dark) for name, light, dark in pairs}


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    full = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    channels = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The WCAG 2 contrast ratio of two colours."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


GROUNDS = ("bg", "panel", "sunken", "hover")
TEXTS = [
    (text, ground) for text in ("text", "soft", "faint", "accent", "good-text", "warn-text", "bad-text", "info-text") for ground in GROUNDS
]
TINTS = [(f"{meaning}-text", f"{meaning}-soft") for meaning in ("good", "warn", "bad", "info")]
TINTS += [("accent", "accent-soft"), ("accent-ink", "accent"), ("accent-ink", "accent-strong"), ("text", "note"), ("soft", "note"), ("faint", "note"), ("text", "mark"),
          ("text", "accent-soft"), ("soft", "accent-soft"), ("faint", "accent-soft")]  # fmt: skip
FACES = [(f"c{number}", f"c{number}-bg") for number in range(1, 9)]


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), [*TEXTS, *TINTS, *FACES])
def test_text_is_readable_on_its_ground(text: str, ground: str, look: str) -> None:
    tokens, at = _tokens(), ("light", "dark").index(look)
    assert contrast(tokens[text][at], tokens[ground][at]) >= 4.5


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("edge", ["edge", "accent", "bad"])
def test_edges_of_what_can_be_used_are_visible(edge: str, ground: str, look: str) -> None:
    tokens, at = _tokens(), ("light", "dark").index(look)
    assert contrast(tokens[edge][at], tokens[ground][at]) >= 3


def _media_preload(line: str) -> bool:
    """Whether it is HTML's own ``preload`` of films and sounds that the checker takes for htmx's."""
    text = Path(line.strip().partition(":")[0]).read_text()
    return "[ext] preload" in line and len(re.findall(r"\spreload=", text)) == len(re.findall(r"<(?:video|audio)\b[^>]*\spreload=", text))


def test_templates_speak_htmx_4(built: Path) -> None:
    checker = ROOT / "node_modules" / "htmx.org" / "dist" / "scripts" / "upgrade-check.py"
    assert checker.is_file()
    folders = sorted({str(path) for path in (ROOT / "cxm").glob("*/templates")})
    done = subprocess.run([sys.executable, str(checker), str(ROOT / "assets"), *folders], capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if re.search(r"\.(html|js):\d+", line) and "[renamed-attr] hx-disable " not in line]
    found = [line for line in found if not _media_preload(line)]
    scanned = re.search(r"Scanning (\d+) file", done.stdout + done.stderr)
    assert scanned and int(scanned.group(1)) >= 60, done.stdout
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT / "cxm").as_posix())
def test_template_keeps_the_content_policy(path: Path) -> None:
    text = re.sub(r"\{%.*?%\}", "", path.read_text())  # what stays of a tag is no attribute
    assert not re.search(r"\sstyle=|\son[a-z]+=|hx-on|[\"']js:|<script(?![^>]*\ssrc=)|<style", text)
    assert not re.search(r"hx-trigger(?::inherited)?=\"[^\"]*\[", text)


@pytest.mark.django_db
def test_pages_travel_compressed_and_their_files_are_kept_for_good(built: Path) -> None:
    """What a page names is kept for a year under a version that changes with its bytes; any other version, and none, is asked for again soon."""
    from django.test import Client

    page = Client().get("/sign-in", headers={"Accept-Encoding": "gzip"})
    text = gzip.decompress(page.content).decode()
    assert page["Content-Encoding"] == "gzip" and "Accept-Encoding" in page["Vary"] and "no-store" in page["Cache-Control"]
    assert Client().get("/sign-in").content.startswith(b"<!doctype html>")
    assert re.search(r'<meta name="description" content="[^"]{20,}">', text)
    fonts = re.findall(r'<link rel="preload" href="/static/built/fonts/([^"]+)"', text)
    assert len(fonts) == 1 and f"fonts/{fonts[0]}" in (built / "app.css").read_text(), (
        "it is there before words are drawn, so that none move"
    )
    named = set(re.findall(r'/static/[^"#]+', text)) - {f"/static/built/fonts/{fonts[0]}"}
    assert {address.partition("?")[0] for address in named} >= {f"/static/built/{name}" for name in ("app.js", "app.css", "icons.svg")}
    for address in named:
        version = hashlib.sha256((ROOT / "cxm/design" / address.strip("/").partition("?")[0]).read_bytes()).hexdigest()[:8]
        assert address.endswith(f"?v={version}")
        assert "immutable" in Client().get(address)["Cache-Control"] and "max-age=31536000" in Client().get(address)["Cache-Control"]
        for other in ("", "?v=", "?v=00000000"):
            assert Client().get(address.partition("?")[0] + other)["Cache-Control"] == "max-age=60, public"
    font = next((built / "fonts").iterdir()).name
    assert Client().get(f"/static/built/fonts/{font}")["Cache-Control"] == "public, max-age=2592000"
