"""The rules of the house that no ready-made linter knows, as small checks over the syntax tree. Each has a canary in tests/test_house.py.

* one way out: only ``outbound`` calls ``connect.api.send`` and ``read_back``;
* tenant scope: ``Model.everywhere`` carries its reason on the line;
* slices are entered by their door: ``api``, ``contracts``, ``events``;
* no HTML in Python strings;
* aware datetimes: the clock is read in ``kernel.clock`` alone;
* every outgoing connection is opened by ``platform.egress``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLICES = {
    "govern",
    "people",
    "connect",
    "outbound",
    "listen",
    "learn",
    "love",
    "publish",
    "advertise",
    "campaign",
    "community",
    "commerce",
    "surveys",
    "automate",
    "transform",
}
DOORS = {"api", "contracts", "events"}
_HTML = re.compile(
    r"</?(?:div|span|p|a|b|i|br|table|tr|td|script|img|ul|li|button|form|input|strong|em|h[1-6])(?:\s[^<>]*)?/?>", re.IGNORECASE
)
_CLOCK = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("timezone", "now"), ("date", "today")}
#: Where strangers' markup is taken apart, or the platform's own clock and sockets are.
_MAY_HTML = (
    "cxm/channels/email/",
    "cxm/channels/kit/mail/",
    "cxm/design/specimens.py",
    "cxm/design/gallery",
    "cxm/channels/testing/",
    "cxm/demo/",
)
_MAY_CLOCK = ("cxm/kernel/clock.py",)
_MAY_CONNECT = (
    "cxm/platform/egress.py",
    "cxm/platform/mail.py",
    "cxm/platform/realtime.py",
    "cxm/platform/postgres.py",
    "cxm/run/serving.py",
    "cxm/run/doctor.py",
    "cxm/demo/",
)
_NETWORK = {
    "httpx2",
    "httpcore2",
    "requests",
    "urllib3",
    "aiohttp",
    "smtplib",
    "imaplib",
    "poplib",
    "ftplib",
    "socket",
    "websockets",
    "urllib.request",
    "http.client",
}
#: Protocol libraries that get their socket from the dialler they are handed.
_HANDED_SOCKETS = ("cxm/channels/",)


@dataclass(frozen=True, slots=True)
class Fault:
    """One breach: where, which rule, what to do."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


def faults_of(path: str, source: str) -> Iterator[Fault]:
    """Every breach in one file; ``path`` is relative to the repository."""
    tree = ast.parse(source)
    lines = source.splitlines()
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for rule, text in _judge(path, node, lines):
            yield Fault(path, line, rule, text)


def _judge(path: str, node: ast.AST, lines: list[str]) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Attribute):
        yield from _one_way_out(path, node)
        yield from _tenant_scope(node, lines)
        yield from _clock(path, node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _doors(path, node)
        yield from _egress(path, node)
        yield from _send_taken_in(path, node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _html(path, node)


def _one_way_out(path: str, node: ast.Attribute) -> Iterator[tuple[str, str]]:
    if (
        node.attr in ("send", "read_back")
        and isinstance(node.value, ast.Name)
        and node.value.id == "connect"
        and not path.startswith(("cxm/outbound/", "cxm/connect/tests/"))
    ):
        yield "one-way-out", "only outbound calls a connector's send; propose an intent to outbound.api instead"


def _send_taken_in(path: str, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) and node.module == "cxm.connect.api" else set()
    if names & {"send", "read_back"} and not path.startswith("cxm/outbound/") and "/tests/" not in path:
        yield "one-way-out", "only outbound calls a connector's send; propose an intent to outbound.api instead"


def _tenant_scope(node: ast.Attribute, lines: list[str]) -> Iterator[tuple[str, str]]:
    if node.attr == "everywhere" and "# everywhere:" not in "".join(lines[node.lineno - 1 : node.lineno + 5]):
        yield "tenant-scope", "say why on the line (# everywhere: reason), or use objects.for_organization(id)"


def _clock(path: str, node: ast.Attribute) -> Iterator[tuple[str, str]]:
    if (
        isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in _CLOCK
        and not path.startswith(_MAY_CLOCK)
        and "/models.py" not in path
        and "/tests/" not in path
    ):
        yield "aware-clock", "read the time with cxm.kernel.clock.now()"


def _doors(path: str, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    home = path.split("/")[1] if path.startswith("cxm/") else ""
    if home in ("run", "demo", "") or "/tests/" in path:
        return
    names = (
        [alias.name for alias in node.names]
        if isinstance(node, ast.Import)
        else [f"{node.module}.{alias.name}" for alias in node.names if node.module]
    )
    for name in names:
        parts = name.split(".")
        if len(parts) > 2 and parts[0] == "cxm" and parts[1] in SLICES and parts[1] != home and parts[2] not in DOORS:
            yield "door", f"{name} is inside {parts[1]}; use its api, contracts or events"


def _egress(path: str, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    if path.startswith((*_MAY_CONNECT, *_HANDED_SOCKETS)) or "/tests/" in path:
        return
    for name in names:
        if name.split(".")[0] in _NETWORK or name in _NETWORK:
            yield "egress", f"{name} opens connections by itself; use platform.egress"


def _html(path: str, node: ast.Constant) -> Iterator[tuple[str, str]]:
    if not path.startswith(_MAY_HTML) and "/tests/" not in path and _HTML.search(node.value):
        yield "no-html", "HTML belongs into a template"


def main() -> int:
    """Check cxm/; prints every breach, exit 1 where there is one."""
    found: list[Fault] = []
    for file in sorted((ROOT / "cxm").rglob("*.py")):
        path = file.relative_to(ROOT).as_posix()
        if "/migrations/" not in path:
            found += faults_of(path, file.read_text())
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
