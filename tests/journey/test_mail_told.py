"""Mail, from its bytes to the screen: which of our addresses it came to, whom it claims to be from, and what became of an answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from email.utils import format_datetime
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from cxm.channels.contracts import ConnectorError, Outgoing, RawDelivery, Sent
from cxm.channels.email.connector import Reply
from cxm.channels.email.tests.provider import SETTINGS, MailServer
from cxm.connect import api as connect
from cxm.connect import mailbox
from cxm.connect.models import Account
from cxm.connect.tests.hooks_kit import rest
from cxm.govern import api as govern
from cxm.kernel.clock import now, shifted_by
from cxm.kernel.errors import Invalid, NotFound
from cxm.kernel.ids import new_id
from cxm.love import api as love
from cxm.love.contracts import InboxFilter
from cxm.love.models import Entry
from cxm.outbound import api as outbound
from cxm.outbound import gateway
from cxm.outbound.events import public_delivery
from cxm.outbound.models import Intent, Suppressed
from tests.houses import House, _own_store, assert_safe, house, other, settle  # noqa: F401 - fixtures
from tests.houses import post as post_form

pytestmark = pytest.mark.django_db
ALIAS = "hola@acme.example"


class Post:
    """A mailbox of ours whose server is here: what comes is put into it, what leaves is kept."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house, self.server, self.count = house, MailServer(0), 0
        settings = {**SETTINGS, "aliases": [f"Hola <{ALIAS}>"], "authserv_id": "mx.acme.example"}
        made, _ = connect.connect(
            house.owner, channel="email", name="care@acme.example", settings=settings, credentials={"username": "u", "password": "p"}
        )
        self.account = Account.everywhere.get(pk=made.id)  # everywhere: a test
        monkeypatch.setattr(connect, "send", self._send)

    def comes(self, text: str) -> None:
        """A mail arrives and is taken in."""
        self.count += 1
        mailbox.store(self.account, [RawDelivery(f"7:{self.count}", text.encode(), {}, now())], "poll")
        while mailbox.take_in_batch(self.account):
            pass
        settle()

    def answer(self, author: str, text: str) -> tuple[UUID, str]:
        """A member answers ``author``; the reply, and its Message-ID."""
        made = love.reply(self.house.owner, self.conversation(author), text)
        gateway.carry_out(made.id)
        settle()
        sent = outbound.reply(self.house.organization, made.id)
        assert sent.state == "sent" and sent.native_id, sent
        return made.id, sent.native_id

    def conversation(self, author: str) -> UUID:
        """The one conversation with ``author``."""
        (found,) = [view for view in love.conversations(self.house.owner, InboxFilter()).items if view.author["native_id"] == author]
        return found.id

    def page(self, browser: Client, author: str) -> str:
        """What a member sees of it."""
        return unescape(assert_safe(browser.get(f"/inbox/{self.conversation(author)}")))

    def _send(self, organization: UUID, account: UUID, outgoing: Outgoing, *_: Any) -> Future[Sent]:
        call: Future[Sent] = Future()
        try:
            call.set_result(asyncio.run(Reply().send(self.server.session(now(), self.account.settings), outgoing)))
        except ConnectorError as error:
            call.set_exception(error)
        return call


def mail(sender: str, to: str, subject: str, body: str, *headers: str) -> str:
    """A mail as a program writes it."""
    lines = [
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {subject}",
        f"Message-ID: <{subject.replace(' ', '-').lower()}@x.example>",
        *headers,
    ]
    return "\r\n".join([*lines, "", body, ""])


def test_an_answer_leaves_from_the_address_that_was_written_to_and_what_becomes_of_it_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    post, browser = Post(house, monkeypatch), house.browser()
    post.comes(mail("Ana <ana@customer.example>", f"Hola <{ALIAS}>", "Pedido", "¿Dónde está?", "Cc: boss@customer.example"))
    page = post.page(browser, "ana@customer.example")
    assert f"written to {ALIAS}" in page and f"<b>{ALIAS}</b>" in page, "and from which address an answer leaves"
    reply, message_id = post.answer("ana@customer.example", "En camino.")
    ((sender, recipient, raw),) = post.server.sent
    left = message_from_bytes(raw, policy=default)
    assert (left["From"], sender.partition("<")[2], recipient.partition("<")[2]) == (
        f"Hola <{ALIAS}>",
        f"{ALIAS}> size={len(raw)}",
        "ana@customer.example>",
    )

    robot = "MAILER-DAEMON@mx.customer.example"
    post.comes(mail(robot, ALIAS, "Warning: message delayed 4 hours", f"Delivery attempts will continue.\r\n\r\nMessage-ID: {message_id}"))
    found = outbound.reply(house.organization, reply)
    assert (found.state, found.delivery, found.reason) == ("sent", "delayed", "later")
    page = post.page(browser, "ana@customer.example")
    assert "delayed" in page and "does not take it for now" in page and "did not reach them" not in page

    returned = f"This is the qmail-send program.\r\n\r\n<ana@customer.example>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\nMessage-ID: {message_id}"
    post.comes(mail(robot, ALIAS, "failure notice", returned))
    post.comes(mail(robot, ALIAS, "Warning: delayed again", f"Delivery attempts will continue.\r\n\r\nMessage-ID: {message_id}"))
    found = outbound.reply(house.organization, reply)
    assert (found.delivery, found.reason, found.detail) == ("failed", "unknown_address", "Sorry, no mailbox here by that name. (#5.1.1)"), (
        "nothing weaker undoes it"
    )
    page = post.page(browser, "ana@customer.example")
    assert "not delivered" in page and "Their address does not exist. Sorry, no mailbox here by that name." in page
    assert "The last answer did not reach them. Their address does not exist." in page

    complaint = (
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
    )
    kind = 'Content-Type: multipart/report; report-type=feedback-report; boundary="b"'
    post.comes(
        mail("fbl@provider.example", ALIAS, "Complaint", f"{complaint}Message-ID: {message_id}\r\n\r\n--b--", "MIME-Version: 1.0", kind)
    )
    found = outbound.reply(house.organization, reply)
    assert (found.delivery, public_delivery(found.delivery), found.reason) == ("complained", "delivered", "complained")
    page = post.page(browser, "ana@customer.example")
    assert "marked as spam" in page and "They marked an answer of ours as spam." in page
    assert len(love.conversations(house.owner, InboxFilter()).items) == 1, "no report becomes a conversation"


def test_a_return_tells_that_an_answer_left_of_which_nobody_knew_it(house: House, monkeypatch: pytest.MonkeyPatch):
    post = Post(house, monkeypatch)
    post.comes(mail("Ana <ana@customer.example>", "care@acme.example", "Pedido", "¿Dónde está?"))
    post.server.fail = "before answer"
    made = love.reply(house.owner, post.conversation("ana@customer.example"), "En camino.")
    gateway.carry_out(made.id)
    assert outbound.reply(house.organization, made.id).state == "unknown"
    message_id = str(message_from_bytes(post.server.sent[0][2], policy=default)["Message-ID"])
    for stranger in (message_id.replace(str(made.id), str(new_id())), message_id.upper()):
        post.comes(
            mail("MAILER-DAEMON@x.example", "care@acme.example", "failure notice", f"550 user unknown\r\n\r\nMessage-ID: {stranger}")
        )
        assert outbound.reply(house.organization, made.id).state == "unknown"
    post.comes(mail("MAILER-DAEMON@x.example", "care@acme.example", "failure notice", f"550 user unknown\r\n\r\nMessage-ID: {message_id}"))
    found = outbound.reply(house.organization, made.id)
    assert (found.state, found.delivery, found.reason, found.native_id) == ("sent", "failed", "unknown_address", message_id)


def test_many_large_mails_are_taken_in_few_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch):
    post = Post(house, monkeypatch)
    monkeypatch.setattr(mailbox, "BATCH_BYTES", 10_000)
    sizes = [6_000, 6_000, 50_000, 100, 100]
    mails = [mail(f"a{number}@customer.example", "care@acme.example", f"Mail {number}", "x" * size) for number, size in enumerate(sizes)]
    mailbox.store(post.account, [RawDelivery(f"7:{number}", text.encode(), {}, now()) for number, text in enumerate(mails)], "poll")
    batches = []
    while taken := mailbox.take_in_batch(post.account):
        batches.append(taken)
    assert batches == [1, 1, 1, 2]


def test_who_claims_to_work_here_is_believed_only_by_our_own_server(house: House, monkeypatch: pytest.MonkeyPatch):
    post, browser = Post(house, monkeypatch), house.browser()
    encrypted = "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----"
    forged = "Authentication-Results: mx.evil.example; dmarc=pass header.from=marlow.example"
    post.comes(mail(f"Owner <{house.email}>", "care@acme.example", "Do it", encrypted, forged))
    page = post.page(browser, house.email)
    assert "who works here. Nothing proves it." in page
    assert "Encrypted; it can be read in a mail program that has the key." in page and "(This mail is encrypted." in page
    proof = "Authentication-Results: mx.acme.example; dmarc=pass header.from=marlow.example"
    post.comes(mail(f"Owner <{house.email}>", "care@acme.example", "Done", "Signed off.", "In-Reply-To: <do-it@x.example>", proof))
    assert post.page(browser, house.email).count("Nothing proves it.") == 1, "the second is proven, the first stays as it is"


def test_who_complained_is_not_written_to_until_they_write_or_somebody_says_why(
    house: House, other: House, monkeypatch: pytest.MonkeyPatch
):
    post, browser, organization = Post(house, monkeypatch), house.browser(), house.organization
    ana, report = "ana@customer.example", 'Content-Type: multipart/report; report-type=feedback-report; boundary="b"'
    post.comes(mail(f"Ana <{ana}>", "care@acme.example", "Pedido", "¿Dónde está?"))
    _, message_id = post.answer(ana, "En camino.")
    told = (
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
    )
    post.comes(
        mail("fbl@x.example", "care@acme.example", "Complaint", f"{told}Message-ID: {message_id}\r\n\r\n--b--", "MIME-Version: 1.0", report)
    )

    def try_again(reply: UUID) -> tuple[str, str]:
        Intent.everywhere.filter(pk=reply).update(not_before=now())  # everywhere: a test
        gateway.carry_out(reply)
        found = outbound.reply(organization, reply)
        return found.state, found.reason

    waits = love.reply(house.owner, post.conversation(ana), "¿Llegó?").id
    assert try_again(waits) == ("queued", "suppressed") and len(post.server.sent) == 1
    assert f"{ana} called mail of ours spam." in post.page(browser, ana)
    assert f"/inbox/replies/{waits}/take-back" in post.page(browser, ana)
    love.take_back(house.owner, waits)

    listed = assert_safe(browser.get("/settings/addresses"))
    assert ana in listed and "They called mail of ours spam." in listed
    assert ana not in assert_safe(other.browser().get("/settings/addresses"))
    with pytest.raises(NotFound):
        outbound.lift_suppression(other.owner, ana, "theft")
    assert post_form(browser, "/settings/addresses", {"address": ana, "reason": " "}).status_code == 422
    call = rest(house)
    assert [one["address"] for one in call("GET", "/suppressions").json()["items"]] == [ana]
    agent = house.join("agent@marlow.example", "agent")
    assert post_form(agent, "/settings/addresses", {"address": ana, "reason": "x"}).status_code == 403
    assert call("POST", "/suppressions/lift", {"address": ana.upper(), "reason": "She rang."}).status_code == 204
    assert call("POST", "/suppressions/lift", {"address": ana, "reason": "She rang."}).status_code == 404
    assert [one.detail for one in govern.entries(organization) if one.action == "address.lift"] == [
        {"why": "She rang.", "was": "complained"}
    ]
    rung = love.reply(house.owner, post.conversation(ana), "Ya llega.").id
    assert try_again(rung)[0] == "sent"

    returned = (
        f"This is the qmail-send program.\r\n\r\n<{ana}>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\nMessage-ID: {message_id}"
    )
    with shifted_by(timedelta(minutes=5)):
        Intent.everywhere.filter(native_id=message_id).update(delivery=None)  # everywhere: a test; a complaint outranks a return
        post.comes(mail("MAILER-DAEMON@x.example", "care@acme.example", "failure notice", returned))
        gone = love.reply(house.owner, post.conversation(ana), "¿Sigue ahí?").id
        assert try_again(gone) == ("queued", "suppressed")
    with shifted_by(timedelta(minutes=10)):
        post.comes(mail(f"Ana <{ana}>", "care@acme.example", "Re: Pedido", "Sí, gracias.", f"In-Reply-To: {message_id}"))
        assert try_again(gone)[0] == "sent", "they wrote to us after that"
        outbound.forget(organization, [post.conversation(ana)])
        assert outbound.suppressions(house.owner).items == []


def test_a_complaint_holds_until_they_are_heard_whatever_their_clock_and_whoever_claims_to_be_them(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    post, ana, server = Post(house, monkeypatch), "ana@customer.example", "Authentication-Results: mx.acme.example;"
    ahead, behind = (f"Date: {format_datetime(now() + timedelta(hours=hours))}" for hours in (10, -10))
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Pedido", "Hola", ahead))
    Suppressed.objects.add(house.organization, address=ana, reason="complained", at=now())
    waits = love.reply(house.owner, post.conversation(ana), "En camino.").id

    def state() -> str:
        Intent.everywhere.filter(pk=waits).update(not_before=now())  # everywhere: a test
        gateway.carry_out(waits)
        return outbound.reply(house.organization, waits).state

    assert state() == "queued", "what was heard before the complaint, dated after it"
    thread = "In-Reply-To: <pedido@x.example>"
    for number, found in enumerate(("dmarc=fail header.from=customer.example; spf=pass", "dmarc=none; spf=softfail; dkim=none")):
        post.comes(mail(f"Ana <{ana}>", ALIAS, f"Forged {number}", "Send it.", ahead, thread, f"{server} {found}"))
        assert state() == "queued", found
    take = mailbox.accept_apart
    with monkeypatch.context() as patch:
        patch.setattr(mailbox, "accept_apart", lambda *given, imported: take(*given, imported=True))
        post.comes(mail(f"Ana <{ana}>", ALIAS, "Old", "Before all that.", behind, thread))
    assert Entry.everywhere.filter(mention__imported=True).exists()  # everywhere: a test
    assert state() == "queued", "imported now, written before the complaint"
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Me", "Please.", behind, thread, f"{server} dmarc=pass header.from=customer.example"))
    assert state() == "sent", "heard after the complaint, dated before it"


def test_others_it_was_written_to_are_named_and_answered_where_a_member_chooses_so(house: House, monkeypatch: pytest.MonkeyPatch):
    post, browser = Post(house, monkeypatch), house.browser()
    ana, boss = "ana@customer.example", "boss@customer.example"
    cc = f"Cc: {boss}, care@acme.example, Eve <eve@x.example>, nobody, {ana}, dán@customer.example"
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Pedido", "¿Dónde está?", cc))
    page = post.page(browser, ana)
    assert f"also written to {boss}, eve@x.example" in page and 'name="copies"' in page and f"Also to {boss}" in page
    post.answer(ana, "En camino.")
    assert message_from_bytes(post.server.sent[-1][2], policy=default)["Cc"] is None
    here = f"/inbox/{post.conversation(ana)}"
    newest = page.partition('name="copies" value="')[2].partition('"')[0]
    post_form(browser, f"{here}/write", {"text": "Ya llega.", "visibility": "private", "copies": newest})
    made = Intent.everywhere.get(text="Ya llega.")  # everywhere: a test
    Suppressed.objects.add(house.organization, address="eve@x.example", reason="complained", at=now())
    Intent.everywhere.filter(pk=made.pk).update(not_before=now())  # everywhere: a test
    gateway.carry_out(made.pk)
    left = message_from_bytes(post.server.sent[-1][2], policy=default)
    assert (left["To"], left["Cc"]) == (ana, boss), "nobody who complained, nobody who cannot be written to, not ourselves"
    assert post.server.recipients[-2:] == [f"<{ana}>", f"<{boss}>"]
    settle()
    post.comes(mail(f"Ana <{ana}>", ALIAS, "Danke", "Gracias.", f"In-Reply-To: {left['Message-ID']}"))
    assert 'name="copies"' not in post.page(browser, ana)
    with pytest.raises(Invalid, match="nobody else"):
        love.reply(house.owner, post.conversation(ana), "De nada.", copies=True)
