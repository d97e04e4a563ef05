"""Outbound webhooks: registered by REST, by whom, and leading where."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from cxm.connect import hooks
from cxm.connect.models import Webhook
from cxm.connect.tests.hooks_kit import DAY, Receiver, Rest, happened, receiver, rest, stopped, turn  # noqa: F401
from cxm.govern import api as govern
from cxm.govern.services import members
from cxm.platform import secrets
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def test_the_secret_is_answered_once_and_sealed_at_rest(house: House, receiver: Receiver):
    call = rest(house)
    made = call.hook(receiver.url(), "connect.account_changed")
    assert made["secret"].startswith("whsec_")
    assert made["active"] is True
    assert made["events"] == ["connect.account_changed"]
    row = Webhook.objects.for_organization(house.organization).get()
    assert made["secret"] not in row.sealed_secret
    assert secrets.unseal(row.sealed_secret) == made["secret"]
    for answer in (call("GET", "/webhooks"), call("GET", f"/webhooks/{made['id']}"), call("PATCH", f"/webhooks/{made['id']}", {})):
        assert answer.status_code == 200
        assert "secret" not in answer.content.decode()
    assert call("GET", "/webhooks").json()["items"][0]["id"] == made["id"]
    assert call("DELETE", f"/webhooks/{made['id']}").status_code == 204
    assert call("GET", f"/webhooks/{made['id']}").status_code == 404


def test_a_repeated_post_makes_one_hook_and_keeps_the_secret_back(house: House, receiver: Receiver):
    call, body = rest(house), {"url": receiver.url(), "events": []}
    first = call("POST", "/webhooks", body, **{"Idempotency-Key": "one"})
    again = call("POST", "/webhooks", body, **{"Idempotency-Key": "one"})
    assert (first.json()["id"], again.json()["secret"]) == (again.json()["id"], None)
    assert len(call("GET", "/webhooks").json()["items"]) == 1


def test_unknown_events_are_refused_by_name(house: House, receiver: Receiver):
    call = rest(house)
    for names in (["connect.account_changed", "connect.nothing"], ["*"], [""]):
        answer = call("POST", "/webhooks", {"url": receiver.url(), "events": names})
        assert (answer.status_code, answer.json()["code"]) == (422, "events_unknown")
        assert f"“{names[-1]}”" in answer.json()["detail"]
        assert answer.json()["errors"][0]["path"] == f"events.{len(names) - 1}"
    made = call.hook(receiver.url())
    assert call("PATCH", f"/webhooks/{made['id']}", {"events": ["x.y"]}).status_code == 422
    assert call.one(made)["events"] == []


def test_every_declared_event_can_be_asked_for(house: House, receiver: Receiver):
    known = hooks.known_events()
    assert {"connect.account_changed", "govern.stop_changed", "listen.mentions_heard", "love.conversations_opened"} <= set(known)
    assert rest(house).hook(receiver.url(), *known)["events"] == list(known)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x", "https://10.0.0.8/x", "https://169.254.169.254/latest", "https://[::1]/x", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a9fe:a9fe]/",
        "https://2130706433/", "https://0x7f.1/", "https://①②⑦.0.0.1/", "http://example.com/", "ftp://example.com/", "https://a:b@example.com/", "https://example.com:22/",
        "", "nonsense", "https:///x", "https://exa mple.com/", "https://93.184.216.34/" + "a" * 2000,
    ],
)  # fmt: skip
def test_addresses_that_are_not_ours_to_call_are_refused_at_both_doors(house: House, receiver: Receiver, url: str):
    call = rest(house)
    answer = call("POST", "/webhooks", {"url": url, "events": []})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "url"), answer.content
    made = call.hook(receiver.url())
    assert call("PATCH", f"/webhooks/{made['id']}", {"url": url}).status_code == 422
    assert call.one(made)["url"] == receiver.url()


def test_nothing_is_set_on_the_side(house: House, other: House, receiver: Receiver):
    call = rest(house)
    made = call.hook(receiver.url())
    for name, value in {
        "organization": str(other.organization), "organization_id": str(other.organization), "member": str(uuid4()), "rights": ["audit:read"], "secret": "whsec_AAAA",
        "position": "0-0", "state": "active", "reason": "", "id": str(uuid4()), "failures": 0,
    }.items():  # fmt: skip
        for method, path in (("POST", "/webhooks"), ("PATCH", f"/webhooks/{made['id']}")):
            answer = call(method, path, {"url": receiver.url(), "events": [], name: value})
            assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, name)
    assert Webhook.everywhere.count() == 1  # everywhere: of whatever organization


def test_another_organizations_hook_answers_as_a_missing_one(house: House, other: House, receiver: Receiver, turn: Callable[[], int]):
    made, theirs = rest(other).hook(receiver.url("/theirs")), rest(house)
    mine = theirs.hook(receiver.url("/mine"))
    for method, path, body in (("GET", "", None), ("PATCH", "", {"active": False}), ("DELETE", "", None), ("POST", "/rotate", {})):
        foreign = theirs(method, f"/webhooks/{made['id']}{path}", body)
        missing = theirs(method, f"/webhooks/{uuid4()}{path}", body)
        assert (foreign.status_code, foreign.json()) == (404, {**missing.json(), "instance": foreign.json().get("instance")}) or (
            foreign.status_code == missing.status_code == 404 and foreign.json()["code"] == missing.json()["code"]
        )
    assert [item["id"] for item in theirs("GET", "/webhooks").json()["items"]] == [mine["id"]]
    happened(house, "ours")
    happened(other, "others")
    assert turn() == 2
    assert (receiver.data("/mine")[0]["change"], receiver.data("/theirs")[0]["change"]) == ("ours", "others")
    assert len(receiver.got) == 2


def test_the_right_is_needed_in_the_whole_organization(house: House, receiver: Receiver):
    for call in (rest(house, "accounts:read"), rest(house, "events:read")):
        assert call("GET", "/webhooks").status_code == 403
        assert call("POST", "/webhooks", {"url": receiver.url(), "events": []}).status_code == 403
    made = rest(house).hook(receiver.url())
    north = house.unit("North")
    invited = govern.invite(house.owner, "north@marlow.example", "North", "manager", north)
    members.accept(invited.link.rsplit("/", 1)[1], "", "a long enough pass phrase")
    actor = govern.actor_for(house.organization, invited.member.id)
    call = Rest(govern.create_token(actor, "tests", None)[1])
    for method, path in (("GET", "/webhooks"), ("GET", f"/webhooks/{made['id']}"), ("DELETE", f"/webhooks/{made['id']}")):
        assert call(method, path).status_code == 403
    assert call("POST", "/webhooks", {"url": receiver.url(), "events": []}).status_code == 403
