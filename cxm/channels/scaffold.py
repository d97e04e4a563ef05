"""``cxm channels new``: a folder that passes the contract at bronze, to be changed until it is your channel."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from cxm.kernel.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TEMPLATES = Path(__file__).parent / "scaffolds"
#: What is different in a channel that asks instead of being told.
_POLLING = Path(__file__).parent / "scaffolds_polling"


def new(name: str, target_dir: Path, *, polls: bool = False) -> tuple[Path, ...]:
    """Write the channel ``name`` into ``target_dir/name`` and tell the files, in the order to read them.

    ``polls``: it asks the platform for what is new, with a provider in memory for its tests; else the platform delivers by webhook.

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
    sources = {source.relative_to(_TEMPLATES): source for source in _TEMPLATES.rglob("*.txt")}
    if polls:
        sources |= {source.relative_to(_POLLING): source for source in _POLLING.rglob("*.txt")}
    for place, source in sorted(sources.items()):
        target = folder / place.with_suffix("")
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
