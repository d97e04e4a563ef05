"""Invitations by mail, over a real line to a server that takes mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import pytest

from cxm.govern import api as govern
from cxm.govern import tasks
from cxm.kernel.errors import NotNow
from cxm.platform import egress, mail
from cxm.platform.config import Settings, settings
from tests.houses import House
from tests.lab.postman import Postman

WHERE = "https://care.example"


@pytest.fixture
def postman() -> Iterator[Postman]:
    made = Postman(lambda recipient, content, sender: None, "secret word")
    yield made
    made.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was deferred, as the worker would find it."""
    found: list[str] = []
    monkeypatch.setattr(tasks.send_mail, "defer", lambda *, sealed: found.append(sealed))
    return found


def _operate(monkeypatch: pytest.MonkeyPatch, port: int, **more: str) -> None:
    values = {"mail_url": f"smtp://us:secret%20word@127.0.0.1:{port}", "mail_from": "Care <care@marlow.example>", "public_url": WHERE, "egress_allow": f"127.0.0.1:{port}", **more}  # fmt: skip
    changed: Settings = settings().model_copy(update=values)
    for module in ("cxm.platform.mail", "cxm.platform.egress", "cxm.govern.services.members"):
        monkeypatch.setattr(f"{module}.settings", lambda: changed)


def test_an_invitation_is_mailed_and_its_link_lets_in(
    house: House, postman: Postman, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _operate(monkeypatch, postman.port)
    invited = govern.invite(house.owner, "omar@marlow.example", "Omar", "agent")
    assert len(asked) == 1
    assert "accept-invitation" not in asked[0], "a link that lets somebody in does not stand readable in the queue"
    tasks.send_mail.run(sealed=asked[0])
    (taken,) = postman.taken
    letter = message_from_bytes(taken.content, policy=default)
    assert taken.recipient == letter["To"] == "omar@marlow.example"
    assert letter["Auto-Submitted"] == "auto-generated"
    text = letter.get_content()
    link = re.search(r"https://\S+", text)
    assert link is not None and link[0] == invited.link
    assert "Marlow Coffee" in text and house.owner.name in text


def test_without_a_mail_server_the_link_is_shown_alone(house: House, asked: list[str]) -> None:
    assert govern.invite(house.owner, "omar@marlow.example", "Omar", "agent").link
    assert asked == []


def test_a_server_that_takes_nothing_is_tried_again(postman: Postman, monkeypatch: pytest.MonkeyPatch) -> None:
    _operate(monkeypatch, postman.port)
    postman.fault = "later"
    with pytest.raises(NotNow):
        mail.send("omar@marlow.example", "Hello", "Hello")
    postman.fault = ""
    mail.send("omar@marlow.example", "Hello", "Hello")
    assert len(postman.taken) == 1


def test_a_server_inside_the_network_needs_the_operators_word(postman: Postman, monkeypatch: pytest.MonkeyPatch) -> None:
    _operate(monkeypatch, postman.port, egress_allow="")
    with pytest.raises(egress.Forbidden):
        mail.send("omar@marlow.example", "Hello", "Hello")
    assert postman.connections == 0


def test_a_header_cannot_be_smuggled_in(house: House, asked: list[str], postman: Postman, monkeypatch: pytest.MonkeyPatch) -> None:
    _operate(monkeypatch, postman.port)
    with pytest.raises(ValueError, match="linefeed"):
        mail.send("omar@marlow.example\r\nBcc: all@marlow.example", "Hello", "Hello")
    assert postman.taken == []
