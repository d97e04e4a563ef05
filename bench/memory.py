"""``cxm serve`` idle: the proportional set size of all its processes, PostgreSQL included. Goal: <= 400 MB."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench.installation import Installation, installation


def run(settle: int = 20) -> dict[str, object]:
    """Megabytes, in all and by program, a while after the start."""
    with installation() as made:
        made.serve()
        assert made.process is not None
        time.sleep(settle)
        found = sizes(made)
        started = _started(made)
    return {"pss_mb": sum(found.values()), **found, "second_start_s": started}


def sizes(made: Installation) -> dict[str, int]:
    """Megabytes (PSS) of an installation, by program."""
    found: dict[str, float] = {}
    for process, name in processes(made):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found[name] = found.get(name, 0) + next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / 1024
    return {name: round(size) for name, size in found.items()}


def processes(made: Installation) -> Iterator[tuple[int, str]]:
    """Every process of an installation, with its program: serve, worker or postgres."""
    assert made.process is not None
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if _is_or_is_child_of(folder, made.process.pid) or str(made.data) in command or _child_of_postmaster(folder, made.data):
                worker = _parent(folder) == made.process.pid and ("serve" in command or "cxm.run.beside" in command)
                yield int(folder.name), "postgres" if "postgres" in command else "worker" if worker else "serve"
        except OSError:
            continue


def _started(made: object) -> float:
    made.stop()  # type: ignore[attr-defined]
    began = time.perf_counter()
    made.serve()  # type: ignore[attr-defined]
    return round(time.perf_counter() - began, 2)


def _is_or_is_child_of(folder: Path, process: int) -> bool:
    return int(folder.name) == process or _parent(folder) == process


def _parent(folder: Path) -> int:
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def _child_of_postmaster(folder: Path, data: Path) -> bool:
    try:
        postmaster = (data / "postgres" / "postmaster.pid").read_text().split()[0]
        return _parent(folder) == int(postmaster)
    except (OSError, IndexError):
        return False
