"""The stream of names: it ends with the member's work here, whatever else they do in the same browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.test import RequestFactory

from cxm.govern import api as govern
from cxm.govern import models
from cxm.govern.services import members
from cxm.run import live
from tests.houses import House, _own_store, house, other  # noqa: F401 - fixtures


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["removed here, at work elsewhere", "works in the other one now", "signed out", "none"])
def test_the_stream_of_an_organization_ends_with_the_work_in_it(house: House, other: House, monkeypatch: pytest.MonkeyPatch, end: str):
    browser = house.join("both@marlow.example", "agent")
    elsewhere = govern.invite(other.owner, "both@marlow.example", "Both", "agent")
    models.Member.objects.for_organization(other.organization).filter(id=elsewhere.member.id).update(joined_at="2026-01-01T00:00:00Z")
    key = browser.session.session_key
    store = SessionStore(key)
    store["cxm_organization"] = str(house.organization)
    store.save()
    monkeypatch.setattr(live, "RECHECK_SECONDS", -1.0)
    told: list[object] = []

    async def names(organization: object, since: float | None) -> AsyncIterator[str]:
        told.append(organization)
        for name in ("first", "second"):
            yield name

    monkeypatch.setattr(live.hub, "stream", names)
    request: Any = RequestFactory().get("/live")
    request.session = SessionStore(key)
    request.user = models.User.objects.get(email="both@marlow.example")

    def change() -> None:
        if end.startswith("removed"):
            (mine,) = [one.id for one in govern.members(house.organization) if one.email == "both@marlow.example"]
            members.remove(house.owner, mine)
        elif end.startswith("works"):
            fresh = SessionStore(key)
            fresh["cxm_organization"] = str(other.organization)
            fresh.save()
        elif end == "signed out":
            SessionStore(key).delete()

    async def read() -> bytes:
        try:
            answer = await live.live(request)
            lines = aiter(answer.streaming_content)
            got = await anext(lines)
            await sync_to_async(change)()
            return got + b"".join([line async for line in lines])
        finally:
            await sync_to_async(connections.close_all)()

    heard = asyncio.run(read())
    assert told == [house.organization]
    assert (b"first" in heard) is (end == "none") and (b"second" in heard) is (end == "none")
