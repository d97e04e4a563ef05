"""Copies of an answer: to whom they go, and what is told of them."""

from __future__ import annotations

from html import unescape
from uuid import UUID

import pytest

from cxm.connect.tests.hooks_kit import rest
from cxm.kernel.clock import now
from cxm.kernel.errors import Conflict
from cxm.love import api as love
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.outbound.models import Intent
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
    with pytest.raises(Conflict, match="has changed"):
        love.reply(house.owner, here, "Dos.", copies=True, copies_of=UUID(shown))
    asked = {"text": "Dos.", "copies": True, "copies_of": shown}
    assert rest(house)("POST", f"/conversations/{here}/replies", asked).json()["code"] == "copies_changed"
    assert not Intent.everywhere.filter(text="Dos.").exists()  # everywhere: a test
    newest = told.partition('name="copies" value="')[2].partition('"')[0]
    assert post_form(browser, f"/inbox/{here}/write", {**given, "copies": newest}, **headers).status_code == 200
    assert "eve@evil.example" in Intent.everywhere.get(text="Dos.").context["cc"]  # everywhere: a test
