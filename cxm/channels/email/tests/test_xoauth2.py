"""Signing in to mail servers with tokens: refused and renewed, ended in mid-IDLE and resumed; nothing lost, nothing twice, nothing sent twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cxm.channels import registry
from cxm.channels.authorization import AccessToken, SignInEnded
from cxm.channels.contracts import AuthExpired, Rejected, Session
from cxm.channels.email.connector import Poll, Reply, Stream, Test
from cxm.channels.email.tests.provider import MailServer, mail
from cxm.channels.email.tests.test_connector import NOW, _reply
from cxm.kernel.clock import now

ADDRESS = "care@acme.example"


class Tokens:
    """What the runtime hands a connector: the token, another once that is refused. ``ended``: there is none to be had."""

    def __init__(self) -> None:
        self.number, self.ended = 1, False
        self.expires_at: Any = None
        self.refused: list[str] = []

    @property
    def value(self) -> str:
        return f"token{self.number}"

    async def __call__(self, refused: str = "") -> AccessToken:
        if refused:
            self.refused.append(refused)
        if self.ended:
            raise SignInEnded("It was withdrawn.", "Sign in anew.")
        if refused == self.value:
            self.number, self.expires_at = self.number + 1, None
        return AccessToken(self.value, self.expires_at, "google")


@pytest.fixture
def server() -> MailServer:
    made = MailServer(2)
    made.capabilities = "IMAP4rev1 IDLE AUTH=XOAUTH2"
    made.takes = lambda token: token == "token1"
    return made


def session(server: MailServer, tokens: Tokens, **more: Any) -> Session:
    return replace(server.session(NOW), credentials=more, token=tokens)


def test_a_token_lets_in_and_one_that_is_refused_is_renewed_once(server: MailServer):
    tokens = Tokens()
    first = asyncio.run(Poll().poll(session(server, tokens), None))
    assert len(first.deliveries) == 2 and server.tokens == [(f"imap {ADDRESS}", "token1")] and tokens.refused == []
    server.takes = lambda token: token == "token2"
    server.mails[3] = mail(3)
    again = asyncio.run(Poll().poll(session(server, tokens), first.cursor))
    assert [one.body for one in again.deliveries] == [mail(3)] and tokens.refused == ["token1"]
    server.takes = lambda token: False
    with pytest.raises(AuthExpired, match=r"does not let care@acme\.example in") as refused:
        asyncio.run(Poll().poll(session(server, tokens), again.cursor))
    assert tokens.refused == ["token1", "token2"] and "IMAP is switched on" in refused.value.mend, (
        "asked for a fresh one once, not for ever"
    )
    tokens.ended = True
    with pytest.raises(SignInEnded):
        asyncio.run(Poll().poll(session(server, tokens), again.cursor))
    server.capabilities = "IMAP4rev1 AUTH=PLAIN"
    with pytest.raises(Rejected, match="takes no sign-in by OAuth2"):
        asyncio.run(Poll().poll(session(server, Tokens()), again.cursor))


def test_an_answer_goes_out_once_however_often_the_token_is_refused_before(server: MailServer):
    tokens = Tokens()
    server.takes = lambda token: token == "token2"
    sent = asyncio.run(Reply().send(session(server, tokens), _reply()))
    assert len(server.sent) == 1 and sent.native_id.startswith("<") and tokens.refused == ["token1"]
    assert [who for who, _ in server.tokens] == [f"smtp {ADDRESS}"] * 2
    server.takes, server.fail = lambda token: False, "smtp off"
    with pytest.raises(AuthExpired, match="does not let this mailbox send") as off:
        asyncio.run(Reply().send(session(server, tokens), _reply()))
    assert "Authenticated SMTP" in off.value.mend and len(server.sent) == 1
    # A sender's identity of its own signs in with its password, as before.
    server.takes, server.fail = None, ""
    asyncio.run(Reply().send(session(server, tokens, smtp_username="care", smtp_password='p"w\\d ü'), _reply()))
    assert len(server.sent) == 2


def test_a_token_that_ends_while_we_listen_is_renewed_and_listening_goes_on(server: MailServer):
    tokens = Tokens()
    tokens.expires_at = now() + timedelta(minutes=1)

    async def listen() -> list[bytes]:
        stream = Stream().listen(session(server, tokens), None)
        heard: list[bytes] = []
        try:
            heard += [one.body for one in (await anext(stream)).deliveries]
            following = asyncio.ensure_future(anext(stream))
            await asyncio.to_thread(server.idling.wait, 30)
            server.mails[3] = mail(3)  # said in the very moment in which the line ends
            server.takes, server.bye = (lambda token: token == "token2"), True
            server.news.set()
            heard += [one.body for one in (await asyncio.wait_for(following, 30)).deliveries]
        finally:
            await stream.aclose()
        return heard

    assert asyncio.run(listen()) == [mail(1), mail(2), mail(3)]
    assert tokens.refused == ["token1"] and [token for _, token in server.tokens] == ["token1", "token2"]


def test_the_button_says_who_was_let_in_and_a_sign_in_that_ended(server: MailServer):
    tokens = Tokens()
    steps = asyncio.run(Test().test(session(server, tokens)))
    assert all(step.ok for step in steps) and f"The sign-in of {ADDRESS} is accepted." in [step.text for step in steps], steps
    tokens.ended = True
    (step,) = asyncio.run(Test().test(session(server, tokens)))
    assert (step.ok, step.text) == (False, "It was withdrawn. Sign in anew.")
    hostile = replace(session(server, Tokens()), credentials={"username": "a\x01auth=Bearer stolen"})
    assert not asyncio.run(Test().test(hostile))[1].ok and len(server.tokens) == 2


def test_the_presets_are_those_the_providers_document():
    ways = {way.name: way for way in registry.channel("email").manifest.auth.ways}
    assert ways["google"].settings["imap_host"] == "imap.gmail.com" and ways["google"].settings["smtp_host"] == "smtp.gmail.com"
    assert ways["google"].scopes == ("https://mail.google.com/",) and ways["google"].parameters["access_type"] == "offline"
    assert (
        ways["microsoft"].settings["imap_host"] == "outlook.office365.com"
        and ways["microsoft"].settings["smtp_host"] == "smtp.office365.com"
    )
    assert "offline_access" in ways["microsoft"].scopes and all(way.pkce and way.client == "post" for way in ways.values())
