"""Two organizations, each with an owner and a token: what one must never see of the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.test import Client

from cxm.govern import api
from cxm.govern.services import members
from cxm.kernel.actor import Actor
from cxm.platform import rate

PASSWORD = "a long enough pass phrase"


@dataclass
class House:
    """One organization as its owner holds it."""

    organization: UUID
    owner: Actor
    email: str
    secret: str

    def call(self, method: str, path: str, body: Any = None, *, secret: str | None = None, **headers: str) -> Any:
        data = (
            {}
            if body is None
            else {"data": body if isinstance(body, str | bytes) else json.dumps(body), "content_type": "application/json"}
        )
        return Client().generic(method, f"/api/v1{path}", headers={"Authorization": f"Bearer {secret or self.secret}", **headers}, **data)

    def browser(self, email: str | None = None, password: str = PASSWORD) -> Client:
        client = Client()
        answer = client.post("/sign-in", {"login": email or self.email, "password": password})
        assert answer.status_code == 302, answer.content[:2000]
        return client

    def join(self, email: str, role: str, unit: UUID | None = None) -> Actor:
        """A member of that role who has joined."""
        invited = api.invite(self.owner, email, email.partition("@")[0], role, unit)
        members.accept(invited.link.rsplit("/", 1)[1], "", PASSWORD)
        return api.actor_for(self.organization, invited.member.id)


def make_house(name: str, email: str) -> House:
    made = api.set_up(name, email, PASSWORD)
    owner = api.actor_for(made.organization, made.member)
    return House(made.organization, owner, email, api.create_token(owner, "tests")[1])


@pytest.fixture(autouse=True)
def _fresh_counters(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    cache.clear()
    rate.window.clear()


@pytest.fixture
def house(db) -> House:
    return make_house("Marlow Coffee", "owner@marlow.example")


@pytest.fixture
def other(db) -> House:
    return make_house("Other Tea", "owner@other.example")
