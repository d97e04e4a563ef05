"""The contract over every channel that is installed."""

from __future__ import annotations

import pytest

from cxm.channels import registry
from cxm.channels.registry import Channel
from cxm.channels.testing import CHECKS, Check, NotRun, run


def test_there_are_channels_and_none_is_refused() -> None:
    assert {"webhook", "email"} <= {channel.name for channel in registry.channels()}
    assert registry.refused() == ()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("channel", registry.channels(), ids=lambda channel: channel.name)
def test_contract(channel: Channel, check: Check) -> None:
    try:
        run(check, channel)
    except NotRun as reason:
        pytest.skip(str(reason))
