"""Real servers killed while many messages are on their way, and started again: nothing is lost, nothing comes twice, the gap is shown and
filled. The servers are our own, made of the programs that run in the lab. The mailbox server dies in ``test_mail.py``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from cxm.channels.bluesky import ids
from cxm.channels.bluesky.firehose import METHOD
from cxm.channels.bluesky.tests import test_lab as bluesky
from cxm.channels.matrix.homeserver import part
from cxm.channels.matrix.tests import test_lab as matrix
from cxm.kernel.clock import format_instant, now
from cxm.kernel.ids import new_id
from tests.lab import borrowed
from tests.lab.borrowed import Server
from tests.lab.desk import Desk, desk
from tests.lab.surviving import COUNT, survives

pytestmark = pytest.mark.lab


@dataclass
class Servers:
    """What can be killed here, each None where it cannot, and a desk that may reach all of it."""

    desk: Desk
    homeserver: Server | None
    home: Server | None


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        homeserver = stack.enter_context(closing(found)) if (found := borrowed.synapse()) is not None else None
        home, ports = None, []
        if bluesky.why_not() is None and (
            found := borrowed.home_server("http://localhost:25821", "http://localhost:25841", "did:web:none")
        ):
            home = stack.enter_context(closing(found))
            ports = [urlsplit(bluesky.BASE).port or 443, home.port]
        ports += [homeserver.port] if homeserver else []
        if not ports:
            pytest.skip("no server to kill: none runs in the lab whose program could be borrowed")
        for one in (homeserver, home):
            if one is not None:
                one.start()
        yield Servers(stack.enter_context(desk(*ports)), homeserver, home)


def test_a_homeserver_killed_in_the_middle_of_a_conversation(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    if servers.homeserver is None:
        pytest.skip("no Synapse runs in the lab whose program could be borrowed")
    monkeypatch.setattr(matrix, "BASE", servers.homeserver.base)
    care, ann = matrix.Person("care"), matrix.Person("ann")
    body = {"channel": "matrix", "name": "Rooms", "settings": {"server_url": servers.homeserver.base}}
    account = servers.desk.rest.post("/accounts", {**body, "credentials": {"access_token": care.token}}, 201)["id"]
    room = ann.room(care.id, is_direct=True, preset="trusted_private_chat")

    def tell(number: int, text: str) -> None:
        ann.do("PUT", f"/rooms/{part(room)}/send/m.room.message/{text.split()[0]}{number}", {"msgtype": "m.text", "body": text})

    found = survives(servers.desk, account, servers.homeserver, tell)
    assert [one["text"].rpartition(" ")[2] for one in found] == [str(number) for number in range(COUNT)], "in order"
    there = [event["event_id"] for event in reversed(ann.hears(room)) if event["type"] == "m.room.message"]
    assert [one["native_id"] for one in found] == there
    assert len(servers.desk.conversation_with(ann.id)["mentions"]) > 0


def test_a_home_server_killed_in_the_middle_of_its_stream(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    if servers.home is None:
        pytest.skip(f"no Bluesky runs in the lab whose program could be borrowed: {bluesky.why_not()}")
    acme = bluesky.Person("acme")
    settings = {"handle": acme.handle, "server_url": bluesky.BASE.replace("localhost", "127.0.0.1"), "history_days": 1}
    settings["stream_url"] = f"ws://127.0.0.1:{servers.home.port}/xrpc/{METHOD}"
    body = {"channel": "bluesky", "name": "Posts", "settings": settings, "credentials": {"password": acme.password}}
    account = servers.desk.rest.post("/accounts", body, 201)["id"]
    monkeypatch.setattr(bluesky, "BASE", servers.home.base)
    ann = bluesky.Person("ann")
    keys = [ids.record_keys(new_id())[0] for _ in range(COUNT)]
    name = f"@{acme.handle}"
    mention = {
        "index": {"byteStart": 0, "byteEnd": len(name)},
        "features": [{"$type": "app.bsky.richtext.facet#mention", "did": acme.did}],
    }

    def tell(number: int, text: str) -> None:
        record = {"text": f"{name} {text}", "createdAt": format_instant(now()), "facets": [mention]}
        if number >= len(told):
            told.append(record)
        ann.write(ids.POST, told[number], key=keys[number])

    told: list[dict[str, Any]] = []
    found = survives(servers.desk, account, servers.home, tell, ails=False)  # the stream alone was away
    assert len({one["native_id"] for one in found}) == COUNT
