"""Two organizations in one installation: what the one must never see or touch of the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from cxm.kernel.clock import format_instant, now
from tests.kit.provider import Provider
from tests.kit.serving import Rest, Serve, WebhookAccount
from tests.kit.waiting import until


@dataclass
class House:
    """An organization with one of everything, by the names that routes use for their ids."""

    rest: Rest
    account: WebhookAccount
    ids: dict[str, str]


def furnish(rest: Rest, provider: Provider) -> House:
    """One of everything."""
    account = rest.account(provider)
    person = f"u-{uuid4().hex[:8]}"
    account.say("Where is my order?", person)
    account.say("And another thing.", f"v-{uuid4().hex[:8]}")
    account.deliver({"native_id": "bad", "text": 7})
    conversation = account.conversation_of(person)
    mention = rest.get(f"/conversations/{conversation['id']}")["mentions"][0]
    reply = account.reply(conversation["id"], "Later.", undo_seconds=600)
    profile = rest.get(f"/profiles/{mention['author']['profile']}")
    quarantined = until(lambda: rest.all(f"/quarantine?account={account.id}"), "something is in quarantine")[0]
    case = rest.post("/cases", {"title": "A matter", "conversations": [conversation["id"]]})
    promise = rest.post(
        f"/conversations/{conversation['id']}/promises", {"text": "I'll write", "due": format_instant(now() + timedelta(days=2))}
    )
    member = rest.post("/members", {"email": f"{uuid4().hex[:8]}@example.com", "name": "Jonas", "role": "agent"})
    stop = rest.post("/stops", {"scope": "kind:survey", "reason": "furniture"})
    mailbox = rest.post("/accounts", {"channel": "email", "name": f"{uuid4().hex[:8]}@example.com", "settings": {"address": "care@example.com", "imap_host": "imap.example.com"}, "credentials": {"username": "u", "password": "p"}})  # fmt: skip
    rest.did("PATCH", f"/accounts/{mailbox['id']}", {"state": "paused"}, 200)
    source = rest.post("/sources", {"account": mailbox["id"], "kind": "folder", "settings": {"folder": "Returns"}})
    ids = {
        "source": source["id"], "mailbox": mailbox["id"], "account": account.id, "conversation": conversation["id"], "mention": mention["id"], "reply": reply, "profile": profile["id"], "item": quarantined["id"],
        "identity": profile["identities"][0]["id"], "case": case["id"], "change": rest.get(f"/cases/{case['id']}/changes")["items"][0]["id"], "promise": promise["id"], "bulk": rest.post("/bulk", {"action": "tag", "add": ["furniture"], "conversations": [conversation["id"]]}, 202)["id"], "queue": rest.post("/queues", {"name": f"Queue {uuid4().hex[:6]}"})["id"], "member": member["id"], "stop": stop["id"],
        "unit": rest.post("/units", {"name": f"Unit {uuid4().hex[:6]}"})["id"], "topic": rest.post("/topics", {"name": f"Topic {uuid4().hex[:6]}", "query": "order"})["id"],
        "token": rest.post("/tokens", {"name": "spare", "scopes": ["mentions:read"]})["id"],
        "webhook": rest.post("/webhooks", {"url": "https://hooks.example.com/x", "events": ["love.conversations_opened"]})["id"],
    }  # fmt: skip
    return House(rest, account, ids)


@pytest.fixture(scope="session")
def ours(shared: tuple[Serve, Rest, Provider]) -> House:
    """The attacker: an owner, with every right in their own organization."""
    return furnish(shared[1], shared[2])


@pytest.fixture(scope="session")
def theirs(shared: tuple[Serve, Rest, Provider]) -> House:
    """The other organization."""
    return furnish(shared[0].organization(f"Other Tea {uuid4().hex[:6]}"), shared[2])


@pytest.fixture(scope="session")
def document(shared: tuple[Serve, Rest, Provider]) -> dict[str, Any]:
    """The OpenAPI document as it is served."""
    return shared[1].get("/openapi.json")
