"""Mail against a real mailbox server: heard within seconds, answered so that the sender gets it, nothing lost and nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest

from cxm.kernel.clock import now
from tests.lab import dovecot
from tests.lab.dovecot import Dovecot
from tests.lab.installation import Installation, until
from tests.lab.postman import Postman

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(dovecot.why_not() is not None, reason=f"no mail server to speak to: {dovecot.why_not()}"),
]
CARE = "care@acme.example"


@dataclass
class Post:
    """Everything there is: the mailbox server, the way out, the installation and its account."""

    dovecot: Dovecot
    postman: Postman
    cxm: Installation
    account: str

    def write(self, sender: str, subject: str, text: str, *, to: str = CARE, answers: EmailMessage | None = None, **headers: str) -> str:
        """Somebody writes (or answers with their mail program); the Message-ID."""
        mail = letter(sender, to, subject, text, **headers)
        if answers is not None:
            mail["In-Reply-To"] = answers["Message-ID"]
            mail["References"] = f"{answers.get('References', '')} {answers['Message-ID']}".strip()
        self.dovecot.deliver(to, mail.as_bytes(), sender)
        return str(mail["Message-ID"])

    def conversation_with(self, author: str, *, mentions: int = 1, seconds: float = 30) -> dict[str, Any]:
        """The one conversation with ``author`` once it holds so many mentions."""

        def look() -> dict[str, Any] | None:
            found = [entry for entry in self.cxm.conversations() if entry["author"]["native_id"] == author]
            assert len(found) <= 1, found
            return found[0] if found and len(found[0]["mentions"]) >= mentions else None

        return until(look, f"a conversation with {author} of {mentions} mentions", seconds=seconds)

    def answer(self, conversation: dict[str, Any], text: str, **more: Any) -> str:
        """A member answers; the reply's id."""
        return self.cxm.call("POST", f"/conversations/{conversation['id']}/replies", expect=202, text=text, **more)["id"]

    def reply_is(self, reply: str, state: str, *, seconds: float = 30) -> dict[str, Any]:
        """The reply once it is in ``state``."""

        def look() -> dict[str, Any] | None:
            found = self.cxm.get(f"/replies/{reply}")
            return found if found["state"] == state else None

        return until(look, f"reply {reply} is {state}", seconds=seconds)

    def inbox_of(self, user: str, count: int = 1) -> list[EmailMessage]:
        """What a person finds in their mailbox, once it is so much."""
        return until(lambda: found if len(found := self.dovecot.mails(user)) >= count else None, f"{count} mails for {user}")


def letter(sender: str, to: str, subject: str, text: str, **headers: str) -> EmailMessage:
    """A mail as a mail program writes it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Date"], mail["Message-ID"] = format_datetime(now()), f"<{uuid4()}@{sender.rpartition('@')[2].rstrip('>')}>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    server = Dovecot()
    postman = Postman(lambda recipient, content, sender: server.deliver(recipient, content, sender), "care@acme.example", dovecot.PASSWORD)
    cxm = Installation(server.imap, postman.port)
    try:
        server.start()
        cxm.set_up()
        account = cxm.connect(CARE, settings(server, postman, CARE), {"username": CARE, "password": dovecot.PASSWORD})
        yield Post(server, postman, cxm, account)
    finally:
        cxm.stop()
        postman.close()
        server.close()


def settings(server: Dovecot, postman: Postman, address: str) -> dict[str, Any]:
    """How to reach both servers."""
    return {
        "address": address, "display_name": "Acme Care", "imap_host": "127.0.0.1", "imap_port": server.imap, "imap_security": "plain",
        "smtp_host": "127.0.0.1", "smtp_port": postman.port, "smtp_security": "plain",
    }  # fmt: skip


def test_a_mail_is_answered_and_the_answer_answered(post: Post, record_property: Any) -> None:
    asked_id = post.write("Lena Krüger <lena@customer.example>", "Where is my order?", "It was due on Friday.")
    asked_at = time.monotonic()
    conversation = post.conversation_with("lena@customer.example")
    heard = time.monotonic() - asked_at
    assert conversation["state"] == "open"
    assert conversation["mentions"][0]["text"] == "It was due on Friday."

    answered_at = time.monotonic()
    reply = post.answer(conversation, "It leaves today. Sorry for the wait!")
    (mail,) = post.inbox_of("lena")
    answered = time.monotonic() - answered_at
    record_property("seconds from mailbox to inbox", round(heard, 2))
    record_property("seconds from answer to the sender's mailbox", round(answered, 2))
    print(f"heard after {heard:.2f} s, answered after {answered:.2f} s")
    assert heard < 5 and answered < 5

    assert mail["Message-ID"] == f"<{reply}@acme.example>"
    assert mail["In-Reply-To"] == mail["References"] == asked_id
    assert mail["From"] == "Acme Care <care@acme.example>"
    assert mail["Subject"] == "Re: Where is my order?"
    assert mail.get_content().strip() == "It leaves today. Sorry for the wait!"
    assert post.reply_is(reply, "sent")["native_id"] == mail["Message-ID"]

    quoting = "Thank you!\n\nOn Sun, 22 Nov 2026 at 10:00 Acme Care <care@acme.example> wrote:\n> It leaves today. Sorry for the wait!\n"
    post.write("Lena Krüger <lena@customer.example>", str(mail["Subject"]), quoting, answers=mail)
    conversation = post.conversation_with("lena@customer.example", mentions=3)
    first, ours, second = conversation["mentions"]
    assert (first["media_type"], ours["media_type"], second["media_type"]) == ("earned", "owned", "earned")
    assert second["text"] == "Thank you!"
    assert "It leaves today" in second["quoted"]
    assert conversation["state"] == "open"
