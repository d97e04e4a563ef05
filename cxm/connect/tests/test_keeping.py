"""Keeping accounts: tried before they are connected, their sources with health, paused, signed in anew, removed."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from cxm.channels import registry
from cxm.channels.contracts import Polled, RateLimited, Session, SourceNews, TestStep
from cxm.connect import accounts, connecting_pages, health, limits, runtime, sources
from cxm.connect import api as connect
from cxm.connect.contracts import Account as AccountContract
from cxm.connect.models import Account, Delivery, Gap, Source
from cxm.connect.tests.hooks_kit import rest
from cxm.govern import api as govern
from cxm.kernel.clock import frozen_at, now
from tests.houses import HOSTILE, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
MAIL = {"settings.address": "care@acme.example", "settings.imap_host": "imap.acme.example", "credentials.username": "care"}
OPML = """<?xml version="1.0"?><opml version="2.0"><body><outline text="News"><outline text="One &amp; only" xmlUrl="https://one.example/feed"/>
<outline text="Two" xmlUrl="http://two.example/rss"/></outline><outline text="Inside" xmlUrl="https://127.0.0.1/feed"/></body></opml>"""


def mailbox(house: House) -> AccountContract:
    settings = {"address": "care@acme.example", "imap_host": "imap.acme.example"}
    return connect.connect(
        house.owner, channel="email", name="care@acme.example", settings=settings, credentials={"username": "care", "password": "old"}
    )[0]


def feeds(house: House) -> UUID:
    return connect.connect(house.owner, channel="rss", name="News")[0].id


def row(account: UUID) -> Account:
    return Account.everywhere.get(pk=account)  # everywhere: a test


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """A mail server that takes the password “right” alone; what it was asked with."""
    asked: list[dict[str, str]] = []

    async def test(self: object, session: Session) -> list[TestStep]:
        asked.append(dict(session.credentials))
        steps = [TestStep("Connect to IMAP", True, "The server answers.")]
        if session.credentials.get("password") != "right":
            return [*steps, TestStep("Sign in to IMAP", False, "The server refused the password.")]
        return [*steps, TestStep("Sign in to IMAP", True, "User name and password are accepted.")]

    monkeypatch.setattr(type(registry.channel("email").tester()), "test", test)
    return asked


def test_connecting_is_walked_in_order_tried_on_the_way_and_loses_nothing(house: House, other: House, server: list[dict[str, str]]):
    client, path = house.browser(), "/channels/new/email"
    text = unescape(client.get(path).content.decode())
    places = [text.index(part) for part in ("What to arrange there first", "make an app password", "How it is reached", "How we sign in")]
    assert places == sorted(places)
    reached = post(client, path, MAIL | {"action": "reach", "credentials.username": ""}).content.decode()
    assert "The server answers." in reached and "refused the password" not in reached and "Every step worked." in reached
    tried = post(client, path, MAIL | {"action": "try", "name": "Care", "credentials.password": "a wrong pass"})
    text = unescape(tried.content.decode())
    assert "The server refused the password." in text and 'value="Care"' in text and 'value="imap.acme.example"' in text
    assert "a wrong pass" not in text and connect.accounts(house.organization) == []
    kept = text.split('name="kept" value="')[1].split('"')[0]
    assert "wrong" not in kept and "Kept as you typed it." in text
    wrong = post(client, path, MAIL | {"action": "try", "settings.imap_host": "no host", "credentials.password": "", "kept": kept})
    assert wrong.status_code == 422 and "This must be a host name" in wrong.content.decode()
    made = post(client, path, MAIL | {"name": "Care", "credentials.password": "", "kept": kept})
    assert made.status_code == 302, made.content[:3000]
    (account,) = connect.accounts(house.organization)
    assert accounts.credentials_of(row(account.id)) == {"username": "care", "password": "a wrong pass"}
    assert [one.get("password") for one in server] == [None, "a wrong pass"]
    # What was kept is this member's, for this channel, for an hour.
    stranger = other.browser()
    assert post(stranger, path, MAIL | {"name": "Care", "credentials.password": "", "kept": kept}).status_code == 422
    with frozen_at(now() + timedelta(hours=2)):
        assert connecting_pages.unsealed(kept, house.owner, "email") == {}
    assert connecting_pages.unsealed(kept, house.owner, "bluesky") == connecting_pages.unsealed("made up", house.owner, "email") == {}


def test_signing_in_anew_keeps_the_old_until_the_new_are_proven(house: House, server: list[dict[str, str]]):
    account, client, call = mailbox(house), house.browser(), rest(house)
    Account.everywhere.filter(pk=account.id).update(
        cursor={"uid": 7}, failures=3, health="refused", mend="Enter it again."
    )  # everywhere: a test
    path = f"/channels/{account.id}"
    refused = post(client, path, {"action": "sign_in", "credentials.password": "wrong", "credentials.username": ""})
    text = unescape(refused.content.decode())
    assert refused.status_code == 422 and "The server refused the password." in text and "Store them although the test failed" in text
    assert 'name="kept"' in text and accounts.credentials_of(row(account.id))["password"] == "old"
    answer = call("POST", f"/accounts/{account.id}/credentials", {"credentials": {"password": "wrong"}})
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["path"]) == (
        422,
        "credentials_refused",
        "credentials.password",
    )
    assert call("POST", f"/accounts/{account.id}/credentials", {}).status_code == 422
    done = call("POST", f"/accounts/{account.id}/credentials", {"credentials": {"password": "right"}})
    assert (
        done.status_code == 200 and [step["ok"] for step in done.json()["steps"]] == [True, True] and "right" not in done.content.decode()
    )
    after = row(account.id)
    assert accounts.credentials_of(after) == {"username": "care", "password": "right"}
    assert (after.cursor, after.failures, after.health) == ({"uid": 7}, 0, "")
    assert post(client, path, {"action": "sign_in", "credentials.password": "untried", "anyway": "on"}).status_code == 302
    assert accounts.credentials_of(row(account.id))["password"] == "untried"
    hook = house.account()
    before = accounts.credentials_of(row(hook.id))["secret"]
    fresh = call("POST", f"/accounts/{hook.id}/credentials", {}).json()["secret"]
    assert fresh.startswith("whsec_") and fresh != before and accounts.credentials_of(row(hook.id))["secret"] == fresh
    assert [one.detail["fields"] for one in govern.entries(house.organization) if one.action == "account.change"] == [["credentials"]] * 3


def test_trying_by_rest_stores_nothing_and_names_what_is_wrong(house: House, server: list[dict[str, str]]):
    call = rest(house)
    body = {
        "channel": "email",
        "settings": {"address": "a@b.example", "imap_host": "imap.b.example"},
        "credentials": {"username": "a", "password": "right"},
    }
    assert call("POST", "/accounts/test", body).json()["ok"] is True
    assert call("POST", "/accounts/test", body | {"credentials": {}, "reach_only": True}).json()["steps"][-1]["name"] == "Connect to IMAP"
    wrong = call("POST", "/accounts/test", body | {"settings": {}})
    assert wrong.status_code == 422 and {one["path"] for one in wrong.json()["errors"]} == {"settings.address", "settings.imap_host"}
    assert connect.accounts(house.organization) == []
    assert call("GET", "/channels/email").json()["arrange"][0]["title"] == "Switch IMAP on"


def _changed_on_screen(client: Client, path: str, made: Source) -> None:
    """Its form holds what it is now; what is refused stays typed; its place stays."""
    where = f"{path}?change={made.id}"
    assert where in client.get(path).content.decode().replace("&amp;", "&")
    page = assert_safe(client.get(where))
    assert "Change Ours" in page and 'value="https://one.example/feed"' in page
    wrong = post(client, where, {"action": "change", "source": str(made.id), "settings.url": "nowhere", "settings.title": "Theirs"})
    page = wrong.content.decode()
    assert wrong.status_code == 422 and "Not changed yet." in page and 'value="nowhere"' in page and 'value="Theirs"' in page
    fresh = {"action": "change", "source": str(made.id), "settings.url": "https://one.example/new", "settings.title": "Ours"}
    assert post(client, where, fresh).headers["location"] == path
    made.refresh_from_db()
    assert (made.settings["url"], made.settings["title"]) == ("https://one.example/new", "Ours")
    assert post(client, where, {**fresh, "settings.url": "https://one.example/feed"}).status_code == 302
    assert client.get(f"{path}?change={uuid4()}").status_code == 404


def test_sources_on_screen_are_added_paused_listed_and_removed(house: House):
    account, client = feeds(house), house.browser()
    path = f"/channels/{account}/sources"
    assert "No sources yet" in assert_safe(client.get(path))
    wrong = post(client, path, {"action": "add", "kind": "feed", "settings.url": "nowhere", "settings.title": "Ours"})
    assert wrong.status_code == 422 and 'value="nowhere"' in wrong.content.decode() and 'value="Ours"' in wrong.content.decode()
    assert (
        post(
            client, path, {"action": "add", "kind": "feed", "settings.url": "https://one.example/feed", "settings.title": "Ours"}
        ).status_code
        == 302
    )
    (made,) = Source.objects.for_organization(house.organization)
    assert "Ours" in client.get(f"/channels/{account}").content.decode()
    _changed_on_screen(client, path, made)
    assert post(client, path, {"action": "pause", "source": str(made.id)}).status_code == 302
    assert runtime.session_of(row(account), http=None).sources == ()  # type: ignore[arg-type]
    assert "Paused: nothing of it comes in." in client.get(path).content.decode()
    assert post(client, path, {"action": "resume", "source": str(made.id)}).status_code == 302
    sent = SimpleUploadedFile("feeds.opml", OPML.encode(), "text/x-opml")
    done = unescape(post(client, path, {"action": "list", "list": sent}).content.decode())
    assert "1 source added." in done and "1 was there already." in done and "127.0.0.1" in done
    assert post(client, path, {"action": "list"}).status_code == 422
    assert post(client, path, {"action": "remove", "source": str(made.id)}).status_code == 302
    assert [one.settings["folder"] for one in Source.objects.for_organization(house.organization)] == ["News"]
    assert post(client, path, {"action": "remove", "source": str(uuid4())}).status_code == 404
    assert client.get(f"/channels/{house.account().id}/sources").status_code == 404
    told = [one.action for one in govern.entries(house.organization) if one.action.startswith("source.")]
    assert told == ["source.remove", "source.add_many", "source.resume", "source.pause", "source.change", "source.change", "source.add"]
    agent = house.join("agent@marlow.example", "agent")
    assert "Add the source" not in agent.get(path).content.decode()
    assert post(agent, path, {"action": "add"}).status_code == 403


def test_a_list_goes_in_and_comes_out_the_same(house: House, other: House, monkeypatch: pytest.MonkeyPatch):
    account, call = feeds(house), rest(house)

    def send(body: str, caller: Any = call, where: UUID = account) -> Any:
        return Client().post(
            f"/api/v1/accounts/{where}/sources/list", body, content_type="text/x-opml", headers={"Authorization": f"Bearer {caller.secret}"}
        )

    assert send(OPML).json() | {"refused": 0} == {"read": 3, "added": 2, "known": 0, "refused": 0}
    assert send(OPML).json()["known"] == 2
    out = call("GET", f"/accounts/{account}/sources/list")
    assert out["Content-Disposition"] == 'attachment; filename="feeds.opml"' and "One &amp; only" in out.content.decode()
    again = send(out.content.decode(), where=connect.connect(house.owner, channel="rss", name="Again")[0].id).json()
    assert (again["read"], again["added"]) == (2, 2)
    assert send("<html/>").json()["code"] == "not_a_list"
    assert send(OPML, where=house.account().id).json()["code"] == "lists_none"
    assert send(OPML, rest(other)).status_code == 404 and rest(other)("GET", f"/accounts/{account}/sources/list").status_code == 404
    kind = call("GET", "/channels/rss").json()["sources"][0]
    assert (kind["kind"], kind["list"]) == ("feed", "OPML")
    many = "".join(f'<outline xmlUrl="https://many.example/{number}"/>' for number in range(6))
    monkeypatch.setattr(sources, "LIMIT", 5)
    full = send(f"<opml><body>{many}</body></opml>").json()
    assert full["added"] == 3 and len(full["refused"]) == 3 and "5 sources at most" in full["refused"][0]["reason"]


def test_one_failing_source_shows_in_its_accounts_health(house: House):
    account, call = feeds(house), rest(house)
    first, second = (
        connect.add_source(house.owner, account=str(account), kind="feed", settings={"url": f"https://{name}.example/"})
        for name in ("one", "two")
    )
    later = now() + timedelta(hours=1)
    news = (
        SourceNews(first.id, True, next_look=later),
        SourceNews(second.id, False, "It answers 404.", "Enter its new address."),
        SourceNews(uuid4()),
    )
    runtime.keep(account, Polled((), {}, sources=news), "poll")
    runtime.note_well(account, later)
    told = call("GET", f"/accounts/{account}").json()
    assert told["ok"] is False and told["summary"] == "One of its sources cannot be heard: https://two.example/."
    assert told["sources"] == {"total": 2, "paused": 0, "failing": 1} and told["health"] == ""
    (failing,) = call("GET", f"/sources?failing=true&account={account}").json()["items"]
    assert (failing["id"], failing["health"], failing["mend"]) == (str(second.id), "It answers 404.", "Enter its new address.")
    heard = call("GET", f"/sources/{first.id}").json()
    assert heard["last_heard_at"] and heard["last_ok_at"] and heard["next_look_at"] and heard["name"] == "https://one.example/"
    page = assert_safe(house.browser().get(f"/channels/{account}"))
    assert "It answers 404." in page and "One of its sources cannot be heard" in assert_safe(house.browser().get("/channels"))
    paused = call("PATCH", f"/sources/{second.id}", {"state": "paused"})
    assert paused.status_code == 200 and paused.json()["state"] == "paused" and call("GET", f"/accounts/{account}").json()["ok"] is True
    assert call("PATCH", f"/sources/{second.id}", {"state": "gone"}).json()["code"] == "state_invalid"


def test_a_pause_is_a_gap_that_says_so_and_is_filled_where_it_can_be(house: House):
    polled, pushed, call = feeds(house), house.account().id, rest(house)
    for account in (polled, pushed):
        for state in ("paused", "active"):
            assert call("PATCH", f"/accounts/{account}", {"state": state}).status_code == 200
    (open_gap,) = call("GET", f"/accounts/{polled}/gaps").json()["items"]
    assert (open_gap["reason"], open_gap["ended_at"]) == ("Paused by a member.", None)
    runtime.note_well(polled, now())
    (filled,) = call("GET", f"/accounts/{polled}/gaps").json()["items"]
    assert filled["filled_at"] is not None
    (lost,) = call("GET", f"/accounts/{pushed}/gaps").json()["items"]
    assert lost["ended_at"] is not None and lost["filled_at"] is None
    assert "caught up, nothing missing" in assert_safe(house.browser().get(f"/channels/{polled}"))


def test_removing_keeps_conversations_and_says_what_becomes_of_mentions(house: House, other: House):
    account, call, client = house.account(), rest(house), house.browser()
    mention = house.hear(account, "m1", "My parcel is late")
    (conversation,) = call("GET", "/conversations").json()["items"]
    refused = call("DELETE", f"/accounts/{account.id}?mentions=burn")
    assert (refused.status_code, refused.json()["code"]) == (422, "mentions_invalid")
    assert rest(other)("DELETE", f"/accounts/{account.id}").status_code == 404
    assert post(client, f"/channels/{account.id}", {"action": "remove", "mentions": "keep"}).status_code == 302
    assert call("GET", f"/conversations/{conversation['id']}").json()["mentions"][0]["text"] == "My parcel is late"
    assert call("GET", f"/mentions/{mention}").status_code == 200
    assert "This account was disconnected" in assert_safe(client.get(f"/inbox/{conversation['id']}"))
    assert call("POST", f"/conversations/{conversation['id']}/replies", {"text": "x"}).status_code == 404
    assert call("POST", f"/conversations/{conversation['id']}/close", {}).status_code == 200
    again = connect.connect(house.owner, channel="webhook", name="Support")[0]
    assert again.id != account.id


def test_limits_are_read_however_platforms_tell_them_and_shown_while_they_hold(house: House):
    moment = now()

    def read(**told: str) -> Any:
        return limits.read({name.replace("_", "-"): value for name, value in told.items()}, "a.example", moment)

    for told, left, of, seconds in (
        ({"RateLimit": '"default";r=50;t=30', "RateLimit_Policy": '"default";q=100;w=60'}, 50, 100, 30),
        ({"RateLimit": "limit=10, remaining=9, reset=50"}, 9, 10, 50),
        (
            {"ratelimit_limit": "3000", "ratelimit_remaining": "2999", "ratelimit_reset": str(int(moment.timestamp()) + 300)},
            2999,
            3000,
            300,
        ),
        ({"X_Rate_Limit_Remaining": "0", "X_Rate_Limit_Limit": "15"}, 0, 15, None),
        ({"X_RateLimit_Remaining": "7", "x_ratelimit_reset": "99999999999"}, 7, None, None),
    ):
        found = read(**told)
        assert (found.left, found.of) == (left, of), told
        assert found.resets_at == (None if seconds is None else moment + timedelta(seconds=seconds)), told
    assert read(content_type="text/html") is None and read(RateLimit="often") is None
    account = feeds(house)
    runtime.note_fault(
        account, RateLimited("Later, please."), {"a.example": limits.LimitLeft("a.example", 0, 100, now() + timedelta(minutes=5))}
    )
    (shown,) = rest(house)("GET", f"/accounts/{account}").json()["limits"]
    assert (shown["host"], shown["left"], shown["of"]) == ("a.example", 0, 100)
    assert "0 of 100" in unescape(house.browser().get(f"/channels/{account}").content.decode())
    with frozen_at(now() + timedelta(minutes=6)):
        assert connect.account(house.organization, account).limits == ()


def test_silence_that_is_unusual_is_noticed(house: House):
    account, start = house.account(), now() - timedelta(days=12)
    assert connect.silence_of(connect.account(house.organization, account.id)) is None
    for hour in range(20):
        Delivery.objects.add(
            house.organization,
            account_id=account.id,
            delivery_id=str(hour),
            fingerprint=b"x",
            body=b"{}",
            received_at=start + timedelta(hours=hour),
            done_at=now(),
        )
    Account.everywhere.filter(pk=account.id).update(last_heard_at=start + timedelta(hours=19))  # everywhere: a test
    told = connect.silence_of(connect.account(house.organization, account.id))
    assert told is not None and told.text == "Nothing was heard for 11 days, which is far longer than usual."
    assert "far longer than usual" in house.browser().get(f"/channels/{account.id}").content.decode()
    late = connect.account(house.organization, feeds(house))
    with frozen_at(now() + timedelta(hours=1)):
        assert health.of(late).tone == "bad" and "cxm serve" in health.of(late).mend


def test_another_organization_and_unit_find_nothing_of_this(house: House, other: House):
    account = feeds(house)
    source = connect.add_source(house.owner, account=str(account), kind="feed", settings={"url": "https://one.example/"})
    Gap.objects.add(house.organization, account_id=account, began_at=now(), reason="Ours alone.")
    stranger, call = other.browser(), rest(other)
    for path in (f"/channels/{account}/sources", f"/channels/{account}/sources/list"):
        assert stranger.get(path).status_code == 404
    theirs = connect.connect(other.owner, channel="rss", name="Theirs")[0].id
    assert post(stranger, f"/channels/{theirs}/sources", {"action": "remove", "source": str(source.id)}).status_code == 404
    assert post(stranger, f"/channels/{account}", {"action": "sign_in"}).status_code == 404
    for method, path in (("GET", "gaps"), ("POST", "credentials"), ("POST", "test")):
        assert call(method, f"/accounts/{account}/{path}", {} if method == "POST" else None).status_code == 404
    south = house.join("away@marlow.example", "manager", house.unit("South"))
    assert south.get(f"/channels/{account}/sources").status_code == 404
    assert Source.objects.for_organization(house.organization).count() == 1


def test_hostile_names_of_sources_are_text(house: House):
    account = feeds(house)
    connect.add_source(house.owner, account=str(account), kind="feed", settings={"url": "https://one.example/", "title": HOSTILE[:150]})
    for path in (f"/channels/{account}/sources", f"/channels/{account}"):
        assert "<script>alert(1)" not in assert_safe(house.browser().get(path))
