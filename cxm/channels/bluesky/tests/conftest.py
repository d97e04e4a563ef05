"""What tests of this channel share."""

from __future__ import annotations

import pytest

from cxm.channels.bluesky.tests.provider import Network


@pytest.fixture
def network() -> Network:
    """A network of one's own, as it begins."""
    return Network()
