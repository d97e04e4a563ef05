"""The references in docs/ that are made from the code: ``python tools/generate_docs.py`` writes them anew; ``--check`` only looks.

Settings, events, permissions, commands, channels, routes and error codes are each written down once, beside the code they belong to.
These pages repeat them for readers; tests/test_docs.py fails where a page and the code have parted.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BEGIN = "<!-- generated: begin -->"
END = "<!-- generated: end -->"
_NOTE = "Made from the code by `python tools/generate_docs.py`; a test fails when it is stale. Change the code, not this page."


def get_ready() -> None:
    """Django set up, so that every slice is loaded; no engine is started and no database is asked."""
    os.environ.setdefault("CXM_SECRET_KEY", "only for making the documentation, never for serving")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cxm.run.settings")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; bars and line breaks inside cells are made harmless."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def plain(docstring: str | None) -> str:
    """A docstring as Markdown: its double backquotes and roles become code."""
    import re

    text = " ".join((docstring or "").split())
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def code(text: str) -> str:
    """``text`` as Markdown code."""
    return f"`{text}`"


# --- settings --------------------------------------------------------------------------------------------------------


def settings_table() -> str:
    """Every field of the one configuration object."""
    from cxm.platform.config import Settings

    rows: list[tuple[str, ...]] = []
    for name, field in Settings.model_fields.items():
        names = _environment_names(name, field)
        default = field.default
        shown = "empty" if default in ("", None) else code(str(default).lower() if isinstance(default, bool) else str(default))
        rows.append((" or ".join(code(one) for one in names), shown, field.description or ""))
    return table(("variable", "unless set", "what it does"), rows)


def _environment_names(name: str, field: Any) -> list[str]:
    choices = getattr(field.validation_alias, "choices", None)
    if choices:
        return [str(one) for one in choices if str(one).isupper()]
    return [f"CXM_{name.upper()}"]


# --- events ----------------------------------------------------------------------------------------------------------


def event_classes() -> dict[str, type[Any]]:
    """Every event by its name; slotted dataclasses leave a twin behind, the later one counts."""
    from cxm.kernel.events import Event

    found = {
        kind.name: kind
        for kind in Event.__subclasses__()
        if kind.name and kind.__module__.startswith("cxm.") and ".tests." not in kind.__module__
    }
    return {name: found[name] for name in sorted(found)}


def events_page() -> str:
    """``events.md``."""
    import dataclasses

    parts = ["# Events\n", _NOTE + "\n"]
    parts.append(
        "What happened, in order, as `GET /api/v1/events` tells it: the public members of events one has the permission for. "
        "Subscribers inside the program get the whole object. The rules are in [the handbook](../handbook/events.md).\n"
    )
    for name, kind in event_classes().items():
        fields = ", ".join(code(field.name) for field in dataclasses.fields(kind) if field.name != "organization")
        public = ", ".join(code(key) for key in public_keys(kind)) or "nothing but its name and time"
        where = code(kind.__module__ + "." + kind.__name__)
        parts.append(f"## {name}\n\n{plain(kind.__doc__)}\n\n- Class: {where}\n- Permission: {code(kind.permission)}")
        parts.append(f"- Shown outside: {public}\n- Members inside: {fields}\n")
    return "\n".join(parts).rstrip() + "\n"


def public_keys(kind: type[Any]) -> list[str]:
    """The keys ``public()`` answers with, read from its source: it builds one literal dictionary."""
    import inspect
    import textwrap

    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.public)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            return [key.value for key in node.value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    raise RuntimeError(f"{kind.__name__}.public does not return a literal dictionary; say in its docstring what it shows and teach me.")


# --- permissions -----------------------------------------------------------------------------------------------------


def permissions_page() -> str:
    """``permissions.md``."""
    from cxm.govern.api import registry
    from cxm.kernel.permissions import ROLES

    if not registry.permissions:
        registry.load()
    rows = [
        (code(name), one.text, *("yes" if role in one.roles else "" for role in ROLES))
        for name, one in sorted(registry.permissions.items())
    ]
    heads = ("permission", "allows", *(role.replace("_", " ") for role in ROLES))
    intro = (
        "A member holds a role in a unit, and with it these rights there and in every unit below. The same names are the scopes of API "
        "tokens: a token may what both its scopes and its member may. `GET /api/v1/permissions` lists them too.\n"
    )
    return f"# Permissions and roles\n\n{_NOTE}\n\n{intro}\n{table(heads, rows)}"


# --- commands --------------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of ``cxm`` that does something: its words and its click object."""
    import typer

    from cxm.run.cli import app

    yield from _below("cxm", typer.main.get_command(app))


def _below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name in sorted(children):
        yield from _below(f"{words} {name}", children[name])


def commands_page() -> str:
    """``commands.md``."""
    intro = (
        "Errors go to standard error with what to do next. Exit 0: done; 1: failed; 2: wrong usage, a query that cannot be understood "
        "included. Every command works whether or not `cxm serve` runs on the same data, except where it says so.\n"
    )
    parts = ["# Commands\n", _NOTE + "\n", intro]
    for words, command in commands():
        parts.append(_command(words, command))
    return "\n".join(parts).rstrip() + "\n"


def _command(words: str, command: Any) -> str:
    text, _, example = (command.help or "").partition("Example:")
    rows: list[tuple[str, ...]] = []
    usage = [words]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            label = parameter.metavar or parameter.name.upper()
            usage.append(label if parameter.required else f"[{label}]")
            rows.append((code(label), getattr(parameter, "help", None) or ""))
        elif parameter.name != "help":
            rows.append((_option(parameter), _help_of(parameter)))
    lines = [f"## {words}\n", plain(text) + "\n", "```\n" + " ".join([*usage, "[OPTIONS]"]) + "\n```\n"]
    if example.strip():
        lines.append("Example:\n\n```\n" + example.strip() + "\n```\n")
    if rows:
        lines.append(table(("", ""), rows))
    return "\n".join(lines)


def _option(parameter: Any) -> str:
    names = ", ".join(code(name) for name in parameter.opts)
    return names if parameter.is_flag else f"{names} {parameter.metavar or 'VALUE'}"


def _help_of(parameter: Any) -> str:
    default = parameter.default
    known = (
        default not in (None, False, "") and not callable(default) and not parameter.required and "Sentinel" not in type(default).__name__
    )
    return (parameter.help or "") + (" Needed." if parameter.required else f" Unless given: {code(str(default))}." if known else "")


# --- channels --------------------------------------------------------------------------------------------------------


def channels_page() -> str:
    """``channels.md``."""
    from cxm.channels import registry

    intro = (
        "The tier is computed from what a channel's folder holds (`cxm channels score`), never claimed: bronze maps, verifies and is "
        "documented; silver also answers, knows its limits and when to sign in again; gold also settles unknown outcomes, honours "
        "deletions and is tested against a real server.\n"
    )
    parts = ["# Channels\n", _NOTE + "\n", intro]
    rows: list[tuple[str, ...]] = []
    details: list[str] = []
    for channel in registry.channels():
        manifest, result = channel.manifest, _score(channel.name)
        live = "never run against the live service" if result.never_run_live else "run against the live service"
        link = f"[{manifest.title}](../../cxm/channels/{manifest.name}/README.md)"
        rows.append((link, result.tier, ", ".join(manifest.capabilities), manifest.support, live))
        details.append(_channel(manifest, result, live))
    parts.append(table(("channel", "tier", "can", "support", "against the live service"), rows))
    return "\n".join([*parts, *details]).rstrip() + "\n"


def grades() -> str:
    """``cxm/channels/grades.json``: what pages show of the same."""
    from cxm.channels import registry
    from cxm.channels.grades import Grade

    found = {channel.name: _score(channel.name) for channel in registry.channels()}
    told = {name: asdict(Grade(one.tier, one.never_run_live)) for name, one in sorted(found.items())}
    return json.dumps(told, indent=2) + "\n"


@cache
def _score(name: str) -> Any:
    from cxm.channels import registry
    from cxm.channels.score import score

    return score(registry.channel(name))


def _channel(manifest: Any, result: Any, live: str) -> str:
    use = manifest.data_use
    allowed = ", ".join(name for name in ("store", "link", "message", "export", "train") if getattr(use, name)) or "nothing"
    limit = f"{manifest.limits.text:,} {manifest.limits.counted}" if manifest.limits.text else "not stated"
    hosts = [*manifest.hosts.allowed, *(f"what the setting {name} names" for name in manifest.hosts.settings)]
    alone = manifest.reply.private
    private = f"private where {code(alone)} is on" if isinstance(alone, str) else "private" if alone else ""
    visible = [name for name in (private, "public" if manifest.reply.public else "") if name]
    properties = manifest.settings.get("properties", {})
    required = set(manifest.settings.get("required", ()))
    facts = [
        ("name", code(manifest.name)),
        ("kinds of mentions", ", ".join(manifest.kinds)),
        ("sources beside its own inbound", "; ".join(f"{code(kind.name)}: {kind.title}" for kind in manifest.sources) or "none"),
        ("signs in by", ", ".join([manifest.auth.kind.replace("_", " "), *(f"OAuth2 with {way.title}" for way in manifest.auth.ways)])),
        ("deliveries signed by", (manifest.auth.inbound or "it fetches by itself").replace("_", " ")),
        ("connects to", ", ".join(hosts) or "nothing"),
        ("answers", (", ".join(visible) if manifest.replies else "none") + f"; text up to {limit}"),
        ("an unknown outcome is read back", _rule(manifest.reply.reads_back)),
        ("sending twice is one effect", _rule(manifest.reply.idempotent)),
        ("we may", allowed),
        ("a deletion there is one here within", f"{use.delete_within_days} days" if use.delete_within_days else "not told of any"),
        ("ids are unique within", f"one {manifest.ids_unique_within}" if manifest.ids_unique_within == "account" else "the channel"),
        ("live", live),
        ("the next tier asks for", " ".join(one.text for one in result.missing()) or "nothing more"),
    ]
    rows = [
        (code(name), one.get("title", ""), "needed" if name in required else "", one.get("description", ""))
        for name, one in properties.items()
    ]
    said = manifest.description or manifest.title
    errands = [
        f"{number}. **{one.title}.** {one.text}" + (f" <{one.link}>" if one.link else "") for number, one in enumerate(manifest.arrange, 1)
    ]
    first = "To arrange there first:\n\n" + "\n".join(errands) + "\n\n" if errands else ""
    return (
        f"## {manifest.title}\n\n{said}\n\n{first}" + table(("", ""), facts) + "\n" + table(("setting", "title", "", "what it does"), rows)
    )


def _rule(value: bool | str) -> str:
    return f"where the setting {code(value)} is on" if isinstance(value, str) else "yes" if value else "no"


# --- the API ---------------------------------------------------------------------------------------------------------


@cache
def operations() -> list[tuple[str, str, str, str, str]]:
    """Every route: method, path, summary, permission (empty: any valid token), description."""
    from cxm.run.api import api

    held: dict[str, str] = {}
    for router in api._get_bound_routers():
        for view in router.path_operations.values():
            for operation in view.operations:
                held[api.get_openapi_operation_id(operation)] = getattr(operation.view_func, "permission", None) or ""
    found: list[tuple[str, str, str, str, str]] = []
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, one in methods.items():
            found.append((method.upper(), path, one.get("summary", ""), held[one["operationId"]], one.get("description", "")))
    return found


def api_page() -> str:
    """``api.md``."""
    from cxm.run.openapi import DESCRIPTION

    parts = ["# REST: /api/v1\n", _NOTE + "\n", DESCRIPTION + "\n"]
    parts.append(
        "The whole document, with every body and answer, is served at `/api/v1/openapi.json` (OpenAPI 3.1). "
        "Permissions are explained in [permissions](permissions.md); codes of errors stand in [errors](errors.md).\n"
    )
    groups: dict[str, list[tuple[str, ...]]] = {}
    for method, path, summary, permission, description in operations():
        short = path.removeprefix("/api/v1")
        said = plain(description.split("\n\n")[0])
        words = summary if not said or said.rstrip(".").lower() == summary.lower() else f"{summary}. {said}"
        right = code(permission) if permission else "any valid token"
        groups.setdefault(short.split("/")[1], []).append((code(f"{method} {short}"), words, right))
    for name, rows in groups.items():
        parts.append(f"## {name}\n\n{table(('call', 'what it does', 'permission'), rows)}")
    return "\n".join(parts).rstrip() + "\n"


# --- errors ----------------------------------------------------------------------------------------------------------


def error_classes(sources: list[tuple[str, ast.Module]]) -> dict[str, int]:
    """Names of classes in the error tree with their HTTP status: read from the source, so that it matters not what is imported."""
    from cxm.kernel import errors

    found = {name: kind.status for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.CxmError)}
    classes = [node for _, tree in sources for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while fresh := [(node, base) for node in classes if node.name not in found and (base := _known_base(node, found))]:
        for node, base in fresh:
            found[node.name] = next((_status(line) for line in node.body if _status(line)), found[base])
    return found


def _sources() -> list[tuple[str, ast.Module]]:
    """Path and tree of each of our files that an installation runs."""
    files = ((file, file.relative_to(ROOT).as_posix()) for file in sorted((ROOT / "cxm").rglob("*.py")))
    left_out = ("/tests/", "/migrations/", "/demo/")
    return [(path, ast.parse(file.read_text("utf-8"))) for file, path in files if not any(part in path for part in left_out)]


def _known_base(node: ast.ClassDef, known: dict[str, int]) -> str:
    return next((base.id for base in node.bases if isinstance(base, ast.Name) and base.id in known), "")


def _status(line: ast.stmt) -> int:
    """The number of ``status = 409`` in a class, 0 for anything else."""
    target = line.targets[0] if isinstance(line, ast.Assign) else line.target if isinstance(line, ast.AnnAssign) else None
    value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
    named = isinstance(target, ast.Name) and target.id == "status"
    return value.value if named and isinstance(value, ast.Constant) and isinstance(value.value, int) else 0


@cache
def error_codes() -> dict[str, tuple[frozenset[int], str, str]]:
    """Codes that stand literally where an error is made: every status they come with; text and hint of the first, by path."""
    sources = _sources()
    known = error_classes(sources)
    found: dict[str, tuple[frozenset[int], str, str]] = {}
    for path, tree in sources:
        if path == "cxm/kernel/errors.py":
            continue
        for node in ast.walk(tree):
            if (made := _made_error(node, known)) is not None:
                name, status, text, hint = made
                before, text, hint = found.get(name, (frozenset(), text, hint))
                found[name] = (before | {status}, text, hint)
    return dict(sorted(found.items()))


def _made_error(node: ast.AST, known: dict[str, int]) -> tuple[str, int, str, str] | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in known:
        return None
    if len(node.args) < 2 or not isinstance(node.args[0], ast.Constant) or not isinstance(node.args[0].value, str):
        return None
    return node.args[0].value, known[node.func.id], _said(node.args[1]), _said(node.args[2]) if len(node.args) > 2 else ""


def _said(node: ast.expr) -> str:
    """A text as far as it is known before it runs; what is filled in stands as an ellipsis."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_" and node.args:
        return _said(node.args[0])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "said" and node.args:
        return re.sub(r"\{\w+\}", "…", _said(node.args[0]))
    if isinstance(node, ast.JoinedStr):
        return "".join(_said(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def errors_page() -> str:
    """``errors.md``."""
    intro = (
        "Errors of the API are problem documents (RFC 9457): `status`, `code`, `title`, `detail`, and `errors` where single fields are "
        "meant. Programs look at `code`, which stays; texts may be put better, and come in the language of `Accept-Language` (`es`, `ar`, "
        "`zh-Hans`) where they are translated; `Content-Language` says in which. “…” stands for what is filled in. `not_found` (404) is the "
        "answer to whatever is missing or another organization's.\n"
    )
    rows = [(code(name), ", ".join(map(str, sorted(statuses))), text, hint) for name, (statuses, text, hint) in error_codes().items()]
    return f"# Errors\n\n{_NOTE}\n\n{intro}\n{table(('code', 'status', 'what happened', 'what to do'), rows)}"


# --- all of it -------------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "reference/api.md": api_page,
    "reference/channels.md": channels_page,
    "reference/commands.md": commands_page,
    "reference/errors.md": errors_page,
    "reference/events.md": events_page,
    "reference/permissions.md": permissions_page,
}
#: What is no page: read by the program itself.
GRADES = ROOT / "cxm" / "channels" / "grades.json"
SECTIONS: dict[str, Callable[[], str]] = {"operations/settings.md": settings_table}


def rendered() -> dict[Path, str]:
    """Every generated page, whole, by its path; of pages with a generated section, the page with that section made anew."""
    get_ready()
    found = {DOCS / name: make() for name, make in PAGES.items()}
    found[GRADES] = grades()
    for name, make in SECTIONS.items():
        before, _, rest = (DOCS / name).read_text("utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        found[DOCS / name] = f"{before}{BEGIN}\n\n{make()}\n{END}{after}"
    return found


def main() -> int:
    """Write what changed; with ``--check`` name what is stale and exit 1."""
    stale = {path: text for path, text in rendered().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        print(path.relative_to(ROOT))
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
