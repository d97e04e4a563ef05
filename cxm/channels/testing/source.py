"""What a channel's source files say, read without running them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_IMPURE = frozenset(
    [
        "socket",
        "ssl",
        "http",
        "urllib.request",
        "requests",
        "httpx",
        "httpx2",
        "aiohttp",
        "time",
        "random",
        "secrets",
        "asyncio",
        "subprocess",
        "os",
        "pathlib",
        "io",
        "smtplib",
        "imaplib",
    ]
)
_IMPURE_CALLS = frozenset(("now", "utcnow", "today", "open"))
_LOUD = frozenset(("logging", "structlog", "tenacity", "backoff"))
_URL = re.compile(r"(?:https?|wss?)://([A-Za-z0-9.-]+\.[A-Za-z]{2,63})")


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8")) if file.is_file() else ast.Module(body=[], type_ignores=[])


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            yield name, node


def impurities(file: Path) -> list[str]:
    """Imports and calls in ``file`` that reach for a clock, chance, a network or a disk."""
    tree = _tree(file)
    found = [f"imports {name}" for name in _imports(tree) if name in _IMPURE or name.partition(".")[0] in _IMPURE]
    return found + [f"calls {name}() in line {call.lineno}" for name, call in _calls(tree) if name in _IMPURE_CALLS]


def runtime_matters(file: Path) -> list[str]:
    """Sleeping and logging in ``file``."""
    tree = _tree(file)
    found = [f"imports {name}" for name in _imports(tree) if name.partition(".")[0] in _LOUD]
    return found + [f"sleeps in line {call.lineno}" for name, call in _calls(tree) if name == "sleep"]


def hosts(file: Path) -> list[str]:
    """Host names in URLs that stand in string constants of ``file``; documentation and ``example`` names are not meant."""
    tree = _tree(file)
    docs = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}  # type: ignore[attr-defined]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            found += [host.lower() for host in _URL.findall(node.value)]
    return [host for host in found if not host.endswith((".example", "example.org", "example.com", "example.net"))]


def _has_docstring(node: ast.AST) -> bool:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return documented and bool(node.body) and isinstance(node.body[0], ast.Expr)
