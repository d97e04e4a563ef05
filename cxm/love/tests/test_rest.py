"""The REST interface: the promised shape, and another organization's ids answering as missing ones."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from cxm.govern import api as govern
from cxm.kernel.clock import format_instant, now
from cxm.love.tests.conftest import World
from cxm.people import api as people
from cxm.people.contracts import IdentityClaim

pytestmark = pytest.mark.django_db
PROMISED = {
    "id", "channel", "account", "author", "kind", "state", "assignee", "queue", "case", "tags", "opened_at", "first_answer_due", "resolution_due", "last_mention",
}  # fmt: skip


class Caller:
    """A token's holder."""

    def __init__(self, world: World, scopes: list[str] | None = None) -> None:
        self.secret = govern.create_token(world.actor, "tests", scopes)[1]

    def __call__(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        answer = Client().generic(method, f"/api/v1{path}", headers={"Authorization": f"Bearer {self.secret}"}, **sent)
        assert status is None or answer.status_code == status, answer.content[:1000]
        return answer.json() if answer.content else None


@pytest.fixture
def call(world: World) -> Caller:
    return Caller(world)


def test_the_inbox_and_one_conversation_have_the_promised_shape(world: World, call: Caller) -> None:
    world.hear(world.mention("m1", "one", minutes=2), world.mention("m2", "two", minutes=1))
    (listed,) = call("GET", "/conversations?state=open&assignee=nobody", status=200)["items"]
    assert set(listed) >= PROMISED and "mentions" not in listed
    whole = call("GET", f"/conversations/{listed['id']}", status=200)
    assert set(whole) >= PROMISED | {"mentions"}
    assert [mention["text"] for mention in whole["mentions"]] == ["one", "two"]
    assert whole["last_mention"]["id"] == whole["mentions"][-1]["id"]
    assert (whole["kind"], whole["account"], whole["account_id"], whole["before"]) == ("private", "Support", str(world.account), None)
    assert not {"context", "organization"} & set(whole["mentions"][0])
    earlier = call("GET", f"/conversations/{listed['id']}?before={whole['mentions'][1]['id']}", status=200)
    assert [mention["text"] for mention in earlier["mentions"]] == ["one"]
    assert call("GET", "/conversations?state=closed", status=200)["items"] == []


def test_every_verb(world: World, call: Caller) -> None:
    world.hear(world.mention("m1"))
    path = f"/conversations/{world.only().conversation.id}"
    assert set(call("POST", f"{path}/notes", {"text": "psst"}, 201)) == {"id"}
    assert call("POST", f"{path}/assign", {"member": "me"}, 200)["assignee"] == str(world.actor.member)
    assert call("POST", f"{path}/assign", {"member": str(world.actor.member)}, 200)["assignee"] == str(world.actor.member)
    assert call("POST", f"{path}/assign", {"member": None}, 200)["assignee"] is None
    assert call("POST", f"{path}/tags", {"add": ["vip"], "remove": []}, 200)["tags"] == ["vip"]
    until = format_instant(now() + timedelta(hours=1))
    assert call("POST", f"{path}/snooze", {"until": until}, 200)["state"] == "snoozed"
    made = call("POST", f"{path}/replies", {"text": "Hello", "visibility": "private", "undo_seconds": 5}, 202)
    assert made["state"] == "waiting" and set(made) == {"id", "state"}
    assert call("GET", f"/replies/{made['id']}", status=200)["conversation"] == str(world.only().conversation.id)
    closed = call("POST", f"{path}/close", {"reason": "handed_over"}, 200)
    assert (closed["state"], closed["close_reason"]) == ("closed", "handed_over")
    assert call("POST", f"{path}/reopen", {}, 200)["state"] == "open"
    assert [note["text"] for note in call("GET", path, status=200)["notes"]] == ["psst"]
    case = call("POST", "/cases", {"title": "Lost", "conversations": [str(world.only().conversation.id)]}, 201)
    assert call("PATCH", f"/cases/{case['id']}", {"state": "resolved"}, 200)["state"] == "resolved"
    assert call("GET", "/cases", status=200)["items"][0]["id"] == case["id"]
    assert call("GET", path, status=200)["case"] == case["id"]


def test_what_is_not_valid_is_refused_by_name(world: World, call: Caller) -> None:
    world.hear(world.mention("m1"))
    path = f"/conversations/{world.only().conversation.id}"
    assert call("POST", f"{path}/snooze", {"until": "2020-01-01T00:00:00Z"}, 422)["errors"][0]["path"] == "until"
    assert call("POST", f"{path}/notes", {"text": ""}, 422)["errors"][0]["path"] == "text"
    assert call("POST", f"{path}/notes", {"text": "x", "by": "The Pope"}, 422)["code"] == "validation_failed"
    assert call("GET", "/conversations?state=odd", status=422)["errors"][0]["path"] == "state"
    assert call("GET", "/conversations?assignee=somebody", status=422)["errors"][0]["path"] == "assignee"
    assert call("GET", "/conversations?limit=501", status=422)["code"] == "limit_invalid"
    assert call("GET", "/conversations?cursor=made-up", status=422)["code"] == "cursor_invalid"
    assert call("GET", f"{path}?before=nonsense", status=422)["code"] == "instant_invalid"


def test_another_organizations_ids_answer_exactly_as_missing_ones(world: World, other: World, call: Caller) -> None:
    other.hear(other.mention("o1"))
    world.hear(world.mention("m1"))
    theirs, mine = other.only().conversation.id, world.only().conversation.id
    (profile,) = people.resolve(other.organization, [IdentityClaim("webhook", None, "o")])
    (own_profile,) = people.resolve(world.organization, [IdentityClaim("webhook", None, "o")])
    identity = people.profile(other.organization, profile).identities[0].id
    case = other_case(other)
    until = format_instant(now() + timedelta(hours=1))

    def asked(key: object, member: object, mention: object, person: object, matter: object, handle: object) -> list[Any]:
        calls = [
            ("GET", f"/conversations/{key}", None), ("POST", f"/conversations/{key}/notes", {"text": "x"}), ("POST", f"/conversations/{key}/assign", {"member": None}),
            ("POST", f"/conversations/{key}/snooze", {"until": until}), ("POST", f"/conversations/{key}/tags", {"add": ["x"]}), ("POST", f"/conversations/{key}/close", {"reason": ""}),
            ("POST", f"/conversations/{key}/reopen", {}), ("POST", f"/conversations/{key}/replies", {"text": "x"}), ("POST", f"/conversations/{mine}/assign", {"member": str(member)}),
            ("POST", f"/conversations/{mine}/replies", {"text": "x", "in_reply_to": str(mention)}), ("GET", f"/conversations/{mine}?before={mention}", None),
            ("GET", f"/conversations?profile={person}", None), ("GET", f"/conversations?assignee={member}", None), ("GET", f"/conversations?case={matter}", None),
            ("GET", f"/cases/{matter}", None), ("PATCH", f"/cases/{matter}", {"add": [str(mine)]}), ("POST", "/cases", {"title": "x", "conversations": [str(key)]}),
            ("GET", f"/profiles/{person}", None), ("GET", f"/profiles/{person}/timeline", None), ("GET", f"/profiles/{person}/export", None), ("PATCH", f"/profiles/{person}", {"note": "x"}),
            ("POST", f"/profiles/{person}/merge", {"profiles": [str(own_profile)], "reason": "x"}), ("POST", f"/profiles/{own_profile}/merge", {"profiles": [str(person)], "reason": "x"}),
            ("POST", f"/profiles/{person}/unlink", {"identity": str(handle), "reason": "x"}), ("POST", f"/profiles/{own_profile}/unlink", {"identity": str(handle), "reason": "x"}),
        ]  # fmt: skip
        answers = [call(method, path, body) for method, path, body in calls]
        return [{name: value for name, value in answer.items() if name != "instance"} for answer in answers]

    foreign = asked(theirs, other.actor.member, other.said["o1"]["id"], profile, case, identity)
    missing = asked(*(uuid4() for _ in range(6)))
    assert foreign == missing
    assert {answer.get("status", 200) for answer in foreign} == {200, 404}
    assert all(answer == {"items": [], "next": None} for answer in foreign if "status" not in answer)


def other_case(other: World) -> object:
    from cxm.love import api

    return api.create_case(other.actor, "Theirs", [other.only().conversation.id])


def test_scopes_are_asked_for(world: World) -> None:
    world.hear(world.mention("m1"))
    path = f"/conversations/{world.only().conversation.id}"
    call = Caller(world, ["conversations:read"])
    call("GET", path, status=200)
    for verb, body in (("notes", {"text": "x"}), ("close", {"reason": ""}), ("replies", {"text": "x"}), ("assign", {"member": None})):
        call("POST", f"{path}/{verb}", body, 403)
    call("GET", "/profiles", status=403)


def test_profiles(world: World, call: Caller) -> None:
    (one,) = people.resolve(world.organization, [IdentityClaim("webhook", None, "lena", name="Lena")])
    (two,) = people.resolve(world.organization, [IdentityClaim("email", None, "lena@x.org")])
    world.hear(world.mention("m1", "hello") | {"author": {"native_id": "lena", "handle": "lena", "name": "Lena", "profile": str(one)}})
    assert [item["id"] for item in call("GET", "/profiles?query=lena@x", status=200)["items"]] == [str(two)]
    assert call("GET", f"/profiles/{one}", status=200)["identities"][0]["native_id"] == "lena"
    merged = call("POST", f"/profiles/{one}/merge", {"profiles": [str(two)], "reason": "She said so"}, 200)
    assert len(merged["identities"]) == 2 and merged["history"][0]["reason"] == "She said so"
    mail = next(entry["id"] for entry in merged["identities"] if entry["channel"] == "email")
    assert call("POST", f"/profiles/{merged['id']}/unlink", {"identity": mail, "reason": "Her mother"}, 200)["identities"][0]["id"] == mail
    call("POST", f"/profiles/{merged['id']}/unlink", {"identity": mail, "reason": ""}, 422)
    assert call("PATCH", f"/profiles/{one}", {"note": "likes cinnamon", "name": "Lena Krüger"}, 200)["name"] == "Lena Krüger"
    assert call("GET", "/profiles?query=kruger", status=200)["items"][0]["note"] == "likes cinnamon"
    (entry,) = call("GET", f"/profiles/{one}/timeline", status=200)["items"]
    assert (entry["kind"], entry["mention"]["text"]) == ("mention", "hello")
    assert call("GET", f"/profiles/{one}/export", status=200)["timeline"] == [entry]
    call("POST", f"/profiles/{one}/erase", {}, 422)
