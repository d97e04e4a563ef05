"""Copies of an answer: to whom they go, and what is told of them."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest

from cxm.channels.email.tests.provider import SETTINGS
from cxm.connect import api as connect
from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now, shifted_by
from cxm.kernel.errors import Conflict
from cxm.love import api as love
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.outbound.models import Intent, Suppressed
from tests.houses import House, _own_store, house, other, settle  # noqa: F401 - fixtures
from tests.houses import post as post_form
from tests.journey.test_mail_told import ALIAS, Post, mail

pytestmark = pytest.mark.django_db


def dsn(message_id: str, *groups: str) -> str:
    """A mail server's report of a mail of ours, of each recipient by itself."""
    status = "\r\n\r\n".join(["Reporting-MTA: dns; mx.customer.example", *groups])
    kind = 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"'
    parts = f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {message_id}\r\n\r\nx\r\n--b--"
    return mail("MAILER-DAEMON@mx.customer.example", ALIAS, "Undelivered", parts, "Auto-Submitted: auto-replied", "MIME-Version: 1.0", kind)


def gone(field: str, address: str) -> str:
    """That an address does not exist."""
    return f"{field}: rfc822; {address}\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user"


def test_a_copy_that_comes_back_is_held_against_the_copy_alone(house: House, monkeypatch: pytest.MonkeyPatch):
    post = Post(house, monkeypatch)
    ana, boss, eve = "ana@customer.example", "boss@customer.example", "eve@bücher.example"
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Pedido", "Hola", f"Cc: {boss}, {eve}"))
    made = love.reply(house.owner, post.conversation(ana), "En camino.", copies=True)
    Intent.everywhere.filter(pk=made.id).update(
        context={**Intent.everywhere.get(pk=made.id).context, "cc": [boss, eve]}
    )  # everywhere: a test
    gateway.carry_out(made.id)
    settle()
    sent = outbound.reply(house.organization, made.id).native_id or ""

    def became(report: str) -> tuple[str | None, list[str]]:
        post.comes(report)
        listed = sorted(one.address for one in outbound.suppressions(house.owner).items)
        return outbound.reply(house.organization, made.id).delivery, listed

    assert became(mail("MAILER-DAEMON@x.example", ALIAS, "failure notice", f"This is the qmail-send program.\r\n\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\nMessage-ID: {sent}")) == (None, []), "nobody says who"  # fmt: skip
    assert became(dsn(sent, gone("Final-Recipient", "victim@elsewhere.example"))) == (None, []), "nobody we wrote to"
    assert became(dsn(sent, gone("Final-Recipient", boss.upper()))) == (None, [boss])
    assert "did not reach them" not in post.page(house.browser(), ana)
    both = gone("Final-Recipient", "eve@xn--bcher-kva.example"), gone("Original-Recipient", ana)
    assert became(dsn(sent, *both)) == ("failed", [ana, boss, eve]), "each by itself, whatever server writes its domain how"


def test_copies_go_to_those_the_writer_was_shown_or_nothing_goes(house: House, monkeypatch: pytest.MonkeyPatch):
    post, browser = Post(house, monkeypatch), house.browser()
    ana, many = "ana@customer.example", ", ".join(f"team{number}@customer.example" for number in range(6))
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Pedido", "Hola", f"Cc: {many}"))
    page = post.page(browser, ana)
    assert f"Also to {many}<" in page, "all of them"
    shown = page.partition('name="copies" value="')[2].partition('"')[0]
    again = ("In-Reply-To: <pedido@x.example>", "References: <pedido@x.example>")
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Zwei", "Noch was", f"Cc: {many}", *again))
    here = post.conversation(ana)
    love.reply(house.owner, here, "Uno.", copies=True, copies_of=UUID(shown))  # another mail, to the same people

    post.comes(mail(f"Ana <{ana}>", ALIAS, "Drei", "Und noch was", f"Cc: {many}, eve@evil.example", *again))
    given = {"text": "Dos.", "visibility": "private", "since": now().isoformat()}
    headers = {"HX-Request": "true", "HX-Target": "div#composer-says"}
    for old in (shown, "1", str(here)):
        refused = post_form(browser, f"/inbox/{here}/write", {**given, "copies": old}, **headers)
        told = unescape(refused.content.decode())
        assert refused.status_code == 409 and "Whom they write to has changed. Yours was not sent." in told, told
        assert f'hx-target="#copies-{here}"' in told and f"Also to {many}, eve@evil.example<" in told
        assert "New: eve@evil.example<" in told or old != shown, "who came in between is named"
        assert "No longer:" not in told and " checked><span" in told, "sent once more, it goes to those who are named now"
    with pytest.raises(Conflict, match="has changed"):
        love.reply(house.owner, here, "Dos.", copies=True, copies_of=UUID(shown))
    asked = {"text": "Dos.", "copies": True, "copies_of": shown}
    problem = rest(house)("POST", f"/conversations/{here}/replies", asked).json()
    assert (problem["code"], problem["added"], problem["gone"]) == ("copies_changed", ["eve@evil.example"], [])
    assert not Intent.everywhere.filter(text="Dos.").exists()  # everywhere: a test
    newest = told.partition('name="copies" value="')[2].partition('"')[0]
    assert post_form(browser, f"/inbox/{here}/write", {**given, "copies": newest}, **headers).status_code == 200
    assert "eve@evil.example" in Intent.everywhere.get(text="Dos.").context["cc"]  # everywhere: a test


def test_each_copy_is_told_of_and_who_gets_none_is_named_with_the_reason(house: House, monkeypatch: pytest.MonkeyPatch):
    post, browser, call = Post(house, monkeypatch), house.browser(), rest(house)
    ana, boss, eve, gone_one, sales = (f"{name}@customer.example" for name in ("ana", "boss", "eve", "gone", "sales"))
    connect.connect(
        house.owner, channel="email", name="sales@acme.example",
        settings={**SETTINGS, "address": "sales@acme.example", "aliases": [f"Sales <{sales}>"]}, credentials={"username": "u", "password": "p"},
    )  # fmt: skip
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Pedido", "Hola", f"Cc: {boss}, {eve}, {gone_one}, {sales}, dán@customer.example"))
    odd = "d\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}n@customer.example"  # its two bytes are no letter that headers can hold
    Suppressed.objects.add(house.organization, address=eve, reason="complained", at=now())
    made = love.reply(house.owner, post.conversation(ana), "En camino.", copies=True)

    def copies() -> dict[str, tuple[str, str, str]]:
        told = call("GET", f"/replies/{made.id}").json()
        return {one["address"].partition("@")[0]: (one["state"], one["reason"], one["detail"]) for one in told["copies"]}

    assert copies() == dict.fromkeys(("boss", "eve", "gone", "sales", odd.partition("@")[0]), ("waiting", "", ""))
    assert f"a copy goes to {boss}, {eve}, {gone_one} and 2 more" in post.page(browser, ana)
    post.server.unknown = {f"<{gone_one}>"}
    gateway.carry_out(made.id)
    settle()
    assert copies() == {
        "boss": ("sent", "", ""),
        "eve": ("withheld", "suppressed", ""),
        "gone": ("refused", "unknown_address", "550 5.1.1 no such user"),
        "sales": ("withheld", "ours", ""),
        odd.partition("@")[0]: ("refused", "unwritable", ""),
    }
    assert post.server.recipients == [f"<{ana}>", f"<{boss}>"] and len(post.server.sent) == 1
    found = outbound.reply(house.organization, made.id)
    assert (found.state, found.delivery, found.detail) == ("sent", None, ""), "the one who was answered has it"
    page = post.page(browser, ana)
    for said in (
        f"copied to {boss}<",
        f"not delivered to {eve}: The address is on the list of those we do not write to.",
        f"not delivered to {gone_one}: Their address does not exist. 550 5.1.1 no such user",
        f"not delivered to {sales}: It is an account of ours; the two could answer each other for ever.",
        f"not delivered to {odd}: Nobody can be written to at this address.",
    ):
        assert said in page, said
    assert "did not reach them" not in page and "not sent" not in page
    gateway.carry_out(made.id)
    assert len(post.server.sent) == 1, "nothing is sent again"

    post.comes(dsn(found.native_id or "", gone("Final-Recipient", boss)))
    assert copies()["boss"] == ("failed", "unknown_address", "5.1.1 smtp; 550 5.1.1 no such user")
    assert f"not delivered to {boss}: Their address does not exist." in post.page(browser, ana)
    outbound.forget(house.organization, [post.conversation(ana)])
    assert call("GET", f"/replies/{made.id}").json()["copies"] == []


def test_what_is_reported_of_nobody_in_particular_stands_with_the_reply_and_its_account(house: House, monkeypatch: pytest.MonkeyPatch):
    post, browser, call = Post(house, monkeypatch), house.browser(), rest(house)
    ana, boss = "ana@customer.example", "boss@customer.example"
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Pedido", "Hola", f"Cc: {boss}"))
    made = love.reply(house.owner, post.conversation(ana), "En camino.", copies=True)
    gateway.carry_out(made.id)
    settle()
    sent = outbound.reply(house.organization, made.id).native_id or ""

    def summary() -> tuple[bool, str]:
        told = call("GET", f"/accounts/{post.account.id}").json()
        return told["ok"], told["summary"]

    assert summary()[0]
    returned = f"This is the qmail-send program.\r\n\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\nMessage-ID: {sent}"
    post.comes(mail("MAILER-DAEMON@x.example", ALIAS, "failure notice", returned))
    assert "It did not reach a recipient; the report does not say whom." in post.page(browser, ana)
    assert summary() == (False, "An answer with copies did not reach a recipient; the report does not say whom.")
    kind = 'Content-Type: multipart/report; report-type=feedback-report; boundary="b"'
    told = (
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
    )
    for number in range(2):
        body = f"{told}Message-ID: {sent}\r\n\r\n--b--"
        post.comes(mail("fbl@provider.example", ALIAS, f"Complaint {number}", body, "MIME-Version: 1.0", kind))
    assert post.page(browser, ana).count("A recipient complained; the report does not say who.") == 1
    found = call("GET", f"/replies/{made.id}").json()
    assert [(one["status"], one["reason"]) for one in found["reports"]] == [("failed", "unknown_address"), ("complained", "complained")]
    assert (found["state"], found["delivery"]) == ("sent", None) and outbound.suppressions(house.owner).items == []
    assert summary() == (False, "A recipient of an answer with copies complained; the report does not say who.")
    assert "A recipient of an answer with copies complained" in unescape(browser.get("/channels").content.decode())
    with shifted_by(timedelta(days=8)):
        assert "complained" not in summary()[1]
