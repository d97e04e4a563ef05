"""The walls of the house stand: every rule catches its breach, every slice is in its place, nothing foreign lies about."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver

from cxm.platform.tenancy import OrganizationModel
from tools import house_rules

ROOT = Path(__file__).resolve().parent.parent
CXM = ROOT / "cxm"
LONG, TOO_LONG = 400, 600


def tracked() -> list[Path]:
    """What belongs to the repository: tracked, or new and not ignored."""
    try:
        said = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in said.splitlines() if (path := ROOT / name).is_file()]


def sources() -> Iterator[tuple[str, Path]]:
    """Python files of the program, by their path in the repository; no tests, no migrations."""
    for file in sorted(CXM.rglob("*.py")):
        name = file.relative_to(ROOT).as_posix()
        if "/tests/" not in name and "/migrations/" not in name:
            yield name, file


def folders() -> set[str]:
    """The slices and what they stand on."""
    return {path.parent.name for path in CXM.glob("*/__init__.py")}


# --- the rules, each with its canary ---------------------------------------------------------------------------------

#: Rule, a breach it must catch, and where; beside it something alike that is right.
CANARIES = [
    ("one-way-out", "cxm/love/services/x.py", "connect.send(organization, account, outgoing)", "outbound.propose(actor, new)"),
    ("one-way-out", "cxm/listen/x.py", "f = connect.read_back", "f = connect.account"),
    ("one-way-out", "cxm/love/x.py", "from cxm.connect.api import send", "from cxm.connect.api import account"),
    ("tenant-scope", "cxm/love/x.py", "Entry.everywhere.all()", "Entry.everywhere.all()  # everywhere: a watch over all"),
    ("aware-clock", "cxm/love/x.py", "moment = datetime.now()", "moment = clock.now()"),
    ("aware-clock", "cxm/listen/x.py", "day = date.today()", "day = now().date()"),
    ("door", "cxm/love/x.py", "from cxm.listen.models import Record", "from cxm.listen.api import mention"),
    ("door", "cxm/listen/x.py", "from cxm.govern import services", "from cxm.govern import api"),
    ("door", "cxm/outbound/x.py", "import cxm.connect.mailbox", "import cxm.connect.contracts"),
    ("egress", "cxm/listen/x.py", "import httpx2", "from cxm.platform import egress"),
    ("egress", "cxm/listen/x.py", "import urllib.request", "import urllib.parse"),
    ("egress", "cxm/connect/x.py", "from socket import create_connection", "from urllib.parse import urlsplit"),
    ("no-html", "cxm/love/pages.py", "text = f'<b>{name}'", "text = 'a < b and c > d'"),
    ("no-html", "cxm/people/x.py", "text = '<a href=\"/\">home</a>'", "text = 'Write to <name@example.com>'"),
]


@pytest.mark.parametrize(("rule", "path", "breach", "right"), CANARIES)
def test_a_rule_catches_its_breach_and_nothing_else(rule: str, path: str, breach: str, right: str):
    found = list(house_rules.faults_of(path, breach + "\n"))
    assert [fault.rule for fault in found] == [rule]
    assert found[0].line == 1
    assert path in str(found[0])
    assert not list(house_rules.faults_of(path, right + "\n"))


def test_every_rule_has_a_canary():
    tree = ast.parse((ROOT / "tools" / "house_rules.py").read_text("utf-8"))
    yielded = (node.value for node in ast.walk(tree) if isinstance(node, ast.Yield))
    rules = {node.elts[0].value for node in yielded if isinstance(node, ast.Tuple) and isinstance(node.elts[0], ast.Constant)}
    assert len(rules) >= 6
    assert rules == {canary[0] for canary in CANARIES}


def test_the_house_keeps_its_rules(capsys: pytest.CaptureFixture[str]):
    assert house_rules.main() == 0, capsys.readouterr().out


# --- slices ----------------------------------------------------------------------------------------------------------


def contracts() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / ".importlinter")
    return found


def test_every_folder_stands_in_the_layers():
    layers = contracts()["importlinter:contract:layers"]["layers"]
    assert folders() <= set(re.findall(r"cxm\.(\w+)", layers))
    optional = set(re.findall(r"\(cxm\.(\w+)\)", layers))
    assert not optional & (folders() - {"demo"}), "what exists is no longer optional"


def test_the_layers_of_the_handbook_are_the_contracts():
    layers = contracts()["importlinter:contract:layers"]["layers"]
    there = [sorted(set(re.findall(r"cxm\.(\w+)", line)) & folders()) for line in layers.splitlines()]
    drawn = re.search(r"```\n(run > .*?)\n```", (ROOT / "docs/handbook/index.md").read_text("utf-8"))
    assert drawn
    assert [sorted(layer.split(", ")) for layer in drawn[1].split(" > ")] == [layer for layer in there if layer]


def test_every_slice_with_rows_is_entered_by_its_door_alone():
    from cxm.run.settings import SLICES

    assert set(SLICES) - {"demo"} <= house_rules.SLICES


def test_channels_are_independent_all_of_them():
    named = set(re.findall(r"cxm\.channels\.(\w+)", contracts()["importlinter:contract:channels"]["modules"]))
    assert named == {path.parent.name for path in (CXM / "channels").glob("*/manifest.toml")}


def test_no_folder_without_working_code():
    """A folder holds a function, a class, or data that is read; a tests folder holds a test."""
    empty: list[str] = []
    for init in CXM.rglob("__init__.py"):
        folder = init.parent
        if folder.name == "migrations":
            continue
        texts = [file.read_text("utf-8") for file in folder.rglob("*.py")]
        works = (
            re.compile(r"^def test_|^    def test_|^async def test_", re.M)
            if folder.name == "tests"
            else re.compile(r"^\s*(?:async )?(?:def|class) ", re.M)
        )
        if not any(works.search(text) for text in texts):
            empty.append(folder.relative_to(ROOT).as_posix())
    assert not empty, f"Nothing is in {', '.join(empty)}: fill or remove."


def test_nothing_is_left_for_later_in_code():
    left = re.compile(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b")
    assert not [
        f"{name}:{number}"
        for name, file in sources()
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if left.search(line)
    ]


def test_files_stay_short():
    lengths = {name: file.read_text("utf-8").count("\n") for name, file in sources()}
    assert len(lengths) > 100
    long = {name: count for name, count in lengths.items() if count > LONG}
    if long:
        warnings.warn(f"over {LONG} lines, split when you touch them: {long}", stacklevel=1)
    assert not {name: count for name, count in long.items() if count > TOO_LONG}


def test_what_is_public_says_what_it_promises():
    """Every function of a door, where it is written, and every module has a docstring."""
    mute: list[str] = []
    for name, file in sources():
        tree = ast.parse(file.read_text("utf-8"))
        if tree.body and not ast.get_docstring(tree):
            mute.append(name)
        if file.name in ("api.py", "services.py", "selectors.py", "contracts.py", "events.py", "egress.py") or file.parent.name in (
            "services",
            "selectors",
        ):
            named = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"))
            mute += [f"{name}:{node.lineno} {node.name}" for node in named if not ast.get_docstring(node)]
    assert not mute


# --- rows ------------------------------------------------------------------------------------------------------------

#: Tables that carry an organization but are no OrganizationModel, and why.
PLAIN = {
    "listen.Record": "the ledger: ids contain the organization, and accept locks batches by id alone",
    "platform.EventLog": "followers read it across organizations; readers of one go through events.since",
    "platform.IdempotencyKey": "asked in one place, by organization, caller and key",
    "govern.AuditHead": "its key is the organization",
}
#: Indexes and constraints that do not begin with the organization, and why.
NOT_FIRST = {
    "account_due": "the runtime serves all organizations",
    "delivery_once": "an account belongs to one organization; the door knows the account alone",
    "delivery_waiting": "a mailbox is one account's",
    "webhook_due": "one runtime serves all organizations",
    "intent_open": "the watch over lost jobs looks at all",
    "attempt_order": "an attempt is asked for by its intent",
    "event_log_at": "for pruning, across organizations",
}


def own_models() -> list[type[models.Model]]:
    found = [model for model in apps.get_models() if model.__module__.startswith("cxm.")]
    assert len(found) > 25
    return found


def test_rows_of_an_organization_refuse_a_query_without_it():
    plain = {
        model._meta.label
        for model in own_models()
        if any(field.attname == "organization_id" for field in model._meta.concrete_fields) and not issubclass(model, OrganizationModel)
    }
    assert plain == set(PLAIN)


def test_indexes_begin_with_the_organization():
    others: set[str] = set()
    for model in own_models():
        if not any(field.attname == "organization_id" for field in model._meta.concrete_fields):
            continue
        for index in model._meta.indexes:
            if index.fields and index.fields[0] != "organization_id":
                others.add(index.name)
        for constraint in model._meta.constraints:
            if isinstance(constraint, models.UniqueConstraint) and constraint.fields and constraint.fields[0] != "organization_id":
                others.add(constraint.name)
    assert others == set(NOT_FIRST)


def test_no_foreign_key_crosses_slices():
    crossing = [
        f"{model._meta.label}.{field.name}"
        for model in own_models()
        for field in model._meta.get_fields()
        if field.is_relation and field.many_to_one and field.concrete and field.related_model._meta.app_label != model._meta.app_label
    ]
    assert not crossing


@pytest.mark.django_db
def test_migrations_are_written():
    labels = sorted({model._meta.app_label for model in own_models()})
    call_command("makemigrations", *labels, check=True, dry_run=True, verbosity=0)


# --- ways in ---------------------------------------------------------------------------------------------------------

#: Addresses without a signed-in member, and why.
OPEN = {
    "": "leads on: to the sign-in, or home",
    "sign-in": "the way in",
    "sign-out": "the way out; ends whatever session there is",
    "accept-invitation/<str:secret>": "the secret is the right",
    "channels/clients/<slug:channel>.json": "who we say we are, for platforms to read; nothing in it is secret",
    "live": "looks at the session by itself, since it is async",
    "healthz": "for whoever watches",
    "readyz": "for whoever watches",
    "metrics": "loopback alone, unless opened",
    "design": "the gallery: nobody's data",
}


def patterns(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, before + str(entry.pattern))
        else:
            yield before + str(entry.pattern), entry


def test_every_page_looks_who_is_there():
    pages = {path: one for path, one in patterns(get_resolver()) if not path.startswith("api/v1/")}
    assert len(pages) > 40
    unguarded = {path for path, one in pages.items() if not hasattr(one.callback, "permission")}
    assert unguarded == set(OPEN), "use @govern.page, or take out of the list what is guarded now"


def test_every_call_needs_a_token():
    from cxm.run.api import api

    operations = [one for router in api._get_bound_routers() for view in router.path_operations.values() for one in view.operations]
    assert len(operations) > 40
    assert all(one.auth_callbacks and getattr(one, "guarded", False) for one in operations)


# --- templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("markup that is not escaped", r"\|\s*safe\b|\|\s*safeseq\b|{%\s*autoescape\s+off"),
        ("an inline style", r"<[^>]+\sstyle="),
        ("an inline handler", r"<[^>]+\s(?:on[a-z]+|hx-on[:a-z-]*)="),
        ("an inline script", r"<script(?![^>]*\ssrc=)"),
        ("attributes that are not escaped", r"{{\s*attrs\s*}}"),
        ("something from elsewhere", r"(?:src|href)=[\"']https?://"),
    ],
)
def test_templates_hold_no(what: str, pattern: str):
    files = list(CXM.rglob("templates/**/*.html"))
    assert len(files) > 80
    found = [file.relative_to(ROOT).as_posix() for file in files if re.search(pattern, file.read_text("utf-8"))]
    assert not found, f"{what}: {found}"


# --- the repository --------------------------------------------------------------------------------------------------


def test_no_machine_path_and_no_registry_address():
    """Written in pieces, so that this file does not find itself."""
    signs = [
        "/wo" + "rk/",
        "/ro" + "ot/",
        "/ho" + "me/[a-z]+/",
        r"/Us" + "ers/",
        r"\.\./sha" + "red",
        r"registry\.npm" + r"js",
        r"files\.python" + "hosted",
        r"pypi\.org/" + "simple",
        r"/tmp/" + "brief",
    ]
    look = re.compile("|".join(signs))
    texts, found = 0, []
    for path in tracked():
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        texts += 1
        found += [f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}" for number, line in enumerate(lines, 1) if look.search(line)]
    assert texts > 300
    assert not found


def test_requirements_are_locked_by_hash():
    for name in ("run", "test", "node"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
        entries = re.findall(r"^([\w.-]+(?:\[[\w,-]+\])?==\S+)(.*?)(?=^\w|\Z)", text, re.M | re.S)
        assert entries
        assert not [entry for entry, rest in entries if "--hash=sha256:" not in rest]


def test_what_is_asked_for_is_locked():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name, wanted in (("run", project["dependencies"]), ("test", project["optional-dependencies"]["test"])):
        locked = set(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==", (ROOT / "requirements" / f"{name}.txt").read_text("utf-8"), re.M))
        assert {re.match(r"[\w.-]+", one)[0] for one in wanted} <= locked  # type: ignore[index]


def test_licence_and_notice_are_there():
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in (ROOT / "NOTICE").read_text("utf-8")
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"):
        assert (ROOT / name).stat().st_size > 500
