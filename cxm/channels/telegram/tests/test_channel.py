"""The contract, over this folder."""

from __future__ import annotations

import pytest

from cxm.channels.registry import load
from cxm.channels.testing import CHECKS, Check, NotRun, run


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_contract(check: Check) -> None:
    try:
        run(check, load("cxm.channels.telegram"))
    except NotRun as reason:
        pytest.skip(str(reason))
