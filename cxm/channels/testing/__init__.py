"""The contract test over a channel's folder, for our own channels and everybody else's.

In a package of your own::

    import pytest
    from cxm.channels.registry import load
    from cxm.channels.testing import CHECKS, run

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
    def test_contract(check):
        run(check, load("my_package.my_channel"))
"""

from __future__ import annotations

from cxm.channels.testing.suite import CHECKS, Check, NotRun, run

__all__ = ["CHECKS", "Check", "NotRun", "run"]
