"""What a right that holds in some units gives of the organization: nothing of the others, by no way in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.test import Client

from cxm.channels.contracts import Author, Mention
from cxm.connect.contracts import Account, Heard
from cxm.govern import access
from cxm.govern import api as govern
from cxm.govern.services import tokens
from cxm.kernel.actor import Actor
from cxm.kernel.clock import now
from cxm.kernel.errors import NotAllowed
from cxm.kernel.ids import mention_id
from cxm.listen import api as listen
from cxm.listen import exports, topics
from cxm.listen.models import Record
from tests.houses import House, _own_store, house, line, post, settle  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db


def joined(house: House, role: str, unit: UUID | None) -> tuple[Actor, str]:
    """A member of that unit, and the secret of their token."""
    email = f"{role}@marlow.example"
    house.join(email, role, unit)
    member = govern.member_by_email(house.organization, email)
    assert member is not None
    actor = govern.actor_for(house.organization, member.id)
    return actor, govern.create_token(actor, "units")[1]


def call(secret: str, method: str, path: str, body: Any = None) -> Any:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
    return Client().generic(method, f"/api/v1{path}", data=data, content_type=kind, headers={"Authorization": f"Bearer {secret}"})


def test_an_import_needs_the_whole_organization(house: House) -> None:
    north, south = house.unit("North"), house.unit("South")
    account = house.account("Suedpost", south)
    mention = house.hear(account, "n1", "the kettle leaks")
    _, secret = joined(house, "manager", north)
    edited = line("n1", "rewritten", account="Suedpost", edited_at="2030-01-01T00:00:00Z") | {"channel": "webhook"}
    refused = call(secret, "POST", "/mentions/import", orjson.dumps(edited))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), refused.content
    assert "whole organization" in refused.json()["detail"]
    assert listen.mention(house.owner, mention)["text"] == "the kettle leaks"
    owners = govern.create_token(house.owner, "all")[1]
    taken = call(owners, "POST", "/mentions/import", orjson.dumps(line("n2", "taken in")))
    assert (taken.status_code, taken.json()["accepted"]) == (200, 1)


def test_the_mailbox_is_counted_for_whoever_may_see_all_of_it(house: House) -> None:
    house.hear(house.account("Nordpost", north := house.unit("North")), "n1", "the kettle leaks")
    house.read(b"{broken", line("twice", "tea"), line("twice", "tea"))
    _, secret = joined(house, "manager", north)
    limited = call(secret, "GET", "/coverage").json()
    assert (limited["heard"], limited["waiting_deliveries"], limited["quarantined"], limited["duplicate"]) == (1, None, None, None)
    whole = call(govern.create_token(house.owner, "all")[1], "GET", "/coverage").json()
    assert (whole["heard"], whole["waiting_deliveries"], whole["quarantined"], whole["duplicate"]) == (2, 0, 1, 1)


def test_topics_belong_to_the_whole_organization(house: House) -> None:
    topic = topics.save(house.owner, name="Kettles", query="kettle")
    _, secret = joined(house, "manager", house.unit("North"))
    browser = house.browser("manager@marlow.example")
    assert call(secret, "POST", "/topics", {"name": "Mine", "query": "tea"}).status_code == 403
    assert call(secret, "PATCH", f"/topics/{topic.id}", {"query": "tea"}).status_code == 403
    assert call(secret, "DELETE", f"/topics/{topic.id}").status_code == 403
    assert post(browser, f"/topics/{topic.id}", {"action": "delete"}).status_code == 403
    assert [browser.get(path).status_code for path in ("/topics/new", f"/topics/{topic.id}")] == [403, 403]
    assert [(one.name, one.query) for one in topics.topics(house.organization).items] == [("Kettles", "kettle")]
    shown = browser.get("/topics").content.decode()
    assert "Kettles" in shown
    assert f"/topics/{topic.id}" not in shown
    assert "/topics/new" not in shown + browser.get("/explorer?q=kettle").content.decode()
    owners = house.browser()
    assert "/topics/new" in owners.get("/explorer?q=kettle").content.decode()
    assert f"/topics/{topic.id}" in owners.get("/topics").content.decode()


def heard(house: House, account: Account | None, text: str, *, imported: bool, **more: Any) -> UUID:
    """A mention on a channel whose ids are the platform's own, whichever of our accounts hears it."""
    item = Mention(native_id="p1", kind="post", text=text, author=Author(native_id="lena"), published_at=now() - timedelta(hours=1), **more)
    entry = Heard(item=item, received_at=now(), position=0, order=1, channel="forum")
    assert listen.accept(house.organization, account, [entry], imported=imported)[0].outcome in ("accepted", "changed")
    settle()
    return mention_id(house.organization, "forum", "p1", None)


def test_an_edit_moves_no_mention_to_another_unit(house: House) -> None:
    north, south = house.unit("North"), house.unit("South")
    first, second = house.account("Nordpost", north), house.account("Suedpost", south)
    mention = heard(house, first, "the kettle leaks", imported=False)
    reader, _ = joined(house, "agent", south)

    def stands(text: str) -> None:
        found = listen.mention(house.owner, mention)
        assert (found["text"], found["account"], found["unit"]) == (text, "Nordpost", str(north))
        assert listen.search(reader, "kettle").count == 0
        row = Record.objects.get(pk=mention)
        assert (row.account_id, row.unit_id) == (first.id, north)

    stands("the kettle leaks")
    heard(house, second, "the kettle leaks more", imported=False, edited_at=now() - timedelta(minutes=30))
    stands("the kettle leaks more")
    heard(house, None, "the kettle leaks most", imported=True, edited_at=now() - timedelta(minutes=10))
    stands("the kettle leaks most")


@pytest.mark.parametrize("edge", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_dates_at_the_ends_of_the_calendar_are_no_fault(house: House, edge: str) -> None:
    house.read(line("last", "at the very end") | {"published_at": "9998-12-31T23:59:59Z"}, line("now", "tea"))
    secret = govern.create_token(house.owner, "all")[1]
    for name in ("from", "to"):
        assert call(secret, "POST", "/mentions/search", {name: edge}).status_code == 200
        by = [{"field": "published_at", "interval": "week"}]
        counted = call(secret, "POST", "/mentions/aggregate", {name: edge, "by": by, "time_zone": "Pacific/Kiritimati"})
        assert counted.status_code in (200, 422), counted.content
    browser = house.browser()
    govern.prefer(house.owner, zone="Pacific/Kiritimati")
    for path in ("/explorer", "/coverage?from=all", f"/explorer?from={edge.replace('+', '%2B')}"):
        assert browser.get(path).status_code in (200, 422), path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_an_export_ends_with_its_token(house: House, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(exports, "_LOOK_AFTER", 2)
    house.read(*[line(f"e{number}", f"tea {number}") for number in range(5)])
    secret = govern.create_token(house.owner, "export")[1]
    whole = b"".join(call(secret, "GET", f"/mentions/export?format={kind}").streaming_content)
    answer = call(secret, "GET", f"/mentions/export?format={kind}")
    actor = access.actor_of_token(secret)
    assert actor is not None and actor.token is not None
    tokens.revoke_token(house.owner, actor.token)
    if kind == "parquet":
        with pytest.raises(NotAllowed):
            b"".join(answer.streaming_content)
        return
    *_, last = b"".join(answer.streaming_content).decode().strip().splitlines()
    assert "This export is not whole" in last and "token_ended" in last
    assert whole.count(b"tea ") == 5
    assert b"not whole" not in whole
