"""The documentation is tested: references are current, links lead somewhere, examples work, figures are those of the code."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote

import pytest

from cxm.govern.api import registry
from cxm.kernel.errors import CxmError
from cxm.kernel.permissions import ROLES
from cxm.platform.config import Settings
from cxm.query import api as language
from cxm.query import limits
from tools import generate_docs

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "changelog.d").glob("*.md"), *(ROOT / "cxm").rglob("*.md")])
#: Commands our pages name in order to say that they are not there yet.
NOT_YET: set[str] = set()


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.S | re.M)


def inline_code(text: str) -> list[str]:
    """Code in running text, and the lines of blocks without a language."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return [*re.findall(r"`([^`\n]+)`", bare), *(line for block in blocks(text, "") for line in block.splitlines())]


# --- references ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    return {name_of(path): text for path, text in generate_docs.rendered().items()}


def test_references_are_current(fresh: dict[str, str]):
    stale = [name for name, text in fresh.items() if not (ROOT / name).exists() or text_of(name) != text]
    assert len(fresh) >= 7
    assert not stale, f"Run “python tools/generate_docs.py” and commit {', '.join(stale)}."


def test_the_built_in_channels_score(fresh: dict[str, str]):
    """Here, where they were just computed for the page of channels: each takes seconds."""
    graded = json.loads(fresh["cxm/channels/grades.json"])
    assert graded["webhook"]["tier"] in ("silver", "gold")
    assert graded["email"]["tier"] in ("silver", "gold")
    assert graded["matrix"]["tier"] == "gold" and graded["rss"]["tier"] == "silver"


def test_every_setting_is_documented():
    page = text_of("docs/operations/settings.md")
    assert Settings.model_fields
    for name, field in Settings.model_fields.items():
        assert f"`CXM_{name.upper()}`" in page, name
        assert field.description and field.description.endswith("."), f"{name} needs a sentence"


def test_every_event_is_documented():
    page, found = text_of("docs/reference/events.md"), generate_docs.event_classes()
    assert len(found) >= 10
    for name, kind in found.items():
        assert f"\n## {name}\n" in page
        assert kind.__doc__ and not kind.__doc__.startswith(kind.__name__ + "("), f"{kind.__name__} needs a docstring"
        assert kind.permission in registry.permissions, f"{name}: {kind.permission} is no permission"
        assert kind.__module__ == f"cxm.{name.split('.')[0]}.events", f"{name} belongs into the events.py of its slice"
        assert all(f"`{key}`" in page for key in generate_docs.public_keys(kind))


def test_every_permission_is_documented():
    page = text_of("docs/reference/permissions.md")
    assert len(registry.permissions) >= 15
    for name, permission in registry.permissions.items():
        assert f"| `{name}` |" in page
        assert permission.text
        assert set(permission.roles) <= set(ROLES)
        assert "owner" in permission.roles, f"nobody can give {name} away"


def test_every_command_is_documented_with_an_example():
    page, found = text_of("docs/reference/commands.md"), dict(generate_docs.commands())
    assert {"cxm serve", "cxm setup", "cxm stop on", "cxm import"} <= set(found)
    for words, command in found.items():
        assert f"\n## {words}\n" in page
        assert "Example:" in (command.help or ""), f"the help of {words} needs an example"
        for parameter in command.params:
            assert parameter.name == "help" or getattr(parameter, "help", None), f"{words}: {parameter.name} needs help"


def test_every_channel_is_documented():
    from cxm.channels import registry as channels

    page = text_of("docs/reference/channels.md")
    assert channels.channels()
    for channel in channels.channels():
        row = next(line for line in page.splitlines() if f"channels/{channel.name}/README.md" in line)
        assert (channel.folder / "README.md").read_text("utf-8").strip()
        assert ("never run against the live service" in row) is not channel.manifest.run_live


def test_every_route_is_documented_and_says_what_it_needs():
    page, found = text_of("docs/reference/api.md"), generate_docs.operations()
    assert len(found) > 40
    for method, path, summary, permission, _ in found:
        assert f"`{method} {path.removeprefix('/api/v1')}`" in page
        assert summary
        assert permission in registry.permissions or (method, path) == ("GET", "/api/v1/permissions"), (
            f"{method} {path} names no permission"
        )


def test_error_codes_have_one_status():
    """Programs look at the code: it never comes with another status."""
    found = generate_docs.error_codes()
    assert len(found) > 50
    assert not {code for code, (statuses, _, _) in found.items() if len(statuses) > 1}


# --- links -----------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(page: Path) -> list[str]:
    bare = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.S | re.M)
    return re.findall(r"\]\(([^)\s]+)\)", bare)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name_of(page)}: {link}"


def test_links_are_looked_at():
    assert sum(len(links(page)) for page in PAGES) > 80


def test_every_page_is_reachable_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        found = (link.partition("#")[0] for link in links(page) if ":" not in link)
        waiting += [(page.parent / link).resolve() for link in found if link.endswith(".md")]
    assert not [name_of(page) for page in DOCS.rglob("*.md") if page not in reached]


# --- the README ------------------------------------------------------------------------------------------------------


def test_the_readme_begins_with_two_commands():
    text = text_of("README.md")
    assert blocks(text, "")[0].split("\n") == ["make run", "make test", ""]
    first = text.split("\n\n")[1]
    assert len(re.findall(r"[.!?](?:\s|$)", first)) == 3, "what it is, in three sentences"


def test_the_readme_names_every_folder():
    named = set(re.findall(r"^cxm/(\w+) ", text_of("README.md"), re.M))
    assert named == {path.parent.name for path in (ROOT / "cxm").glob("*/__init__.py")}


# --- what pages say of the program -----------------------------------------------------------------------------------


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    named = {found[1] for page in PAGES for code in inline_code(page.read_text("utf-8")) if (found := re.match(r"make ([a-z-]+)", code))}
    assert {"run", "test", "check"} <= named
    assert named <= targets


def test_commands_exist():
    known = set(dict(generate_docs.commands()))
    groups = {" ".join(words.split()[:count]) for words in known for count in (1, 2)}
    named: set[str] = set()
    for page in PAGES:
        for code in inline_code(page.read_text("utf-8")):
            for found in re.findall(r"(?:^|[ /])cxm ([a-z]+(?: [a-z]+)?)", code):
                words = f"cxm {found}"
                named.add(words if words in known | groups else " ".join(words.split()[:2]))
    assert len(named) > 15
    assert {name for name in named if name not in known | groups} == NOT_YET


def test_variables_exist():
    known = {f"CXM_{name.upper()}" for name in Settings.model_fields}
    named = {found for page in PAGES for found in re.findall(r"\bCXM_[A-Z_]+[A-Z]\b", page.read_text("utf-8"))}
    assert len(named) > 10
    assert named <= known


def test_every_setting_is_read():
    sources = [file for file in (ROOT / "cxm").rglob("*.py") if file.name != "config.py" and "/tests/" not in file.as_posix()]
    text = "\n".join(file.read_text("utf-8") for file in sources) + text_of("cxm/platform/config.py").partition("def embedded")[2]
    unread = {name for name in Settings.model_fields if not re.search(rf"(?:settings\(\)|options|_options)\.{name}\b", text)}
    assert not unread


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in page.read_text("utf-8")], ids=name_of)
def test_python_examples_parse(page: Path):
    for block in blocks(page.read_text("utf-8"), "python"):
        ast.parse(block)


def test_figures_of_the_handbook_are_those_of_the_code():
    from prometheus_client.metrics import MetricWrapperBase

    from cxm.connect import door
    from cxm.listen.subscribers import STORE
    from cxm.love.clocks import Promise
    from cxm.outbound import gateway, models
    from cxm.platform import deliveries, egress, followers, observability

    promise, inbox = Promise(), text_of("docs/handbook/inbox.md")
    for said in (promise.first_answer_private.seconds // 60, promise.first_answer_public.seconds // 60):
        assert f"{said} minutes" in inbox
    assert promise.resolution.days == 1 and "24 hours" in inbox
    assert f"at most {promise.reopen_within.days} days" in inbox
    intake = text_of("docs/handbook/intake.md")
    assert all(f"`{code}`" in intake for code in set(door._TEXTS) - {"method"})
    outbound = text_of("docs/handbook/outbound.md")
    assert all(f"`{state}`" in outbound for state in set(models.STATES) - {"claimed"})
    assert f"{gateway.CALL_SECONDS} s after the call began" in outbound
    assert f"{gateway.READ_BACK_TRIES} times" in outbound
    events = text_of("docs/handbook/events.md")
    assert f"up to {followers.BATCH}" in events and f"after {followers.AGAIN.seconds} s" in events and STORE in events
    assert f"up to {deliveries.MOST} " in events and f"after {deliveries.MOST * deliveries.TURN} events" in events
    ports = text_of("docs/operations/egress.md")
    assert all(str(port) in ports for port in egress.WEB_PORTS | egress.MAIL_PORTS)
    watching = text_of("docs/operations/observability.md")
    figures = [value for value in vars(observability).values() if isinstance(value, MetricWrapperBase)]
    assert len(figures) >= 6
    assert all(value.describe()[0].name in watching for value in figures)


# --- the query language ----------------------------------------------------------------------------------------------

LANGUAGE = text_of("docs/handbook/query-language.md")
QUERIES = [line for block in blocks(LANGUAGE, "query") for line in block.splitlines()]
REFUSED = [line for block in blocks(LANGUAGE, "refused") for line in block.splitlines()]


def test_there_are_examples():
    assert len(QUERIES) > 30
    assert len(REFUSED) > 10


@pytest.mark.parametrize("query", QUERIES)
def test_examples_parse_and_have_one_form(query: str):
    parsed = language.parse(query)
    assert language.parse(language.canonical(parsed)) == parsed
    assert language.explain(parsed)


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_refused_says_where_and_what_to_write(query: str):
    with pytest.raises(CxmError) as caught:
        language.parse(query)
    assert caught.value.code == "query_invalid"
    assert 0 <= caught.value.extra["position"] <= len(query)
    assert caught.value.extra["suggestion"]


def test_limits_and_fields_are_those_of_the_code():
    from cxm.query import fields

    rows = dict(re.findall(r"^\| (.+?) \| ([\d,]+)(?: characters| deep)? \|$", LANGUAGE.partition("What is refused")[2], re.M))
    said = [int(value.replace(",", "")) for value in rows.values()]
    order = ("LENGTH", "DEPTH", "TERMS", "PHRASE_WORDS", "NEAR", "FUZZY", "WILDCARD_PREFIX", "WILDCARD_SIGNS", "EXPANSIONS")
    assert said == [getattr(limits, name) for name in order]
    named = set(re.findall(r"`(\w+)`", LANGUAGE.partition("## Fields")[2].partition("Both ends")[0]))
    assert set(fields.ALL) <= named
    for exact in fields.EXACTS.values():
        assert all(re.search(rf"\b{value}\b", LANGUAGE) for value in exact.values)


# --- dependencies ----------------------------------------------------------------------------------------------------


def direct() -> list[str]:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    import json

    package = json.loads(text_of("package.json"))
    return [re.match(r"[\w.-]+", one)[0] for one in asked] + [*package["dependencies"], *package.get("devDependencies", {})]  # type: ignore[index]


def licences() -> dict[str, str]:
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \| [^|]+ \|$", text_of("docs/dependencies.md"), re.M))


def test_each_dependency_has_its_line_and_no_line_is_left_over():
    assert len(direct()) > 30
    assert set(licences()) == set(direct())


def licence_files(name: str) -> list[str]:
    """What the package's own licence files say; some state it nowhere else."""
    files = metadata.files(name) or []
    return [file.read_text() for file in files if re.match(r"LICEN[CS]E", file.name) and ".dist-info" in str(file)]


def test_licences_are_those_the_packages_state():
    looked_at = 0
    for name, said in licences().items():
        try:
            found = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        stated = " ".join([found.get("License-Expression") or "", (found.get("License") or "")[:60], *found.get_all("Classifier", [])])
        stated += "".join(text[:200] for text in licence_files(name))
        family = next(one for one in ("LGPL", "MPL", "GPL", "Apache", "BSD", "MIT") if one in said)
        assert family in stated or (family == "MPL" and "Mozilla" in stated), f"{name}: {said} is not what it says: {stated[:200]}"
        looked_at += 1
    assert looked_at > 25


def test_what_runs_is_free_of_gpl():
    wanted = {
        re.match(r"[\w.-]+", line)[0].lower() for line in text_of("requirements/run.txt").splitlines() if re.match(r"[\w.-]+==", line)
    }  # type: ignore[index]
    assert len(wanted) > 30
    for package in metadata.distributions():
        if package.metadata["Name"].lower() not in wanted:
            continue
        stated = f"{package.metadata.get('License-Expression') or ''} {(package.metadata.get('License') or '')[:80]}"
        stated += " ".join(one for one in package.metadata.get_all("Classifier", []) if "License" in one)
        assert not re.search(r"(?<!L)A?GPL|(?<!Lesser )General Public", stated), f"{package.metadata['Name']}: {stated}"


# --- decisions and changes -------------------------------------------------------------------------------------------


def test_decisions_are_numbered_and_listed():
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    index = text_of("docs/adr/README.md")
    for record in records:
        text = record.read_text("utf-8")
        assert text.startswith(f"# {int(record.name[:4])}. ")
        assert all(head in text for head in ("**Decision.**", "**Costs.**"))
        assert f"({record.name})" in index


def test_changelog_fragments_are_named_and_say_something():
    fragments = sorted((ROOT / "changelog.d").iterdir())
    assert fragments
    for fragment in fragments:
        assert re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md", fragment.name), fragment.name
        assert fragment.read_text("utf-8").strip().endswith(".")


# --- the console -----------------------------------------------------------------------------------------------------


def test_every_page_is_listed_for_pictures_and_for_accessibility():
    from tools.console import NO_PAGES, PLACES, routes

    pages = {place.route for place in PLACES if place.route}
    assert len(pages) > 30
    assert routes() - NO_PAGES == pages, "tools/console.py lists every address of the console: a page, or what is none"
    assert routes() >= NO_PAGES and len({place.name for place in PLACES}) == len(PLACES)
    rows = re.findall(r"^\| `/([^`]*)` \|(.+)\|$", text_of("docs/accessibility.md"), re.M)
    assert {route for route, _ in rows} == pages and len(rows) == len(pages)
    assert all(set(map(str.strip, told.split("|")[1:])) <= {"yes", "not tried"} for _, told in rows)
