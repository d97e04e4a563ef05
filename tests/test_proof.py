"""The page of what proves each channel names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_is_named_as_a_proof_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/handbook/proof.md").read_text("utf-8")))
    assert len(named) > 20
    for file, name in sorted(named):
        text = (ROOT / file).read_text("utf-8")
        assert f"def {name}(" in text, f"{file} has no {name}"
