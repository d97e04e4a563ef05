"""A fresh scaffold passes the contract at bronze; a spoilt one fails where it is spoilt; a grade cannot be claimed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from cxm.channels import registry
from cxm.channels.check import check_folder, importable
from cxm.channels.manifest import ManifestInvalid, read
from cxm.channels.scaffold import new
from cxm.channels.score import score
from cxm.kernel.errors import Conflict, Invalid, NotFound


def test_a_scaffold_is_bronze_as_it_is(tmp_path: Path) -> None:
    files = new("scaffolded_one", tmp_path)
    assert files[0].name == "README.md" and len(files) >= 8
    result = check_folder(tmp_path / "scaffolded_one")
    assert result.ok, [outcome for outcome in result.outcomes if outcome.ok is False]
    assert sum(outcome.ok is True for outcome in result.outcomes) >= 9
    found = registry.load_folder(tmp_path / "scaffolded_one", importable(tmp_path / "scaffolded_one"))
    graded = score(found)
    assert graded.tier == "bronze" and graded.never_run_live
    assert {"answers", "button"} <= {criterion.name for criterion in graded.missing()}
    with pytest.raises(Conflict):
        new("scaffolded_one", tmp_path)


def test_a_scaffold_that_polls_is_bronze_as_it_is(tmp_path: Path) -> None:
    new("scaffolded_two", tmp_path, polls=True)
    result = check_folder(tmp_path / "scaffolded_two")
    assert result.ok, [outcome for outcome in result.outcomes if outcome.ok is False]
    assert result.passed("polls_end") and result.passed("every_field_survives")
    assert score(registry.load_folder(tmp_path / "scaffolded_two", importable(tmp_path / "scaffolded_two"))).tier == "bronze"


@pytest.mark.parametrize("name", ["", "Bad", "1a", "a-b", "../x", "x" * 41])
def test_only_good_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid):
        new(name, tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "fresh", "check_name"),
    [
        ("manifest.toml", '["receive"]', '["receive", "reply"]', "declared_equals_implemented"),
        ("mapping.py", "from collections.abc import Iterable", "import time\nfrom collections.abc import Iterable", "pure"),
        ("mapping.py", "except (Missing, Invalid)", "except Missing", "mapping_is_total"),
        ("mapping.py", 'person = table(event.get("from"))', 'person = event["from"]', "every_field_survives"),
        ("mapping.py", "text=text,", 'text=text + "e\\u0301",', "fixtures_map"),
        ("mapping.py", 'native_id=storable(needed(event, "id"))', "native_id=delivery_id(event)", "fixtures_map"),
        ("connector.py", "return webhooks.verify(headers, body, secret, now)", 'return "x"', "unauthentic_refused"),
        ("connector.py", "from datetime import datetime", "import logging\nfrom datetime import datetime", "quiet"),
        ("connector.py", "class Receive", 'URL = "https://api.elsewhere.com/v1"\n\n\nclass Receive', "hosts_allowed"),
        ("README.md", "Fill in what may be stored", "", "documented"),
    ],
)
def test_each_check_notices_what_it_is_for(tmp_path: Path, file: str, old: str, fresh: str, check_name: str) -> None:
    # A module is imported once for each name.
    name = f"spoilt_{sha256((file + fresh).encode()).hexdigest()[:12]}"
    new(name, tmp_path)
    target = tmp_path / name / file
    before = target.read_text("utf-8")
    assert old in before
    target.write_text(before.replace(old, fresh) if fresh else "# Short", "utf-8")
    result = check_folder(tmp_path / name)
    assert not result.ok and not result.passed(check_name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = 1", "name must be"),
        ("nonsense", "not TOML"),
        ('name = "x"\ntire = 1', "tire is not known"),
    ],
)
def test_a_wrong_manifest_says_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read(text, "x")
    assert any(problem in one for one in caught.value.problems)


def test_an_unknown_channel_is_not_found() -> None:
    with pytest.raises(NotFound):
        registry.channel("nowhere")
    with pytest.raises(NotFound):
        registry.channel("email").connector("read_back")
