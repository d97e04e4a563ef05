"""Events that were set aside: seen by their own organization alone, given back by page and by REST."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from cxm.govern import api as govern
from cxm.kernel.clock import now
from cxm.platform.models import EventLog, WaitingEvent
from tests.houses import House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def set_one_aside(house: House, error: str = "ValueError") -> int:
    values: dict[str, Any] = {"organization_id": house.organization, "name": "listen.mentions_heard", "owner": "x", "payload": "{}"}
    event = EventLog.objects.create(**values, permission="mentions:read")
    return WaitingEvent.objects.create(
        event_id=event.pk, subscriber="cxm.love.x", lane=f"cxm.love.x:{house.organization}", tries=288, error=error, failed_at=now()
    ).pk


def call(house: House, method: str, path: str, body: Any = None) -> Any:
    secret = govern.create_token(house.owner, "tests")[1]
    more = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    answer = Client().generic(method, f"/api/v1/events{path}", headers={"Authorization": f"Bearer {secret}"}, **more)
    return answer.status_code, answer.json()


def waits(*ids: int) -> int:
    return WaitingEvent.objects.filter(pk__in=ids, failed_at=None).count()


def test_they_are_listed_and_given_back_by_their_own_organization_alone(house: House, other: House):
    first, second, theirs = set_one_aside(house, "KeyError in cxm/love/x.py, line 7"), set_one_aside(house), set_one_aside(other)
    status, told = call(house, "GET", "/failed")
    assert status == 200 and [one["id"] for one in told["items"]] == [second, first] and told["next"] is None
    assert (told["items"][1]["error"], told["items"][1]["tries"]) == ("KeyError in cxm/love/x.py, line 7", 288)
    missing = call(house, "POST", "/again", {"ids": [theirs + 1000]})
    assert call(house, "POST", "/again", {"ids": [first, theirs]})[0] == 404 == missing[0]
    assert call(house, "POST", "/again", {"ids": [theirs]})[1]["detail"] == missing[1]["detail"]
    assert call(house, "POST", "/again", {})[0] == 422 and not waits(first, second, theirs)
    assert call(house, "POST", "/again", {"ids": [first]}) == (200, {"given_back": 1}) and waits(first, second) == 1

    client, stranger = house.browser(), other.browser()
    shown = assert_safe(client.get("/channels/quarantine"))
    assert "Set aside inside" in shown and "listen.mentions_heard → cxm.love.x" in shown
    agent = house.join("agent@marlow.example", "agent")
    assert post(agent, "/channels/quarantine/events").status_code == 403
    assert post(stranger, "/channels/quarantine/events").status_code == 302 and waits(theirs) == 1 == waits(first, second)
    assert post(client, "/channels/quarantine/events")["Location"] == "/channels/quarantine?done=given" and waits(first, second) == 2
    assert [one.action for one in govern.entries(UUID(str(house.organization)))[:1]] == ["events.again"]
    assert "Set aside inside" not in client.get("/channels/quarantine").content.decode()
