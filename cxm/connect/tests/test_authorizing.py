"""Signing in by OAuth2: begun and finished by the same member, once; tokens sealed, renewed by one for all, withdrawn with nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import structlog
from django.db import connection, connections
from django.test import Client

from cxm.channels.authorization import SignInEnded
from cxm.channels.contracts import AuthExpired, RateLimited, Unavailable
from cxm.channels.kit import oauth2
from cxm.channels.testing.oauth import SignInServer
from cxm.channels.testing.web import Web, answer
from cxm.connect import accounts, authorizing, platform_clients, rotation, runtime, token_store, tokens
from cxm.connect import api as connect
from cxm.connect.models import Account, PlatformClient, SignIn
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import frozen_at, now
from cxm.kernel.errors import Invalid
from cxm.platform import config, events, secrets
from tests.houses import PASSWORD, House, _own_store, assert_safe, house, other, post  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
FORM = {"name": "care", "settings.address": "care@acme.example", "google.client_id": "our-client-id", "google.client_secret": "our-client-secret"}  # fmt: skip
BODY = {"channel": "email", "name": "care", "way": "google", "settings": {"address": "care@acme.example"}, "client_id": "our-client-id", "client_secret": "our-client-secret"}  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> SignInServer:
    """Google's sign-in, in memory."""
    made = SignInServer()
    monkeypatch.setattr(authorizing.runtime, "call", lambda work, timeout=0: asyncio.run(work(made)))
    return made


def row(account: UUID) -> Account:
    return Account.everywhere.get(pk=account)  # everywhere: a test


def back(client: Any, query: dict[str, str]) -> Any:
    """The platform sends a browser back."""
    return client.get("/channels/authorized", query)


def leaving(answered: Any) -> str:
    """Where the page that says so leads."""
    text = assert_safe(answered)
    assert answered.status_code == 200, text[:3000]
    return next(unescape(part.split('"')[0]) for part in text.split('href="')[1:] if part.startswith("https://accounts.google.com/"))


def signed_in(house: House, server: SignInServer, **more: Any) -> UUID:
    """An account that is signed in."""
    begun = authorizing.begin(
        house.owner, channel="email", name="care", settings={"address": "care@acme.example", **more}, way="google",
        client=platform_clients.Typed(server.client_id, server.secret), base="http://testserver",
    )  # fmt: skip
    return authorizing.finish(house.owner, server.agree(begun.url)).id


def source(account: UUID, server: Any) -> tokens.Source:
    """As the runtime would hand it, on the test's own connection."""

    async def db(work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(on_mine, work)

    def on_mine(work: Callable[[], Any]) -> Any:
        connections["default"] = mine
        return work()

    mine = connections["default"]
    return tokens.Source(account, server, db)


@pytest.fixture
def lent() -> Iterator[None]:
    """The test's connection may be used by a thread that works for it."""
    connections["default"].inc_thread_sharing()
    yield
    connections["default"].dec_thread_sharing()


def ask(account: UUID, server: Any, refused: str = "") -> Any:
    return asyncio.run(source(account, server)(refused))


def test_a_member_signs_in_on_screen_and_comes_back_to_the_account(house: House, server: SignInServer):
    client = house.browser()
    page = unescape(assert_safe(client.get("/channels/new/email")))
    assert "Sign in with Google" in page and "http://testserver/channels/authorized" in page and "imap.gmail.com" in page
    missing = post(client, "/channels/new/email", {**FORM, "google.client_secret": "", "action": "sign_in:google"})
    assert (
        missing.status_code == 422 and "This is needed." in missing.content.decode() and 'value="our-client-id"' in missing.content.decode()
    )
    answered = post(client, "/channels/new/email", {**FORM, "settings.imap_host": "evil.example", "action": "sign_in:google"})
    url = leaving(answered)
    assert server.secret not in answered.content.decode() and connect.accounts(house.organization) == []
    asked = parse_qs(urlsplit(url).query)
    assert asked["access_type"] == ["offline"] and asked["scope"] == ["https://mail.google.com/"] and "client_secret" not in asked
    done = back(client, server.agree(url))
    (made,) = connect.accounts(house.organization)
    assert (done.status_code, done["Location"]) == (302, f"/channels/{made.id}")
    assert (made.way, made.settings["imap_host"], made.settings["smtp_host"]) == ("google", "imap.gmail.com", "smtp.gmail.com")
    assert server.exchanged == 1 and not SignIn.everywhere.exists()  # everywhere: a test
    page = assert_safe(client.get(f"/channels/{made.id}"))
    assert "Signed in with" in page and "Sign in anew there" in page
    # Tokens go to the provider's own servers, whatever is typed; and what was registered serves the next account.
    assert connect.change(house.owner, made.id, settings={"imap_host": "evil.example"}).settings["imap_host"] == "imap.gmail.com"
    again = post(client, "/channels/new/email", {**FORM, "name": "b", "google.client_id": "", "google.client_secret": "", "action": "sign_in:google"})  # fmt: skip
    assert back(client, server.agree(leaving(again))).status_code == 302
    shown = rest(house)("GET", f"/accounts/{made.id}").json()
    assert shown["way"] == "google" and shown["token_expires_at"] is not None
    # Everything of it is sealed, and in no answer, export or event.
    told = [str(values) for values in Account.everywhere.values()] + [
        str(one) for one in PlatformClient.everywhere.values()
    ]  # everywhere: a test
    told += [str(one) for one in events.since(house.organization, "", permissions={"accounts:read"}, limit=500)] + [str(shown), page]
    assert not [secret for secret in (*server.secrets, server.secret) for text in told if secret in text]
    connect.remove(house.owner, made.id)
    assert PlatformClient.everywhere.count() == 1  # everywhere: a test
    connect.remove(house.owner, connect.accounts(house.organization)[0].id)
    assert not PlatformClient.everywhere.exists() and token_store.get(row(made.id)) is None  # everywhere: a test


def test_a_state_is_used_once_by_whom_it_was_begun_in_that_browser_in_time(house: House, other: House, server: SignInServer):
    client, colleague, stranger = house.browser(), house.join("max@marlow.example", "manager"), other.browser()
    answered = server.agree(leaving(post(client, "/channels/new/email", {**FORM, "action": "sign_in:google"})))
    elsewhere = house.browser()
    for thief in (colleague, stranger, elsewhere):
        refused = back(thief, answered)
        assert refused.status_code == 422 and "not known here" in unescape(refused.content.decode())
    assert back(client, {**answered, "state": answered["state"][:-1] + "x"}).status_code == 422
    assert back(client, {"code": answered["code"]}).status_code == 422
    assert (connect.accounts(house.organization), connect.accounts(other.organization), server.asked) == ([], [], [])
    assert back(client, {**answered, "next": "https://evil.example", "redirect_uri": "https://evil.example"})["Location"].startswith(
        "/channels/"
    )
    assert back(client, answered).status_code == 422 and server.exchanged == 1, "a second time"
    late = server.agree(leaving(post(client, "/channels/new/email", {**FORM, "name": "late", "action": "sign_in:google"})))
    SignIn.everywhere.update(expires_at=now())  # everywhere: a test
    assert back(client, late).status_code == 422 and server.exchanged == 1, "too late"
    declined = server.agree(leaving(post(client, "/channels/new/email", {**FORM, "name": "no", "action": "sign_in:google"})))
    refused = back(client, {"state": declined["state"], "error": "access_denied", "error_description": "<script>"})
    assert (
        refused.status_code == 422 and "somebody declined there" in assert_safe(refused) and not SignIn.everywhere.exists()
    )  # everywhere: a test
    assert back(house.join("ann@marlow.example", "agent"), answered).status_code == 403
    # A verifier of another's, swapped code: the platform says no, in plain words, and nothing is made.
    one, two = (server.agree(leaving(post(client, "/channels/new/email", {**FORM, "name": name, "action": "sign_in:google"}))) for name in "xy")  # fmt: skip
    swapped = back(client, {"state": one["state"], "code": two["code"]})
    assert swapped.status_code == 422 and two["code"] not in swapped.content.decode() and len(connect.accounts(house.organization)) == 1


def test_it_is_begun_by_the_api_and_the_member_of_the_token_finishes_it(house: House, other: House, server: SignInServer):
    call = rest(house)
    ways = call("GET", "/channels/email").json()["ways"]
    assert [(one["way"], one["needs"]) for one in ways] == [(name, ["client_id", "client_secret"]) for name in ("google", "microsoft")]
    for wrong, path in (
        ({"way": "yahoo"}, "way"),
        ({"client_id": ""}, "client_id"),
        ({"name": ""}, "name"),
        ({"settings": {}}, "settings.address"),
    ):
        refused = call("POST", "/accounts/authorize", {**BODY, **wrong})
        assert refused.status_code == 422 and [one["path"] for one in refused.json()["errors"]] == [path], refused.content
    begun = call("POST", "/accounts/authorize", BODY).json()
    assert begun["host"] == "accounts.google.com" and begun["redirect_uri"] == "http://testserver/channels/authorized"
    answered = server.agree(begun["url"])
    assert back(house.join("max@marlow.example", "manager"), answered).status_code == 422, "the token's member, and nobody else"
    assert back(house.browser(), answered).status_code == 302
    (made,) = connect.accounts(house.organization)
    assert call("POST", "/accounts/authorize", BODY).status_code == 409
    Account.everywhere.filter(pk=made.id).update(cursor={"uid": 7}, health="gone", mend="x")  # everywhere: a test
    assert rest(other)("POST", f"/accounts/{made.id}/authorize", {}).status_code == 404
    anew = call("POST", f"/accounts/{made.id}/authorize", {}).json()
    assert back(house.browser(), server.agree(anew["url"]))["Location"] == f"/channels/{made.id}"
    after = row(made.id)
    assert (after.cursor, after.health, after.way, server.exchanged) == ({"uid": 7}, "", "google", 2)
    # A manager of another unit by then: what may be done is asked again at the end.
    unit = house.unit("Shops")
    anew = call("POST", f"/accounts/{made.id}/authorize", {"way": "google"}).json()
    client = house.join("unit@marlow.example", "manager", unit)
    SignIn.everywhere.update(member_id=None)  # everywhere: a test; as the command line begins it
    assert back(client, server.agree(anew["url"])).status_code == 403 and server.exchanged == 2
    # Back to a password: whoever types all of it signs in by that.
    connect.change(house.owner, made.id, credentials={"username": "care", "password": "old"})
    assert (row(made.id).way, row(made.id).sealed_tokens) == ("", "")


def test_a_token_is_renewed_before_it_ends_and_a_failure_is_borne_while_the_old_one_holds(house: House, server: SignInServer, lent: None):
    account, start = signed_in(house, server), now()
    first = ask(account, server)
    assert (first.way, server.refreshed) == ("google", 0) and first.value not in repr(first)
    with frozen_at(start + timedelta(minutes=56)):
        assert tokens.due() == [account]
        server.told = [answer(503, content="<html>"), Unavailable("cut", effect_possible=True)]
        assert ask(account, server).value == first.value, "it is still good"
        assert (ask(account, server).value, len(server.asked)) == (first.value, 2), "and nobody hammers"
    with frozen_at(start + timedelta(minutes=61)):
        with pytest.raises(Unavailable) as away:
            ask(account, server)
        assert not away.value.effect_possible, "what was to be sent has surely not been sent"
        second = ask(account, server)
        assert second.value != first.value and server.takes(second.value) and server.refreshed == 1
        assert ask(account, server, refused=first.value).value == second.value, "another had it renewed already"
        third = ask(account, server, refused=second.value)
        assert server.refreshed == 2 and third.value not in (first.value, second.value)
        former = secrets.master_keys
        secrets.master_keys = lambda: ["another key, which is forty characters long", *former()]
        try:
            assert rotation.rotate() == 2 and rotation.rotate() == 0
            assert ask(account, server).value == third.value
        finally:
            secrets.master_keys = former


def test_a_withdrawn_sign_in_says_so_holds_what_waits_and_is_mended_by_signing_in(house: House, server: SignInServer, lent: None):
    account = signed_in(house, server)
    Account.everywhere.filter(pk=account).update(cursor={"uid": 9})  # everywhere: a test
    server.withdrawn = True
    with frozen_at(now() + timedelta(hours=2)):
        with pytest.raises(SignInEnded) as ended:
            ask(account, server)
        assert "withdrawn" in ended.value.text and "Sign in anew" in ended.value.mend
        asked = len(server.asked)
        assert server.asked[-1]["refresh_token"] not in ended.value.text, "the server repeated it; we do not"
        with pytest.raises(SignInEnded):
            ask(account, server)
        assert len(server.asked) == asked, "nothing is asked of it again until somebody signs in"
        shown = rest(house)("GET", f"/accounts/{account}").json()
        assert not shown["ok"] and "withdrawn" in shown["summary"] and "Sign in anew" in shown["advice"] and tokens.due() == []
        assert "Sign in anew" in connect.rules(house.organization, account).held
        begun = authorizing.begin_anew(house.owner, account, base="http://testserver")
        authorizing.finish(house.owner, server.agree(begun.url))
        after = row(account)
        assert (after.cursor, after.health, connect.rules(house.organization, account).held) == ({"uid": 9}, "", "")
        assert server.takes(ask(account, server).value)


#: What a token endpoint may answer in place of tokens.
ODD = [
    answer(200, content="<html>Welcome</html>"), answer(200, content=b""), answer(200, json=[]), answer(200, json={"token_type": "Bearer"}),
    answer(200, json={"access_token": ""}), answer(200, json={"access_token": 7}), answer(200, json={"access_token": "a\r\nX: y"}),
    answer(200, json={"access_token": "x" * 20_001}), answer(200, json={"access_token": "good", "token_type": "mac"}),
    answer(302, headers={"location": "https://evil.example"}), answer(200, json={"error": {"a": 1}}), answer(500, json={"error": "invalid_grant"}),
    answer(400, json={"error": "invalid_scope"}), answer(401), answer(429), answer(200, json={"access_token": "é" * 9}), answer(200, content=b"[" * 100_000),
]  # fmt: skip


def test_whatever_a_token_endpoint_answers_is_said_and_costs_nothing(house: House, server: SignInServer, lent: None):
    account, hours = signed_in(house, server), 0
    for told in ODD:
        before, hours = row(account).sealed_tokens, hours + 2
        with frozen_at(now() + timedelta(hours=hours)):
            server.told = [told]
            with pytest.raises((AuthExpired, Unavailable, RateLimited)) as refused:
                ask(account, server)
            assert not isinstance(refused.value, SignInEnded) and refused.value.text, told
            assert not getattr(refused.value, "effect_possible", False), told
            assert row(account).sealed_tokens == before
            assert server.takes(ask(account, server).value), "the refresh token is kept, and the next try works"


def test_a_life_is_believed_where_it_can_be():
    moment = now()
    for value, seconds in [
        (3600, 3600), ("3600", 3600), (" 90 ", 90), (1.5, 1.5), (-5, None), (0, None), ("-1", None), (True, None), (None, None), ("soon", None), (10**30, None),
        ([], None), ("9" * 40, None), ({"a": 1}, None), (1e308, None),
    ]:  # fmt: skip
        told = answer(200, json={"access_token": "good", "expires_in": value, "scope": ["https://mail.google.com/", 7], "refresh_token": 7})
        found = oauth2.tokens_of(told, "Google", moment)
        assert (found.access, found.refresh, found.scope) == ("good", "", "https://mail.google.com/")
        assert found.expires_at == (moment + timedelta(seconds=seconds) if seconds else None), value


def test_what_was_not_allowed_is_named_and_the_guard_stands_before_every_call(house: House, server: SignInServer, monkeypatch: Any):
    server.granted = "openid email"
    with pytest.raises(Invalid, match=r"Not everything was allowed there: https://mail\.google\.com/"):
        signed_in(house, server)
    assert connect.accounts(house.organization) == []
    monkeypatch.undo()
    begun = authorizing.begin(house.owner, channel="email", name="care", settings={"address": "a@b.example"}, way="google", client=platform_clients.Typed("i", "s"), base="http://x.example")  # fmt: skip
    way = authorizing._way(accounts.channel_of("email"), "google")
    object.__setattr__(way, "token_url", "https://169.254.169.254/token")
    try:
        with pytest.raises(Invalid, match="private or reserved"):
            authorizing.finish(house.owner, {"state": parse_qs(urlsplit(begun.url).query)["state"][0], "code": "c"})
    finally:
        object.__setattr__(way, "token_url", "https://oauth2.googleapis.com/token")
        runtime.runtime.stop()
    with pytest.raises(Invalid, match="Nobody knows the address"):
        authorizing.begin(house.owner, channel="email", name="care", settings={"address": "a@b.example"}, way="google", client=platform_clients.Typed("i", "s"))  # fmt: skip


def test_a_platform_that_reads_who_we_are_finds_it_at_our_address(house: House, monkeypatch: pytest.MonkeyPatch):
    client = Client()
    assert [client.get(f"/channels/clients/{name}.json").status_code for name in ("bluesky", "email", "nothing")] == [404] * 3, (
        "nobody can reach us"
    )
    begin = {"channel": "bluesky", "name": "a", "settings": {"handle": "a.example"}}
    monkeypatch.setattr(authorizing.runtime, "call", lambda work, timeout=0: asyncio.run(work(Web())))
    assert rest(house)("POST", "/accounts/authorize", begin).json()["code"] == "sign_in_failed"
    monkeypatch.setenv("CXM_PUBLIC_URL", "https://cxm.example/")
    config.settings.cache_clear()
    try:
        told = client.get("/channels/clients/bluesky.json").json()
        assert told["client_id"] == "https://cxm.example/channels/clients/bluesky.json"
        assert told["redirect_uris"] == ["https://cxm.example/channels/authorized"]
        assert [len(key["kid"]) for key in told["jwks"]["keys"]] == [43] and "d" not in told["jwks"]["keys"][0]
        assert client.get("/channels/clients/email.json").status_code == 404
    finally:
        monkeypatch.undo()
        config.settings.cache_clear()


def test_no_secret_is_ever_logged(house: House, server: SignInServer, lent: None, caplog: Any, capfd: Any):
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logged:
        account = signed_in(house, server)
        with frozen_at(now() + timedelta(hours=2)):
            server.told = [RuntimeError("broken"), answer(400, json={"error": "x", "error_description": "it was " + "refresh-3" * 9})]
            for _ in range(3):
                with contextlib.suppress(AuthExpired, Unavailable):
                    ask(account, server)
    text = str(logged) + caplog.text + "".join(capfd.readouterr())
    assert "tokens.broke" in text and not [one for one in (*server.secrets, server.secret) if one in text]


@pytest.mark.django_db(transaction=True)
def test_ten_who_need_a_token_at_once_renew_it_once(server: SignInServer):
    """Ten workers, each with a loop and a connection of its own, against a server that ends the sign-in where a refresh token comes twice."""
    from tests.houses import make_house

    house = make_house("Marlow Coffee", "owner@marlow.example")
    account = signed_in(house, server)
    together, held = threading.Barrier(10), threading.Event()

    async def db(work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(closing, work)

    def closing(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()  # each thread's own

    def worker(_: int) -> str:
        with frozen_at(later):
            together.wait(60)
            return asyncio.run(tokens.Source(account, server, db)()).value

    later = now() + timedelta(hours=2)
    looks = iter(range(10**6))
    claim = tokens._claim

    def counted(*arguments: Any) -> Any:
        if next(looks) >= 25:  # everybody has asked, and most have asked again, before the platform answers
            held.set()
        return claim(*arguments)

    server.before = lambda: held.wait(60)
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(10) as pool:
        patched.setattr(tokens, "_claim", counted)
        values = list(pool.map(worker, range(10)))
    assert len(set(values)) == 1 and server.refreshed == 1 and not server.withdrawn
    assert row(account).renewing_until is None
