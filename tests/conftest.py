"""Fixtures of the tests of the whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.provider import Provider
from tests.kit.serving import Rest, Serve, WebhookAccount, installation


@pytest.fixture(scope="session")
def shared() -> Iterator[tuple[Serve, Rest, Provider]]:
    """One served installation for all tests that leave it as they found it."""
    with installation() as made:
        yield made


@pytest.fixture
def serve(shared: tuple[Serve, Rest, Provider]) -> Serve:
    """The served installation."""
    return shared[0]


@pytest.fixture
def rest(shared: tuple[Serve, Rest, Provider]) -> Rest:
    """Its first organization's API."""
    return shared[1]


@pytest.fixture
def provider(shared: tuple[Serve, Rest, Provider]) -> Iterator[Provider]:
    """The provider behind its accounts, well-behaved again afterwards; its ledger goes on."""
    found = shared[2]
    before = (found.choose, found.idempotent, found.readable)
    yield found
    found.choose, found.idempotent, found.readable = before


@pytest.fixture
def account(rest: Rest, provider: Provider) -> WebhookAccount:
    """A fresh account that can be read back."""
    return rest.account(provider)
