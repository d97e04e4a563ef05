"""/inbox by HTTP: what stands there, for whom, at what cost."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cxm.govern import api as govern
from cxm.love import api
from cxm.love.contracts import InboxFilter
from cxm.love.tests.conftest import World

pytestmark = pytest.mark.django_db
PART = {"HTTP_HX_REQUEST": "true", "HTTP_HX_REQUEST_TYPE": "partial"}


def signed_in(world: World, member: UUID | None = None) -> Client:
    """A browser in which the owner (or ``member``) is signed in."""
    client = Client()
    who = govern.member(world.organization, member or world.actor.member)
    client.force_login(get_user_model().objects.get(pk=who.user), backend="django.contrib.auth.backends.ModelBackend")
    return client


def colleague(world: World, role: str, unit: UUID | None = None) -> UUID:
    """A new member in ``role``, in one unit or everywhere."""
    invited = govern.invite(world.actor, f"{role}-{uuid4().hex[:6]}@acme.example", role.title(), role, unit)
    govern.accept_invitation(invited.link.rpartition("/")[2], role.title(), "another long password 23")
    return invited.member.id


@pytest.fixture
def browser(world: World) -> Client:
    return signed_in(world)


@pytest.fixture
def conversation(world: World) -> UUID:
    world.hear(world.mention("m1", "Where is <b>my</b> order?", minutes=9), world.mention("m2", "It is three days late", minutes=5))
    return world.only().conversation.id


def page(client: Client, address: str, status: int = 200, **headers: str) -> str:
    answer = client.get(address, **headers)
    assert answer.status_code == status, answer.content[:2000]
    return answer.content.decode()


def test_the_inbox_shows_what_waits_and_escapes_it(world: World, browser: Client, conversation: UUID) -> None:
    shown = page(browser, "/inbox")
    assert "It is three days late" in shown and "Lena" in shown and f"/inbox/{conversation}" in shown
    assert "Waiting for us" in shown
    opened = page(browser, f"/inbox/{conversation}")
    assert "Where is &lt;b&gt;my&lt;/b&gt; order?" in opened and "<b>my</b>" not in opened
    assert "data-composer" in opened
