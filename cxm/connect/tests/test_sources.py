"""Sources by REST: what the channel knows, whose they are, and that connectors are handed them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from cxm.channels import manifest as manifests
from cxm.channels import registry
from cxm.channels.contracts import Outgoing, Rejected, SourceView
from cxm.connect import api as connect
from cxm.connect import runtime
from cxm.connect.models import Account, Source
from cxm.connect.tests.hooks_kit import Rest, rest
from cxm.govern import api as govern
from cxm.kernel.clock import now
from cxm.platform.models import EventLog
from tests.houses import House, _own_store, house, other  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
SETTINGS = {"address": "care@acme.example", "imap_host": "imap.acme.example"}


def mailbox(house: House, name: str = "care@acme.example", unit: UUID | None = None) -> str:
    made, _ = connect.connect(
        house.owner, channel="email", name=name, unit=unit, settings=SETTINGS, credentials={"username": "care", "password": "pw"}
    )
    return str(made.id)


def added(call: Rest, account: str, folder: str, **more: Any) -> dict[str, Any]:
    answer = call("POST", "/sources", {"account": account, "kind": "folder", "settings": {"folder": folder}, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def row(account: str) -> Account:
    return Account.everywhere.get(pk=account)  # everywhere: a test


def test_a_source_is_added_changed_listed_and_removed(house: House):
    call, account = rest(house), mailbox(house)
    made = added(call, "care@acme.example", "Returns", channel="email")
    assert made | {"created_at": ""} == {
        "id": made["id"], "channel": "email", "account": "care@acme.example", "account_id": account, "kind": "folder", "settings": {"folder": "Returns"}, "created_at": "",
        "name": "Returns", "state": "active", "health": "", "mend": "", "last_heard_at": None, "last_ok_at": None, "next_look_at": None,
    }  # fmt: skip
    assert call("GET", f"/sources/{made['id']}").json() == made
    changed = call("PATCH", f"/sources/{made['id']}", {"settings": {"history_days": 3}})
    assert changed.status_code == 200 and changed.json()["settings"] == {"folder": "Returns", "history_days": 3}
    later = added(call, account, "Press")
    assert [one["id"] for one in call("GET", "/sources").json()["items"]] == [later["id"], made["id"]]
    page = call("GET", "/sources?limit=1").json()
    assert [one["id"] for one in call("GET", f"/sources?limit=1&cursor={page['next']}").json()["items"]] == [made["id"]]
    for query, count in (
        ("channel=email&kind=folder", 2),
        ("channel=webhook", 0),
        ("kind=feed", 0),
        (f"account={account}", 2),
        (f"account={uuid4()}", 0),
    ):
        assert len(call("GET", f"/sources?{query}").json()["items"]) == count, query
    assert call("DELETE", f"/sources/{made['id']}").status_code == 204
    assert call("GET", f"/sources/{made['id']}").status_code == call("DELETE", f"/sources/{made['id']}").status_code == 404
    assert [entry.action for entry in govern.entries(house.organization) if entry.action.startswith("source.")] == [
        "source.remove", "source.add", "source.change", "source.add",
    ]  # fmt: skip
    told = EventLog.objects.filter(name="connect.account_changed", public__change="sources")
    assert told.count() == 4


def test_what_a_channel_listens_to_is_said_by_it(house: House):
    call = rest(house)
    kinds = call("GET", "/channels/email").json()["sources"]
    assert [kind["kind"] for kind in kinds] == ["folder"] and kinds[0]["settings"]["required"] == ["folder"]
    assert call("GET", "/channels/webhook").json()["sources"] == []


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"kind": "feed", "settings": {}}, 422, "source_kind_unknown", "E-mail has no sources of kind “feed”."),
        ({"settings": {}}, 422, "settings_invalid", "settings.folder"),
        ({"settings": {"folder": "A", "password": "x"}}, 422, "settings_invalid", "settings.password"),
        ({"channel": "webhook"}, 422, "channel_other", "on email, not on webhook"),
        ({"account": "care@acme.example"}, 422, "channel_missing", "only on its channel"),
        ({"account": "care@acme.example", "channel": "webhook"}, 404, "not_found", "no such account"),
        ({"account": "nobody@acme.example", "channel": "email"}, 404, "not_found", "no such account"),
        ({"organization": "other"}, 422, "validation_failed", "organization"),
        ({}, 409, "source_exists", "listens to that already"),
    ],
)
def test_what_is_wrong_is_said(house: House, body: dict[str, Any], status: int, code: str, words: str):
    call, account = rest(house), mailbox(house)
    added(call, account, "Returns")
    answer = call("POST", "/sources", {"account": account, "kind": "folder", "settings": {"folder": "Returns"}, **body})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert words in answer.content.decode()
    assert Source.objects.for_organization(house.organization).count() == 1


def test_a_channel_without_sources_says_so(house: House):
    account = str(house.account().id)
    answer = rest(house)("POST", "/sources", {"account": account, "kind": "folder", "settings": {"folder": "x"}})
    assert (answer.status_code, answer.json()["code"]) == (422, "sources_none")
    assert "has no sources: an account of it hears what comes to it" in answer.json()["detail"]


def test_changing_one_into_another_is_refused(house: House):
    call, account = rest(house), mailbox(house)
    added(call, account, "Returns")
    second = added(call, account, "Press")
    answer = call("PATCH", f"/sources/{second['id']}", {"settings": {"folder": "Returns"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "source_exists")


def test_the_connector_is_handed_them_and_looks_at_once(house: House):
    call, account = rest(house), mailbox(house)
    Account.everywhere.filter(pk=account).update(next_look_at=None)  # everywhere: a test
    first, second = added(call, account, "Returns"), added(call, account, "Press")
    assert row(account).next_look_at <= now()
    assert runtime.session_of(row(account), http=None).sources == (  # type: ignore[arg-type]
        SourceView(UUID(first["id"]), "folder", {"folder": "Returns"}),
        SourceView(UUID(second["id"]), "folder", {"folder": "Press"}),
    )
    assert runtime.session_of(row(str(house.account().id)), http=None).sources == ()  # type: ignore[arg-type]


def test_an_account_with_sources_can_send_read_back_and_be_tested(house: House):
    """On the loop the database must not be touched; reading the sources there broke every answer of such an account."""
    made, _ = connect.connect(
        house.owner, channel="bluesky", name="Acme", settings={"handle": "acme.example"}, credentials={"password": "app-password"}
    )
    private = Outgoing(uuid4(), "reply", "Hello", True)  # refused before anybody is called
    with pytest.raises(Rejected, match="Direct messages"):
        connect.send(house.organization, made.id, private).result(30)
    with pytest.raises(Rejected, match="Only a post of this account"):
        connect.read_back(house.organization, made.id, Outgoing(uuid4(), "delete", "", False))
    (step,) = connect.test_account(house.organization, connect.connect(house.owner, channel="rss", name="News", settings={})[0].id)
    assert not step.ok and "has no feed" in step.text


def test_they_go_with_their_account(house: House):
    call, account = rest(house), mailbox(house)
    made = added(call, account, "Returns")
    connect.remove(house.owner, UUID(account))
    assert call("GET", f"/sources/{made['id']}").status_code == 404
    assert not Source.objects.for_organization(house.organization).exists()


def test_rights_are_those_over_the_account(house: House):
    north, south = house.unit("North"), house.unit("South")
    account = mailbox(house, unit=north)
    made = added(rest(house), account, "Returns")
    house.join("agent@marlow.example", "agent", north)
    house.join("away@marlow.example", "manager", south)
    found = {member.email: member for member in govern.members(house.organization)}

    def as_(email: str) -> Rest:
        return Rest(govern.create_token(govern.actor_for(house.organization, found[email].id), "t", None)[1])

    agent, away = as_("agent@marlow.example"), as_("away@marlow.example")
    assert agent("GET", f"/sources/{made['id']}").status_code == 200
    body = {"account": account, "kind": "folder", "settings": {"folder": "x"}}
    for call in (
        agent("POST", "/sources", body),
        agent("PATCH", f"/sources/{made['id']}", {"settings": {"folder": "x"}}),
        agent("DELETE", f"/sources/{made['id']}"),
    ):
        assert call.status_code == 403
    assert away("GET", "/sources").json()["items"] == []
    for call in (away("POST", "/sources", body), away("GET", f"/sources/{made['id']}"), away("DELETE", f"/sources/{made['id']}")):
        assert call.status_code == 404


def test_those_of_others_are_not_there(house: House, other: House):
    account = mailbox(other)
    made, call = added(rest(other), account, "Returns"), rest(house)
    assert call("GET", "/sources").json()["items"] == []
    assert call("GET", f"/sources?account={account}").json()["items"] == []
    for method, body in (("GET", None), ("PATCH", {"settings": {"folder": "x"}}), ("DELETE", None)):
        foreign, missing = call(method, f"/sources/{made['id']}", body), call(method, f"/sources/{uuid4()}", body)
        assert foreign.status_code == missing.status_code == 404
        assert foreign.json()["detail"] == missing.json()["detail"]
    body = {"kind": "folder", "settings": {"folder": "x"}}
    foreign, missing = (call("POST", "/sources", {**body, "account": one}) for one in (account, str(uuid4())))
    assert foreign.status_code == missing.status_code == 404
    assert call("POST", "/sources", {**body, "account": "care@acme.example", "channel": "email"}).status_code == 404
    assert rest(other)("GET", f"/sources/{made['id']}").json() == made


def test_a_manifest_says_what_its_sources_need():
    text = (registry.channel("email").folder / "manifest.toml").read_text("utf-8")
    assert manifests.read(text, "email").sources[0].title == "Another folder"
    with pytest.raises(manifests.ManifestInvalid) as told:
        manifests.read(
            text
            + '\n[sources.feed]\nhosts = ["url"]\n[sources.feed.settings.properties.wrong]\ntype = "text"\n[sources."Bad name"]\ntitle = "x"\ncolour = 1\n',
            "email",
        )
    words = " ".join(told.value.problems)
    for expected in (
        "Write sources.feed.title.",
        "sources.feed: wrong: type must be",
        "“url” is named as a host",
        "“Bad name” is no kind",
        "Write sources.Bad name.settings.",
        "colour is not known",
    ):
        assert expected in words, words
