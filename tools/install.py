"""Make the environment: ``python3 tools/install.py [--test]``. Standard library only; does nothing when nothing changed.

A virtual environment in .venv, packages from the hash-locked requirements, the ``cxm`` program, the built front end; with
``--test`` also what the tests need, Chromium included.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def say(text: str) -> None:
    """One line of progress."""
    print(f"install: {text}", file=sys.stderr, flush=True)


def run(*command: str) -> None:
    """Run a program; its failure is ours, with its words above."""
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        sys.exit(f"install: “{' '.join(command[:4])} …” failed. The lines above say why; mend it and run make again.")


def unchanged(stamp: Path, *files: Path) -> str | None:
    """None where ``stamp`` was made from just these files, else the digest to write into it."""
    digest = hashlib.sha256()
    digest.update(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    value = digest.hexdigest()
    return None if stamp.exists() and stamp.read_text() == value else value


def environment() -> None:
    """The virtual environment itself."""
    if not PYTHON.exists():
        say("making .venv")
        shutil.rmtree(VENV, ignore_errors=True)
        venv.create(VENV, with_pip=True)


def packages(name: str) -> None:
    """The packages of requirements/<name>.txt, each with its hash."""
    file = ROOT / "requirements" / f"{name}.txt"
    stamp = VENV / f".installed-{name}"
    value = unchanged(stamp, file)
    if value is None:
        return
    say(f"installing requirements/{name}.txt")
    run(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(file))
    stamp.write_text(value)


def program() -> None:
    """``.venv/bin/cxm``, and the package importable from where it lies."""
    site = next((VENV / "lib").glob("python*/site-packages"))
    (site / "opencxm.pth").write_text(f"{ROOT}\n")
    script = VENV / "bin" / "cxm"
    text = f"#!{PYTHON}\nimport sys\nfrom cxm.run.cli import main\nsys.exit(main())\n"
    if not script.exists() or script.read_text() != text:
        script.write_text(text)
        script.chmod(0o755)


def bytecode() -> None:
    """Our own modules compiled, also where the surroundings forbid programs to do so as they go: each start is a second shorter."""
    run(str(PYTHON), "-m", "compileall", "-q", "-j", "0", str(ROOT / "cxm"))


def front_end() -> None:
    """Scripts, styles, fonts, icons; Node from PyPI where the machine has none of 20 or newer."""
    sys.path.insert(0, str(ROOT / "tools"))
    import build_assets

    try:
        build_assets.node_and_npm()
    except build_assets.BuildError:
        packages("node")
    run(str(PYTHON), str(ROOT / "tools" / "build_assets.py"))


def messages() -> None:
    """Translations compiled from locale/*.po, as far as there are any."""
    run(str(PYTHON), str(ROOT / "tools" / "compile_messages.py"))


def chromium() -> None:
    """A Chromium for the browser tests: the machine's, else the system's package manager's, else Playwright's own."""
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        say("installing Chromium and fonts from the system's packages")
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=environ, check=False)
        fonts = ("fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", *fonts], env=environ, check=False)
    if not shutil.which("chromium"):
        say("installing Playwright's own Chromium")
        subprocess.run([str(PYTHON), "-m", "playwright", "install", "chromium"], check=False)


def main() -> None:
    """Everything, in order."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file must be able to say so
        sys.exit("install: Python 3.11 or newer is needed; this is " + sys.version.split()[0])
    environment()
    packages("run")
    if "--test" in sys.argv:
        packages("test")
    program()
    bytecode()
    front_end()
    messages()
    if "--test" in sys.argv:
        chromium()


if __name__ == "__main__":
    main()
