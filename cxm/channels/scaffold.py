"""``cxm channels new``: a folder that passes the contract at bronze, to be changed until it is your channel."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from cxm.kernel.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TEMPLATES = Path(__file__).parent / "scaffolds"


def new(name: str, target_dir: Path) -> tuple[Path, ...]:
    """Write the channel ``name`` into ``target_dir/name`` and tell the files, in the order to read them.

    Raises :class:`~cxm.kernel.errors.Invalid` (``name_invalid``) or :class:`~cxm.kernel.errors.Conflict` (``folder_exists``);
    nothing that is there is ever overwritten.
    """
    if not _NAME.fullmatch(name):
        raise Invalid("name_invalid", f"“{name}” cannot name a channel.", "Use a-z, 0-9 and _, beginning with a letter.")
    folder = target_dir / name
    if folder.exists():
        raise Conflict("folder_exists", f"{folder} is there already.", "Choose another name or remove it first.")
    values = {"name": name, "title": name.replace("_", " ").title(), "package": _package(folder)}
    written: list[Path] = []
    for source in sorted(_TEMPLATES.rglob("*.txt")):
        target = folder / source.relative_to(_TEMPLATES).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text("utf-8")).substitute(values), "utf-8")
        written.append(target)
    order = ("README.md", "manifest.toml", "mapping.py", "connector.py")
    return tuple(sorted(written, key=lambda file: (order.index(file.name) if file.name in order else len(order), str(file))))


def _package(folder: Path) -> str:
    parts = [folder.name]
    top = folder.resolve().parent
    while (top / "__init__.py").is_file():
        parts.insert(0, top.name)
        top = top.parent
    return ".".join(parts)
