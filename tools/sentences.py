"""The sentences that slices without a screen say in plain English, read from their code: what a connector found, why a reply did not leave.

A channel's author writes ``Rejected(f"{host} refuses us (403).", "Ask its operator.")`` and nothing else. What is gathered here goes into the
catalogues (``tools/messages.py``), sentences with places in them also into ``cxm/locale/sentences.txt``, by which ``cxm/design/refusals.py``
finds the translation of one that was filled in and stored long ago.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "cxm"
PLACED = SOURCES / "locale" / "sentences.txt"
#: Where every sentence may come to a member's eyes. Of the channels all but what only programmers read.
SPOKEN = (
    "channels/**/*.py", "outbound/gateway.py", "outbound/held.py", "outbound/services.py", "outbound/subscribers.py", "outbound/uploads.py",
    "connect/runtime.py", "connect/tokens.py", "connect/keeping.py", "connect/sources.py", "connect/hooks_post.py",
    "platform/egress.py", "platform/dialling.py", "listen/accept.py", "listen/remote.py", "love/services/*.py",
    "people/joining.py", "people/erasing.py", "people/services.py", "govern/access.py", "govern/services/members.py",
    "govern/services/organizations.py", "govern/services/stops.py",
)  # fmt: skip
_UNSEEN = re.compile(
    r"/(tests|testing|scaffold\w*)/|channels/(manifest|registry|check|score|grades|scaffold|contracts)\.py|/cbor\.py"
    r"|/finding\.py|kit/(mentions|jsons|schemas|webhooks)\.py"
)
#: What only a program can have asked for, or an operator at a terminal.
_OF_PROGRAMS = re.compile(
    r"“(until|due|state|visibility|outcome|release|channel|url|native_id|path)”|\{(path|action|scheme|state|row)\}|GET /|--|cxm setup|token|scope"
    r"|WebSocket|declared|organizations\.$|an account's only|account is on|Name the channel|Use active|Say (one|sent)|^Name (one|some|at least)\b"
    r"|\bNUL\b|\||Unix|no organization yet"
)
_SENTENCE = re.compile(r"[A-Z“(@{].*(?:[.?…]|\.\)|: \{\w+\})", re.DOTALL)
_WORD, _PLACE = re.compile(r"[A-Za-z]{2,}"), re.compile(r"\{\w+\}")
#: Places before and behind a sentence are sentences of their own: ``f"{error.text} {error.mend} Until then …"``.
_ROUND = re.compile(r"^(?:\{\w+\} )+|(?<=[.?…])(?: ?\{\w+\})+$")


def spoken() -> dict[str, list[str]]:
    """Every sentence with the files it stands in, places as ``{name}``."""
    found: dict[str, list[str]] = {}
    for path in sorted({path for one in SPOKEN for path in SOURCES.glob(one)}):
        where = path.relative_to(ROOT).as_posix()
        if _UNSEEN.search(where):
            continue
        for sentence in sentences_of(path.read_text(encoding="utf-8")):
            if where not in found.setdefault(sentence, []):
                found[sentence].append(where)
    return found


def placed() -> str:
    """What belongs into ``sentences.txt``: the sentences with places, the most particular first."""
    found = [one for one in spoken() if _PLACE.search(one)]
    return "".join(f"{one}\n" for one in sorted(found, key=lambda one: (-len(_PLACE.sub("", one)), one)))


def sentences_of(source: str) -> Iterator[str]:
    """The sentences in one file of Python, in order: strings and f-strings that read like one; no docstrings."""
    tree = ast.parse(source)
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    passed |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node}
    passed |= {id(part) for node in ast.walk(tree) if _marked(node) for part in ast.walk(node)}  # gathered by their marks
    for node in ast.walk(tree):
        if id(node) in passed or (text := _template(node)) is None:
            continue
        text = _ROUND.sub("", text.strip())
        if _SENTENCE.fullmatch(text) and not _OF_PROGRAMS.search(text) and len(_WORD.findall(_PLACE.sub("", text))) > 1:
            yield text


def _marked(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "gettext", "ngettext", "said", "pgettext")
    )


def _template(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value if "{" not in node.value else None
    if not isinstance(node, ast.JoinedStr):
        return None
    text, names = "", set[str]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            text += f"{{{_name(part.value, names)}}}"
    return text


def _name(value: ast.expr, taken: set[str]) -> str:
    """A name for a place that a translator understands: of what stands in it; of a call, of what it is given."""
    inner = [*value.args, value] if isinstance(value, ast.Call) else [value]
    named = [one for part in inner for one in ast.walk(part) if isinstance(one, ast.Attribute | ast.Name)]
    first = named[0] if named else None
    plain = (first.attr if isinstance(first, ast.Attribute) else first.id if first else "what").strip("_").lower()
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}{number}", number + 1
    taken.add(name)
    return name
