"""Mail through a served installation, against a mail server in memory: the whole path, on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage

import pytest

from tests.kit.waiting import until
from tests.lab.desk import Desk, answering, desk, letter
from tests.lab.fake_post import FakePost

CARE = "care@acme.example"


@dataclass
class Post:
    """The mail server, a desk, and the account both know."""

    server: FakePost
    desk: Desk
    account: str

    def write(self, sender: str, subject: str, text: str = "Hello", **headers: str) -> str:
        """Somebody writes to us; the Message-ID."""
        mail = letter(sender, CARE, subject, text, **headers)
        self.server.deliver(mail.as_bytes())
        return str(mail["Message-ID"])

    def sent_to(self, address: str) -> EmailMessage:
        """The first mail that left for ``address``, once it did."""
        return until(lambda: self.server.sent_to(address), f"a mail for {address} left")[0]


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    server = FakePost()
    try:
        with desk(server.imap, server.smtp) as made:
            yield Post(server, made, made.connect(CARE, server.settings(CARE), server.credentials))
    finally:
        server.close()


def test_a_mail_is_answered_and_the_answer_answered(post: Post) -> None:
    asked = post.write("Lena <lena@customer.example>", "Where is it?", "It was due on Friday.")
    reply = post.desk.answer(post.desk.conversation_with("lena@customer.example"), "It leaves today.")
    mail = post.sent_to("lena@customer.example")
    assert mail["Message-ID"] == f"<{reply}@acme.example>"
    assert mail["In-Reply-To"] == mail["References"] == asked
    assert mail.get_content().strip() == "It leaves today."
    assert post.desk.reply_is(reply, "sent")["native_id"] == mail["Message-ID"]

    post.write("Lena <lena@customer.example>", "Re: Where is it?", "Thanks!\n\n> It leaves today.\n", **answering(mail))
    conversation = post.desk.conversation_with("lena@customer.example", mentions=3)
    assert [one["media_type"] for one in conversation["mentions"]] == ["earned", "owned", "earned"]
    assert conversation["mentions"][2]["text"] == "Thanks!"
    assert conversation["state"] == "open"
    assert len(post.server.sent) == 1


def test_an_answer_without_references_stays_in_its_conversation(post: Post) -> None:
    post.write("otto@customer.example", "An old mail program")
    reply = post.desk.answer(post.desk.conversation_with("otto@customer.example"), "We are here.")
    mail = post.sent_to("otto@customer.example")
    post.desk.reply_is(reply, "sent")
    headers = answering(mail)
    del headers["References"]
    post.write("otto@customer.example", "Re: An old mail program", "Good.", **headers)
    assert post.desk.conversation_with("otto@customer.example", mentions=3)["mentions"][2]["text"] == "Good."
    post.write("mallory@customer.example", "Re: An old mail program", "Me too.", **headers)
    post.desk.conversation_with("mallory@customer.example")
    assert len(post.desk.conversation_with("otto@customer.example")["mentions"]) == 3, "a stranger's answer is not his"


def test_an_attachment_is_kept_whole(post: Post) -> None:
    mail = letter("Omar <omar@customer.example>", CARE, "Invoice", "See below.")
    mail.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="pdf", filename="invoice.pdf")
    post.server.deliver(mail.as_bytes())
    mention = post.desk.conversation_with("omar@customer.example")["mentions"][0]
    assert [(one["name"], one["content_type"], one["size"]) for one in mention["media"]] == [("invoice.pdf", "application/pdf", 10240)]
    fetched = post.desk.rest.call("GET", f"/mentions/{mention['id']}/media/0")
    assert fetched.content == bytes(range(256)) * 40
    assert 'filename="invoice.pdf"' in fetched.headers["content-disposition"]


def test_a_line_cut_after_the_mail_was_taken_is_unknown_until_a_person_settles_it(post: Post) -> None:
    post.write("nina@customer.example", "Did you get it?")
    conversation = post.desk.conversation_with("nina@customer.example")
    post.server.fail = "before answer"
    reply = post.desk.answer(conversation, "Yes.")
    assert len(post.desk.reply_is(reply, "unknown")["attempts"]) == 1
    post.server.fail = ""
    assert post.desk.rest.post(f"/replies/{reply}/settle", {"outcome": "sent"}, 200)["state"] == "sent"
    assert post.desk.conversation_with("nina@customer.example", mentions=2)["state"] == "waiting"
    assert len(post.server.sent_to("nina@customer.example")) == 1


def test_a_refused_password_is_told_in_plain_words_and_mended(post: Post) -> None:
    path = f"/accounts/{post.account}"
    post.desk.rest.did("PATCH", path, {"credentials": {**post.server.credentials, "password": "wrong"}}, 200)
    ailing = post.desk.ails(post.account)
    assert "refuses user name or password" in ailing["health"] and "app password" in ailing["mend"]
    post.write("early@customer.example", "While we were locked out")
    post.desk.rest.did("PATCH", path, {"credentials": post.server.credentials}, 200)
    post.desk.conversation_with("early@customer.example")
    post.desk.heard_well(post.account)
    assert len(post.desk.conversation_with("early@customer.example")["mentions"]) == 1


def test_a_changed_account_is_read_over_one_line_and_a_paused_one_over_none(post: Post) -> None:
    path = f"/accounts/{post.account}"
    until(lambda: post.server.open_lines == 1, "one line is open")
    before = post.server.lines
    post.desk.rest.did("PATCH", path, {"settings": {"history_days": 40}}, 200)
    until(lambda: post.server.lines > before and post.server.open_lines == 1, "the new line took the place of the old one", 20)
    post.desk.rest.did("PATCH", path, {"state": "paused"}, 200)
    until(lambda: post.server.open_lines == 0, "nothing is read while paused", 20)
    post.write("patient@customer.example", "While you paused")
    post.desk.rest.did("PATCH", path, {"state": "active"}, 200)
    post.desk.conversation_with("patient@customer.example")
    assert post.server.open_lines == 1


def test_a_killed_process_loses_no_mail(post: Post) -> None:
    subjects = [f"Many {number}" for number in range(120)]
    for number, subject in enumerate(subjects):
        post.write(f"many{number}@customer.example", subject)
    until(lambda: post.desk.mentions_of(*subjects), "the first ones are in", every=0.01)
    post.desk.serve.kill()
    post.desk.serve.start()
    found = until(lambda: seen if len(seen := post.desk.mentions_of(*subjects)) >= len(subjects) else None, "all are in", 90)
    assert sorted(one["title"] for one in found) == sorted(subjects)
