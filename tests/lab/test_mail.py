"""Mail against a real mailbox server: heard within seconds, answered so that the sender gets it, nothing lost and nothing twice."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest

from tests.kit.browser import signed_in
from tests.kit.waiting import until
from tests.lab import dovecot
from tests.lab.desk import Desk, answering, desk, letter
from tests.lab.dovecot import Dovecot
from tests.lab.postman import Postman
from tests.lab.surviving import survives

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(dovecot.why_not() is not None, reason=f"no mail server to speak to: {dovecot.why_not()}"),
]
CARE = "care@acme.example"
#: As typed on the command line; it arrives in the same mailbox.
HOLA = "Hola <hola@acme.example>"
#: A picture of one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fccff0bf1e000685028086ee66c60000000049454e44ae426082"
)
Say = Callable[..., None]


@dataclass
class Post:
    """Everything there is: the mailbox server, the way out, a desk, and the account both know."""

    server: Dovecot
    postman: Postman
    desk: Desk
    account: str

    def write(self, sender: str, subject: str, text: str = "Hello", **headers: str) -> str:
        """Somebody writes to us; the Message-ID."""
        return self.post(letter(sender, CARE, subject, text, **headers), sender)

    def post(self, mail: EmailMessage, sender: str, to: str = CARE) -> str:
        """A mail arrives in one of our mailboxes."""
        self.server.deliver(to, mail.as_bytes(), sender.rpartition("<")[2].rstrip(">"))
        return str(mail["Message-ID"])

    def mails_of(self, user: str, count: int = 1) -> list[EmailMessage]:
        """What a person finds in their mailbox, once it is so much."""
        return until(lambda: found if len(found := self.server.mails(user)) >= count else None, f"{count} mails for {user}")

    def taken_for(self, user: str) -> int:
        """How many mails of ours the mail server took for a person."""
        return sum(taken.recipient.startswith(f"{user}@") for taken in self.postman.taken)


def settings(server: Dovecot, postman: Postman, address: str) -> dict[str, Any]:
    """How to reach both servers."""
    return {
        "address": address, "display_name": "Acme Care", "imap_host": "127.0.0.1", "imap_port": server.imap, "imap_security": "plain",
        "smtp_host": "127.0.0.1", "smtp_port": postman.port, "smtp_security": "plain", "aliases": [HOLA],
    }  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Post]:
    server = Dovecot()
    postman = Postman(server.deliver, dovecot.PASSWORD)
    try:
        server.start()
        with desk(server.imap, postman.port) as made:
            account = made.connect(CARE, settings(server, postman, CARE), {"username": CARE, "password": dovecot.PASSWORD})
            yield Post(server, postman, made, account)
    finally:
        postman.close()
        server.close()


@pytest.fixture
def post(served: Post) -> Iterator[Post]:
    """The same for all tests; whatever one did to a server is mended after it."""
    served.desk.heard_well(served.account, 60)
    yield served
    served.postman.fault = ""
    served.server.start()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print a figure that was measured, past pytest's capture."""

    def tell(what: str, seconds: float) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {what}: {seconds:.2f} s ")

    return tell


def test_a_mail_is_answered_and_the_answer_answered(post: Post, say: Say) -> None:
    lena = "Lena Krüger <lena@customer.example>"
    written = time.monotonic()
    asked = post.write(lena, "Where is my order?", "It was due on Friday.")
    conversation = post.desk.conversation_with("lena@customer.example")
    say("from the mailbox to the inbox", time.monotonic() - written)
    assert conversation["state"] == "open"
    assert conversation["mentions"][0]["text"] == "It was due on Friday."

    written = time.monotonic()
    reply = post.desk.answer(conversation, "It leaves today. Sorry for the wait!")
    (mail,) = post.mails_of("lena")
    say("from the answer to the sender's mailbox", time.monotonic() - written)
    assert mail["Message-ID"] == f"<{reply}@acme.example>"
    assert mail["In-Reply-To"] == mail["References"] == asked
    assert mail["From"] == "Acme Care <care@acme.example>"
    assert mail["Subject"] == "Re: Where is my order?"
    assert mail.get_content().strip() == "It leaves today. Sorry for the wait!"
    assert post.desk.reply_is(reply, "sent")["native_id"] == mail["Message-ID"]

    quoting = "Thank you!\n\nOn Sun, 22 Nov 2026 at 10:00 Acme Care <care@acme.example> wrote:\n> It leaves today. Sorry for the wait!\n"
    post.write(lena, str(mail["Subject"]), quoting, **answering(mail))
    conversation = post.desk.conversation_with("lena@customer.example", mentions=3)
    first, ours, second = conversation["mentions"]
    assert [one["media_type"] for one in (first, ours, second)] == ["earned", "owned", "earned"]
    assert ours["reply"] == reply
    assert second["text"] == "Thank you!"
    assert "It leaves today" in second["quoted"]
    assert conversation["state"] == "open"
    assert post.taken_for("lena") == 1


def test_an_attachment_can_be_fetched_by_who_may_read_it(post: Post) -> None:
    mail = letter("Omar <omar@customer.example>", CARE, "Broken cup", "See the picture.")
    mail.add_attachment(PIXEL, maintype="image", subtype="png", filename="../cup\u202egpj.png")
    mail.add_attachment(b"<script>alert(1)</script>", maintype="image", subtype="png", filename="not-a-picture.png")
    post.post(mail, "omar@customer.example")
    mention = post.desk.conversation_with("omar@customer.example")["mentions"][0]
    picture, fake = mention["media"]
    assert (picture["kind"], picture["content_type"], picture["size"]) == ("image", "image/png", len(PIXEL))
    assert "content" not in picture

    whole = post.desk.rest.call("GET", f"/mentions/{mention['id']}/media/0")
    assert whole.content == PIXEL
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["content-disposition"].startswith("attachment")
    assert ".." not in whole.headers["content-disposition"] and "202e" not in whole.headers["content-disposition"].lower()
    assert post.desk.rest.call("GET", f"/mentions/{mention['id']}/media/2").status_code == 404
    assert post.desk.rest.call("GET", f"/mentions/{uuid4()}/media/0").status_code == 404

    with closing(signed_in(post.desk.serve.url, post.desk.rest.email)) as browser:
        shown = browser.get(f"/media/{mention['id']}/0?inline")
        assert (shown.content, shown.headers["content-type"]) == (PIXEL, "image/png")
        assert shown.headers["content-disposition"].startswith("inline")
        for answer in (shown, browser.get(f"/media/{mention['id']}/1?inline")):
            assert "sandbox" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment"), fake
        assert answer.headers["content-type"] == "application/octet-stream"
    stranger = post.desk.serve.organization("Somebody Else")
    assert stranger.call("GET", f"/mentions/{mention['id']}/media/0").status_code == 404
    with closing(signed_in(post.desk.serve.url, stranger.email)) as browser:
        assert browser.get(f"/media/{mention['id']}/0").status_code == 404


def test_a_bounce_makes_our_reply_failed(post: Post) -> None:
    post.write("gone@customer.example", "One question")
    conversation = post.desk.conversation_with("gone@customer.example")
    reply = post.desk.answer(conversation, "One answer")
    (mail,) = post.mails_of("gone")
    post.desk.reply_is(reply, "sent")
    post.server.deliver(CARE, bounce(mail), "")
    failed = post.desk.reply_is(reply, "sent", delivery="failed")
    assert "mailbox unavailable" in failed["detail"]
    assert len(post.desk.conversation_with("gone@customer.example")["mentions"]) == 2
    assert not post.desk.conversations_with("mailer-daemon@customer.example")


def test_what_was_written_to_an_alias_is_answered_from_it_and_its_return_in_prose_is_told(post: Post) -> None:
    mail = letter("lola@customer.example", HOLA, "¿Dónde está?", "Mi pedido no llega.")
    post.post(mail, "lola@customer.example")
    conversation = post.desk.conversation_with("lola@customer.example")
    reply = post.desk.answer(conversation, "Sale hoy.")
    (sent,) = post.mails_of("lola")
    envelope = next(one for one in post.postman.taken if one.recipient == "lola@customer.example" and b"Sale hoy." in one.content)
    assert (sent["From"], envelope.sender) == (HOLA, "hola@acme.example")
    post.desk.reply_is(reply, "sent")
    late, gone = "Warning: could not send message for past 4 hours", "failure notice"
    daemon = "MAILER-DAEMON@customer.example"
    repeated = f"Message-ID: {sent['Message-ID']}"
    post.post(letter(daemon, HOLA, late, f"THIS IS A WARNING MESSAGE ONLY\n\n{repeated}"), "")
    until(lambda: post.desk.rest.get(f"/replies/{reply}")["reason"] == "later", "it is late")
    assert post.desk.rest.get(f"/replies/{reply}")["delivery"] is None, "late is not failed"
    post.post(
        letter(daemon, HOLA, gone, f"<lola@customer.example>:\n552 5.2.2 mailbox full\n\n--- Below this line is a copy.\n\n{repeated}"), ""
    )
    failed = post.desk.reply_is(reply, "sent", delivery="failed")
    assert (failed["reason"], failed["detail"]) == ("mailbox_full", "552 5.2.2 mailbox full")
    assert not post.desk.conversations_with("mailer-daemon@customer.example")


def bounce(mail: EmailMessage) -> bytes:
    """What a mail server says of a mail it could not deliver (RFC 3464)."""
    return (
        "From: Mail Delivery System <mailer-daemon@customer.example>\r\n"
        f"To: {CARE}\r\nSubject: Undelivered Mail Returned to Sender\r\nDate: {mail['Date']}\r\nMessage-ID: <{uuid4()}@customer.example>\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.customer.example\r\n\r\n"
        "Final-Recipient: rfc822; gone@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 mailbox unavailable\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {mail['Message-ID']}\r\n\r\n--b--\r\n"
    ).encode()


def test_a_machine_opens_no_work_and_is_never_answered(post: Post) -> None:
    post.write("away@customer.example", "Out of office", "I am back on Monday.", Auto_Submitted="auto-replied")
    conversation = post.desk.conversation_with("away@customer.example")
    assert conversation["state"] == "closed"
    assert conversation["answer_due"] is None
    refused = post.desk.rest.call("POST", f"/conversations/{conversation['id']}/replies", {"text": "Have a nice holiday"})
    assert (refused.status_code, refused.json()["code"]) == (409, "mention_automatic")
    assert post.taken_for("away") == 0


def test_an_auto_responder_answers_once_and_is_left_alone(post: Post) -> None:
    """They write, we answer, their holiday notice answers us: the round ends there."""
    post.write("paul@customer.example", "A question")
    conversation = post.desk.conversation_with("paul@customer.example")
    post.desk.answer(conversation, "An answer")
    (mail,) = post.mails_of("paul")
    until(lambda: post.desk.conversation_with("paul@customer.example")["state"] == "waiting", "our answer is out")
    notice = letter("paul@customer.example", CARE, "Automatic reply: A question", "I am away.", Precedence="bulk", **answering(mail))
    post.post(notice, "")
    conversation = post.desk.conversation_with("paul@customer.example", mentions=3)
    assert conversation["state"] == "waiting", "a machine's word is not theirs"
    assert post.taken_for("paul") == 1


def test_two_of_our_mailboxes_do_not_write_to_each_other_for_ever(post: Post) -> None:
    sales = "sales@acme.example"
    account = post.desk.connect(sales, settings(post.server, post.postman, sales), {"username": sales, "password": dovecot.PASSWORD})
    post.desk.heard_well(account)
    post.write(f"Sales <{sales}>", "From house to house", "Can you take this one?")
    reply = post.desk.answer(post.desk.conversation_with(sales), "Yes, we can.")
    post.desk.reply_is(reply, "sent")
    looped = post.desk.conversation_with(CARE)
    assert looped["account"] == sales
    assert looped["state"] == "closed", "our own answer, heard by another mailbox of ours, is no work"
    refused = post.desk.rest.call("POST", f"/conversations/{looped['id']}/replies", {"text": "Thank you"})
    assert refused.status_code == 409
    assert [post.taken_for("sales"), post.taken_for("care")] == [1, 0]
    post.desk.rest.did("DELETE", f"/accounts/{account}", None, 204)


def test_our_name_on_a_strangers_mail_is_not_believed(post: Post) -> None:
    asked = post.write("rosa@customer.example", "Refund?", "I wait for my money.")
    post.desk.conversation_with("rosa@customer.example")
    post.write(f"Acme Care <{CARE}>", "Re: Refund?", "It is settled.", In_Reply_To=asked, References=asked)
    post.write(f"Ines <{post.desk.rest.email}>", "Re: Refund?", "Do as I say.", In_Reply_To=asked, References=asked)
    forged = post.desk.conversation_with(CARE)
    assert forged["state"] == "closed"
    assert forged["mentions"][0]["media_type"] == "earned"
    member = post.desk.conversation_with(post.desk.rest.email)
    assert member["mentions"][0]["media_type"] == "earned", "a member's address is a stranger's like any other"
    rosa = post.desk.conversation_with("rosa@customer.example")
    assert (rosa["state"], len(rosa["mentions"])) == ("open", 1), "nobody ends her waiting by a forged envelope"
    assert rosa["mentions"][0]["state"] == "waiting"


def test_a_refused_recipient_fails_the_reply_in_the_servers_words(post: Post) -> None:
    post.write("typo@customer.example", "Hello?")
    conversation = post.desk.conversation_with("typo@customer.example")
    post.postman.fault = "refuse"
    reply = post.desk.answer(conversation, "Hello!")
    assert "no such user here" in post.desk.reply_is(reply, "failed")["detail"]
    assert post.desk.conversation_with("typo@customer.example")["state"] == "open"


def test_a_line_cut_after_the_mail_was_taken_is_unknown_and_settled_by_a_person(post: Post) -> None:
    post.write("nina@customer.example", "Did you get it?")
    conversation = post.desk.conversation_with("nina@customer.example")
    post.postman.fault = "after_data"
    reply = post.desk.answer(conversation, "Yes, thank you.")
    unknown = post.desk.reply_is(reply, "unknown")
    assert unknown["detail"] and len(unknown["attempts"]) == 1
    post.postman.fault = ""
    (mail,) = post.mails_of("nina")
    before = post.postman.connections
    assert post.desk.rest.get(f"/replies/{reply}")["state"] == "unknown"
    settled = post.desk.rest.post(f"/replies/{reply}/settle", {"outcome": "sent", "native_id": str(mail["Message-ID"])}, 200)
    assert settled["state"] == "sent"
    assert post.desk.conversation_with("nina@customer.example", mentions=2)["state"] == "waiting"
    assert (post.taken_for("nina"), post.postman.connections) == (1, before), "never sent again by itself"


def test_the_test_button_says_each_step_and_a_wrong_password_how_to_mend_it(post: Post) -> None:
    button = f"/accounts/{post.account}/test"
    tested = post.desk.rest.post(button, None, 200)
    assert tested["ok"], tested
    names = ["Connect to IMAP", "Sign in to IMAP", "Open INBOX", "Sender address", "Connect to SMTP", "Sign in to SMTP"]
    assert [step["name"] for step in tested["steps"]] == names
    assert "FAILED" not in post.desk.serve.cxm("account", "test", post.account, "--organization", post.desk.rest.name).stdout

    change = {"credentials": {"username": CARE, "password": "wrong"}}
    post.desk.rest.did("PATCH", f"/accounts/{post.account}", change, 200)
    try:
        ailing = post.desk.ails(post.account)
        assert "refuses user name or password" in ailing["health"]
        assert "app password" in ailing["mend"]
        tested = post.desk.rest.post(button, None, 200)
        assert [(step["name"], step["ok"]) for step in tested["steps"]] == [("Connect to IMAP", True), ("Sign in to IMAP", False)]
        with closing(signed_in(post.desk.serve.url, post.desk.rest.email)) as browser:
            assert "still cut" in browser.get(f"/channels/{post.account}").text
    finally:
        change["credentials"]["password"] = dovecot.PASSWORD
        post.desk.rest.did("PATCH", f"/accounts/{post.account}", change, 200)
    post.write("early@customer.example", "After the password was mended")
    post.desk.conversation_with("early@customer.example")
    post.desk.heard_well(post.account)


def test_replies_wait_for_a_lost_sign_in_and_leave_once_when_it_is_mended(post: Post) -> None:
    ida = "ida@customer.example"
    post.write(ida, "Where is it?")
    conversation = post.desk.conversation_with(ida)

    def password(fresh: str) -> None:
        post.server.stop()
        post.server.change_password(fresh)
        post.postman.password = fresh
        post.server.start()

    try:
        password("another")
        until(lambda: "refuses user name or password" in post.desk.account(post.account)["health"], "the sign-in is lost", 120)
        first, second = (post.desk.answer(conversation, text) for text in ("It leaves today.", "It has left."))
        waits = until(lambda: found if (found := post.desk.rest.get(f"/replies/{first}"))["reason"] else None, "it says why it waits", 60)
        assert (waits["state"], waits["reason"]) == ("queued", "signed_out")
        assert "The SMTP server refuses user name or password. Enter them again" in waits["detail"]
        with closing(signed_in(post.desk.serve.url, post.desk.rest.email)) as browser:
            page = browser.get(f"/inbox/{conversation['id']}").text
        assert "It has not left yet." in page and f"/inbox/replies/{first}/take-back" in page
        post.write(ida, "Re: Where is it?", "Hello?", In_Reply_To=conversation["mentions"][0]["native_id"])
        assert post.taken_for("ida") == 0
        change = {"credentials": {"username": CARE, "password": "another"}}
        post.desk.rest.did("PATCH", f"/accounts/{post.account}", change, 200)
        for reply in (first, second):
            post.desk.reply_is(reply, "sent", seconds=120)  # far less than the five minutes after which it is tried in any case
        assert [one.get_content().strip() for one in post.mails_of("ida", 2)] == ["It leaves today.", "It has left."]
        assert len(post.desk.conversation_with(ida, mentions=4, seconds=90)["mentions"]) == 4
        post.desk.heard_well(post.account, 60)
        with closing(signed_in(post.desk.serve.url, post.desk.rest.email)) as browser:
            assert "caught up, nothing missing" in browser.get(f"/channels/{post.account}").text
        assert post.taken_for("ida") == 2, "once each"
    finally:
        password(dovecot.PASSWORD)
        change = {"credentials": {"username": CARE, "password": dovecot.PASSWORD}}
        post.desk.rest.did("PATCH", f"/accounts/{post.account}", change, 200)
        post.desk.heard_well(post.account, 90)


def test_a_server_that_was_away_leaves_a_gap_that_is_shown_and_filled(post: Post, say: Say) -> None:
    post.write("ann@customer.example", "Before the cut")
    post.desk.conversation_with("ann@customer.example")
    post.server.stop()
    cut = time.monotonic()
    ailing = post.desk.ails(post.account)
    say("from the cut to the gap on screen", time.monotonic() - cut)
    assert ailing["mend"]
    with closing(signed_in(post.desk.serve.url, post.desk.rest.email)) as browser:
        assert "still cut" in browser.get(f"/channels/{post.account}").text
        missed = [letter("ann@customer.example", CARE, f"Missed {number}", "Hello") for number in range(3)]
        for mail in missed:
            post.server.drop(CARE, mail.as_bytes())
        post.server.start()
        back = time.monotonic()
        until(lambda: len(post.desk.conversations_with("ann@customer.example")) == 4, "what was missed is in the inbox", 60)
        say("from the server's return to the inbox", time.monotonic() - back)
        post.desk.heard_well(post.account)
        assert "caught up, nothing missing" in browser.get(f"/channels/{post.account}").text
    subjects = ["Before the cut", *(f"Missed {number}" for number in range(3))]
    found = until(lambda: seen if len(seen := post.desk.mentions_of(*subjects)) >= 4 else None, "the Explorer has them")
    assert sorted(one["title"] for one in found) == sorted(subjects)


def test_new_uids_bring_nothing_twice(post: Post) -> None:
    post.write("uma@customer.example", "Old numbers")
    post.desk.conversation_with("uma@customer.example")
    before = post.desk.rest.get("/coverage")
    post.server.stop()
    post.server.forget_uids(CARE)
    post.server.start()
    post.write("uma@customer.example", "New numbers")
    until(lambda: len(post.desk.conversations_with("uma@customer.example")) == 2, "the new mail is heard", 60)
    until(lambda: post.desk.rest.get("/coverage")["duplicate"] > before["duplicate"], "the old ones were looked at again")
    until(post.desk.nothing_waits, "all is taken in")
    after = post.desk.rest.get("/coverage")
    assert after["heard"] == before["heard"] + 1, "each mail is one mention, whatever its number"


def test_a_crash_in_the_middle_of_a_mailbox_loses_nothing_and_doubles_nothing(post: Post, say: Say) -> None:
    subjects = [f"Many {number}" for number in range(200)]
    for number, subject in enumerate(subjects):
        mail = letter(f"many{number}@customer.example", CARE, subject, f"Text {number}")
        post.server.deliver(CARE, mail.as_bytes(), f"many{number}@customer.example")
    until(lambda: post.desk.mentions_of(*subjects), "the first ones are in", every=0.01)
    post.desk.serve.kill()
    killed = time.monotonic()
    post.desk.serve.start()
    say("from the kill until it serves again", time.monotonic() - killed)
    post.write("after@customer.example", "After the crash")
    until(lambda: len(post.desk.mentions_of(*subjects)) >= len(subjects), "all are in", 90)
    post.desk.conversation_with("after@customer.example", seconds=60)
    say("from the kill until all is in", time.monotonic() - killed)
    found = [one["title"] for one in post.desk.mentions_of(*subjects)]
    assert sorted(found) == sorted(subjects)
    for number in (0, 99, 199):
        assert len(post.desk.conversation_with(f"many{number}@customer.example")["mentions"]) == 1


def test_a_mail_server_killed_in_the_middle_of_a_mailing(post: Post) -> None:
    def tell(number: int, text: str) -> None:
        mail = letter("greta@customer.example", CARE, text.split()[0], text)
        mail.replace_header("Message-ID", f"<{text.split()[0]}-{number}@customer.example>")
        post.server.deliver(CARE, mail.as_bytes(), "greta@customer.example")

    found = survives(post.desk, post.account, post.server, tell)
    there = {str(mail["Message-ID"]) for mail in post.server.mails(CARE)}
    assert {one["native_id"] for one in found} == {name for name in there if name.startswith(f"<{found[0]['title']}-")}
